"""Checkpoints: all that a run needs to go on, or to be used: weights, optimizer state, and where it stood.

A checkpoint is a folder of `weights.safetensors` (parameters and buffers by path, as any PyTorch user
would load them), `optimizer.safetensors` (`<path>/<slot>` and `step`) and `checkpoint.json`, which holds
the progress and the SHA-256 of everything: safetensors itself has no checksum. Beside `last` stands
`last.previous`, the one before it, which is read where `last` turns out to be damaged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.files import candidates, remove, sha256, to_json, write_folder
from nnspec.train.logs import Mark
from nnspec.train.stored import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from nnspec.ir.graph import Graph

    State = dict[str, np.ndarray[Any, Any]]

Pieces = bytes | memoryview
DTYPES = {  # NumPy's names and those of safetensors
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
Plateaus = tuple[float | None, ...]
FORMAT = 1


class Progress(Record):
    """Where a run stands after `step` steps: in `epoch` (from 1), after `done` of its steps.

    `loss_sum` and `seen` are the sum of the objective over, and the number of, the examples of the
    epoch so far. `best` is the best watched value (None before the first), reached in `best_epoch`.
    `finished` says why the run is over, empty while it is not. `losses` are the sums for each of several objectives.
    `plateaus` says for each group of parameters with a `plateau` rate the best value it has seen, the epochs since,
    and how often the rate was cut; it is empty for other groups.
    """

    step: int = 0
    epoch: int = 1
    done: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    best: float | None = None
    best_epoch: int = 0
    finished: str = ""
    losses: tuple[float, ...] = ()
    plateaus: tuple[Plateaus, ...] = ()


class Checkpoint(Record):
    """`optimizer` is empty for a checkpoint that is only to be used, such as `best`.

    `metrics` says how far metrics.jsonl had come. `notes` say what was wrong with newer checkpoints, if this one was
    read in their place.
    """

    weights: State
    optimizer: State
    progress: Progress
    run: dict[str, Any]  # seed, backend, dtype, chunk: what the bits depend on
    metrics: Mark = Mark()
    notes: tuple[str, ...] = ()


def averaged(weights: State, optimizer: State) -> State:
    """The weights that are used: under `ema` the averages that the optimizer's state holds, once there are any."""
    if not int(optimizer.get("step", 0)):
        return weights
    return {path: optimizer.get(f"{path}/ema", array) for path, array in weights.items()}


def save(path: Path, checkpoint: Checkpoint, *, keep: bool = True) -> None:
    """Write the folder `path`; what stood there before is kept beside it, unless `keep` says otherwise.

    Raises TrainError where it cannot be written: then the one before can still be read.
    """
    files: dict[str, list[Pieces]] = {"weights.safetensors": _pack(checkpoint.weights)}
    if checkpoint.optimizer:
        files["optimizer.safetensors"] = _pack(checkpoint.optimizer)
    progress = {name: getattr(checkpoint.progress, name) for name in Progress._fields}
    head = {
        "format": FORMAT,
        "progress": progress,
        "run": checkpoint.run,
        "metrics": {"size": checkpoint.metrics.size, "hash": checkpoint.metrics.hash},
        "files": {name: sha256(*content) for name, content in files.items()},
    }
    head["hash"] = _hash(head)
    try:
        write_folder(path, {**files, "checkpoint.json": [to_json(head).encode()]}, previous(path))
        if not keep:
            remove(previous(path))
    except OSError as error:
        raise TrainError(
            f"the checkpoint after step {checkpoint.progress.step} cannot be written: {reason(error)}",
            help=f"the one before is kept; nnspec train --resume {path.parent.parent} goes on from it",
        ) from error


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(path.name + ".previous")


