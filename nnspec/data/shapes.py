"""Arrays of a source brought to the shape a field declares: reshaped, channels first, resized, open sizes solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.types import Shape, Size, product, show_shape

if TYPE_CHECKING:
    from nnspec.data.table import Column, Table

    Array = np.ndarray[Any, Any]


def fit(name: str, shape: Shape, array: Array, table: Table, columns: list[Column], dims: dict[str, int]) -> Array:
    """`array` (examples, ...) as (examples, *shape); open sizes that it settles are added to `dims`.

    Equal counts are reshaped; images with their channels last get them first; 8-bit images of another
    size are resized. Raises DataError E0531.
    """
    actual = array.shape[1:]
    if len(actual) == len(shape) and _unify(shape, actual, dims):
        return array
    if len(shape) == 3 and len(actual) == 3 and _unify(shape, (actual[2], *actual[:2]), dims):
        return np.ascontiguousarray(np.moveaxis(array, -1, 1))
    wanted = sizes(shape, dims)
    if wanted is None:
        _solve_count(shape, int(np.prod(actual, dtype=np.int64)), dims)
        wanted = sizes(shape, dims)
    if wanted is None:
        raise DataError(
            "E0531",
            f"{name} has the open shape {show_shape(shape)}, which {_found(table, columns, actual)} do not settle",
        )
    if int(np.prod(wanted, dtype=np.int64)) == int(np.prod(actual, dtype=np.int64)):
        return array.reshape(len(array), *wanted)
    if (image := _as_image(array, wanted)) is not None:
        return resize(image, wanted[1], wanted[2])
    count = int(np.prod(wanted, dtype=np.int64))
    raise DataError(
        "E0531",
        f"{name}: {show_shape(shape)} takes {count} numbers an example, {_found(table, columns, actual)}",
        help=_hint(name, table, columns, count),
    )


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


def _as_image(array: Array, wanted: tuple[int, ...]) -> Array | None:
    """An 8-bit image batch as (examples, channels, height, width) if its channels are those wanted."""
    if array.dtype != np.uint8 or len(wanted) != 3 or array.ndim not in (3, 4):
        return None
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] != wanted[0] and array.shape[3] == wanted[0]:
        array = np.moveaxis(array, -1, 1)
    return array if array.shape[1] == wanted[0] else None


def resize(images: Array, height: int, width: int) -> Array:
    """Bilinear resizing of (examples, channels, H, W) uint8 images, centres of pixels aligned, not antialiased."""
    rows, columns = _weights(images.shape[2], height), _weights(images.shape[3], width)
    out = np.empty((*images.shape[:2], height, width), np.uint8)
    for start in range(0, len(images), 1024):
        part = rows @ images[start : start + 1024].astype(np.float64) @ columns.T
        out[start : start + 1024] = np.rint(part)
    return out


def _weights(size: int, wanted: int) -> Array:
    """(wanted, size): how much of each old line goes into each new one."""
    centre = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    low = np.floor(centre).astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    weights = np.zeros((wanted, size))
    np.add.at(weights, (np.arange(wanted), low), 1.0 - (centre - low))
    np.add.at(weights, (np.arange(wanted), high), centre - low)
    return weights
