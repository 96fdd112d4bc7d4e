"""Arrays of a source brought to the shape a field declares: reshaped, channels first, resized, open sizes solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError, counted
from nnspec.data.pictures import MODES, Pictures
from nnspec.data.resize import resize
from nnspec.data.stream import Mapped, mapped
from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.types import Shape, Size, product, show_shape

if TYPE_CHECKING:
    from nnspec.data.stream import Rows
    from nnspec.data.table import Column, Table

    Array = np.ndarray[Any, Any]


def fit(name: str, shape: Shape, array: Rows, table: Table, columns: list[Column], dims: dict[str, int]) -> Rows:
    """`array` (examples, ...) as (examples, *shape); open sizes that it settles are added to `dims`.

    Equal counts are reshaped; images with their channels last get them first; 8-bit images of another
    size are resized. A stream stays one. Raises DataError E0531.
    """
    if isinstance(array, Pictures):
        return _pictures(name, shape, array, table, dims)
    if isinstance(array, Pictures):
        return _pictures(name, shape, array, table, dims)
    actual = array.shape[1:]
    if len(actual) == len(shape) and _unify(shape, actual, dims):
        return array
    if len(shape) == 3 and len(actual) == 3 and _unify(shape, (actual[2], *actual[:2]), dims):
        return mapped(array, _channels_first, (actual[2], *actual[:2]), array.dtype)
    wanted = sizes(shape, dims)
    if wanted is None:
        _solve_count(shape, int(np.prod(actual, dtype=np.int64)), dims)
        wanted = sizes(shape, dims)
    if wanted is None:
        found = _found(table, columns, actual)
        message = f"{name}: {found} numbers an example, which leaves its shape {show_shape(shape)} open"
        raise DataError("E0531", message, help="give an open size its number in the spec, as in dim T = 28")
    if int(np.prod(wanted, dtype=np.int64)) == int(np.prod(actual, dtype=np.int64)):
        return mapped(array, lambda part: part.reshape(len(part), *wanted), wanted, array.dtype)
    if _is_image(array, wanted):
        return mapped(array, lambda part: resize(_as_image(part, wanted), wanted[1], wanted[2]), wanted, np.uint8)
    count = int(np.prod(wanted, dtype=np.int64))
    raise DataError(
        "E0531",
        f"{name}: {show_shape(shape)} takes {counted(count, 'number')} an example, {_found(table, columns, actual)}",
        help=_hint(name, table, columns, count),
    )


def _pictures(name: str, shape: Shape, images: Pictures, table: Table, dims: dict[str, int]) -> Rows:
    """Pictures with the channels and the size that are declared; open sizes are those of the pictures."""
    if len(shape) == 3:
        for size, own in zip(shape, images.shape[1:], strict=True):
            if own and not isinstance(size, int):
                _settle(size, own, dims)
    wanted = sizes(shape, dims)
    if wanted is not None and len(wanted) == 3 and wanted[0] in MODES:
        return images.sized(*wanted)
    if wanted is not None and len(wanted) == 1 and wanted[0] in (count := _numbers_of(images)):
        flat = images.sized(count[wanted[0]], *images.shape[2:])
        return Mapped(flat, lambda part: part.reshape(len(part), -1), wanted, np.uint8)
    found = " x ".join(map(str, images.shape[2:])) if all(images.shape[2:]) else "different sizes"
    message = f"{name}: {show_shape(shape)} cannot take the images of {table.label}, of {found}"
    raise DataError("E0531", message, help="as in float32[3, 64, 64]: channels (1, 3 or 4), height, width")


def _numbers_of(images: Pictures) -> dict[int, int]:
    """Numbers a picture has in each number of channels, where all are of one size."""
    height, width = images.shape[2:]
    return {channels * height * width: channels for channels in MODES if height * width}


def _found(table: Table, columns: list[Column], actual: tuple[int, ...]) -> str:
    count = int(np.prod(actual, dtype=np.int64))
    if len(columns) == 1:
        return f"{table.kind} {columns[0].title()} of {table.label} has {count}" + (
            f" {list(actual)}" if len(actual) > 1 else ""
        )
    return f"{len(columns)} {table.kind}s of {table.label} have {count}"


def _hint(name: str, table: Table, columns: list[Column], count: int) -> str:
    if len(columns) <= 1 or not table.named:
        return ""
    chosen = ", ".join(f'"{c.name}"' for c in columns[: min(count, 3)])
    return f"choose columns in the call of the source: {name} = [{chosen}{', ...' if count > 3 else ''}]"


def sizes(shape: Shape, dims: dict[str, int]) -> tuple[int, ...] | None:
    """The shape in numbers, or None while a symbol in it is not known."""
    known = all(isinstance(size, int) or size.symbols() <= dims.keys() for size in shape)
    return tuple(evaluate(size, dims) for size in shape) if known else None


def _unify(shape: Shape, actual: tuple[int, ...], dims: dict[str, int]) -> bool:
    """Whether the sizes agree, with the symbols they settle; `dims` changes only if they do."""
    trial = dict(dims)
    if not all(_settle(size, number, trial) for size, number in zip(shape, actual, strict=True)):
        return False
    dims.update(trial)
    return True


def _settle(size: Size, number: int, dims: dict[str, int]) -> bool:
    if isinstance(size, int):
        return size == number
    unknown = size.symbols() - dims.keys()
    if not unknown:
        return size.evaluate(dims) == number
    if len(unknown) > 1:
        return False
    (symbol,) = unknown
    # Sizes of inputs are small expressions that grow with their symbol; number <= size at its solution
    # only fails for quotients, whose divisor is small too.
    for value in range(1, 16 * number + 16):
        if size.evaluate({**dims, symbol: value}) == number:
            dims[symbol] = value
            return True
    return False


def _solve_count(shape: Shape, count: int, dims: dict[str, int]) -> None:
    total = product(shape)
    if isinstance(total, Dim):
        _settle(total, count, dims)


def _is_image(array: Rows, wanted: tuple[int, ...]) -> bool:
    """Whether these are 8-bit images with the channels that are wanted, first, last or left out."""
    if array.dtype != np.uint8 or len(wanted) != 3 or array.ndim not in (3, 4):
        return False
    return wanted[0] == 1 if array.ndim == 3 else wanted[0] in (array.shape[1], array.shape[3])


def _as_image(part: Array, wanted: tuple[int, ...]) -> Array:
    """Such images as (examples, channels, height, width)."""
    if part.ndim == 3:
        return part[:, None]
    return part if part.shape[1] == wanted[0] else np.moveaxis(part, -1, 1)


def _channels_first(part: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(part, -1, 1))
