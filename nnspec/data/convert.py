"""From matched columns to the array of a field: numbers checked, classes numbered, shapes fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError, listing
from nnspec.data.shapes import fit
from nnspec.ir.types import TensorType

if TYPE_CHECKING:
    from nnspec.data.table import Column, Table

    Array = np.ndarray[Any, Any]

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "?"})
TRUTH = {"true": 1, "false": 0, "yes": 1, "no": 0}
INTEGERS: dict[str, Any] = {"class": np.int64, "int32": np.int32, "int64": np.int64, "uint8": np.uint8}


def class_names(type: TensorType, uses: list[tuple[Table, list[Column]]]) -> tuple[str, ...]:
    """The names of the classes of a field over all tables, in sorted order; () where they are numbers.

    Raises DataError E0533 when there are more than `class(C)` has, E0532 for an empty cell.
    """
    if type.dtype != "class":
        return ()
    texts = [(table, column) for table, columns in uses for column in columns if column.is_text]
    if not texts:
        return next((column.classes for _, columns in uses for column in columns if column.classes), ())
    found: set[str] = set()
    for table, column in texts:
        for row, cell in enumerate(column.values.reshape(-1)):
            if str(cell).lower() in MISSING:
                raise DataError("E0532", f"{table.place(column, row)}: no class stands here")
            found.add(str(cell))
    if len(found) > type.classes:
        place = f"{texts[0][0].label}, {texts[0][0].kind} {texts[0][1].title()}"
        shown = listing([f'"{name}"' for name in sorted(found)])
        raise DataError(
            "E0533",
            f"{place} holds {len(found)} classes, the model has class({type.classes})",
            help=f"they are {shown}",
        )
    return tuple(sorted(found))


def convert(
    name: str, type: TensorType, table: Table, columns: list[Column], classes: tuple[str, ...], dims: dict[str, int]
) -> Array:
    """The field's array (examples, *shape) from its columns. Floats stay float64 (8-bit images uint8).

    Raises DataError E0531 (shape), E0532 (no number), E0533 (class out of range), E0534 (not whole).
    """
    arrays = [_numbers(name, type, table, column, classes) for column in columns]
    if len(arrays) == 1:
        array = arrays[0]
    elif all(a.ndim == 1 for a in arrays):
        array = np.stack(arrays, axis=1)
    else:
        array = np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)
    return fit(name, type.shape, array, table, columns, dims)


def _numbers(name: str, type: TensorType, table: Table, column: Column, classes: tuple[str, ...]) -> Array:
    values = _numbered(table, column, classes) if type.dtype == "class" and column.is_text else column.values
    if type.dtype == "bool":
        return _truth(name, table, column)
    if column.is_text and values is column.values:
        raise _no_number(name, table, column)
    if values.dtype.kind == "c":
        raise DataError("E0532", f"{table.label}, {table.kind} {column.title()} holds complex numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row, value = _first(~np.isfinite(values), values)
        raise DataError("E0532", f"{table.place(column, row)}: {value} is not a finite number")
    if type.dtype in INTEGERS:
        return _whole(name, type, table, column, values)
    return values if values.dtype == np.uint8 else values.astype(np.float64, copy=False)


def _numbered(table: Table, column: Column, classes: tuple[str, ...]) -> Array:
    number = {cell: i for i, cell in enumerate(classes)}
    flat = [number.get(str(cell), -1) for cell in column.values.reshape(-1)]
    array = np.array(flat, dtype=np.int64).reshape(column.values.shape)
    if (array < 0).any():
        row, cell = _first(array < 0, column.values)
        raise DataError(
            "E0533",
            f"{table.place(column, row)}: the class {cell!r} was not known in training",
            help=f"known: {listing(classes)}",
        )
    return array


def _truth(name: str, table: Table, column: Column) -> Array:
    if column.is_text:
        words = [TRUTH.get(str(cell).lower(), -1) for cell in column.values.reshape(-1)]
        values: Array = np.array(words).reshape(column.values.shape)
    else:
        values = column.values
    if not np.isin(values, (0, 1)).all():
        row, cell = _first(~np.isin(values, (0, 1)), column.values)
        raise DataError("E0532", f"{table.place(column, row)}: {cell!r} is neither true nor false, which {name} takes")
    return values.astype(bool)


def _no_number(name: str, table: Table, column: Column) -> DataError:
    for row, cell in enumerate(column.values.reshape(-1)):
        try:
            float(cell)
        except ValueError:
            shown = "an empty cell" if not str(cell) else f'"{cell}" is not a number'
            return DataError("E0532", f"{table.place(column, row)}: {shown}, and {name} takes numbers")
    return DataError("E0532", f"{table.label}, {table.kind} {column.title()} holds text, and {name} takes numbers")


def _whole(name: str, type: TensorType, table: Table, column: Column, values: Array) -> Array:
    if values.dtype.kind == "f" and (values != np.floor(values)).any():
        row, value = _first(values != np.floor(values), values)
        raise DataError(
            "E0534", f"{table.place(column, row)}: {value} is not a whole number, which {name}: {type} takes"
        )
    dtype = INTEGERS[type.dtype]
    low, high = (0, type.classes - 1) if type.dtype == "class" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if values.size and (values.min() < low or values.max() > high):
        row, value = _first((values < low) | (values > high), values)
        raise DataError(
            "E0533",
            f"{table.place(column, row)}: {int(value)} is outside {type.with_shape(())}, that is {low} to {high}",
            help=_range_help(name, type, values),
        )
    return values.astype(dtype, copy=False)


def _range_help(name: str, type: TensorType, values: Array) -> str:
    low, high = int(values.min()), int(values.max())
    if type.dtype != "class":
        return ""
    if set(np.unique(values[:1000]).tolist()) == {-1, 1}:
        return f"declare {name}: float32; hinge and perceptron_loss read -1 and 1 as they are"
    if low >= 0:
        return f"the largest is {high}: class({high + 1}) holds them all"
    return f"they go from {low} to {high}: classes count from 0"


def _first(bad: Array, values: Array) -> tuple[int, Any]:
    """Row and value of the first entry that is marked."""
    index = int(np.argmax(bad.reshape(-1)))
    value = values.reshape(-1)[index]
    return index // (values.size // len(values)), value.item() if isinstance(value, np.generic) else value
