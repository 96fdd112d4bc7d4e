"""Emitted text as a module: written by someone, imported here by path. Nothing of a spec is ever executed otherwise."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

_COUNT = iter(range(1 << 62))


def import_file(path: Path) -> ModuleType:
    """The module at a path, under a name of its own, so that several emitted files live side by side."""
    name = f"nnspec_emitted_{next(_COUNT)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickling of user code look their module up
    spec.loader.exec_module(module)
    return module


def require_same_names(given: set[str], wanted: set[str], what: str) -> None:
    """Raise ValueError that names what is missing and what is not expected."""
    missing, extra = sorted(wanted - given), sorted(given - wanted)
    parts = [
        f"{label} {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        for label, names in (("missing:", missing), ("not in the model:", extra))
        if names
    ]
    if parts:
        raise ValueError(f"{what}: {'; '.join(parts)}")
