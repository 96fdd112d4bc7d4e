"""What every backend is given: the emitted file without randomness, one state, one batch."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.base import Options
from nnspec.backends.faults import Guarded, Origin
from nnspec.backends.values import index_limits, sample_dims
from nnspec.ir.dims import evaluate
from nnspec.ops.draw import draw

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.backends.base import Array, Driver, State
    from nnspec.ir.graph import Graph
    from nnspec.ir.types import TensorType


def open_drivers(
    graph: Graph, backends: tuple[str, ...], dtype: str, device: str, optimize: int, folder: Path
) -> dict[str, Driver]:
    """One running emitted module a backend. ModuleNotFoundError where its framework is missing."""
    drivers: dict[str, Driver] = {}
    for name in backends:
        options = Options(optimize=optimize, verify=True)
        text = import_module(f"nnspec.backends.{name}.emit").emit(graph, options)
        path = folder / f"{name}_{len(list(folder.iterdir()))}.py"
        path.write_text(text, encoding="utf-8")
        make = partial(import_module(f"nnspec.backends.{name}.driver").Driver, path, dtype=dtype, device=device)
        drivers[name] = Guarded(make, path, Origin(graph, name, options))
    return drivers


def start_state(graph: Graph, seed: int, dtype: str) -> dict[str, Array]:
    """The declared initialisers, each parameter moved a little so that zeros and ones are tested as well."""
    state: dict[str, Array] = {}
    for p in graph.root.parameters():
        value = draw(p.init, p.shape, seed, p.path)
        if p.role != "buffer":
            value = value + 0.05 * random(seed, f"shift/{p.path}").standard_normal(p.shape)
        state[p.path] = np.asarray(value, dtype=dtype)
    return state


def random(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for every named quantity."""
    import hashlib

    key = int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def random_batch(graph: Graph, size: int, seed: int, dtype: str) -> dict[str, Array]:
    """Standard normal floats, uniform classes and indices: inputs, targets and noise of `size` examples."""
    env = sample_dims(graph)
    batch = {}
    rows: dict[str, int] = {}  # of the tables that indices look into
    for field, limit, _ in index_limits(graph):
        rows[field.name] = min(limit, rows.get(field.name, limit))
    for field in graph.fields:
        shape = (size, *(evaluate(n, env) for n in field.value.type.shape))
        high = field.value.type.classes or rows.get(field.name, 256 if field.value.type.dtype == "uint8" else 10)
        batch[field.name] = _values(field.value.type, shape, random(seed, f"batch/{field.name}"), dtype, high)
    return batch


def with_noise(graph: Graph, batch: State, size: int, seed: int, dtype: str) -> dict[str, Array]:
    """The batch and the noise that it lacks, so that every backend sees the same draw."""
    drawn = random_batch(graph, size, seed, dtype)
    env = {name: array for name, array in drawn.items() if name not in batch}
    return {**batch, **env}


def projections(graph: Graph, outputs: State, seed: int, dtype: str) -> dict[str, Array]:
    """A fixed random tensor for each float output: what stands for a loss where there is none."""
    return {
        f"{name}.weight": np.asarray(
            random(seed, f"projection/{name}").standard_normal(outputs[name].shape), dtype=dtype
        )
        for name, value in graph.outputs.items()
        if value.type.is_float
    }


def _values(kind: TensorType, shape: tuple[int, ...], generator: np.random.Generator, dtype: str, high: int) -> Any:
    if kind.is_float:
        return generator.standard_normal(shape).astype(dtype)
    if kind.dtype == "bool":
        return generator.random(shape) < 0.5
    numbers = generator.integers(0, high, shape)
    return numbers.astype("int64" if kind.dtype == "class" else kind.dtype)
