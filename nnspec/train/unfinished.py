"""Which run `nnspec train SPEC --resume` goes on with, and whether it is the same run that the command line means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.train.errors import TrainError
from nnspec.train.folder import Run, is_run, read_run, run_folders
from nnspec.train.job import run_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.train.session import Compiled


def run_to_resume(spec: Compiled, run_dir: Path | None, given: Mapping[str, Any]) -> Run | None:
    """The newest unfinished run of a spec, else the newest finished one; None where it was never trained.

    `given` is what the command line says of backend, device, dtype, seed and epochs (None: nothing). Raises TrainError
    where the run was begun from another text, other settings or for another backend.
    """
    path = Path(spec.path).resolve()
    found = [run for run in _runs(spec.graph.name, run_dir) if run.model == spec.graph.name and run.spec == path]
    if not found:
        return None
    run = next((run for run in reversed(found) if not run.finished), found[-1])
    _same_settings(run, given)
    _same_text(run, spec, given)
    return run


def _runs(model: str, run_dir: Path | None) -> list[Run]:
    if run_dir is not None:
        return [read_run(run_dir)] if is_run(run_dir) else []
    return [read_run(path) for path in run_folders(Path("runs") / model)]


def _same_settings(run: Run, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        before = run.resolved["plan"]["epochs"] if name == "epochs" else run.resolved.get(name)
        if value is not None and value != before:
            raise TrainError(
                f"{run.folder} was begun with {name} = {before}, and now it is {value}",
                help=f"nnspec train --resume {run.folder} goes on as it was begun; without --resume a new run begins",
            )


def _same_text(run: Run, spec: Compiled, given: Mapping[str, Any]) -> None:
    """The spec of now, with the settings that the run was begun with, is the text that the run keeps."""
    from nnspec.compiler import load

    settings = {**run.resolved["settings"], **spec.settings}
    again: Compiled = load(spec.path, model=run.model, set=settings, allow_outside=spec.allow_outside)
    now, before = run_texts(again, {}), run.texts()
    for name in sorted({*now, *before}):
        old, new = _bare(before.get(name, "")), _bare(now.get(name, ""))
        if old != new:
            was, is_now = next((a, b) for a, b in zip([*old, ""], [*new, ""], strict=False) if a != b)
            raise TrainError(
                f"{spec.path} has changed since {run.folder} was begun: it had {was or 'no more lines'!r}, "
                f"and now {is_now or 'no more lines'!r}",
                help=f"nnspec train --resume {run.folder} goes on with the spec that the run keeps; "
                "without --resume a new run begins",
            )


def _bare(text: str) -> list[str]:
    """The lines of a spec without comments and without what only looks."""
    bare = (re.sub(r'("[^"\n]*")|#.*', lambda m: m[1] or "", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in bare if line.strip()]
