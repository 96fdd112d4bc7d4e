"""The weights that a run starts from: drawn by Philox from (seed, path), equal on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.ir.graph import Graph

    Array = np.ndarray[Any, Any]
    State = dict[str, Array]


def initial_state(graph: Graph, seed: int, dtype: str = "float32") -> State:
    """Every parameter and buffer by path, in the working float. Drawn in float64, then rounded."""
    from nnspec.ops.draw import draw

    return {p.path: draw(p.init, p.shape, seed, p.path).astype(dtype) for p in graph.root.parameters()}


def from_file(path: Path, state: State) -> State:
    """`init = "weights.safetensors"`: `state` with every tensor of the file that has a place in it.

    Raises TrainError when the file cannot be read, shares no name with the model, or has another shape.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        stored = load(path.read_bytes())
    except OSError as error:
        raise TrainError(f"init: {path} cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise TrainError(f"init: {path} is not a safetensors file: {error}") from error
    shared = [name for name in state if name in stored]
    if not shared:
        raise TrainError(
            f"init: {path} has none of the model's parameters",
            help=f"it has {', '.join(list(stored)[:4])}, ...; the model has {', '.join(list(state)[:4])}, ...",
        )
    for name in shared:
        if stored[name].shape != state[name].shape:
            raise TrainError(
                f"init: {name} is {list(stored[name].shape)} in {path} and {list(state[name].shape)} in the model"
            )
    return {name: stored[name].astype(array.dtype) if name in stored else array for name, array in state.items()}
