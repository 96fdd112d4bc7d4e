"""Specs from the command line: loaded and checked, warnings told, errors raised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnspec.cli.console import Failure, report
from nnspec.cli.options import outside_allowed

if TYPE_CHECKING:
    from nnspec.compiler import Spec


def load(file: str, model: str | None, settings: dict[str, str]) -> Spec:
    """The spec of a file, ready for any verb; its warnings go to stderr. Raises SpecError."""
    from nnspec.compiler import load as load_spec

    spec = load_spec(Path(file), model=model, set=settings, allow_outside=outside_allowed())
    report(spec.diagnostics, spec.sources)
    return spec


def run_or_spec(target: str, model: str | None, settings: dict[str, str]) -> str | Spec:
    """A run folder as it is named; anything else as a spec. Raises SpecError, and Failure for settings of a run."""
    if not Path(target).is_dir():
        return load(target, model, settings)
    if model is not None or settings:
        raise Failure(f"{target} is a run, whose model is settled", help="--model and --set are for a spec")
    return target
