"""The weights that a run starts from: drawn by Philox from (seed, path), equal on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.passes.rates import matches
from nnspec.train.errors import TrainError
from nnspec.train.tensors import read_tensors
from nnspec.train.weights import importable, single

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.ir.graph import Graph

    Array = np.ndarray[Any, Any]
    State = dict[str, Array]


def initial_state(graph: Graph, seed: int, dtype: str = "float32", base: Path | None = None) -> State:
    """Every parameter and buffer by path, in the working float. Drawn in float64, then rounded.

    With `base`, the folder of the spec, files that `init = "weights.safetensors"` names are read: a parameter
    takes its tensor of the last entry that matches it, unless that entry is an initialiser.
    Raises TrainError for a file that does not fit.
    """
    from nnspec.ops.draw import draw

    state = {p.path: draw(p.init, p.shape, seed, p.path).astype(dtype) for p in graph.root.parameters()}
    if base is not None:
        for file, pattern, paths in _files(graph):
            state.update(from_file(base / file, {path: state[path] for path in paths}, pattern))
    return state


def initial_files(graph: Graph, base: Path) -> list[Path]:
    """The files of weights that a run of the model starts from."""
    return [base / file for file, _, paths in _files(graph) if paths]


def _files(graph: Graph) -> list[tuple[str, str, list[str]]]:
    """Each file of `init`, the pattern it stands under, and the parameters it is the last to match."""
    settings = graph.training.settings if graph.training else {}
    single = settings.get("init")
    entries: Any = settings.get("inits", (("*", single),) if isinstance(single, str) else ())
    last: dict[str, int] = {}
    for index, (pattern, _) in enumerate(entries):
        last.update({p.path: index for p in graph.root.parameters() if matches(p.path, pattern)})
    return [
        (value, pattern, [path for path, chosen in last.items() if chosen == index])
        for index, (pattern, value) in enumerate(entries)
        if isinstance(value, str)
    ]


def from_file(path: Path, state: State, pattern: str = "*") -> State:
    """`state` with every tensor of the file that has a place in it.

    Under a pattern, names in the file may also lack the part of the path that the pattern gives.
    Raises TrainError when the file cannot be read, shares no name with `state`, or has another shape.
    """
    try:
        stored, _ = read_tensors(importable(path))
    except TrainError as error:
        raise TrainError(f"init: {error.message}", help=error.help) from error
    names = {name: name if name in stored else name.removeprefix(f"{pattern}.") for name in state}
    shared = {name: stored[key] for name, key in names.items() if key in stored}
    if state and not shared:
        known, held = ", ".join(list(state)[:4]), ", ".join(list(stored)[:4])
        help = f"it has {held}, ...; the model has {known}, ..."
        raise TrainError(f"init: {path} has none of the model's parameters", help=help)
    for name, tensor in shared.items():
        if tensor.shape != state[name].shape:
            theirs, ours = list(tensor.shape), list(state[name].shape)
            raise TrainError(f"init: {name} is {theirs} in {path} and {ours} in the model")
    return {
        name: single(path, name, shared[name], str(array.dtype)) if name in shared else array
        for name, array in state.items()
    }
