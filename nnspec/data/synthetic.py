"""`random(n)`: examples made up to fit the fields, for trying a spec out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.order import normal, words
from nnspec.data.shapes import sizes

if TYPE_CHECKING:
    from nnspec.ir.graph import CallValue, Field
    from nnspec.ir.types import TensorType

    Array = np.ndarray[Any, Any]

OPEN = 8  # the size of an open dim without a default


def random_arrays(
    fields: list[Field], call: CallValue, defaults: dict[str, int], seed: int, part: str, dtype: str = "float64"
) -> dict[str, Array]:
    """`random(n)`: n examples; floats standard normal, classes and truth values uniform, integers 0 or 1."""
    if len(call.args) != 1 or call.kwargs or not isinstance(call.args[0], int) or call.args[0] < 1:
        raise DataError("E0524", "random takes the number of examples, as in random(100)", call.span)
    symbols = {s for f in fields for size in f.value.type.shape if not isinstance(size, int) for s in size.symbols()}
    dims = {symbol: defaults.get(symbol, OPEN) for symbol in symbols}
    return {f.name: draw(f.value.type, call.args[0], dims, (seed, "random", part, f.name), dtype) for f in fields}


def draw(type: TensorType, count: int, dims: dict[str, int], key: tuple[object, ...], dtype: str = "float64") -> Array:
    """`count` random examples of a type, open sizes as `dims` says, floats in `dtype`."""
    shape = (count, *(sizes(type.shape, dims) or ()))
    total = int(np.prod(shape, dtype=np.int64))
    if type.is_float:
        return normal(total, *key, dtype=dtype).reshape(shape)
    high = type.classes if type.dtype == "class" else 256 if type.dtype == "uint8" else 2
    numbers = (words(total, *key) % np.uint64(high)).reshape(shape)
    dtype = {"class": "int64", "bool": "bool"}.get(type.dtype, type.dtype)
    return numbers.astype(dtype)
