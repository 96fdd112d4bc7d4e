"""Every code that a diagnostic can have: what it means, an example, the example put right (`nnspec explain E0301`)."""

from __future__ import annotations

from nnspec.codes import files, names, running, shapes, syntax, training
from nnspec.codes.code import Code

CODES: dict[str, Code] = {
    **syntax.CODES,
    **names.CODES,
    **shapes.CODES,
    **training.CODES,
    **files.CODES,
    **running.CODES,
}

__all__ = ["CODES", "Code"]