def load(path: Path) -> Checkpoint:
    """Read the folder `path`; where it is damaged, what an interrupted `save` left beside it, or the one before.

    Raises TrainError when there is none that is whole.
    """
    problems: list[str] = []
    for folder in candidates(path, previous(path)):
        try:
            found = _read(folder)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problems.append(f"the checkpoint {folder} is damaged: {reason(error)}")
            continue
        if problems:
            problems.append(f"taken instead: {folder}, after step {found.progress.step}")
        return found.replace(notes=tuple(problems))
    raise TrainError("; ".join(problems) or f"there is no checkpoint {path}")


def reason(error: Exception) -> str:
    """An error in words, with the file it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _read(folder: Path) -> Checkpoint:
    head = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    if not isinstance(head, dict):
        raise ValueError("checkpoint.json is no table of values by name")
    if head["hash"] != _hash({key: value for key, value in head.items() if key != "hash"}):
        raise ValueError("checkpoint.json does not match its hash")
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']}, this nnspec reads {FORMAT}")
    if wrong := CHECKPOINT(head):
        raise ValueError(f"checkpoint.json: {wrong.lstrip('.')}")
    states: dict[str, State] = {"weights.safetensors": {}, "optimizer.safetensors": {}}
    for name in states.keys() & head["files"].keys():
        content = (folder / name).read_bytes()
        if sha256(content) != head["files"][name]:
            raise ValueError(f"{name} does not match its hash")
        states[name] = _unpack(content)
    mark = Mark(head["metrics"]["size"], head["metrics"]["hash"])
    weights, optimizer = states["weights.safetensors"], states["optimizer.safetensors"]
    return Checkpoint(weights, optimizer, _progress(head["progress"]), head["run"], mark)


def require_fit(checkpoint: Checkpoint, graph: Graph, run: Path) -> None:
    """Raises TrainError unless the arrays are those of a model: hashes say what was written, not by whom."""
    import numpy as np

    wanted = {p.path: p.shape for p in graph.root.parameters()}
    found = checkpoint.weights
    for name, array in sorted(found.items()):
        if name not in wanted:
            wrong = f"{name}, which the model does not have"
        elif array.shape != wanted[name]:
            wrong = f"{name} of shape {list(array.shape)}, in the model it is {list(wanted[name])}"
        elif array.dtype.kind != "f" or not np.isfinite(array).all():
            wrong = f"{name} with entries that are no finite floats"
        else:
            continue
        raise TrainError(f"the checkpoint of {run} holds {wrong}")
    if lacking := sorted(wanted.keys() - found.keys()):
        raise TrainError(f"the checkpoint of {run} lacks {', '.join(lacking[:3])}")
    for name, array in sorted(checkpoint.optimizer.items()):
        shape = wanted.get(name.rpartition("/")[0])
        if name != "step" and (shape is None or array.shape not in (shape, ())):
            raise TrainError(f"the checkpoint of {run} holds {name} of the optimizer, which does not fit the model")


def _progress(found: dict[str, Any]) -> Progress:
    lists = {"losses": tuple(found["losses"]), "plateaus": tuple(map(tuple, found["plateaus"]))}
    return Progress(**{**found, **lists})


def _hash(head: Mapping[str, Any]) -> str:
    return sha256(json.dumps(head, sort_keys=True).encode())


def _pack(state: Mapping[str, Any]) -> list[Pieces]:
    """The safetensors form of arrays, piece by piece: a header, then the arrays' own memory, none of it copied.

    https://github.com/huggingface/safetensors#format; the library's writer would copy everything twice.
    """
    import numpy as np

    # Large items first, so that each array starts at a multiple of the size of its items.
    names = sorted(state, key=lambda name: (-np.asarray(state[name]).itemsize, name))
    header: dict[str, Any] = {}
    pieces: list[Pieces] = []
    at = 0
    for name in names:
        array = np.asarray(state[name], order="C")
        kind = DTYPES[array.dtype.newbyteorder("=").name]
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
        pieces.append(little.reshape(-1).view(np.uint8).data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *pieces]


def _unpack(content: bytes) -> State:
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        return unpack(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
