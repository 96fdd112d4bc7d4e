"""Specs from the command line: loaded and checked, warnings told, errors raised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnspec.cli.console import report

if TYPE_CHECKING:
    from nnspec.compiler import Spec


def load(file: str, model: str | None, settings: dict[str, str]) -> Spec:
    """The spec of a file, ready for any verb; its warnings go to stderr. Raises SpecError."""
    from nnspec.compiler import load as load_spec

    spec = load_spec(Path(file), model=model, set=settings)
    report(spec.diagnostics, spec.sources)
    return spec
