"""`reproduce`: a run trained again from the files that it kept, and compared bit for bit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train import folder as folders
from nnspec.train.errors import TrainError
from nnspec.train.job import Job
from nnspec.train.run import Listener, Result, begin
from nnspec.train.session import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.train.session import Compiled

    Arrays = Mapping[str, np.ndarray[Any, Any]]


class Reproduction(Record):
    """`same` lists what was compared and is equal in every bit, `different` says what is not, and by how much.

    `notes` are differences of the machine that may be the reason.
    """

    result: Result
    same: tuple[str, ...]
    different: tuple[str, ...]
    notes: tuple[str, ...]


def reproduce(
    run: str | Path,
    *,
    run_dir: str | Path | None = None,
    listener: Listener | None = None,
    trust_code: bool = False,
) -> Reproduction:
    """Train a finished run again in a folder of its own, from its spec, code, plan and choices.

    Raises TrainError where the run is not finished, files it needs have changed, or its code is not what its spec says
    (unless `trust_code`); Diverged where this one diverges.
    """
    from nnspec.compiler import load

    began = time.perf_counter()
    first = folders.read_run(run)
    if not first.finished:
        help = f"nnspec train --resume {first.folder}"
        raise TrainError(f"{first.folder} is not finished: there is nothing to compare with", help=help)
    first.texts()
    spec: Compiled = load(first.folder / "spec.nn", model=first.model)
    with one_blas_thread(first.backend, first.resolved["blas"]):
        job = Job(spec, first.backend, **first.settings, kept=first, trust_code=trust_code)
        result = begin(job, run_dir, listener or Listener(), began)
    same, different = compare(first.folder, result.folder)
    notes = folders.differences(first.folder, job.backend, job.device)
    return Reproduction(result, tuple(same), tuple(different), tuple(notes))


def compare(one: Path, other: Path) -> tuple[list[str], list[str]]:
    """What two finished runs have in common in every bit, and what they have not."""
    same: list[str] = []
    different: list[str] = []
    for name in ("metrics.jsonl", folders.RESULT):
        mine, theirs = ((folder / name).read_bytes() for folder in (one, other))
        if mine == theirs:
            same.append(name)
        else:
            different.append(f"{name}: {_first_line(mine, theirs)}")
    for name in ("last", "best"):
        paths = [folder / "checkpoints" / name for folder in (one, other)]
        if not any(path.exists() for path in paths):
            continue
        mine_, theirs_ = (checkpoints.load(path) for path in paths)
        found = [*_arrays(mine_.weights, theirs_.weights), *_arrays(mine_.optimizer, theirs_.optimizer)]
        if mine_.progress != theirs_.progress:
            found.append(f"progress: {mine_.progress} and {theirs_.progress}")
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            different.append(f"checkpoints/{name}: {found[0]}{more}")
        else:
            same.append(f"checkpoints/{name}")
    return same, different


def _arrays(mine: Arrays, theirs: Arrays) -> list[str]:
    found = []
    for name in sorted({*mine, *theirs}):
        a, b = mine.get(name), theirs.get(name)
        if a is None or b is None:
            found.append(f"{name} is in one alone")
        elif (a.dtype, a.shape) != (b.dtype, b.shape):
            found.append(f"{name} is {a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}")
        elif a.tobytes() != b.tobytes():
            far = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
            found.append(f"{name} differs in {np.count_nonzero(far)} of {a.size} numbers, by {far.max():.3g} at most")
    return found


def _first_line(mine: bytes, theirs: bytes) -> str:
    lines = list(zip(mine.splitlines(), theirs.splitlines(), strict=False))
    number, pair = next(((i, p) for i, p in enumerate(lines, 1) if p[0] != p[1]), (len(lines) + 1, (b"", b"")))
    return (
        f"line {number}: {pair[0].decode()[:160]} | {pair[1].decode()[:160]}" if pair[0] else f"ends at line {number}"
    )
