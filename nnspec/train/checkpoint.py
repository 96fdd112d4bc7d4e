"""Checkpoints: all that a run needs to go on, or to be used: weights, optimizer state, and where it stood.

A checkpoint is a folder of `weights.safetensors` (parameters and buffers by path, as any PyTorch user
would load them), `optimizer.safetensors` (`<path>/<slot>` and `step`) and `checkpoint.json`, which holds
the progress and the SHA-256 of everything: safetensors itself has no checksum.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.files import candidates, sha256, to_json, write_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    State = dict[str, np.ndarray[Any, Any]]

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
    """`optimizer` is empty for a checkpoint that is only to be used, such as `best`."""

    weights: State
    optimizer: State
    progress: Progress
    run: dict[str, Any]  # seed, backend, dtype, chunk: what the bits depend on


def averaged(weights: State, optimizer: State) -> State:
    """The weights that are used: under `ema` the averages that the optimizer's state holds, once there are any."""
    if not int(optimizer.get("step", 0)):
        return weights
    return {path: optimizer.get(f"{path}/ema", array) for path, array in weights.items()}


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the folder `path`; what stood there before stays readable until the new one is complete."""
    files = {"weights.safetensors": _pack(checkpoint.weights)}
    if checkpoint.optimizer:
        files["optimizer.safetensors"] = _pack(checkpoint.optimizer)
    progress = {name: getattr(checkpoint.progress, name) for name in Progress._fields}
    head = {
        "format": FORMAT,
        "progress": progress,
        "run": checkpoint.run,
        "files": {name: sha256(content) for name, content in files.items()},
    }
    head["hash"] = _hash(head)
    write_folder(path, {**files, "checkpoint.json": to_json(head).encode()})


def load(path: Path) -> Checkpoint:
    """Read the folder `path`, or what an interrupted `save` left beside it.

    Raises TrainError when there is none, or when its content is not what was written.
    """
    problem = f"there is no checkpoint {path}"
    for folder in candidates(path):
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"the checkpoint {folder} is damaged: {error}"
    raise TrainError(problem)


def _read(folder: Path) -> Checkpoint:
    head = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    if head["hash"] != _hash({key: value for key, value in head.items() if key != "hash"}):
        raise ValueError("checkpoint.json does not match its hash")
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']}, this nnspec reads {FORMAT}")
    states: dict[str, State] = {"weights.safetensors": {}, "optimizer.safetensors": {}}
    for name, expected in head["files"].items():
        content = (folder / name).read_bytes()
        if sha256(content) != expected:
            raise ValueError(f"{name} does not match its hash")
        states[name] = _unpack(content)
    return Checkpoint(
        states["weights.safetensors"], states["optimizer.safetensors"], _progress(head["progress"]), head["run"]
    )


def _progress(found: dict[str, Any]) -> Progress:
    lists = {"losses": tuple(found["losses"]), "plateaus": tuple(map(tuple, found["plateaus"]))}
    return Progress(**{**found, **lists})


def _hash(head: Mapping[str, Any]) -> str:
    return sha256(json.dumps(head, sort_keys=True).encode())


def _pack(state: Mapping[str, Any]) -> bytes:
    import numpy as np
    from safetensors.numpy import save as pack

    # safetensors writes the memory of an array as it lies: views and other orders must be copied first.
    return pack({name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in state.items()})


def _unpack(content: bytes) -> State:
    from safetensors.numpy import load as unpack

    return unpack(content)
