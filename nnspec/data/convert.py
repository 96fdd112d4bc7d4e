"""From matched columns to the array of a field: numbers checked, classes numbered, shapes fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError, listing
from nnspec.data.shapes import fit
from nnspec.data.stream import Stacked, blocks, is_streamed, mapped
from nnspec.ir.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.data.stream import Rows
    from nnspec.data.table import Column, Table

    Array = np.ndarray[Any, Any]

EMPTY = "fill the cell, or leave its row out of the file"
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "?"})
TRUTH = {"true": 1, "false": 0, "yes": 1, "no": 0}
INTEGERS: dict[str, Any] = {"class": np.int64, "int32": np.int32, "int64": np.int64, "uint8": np.uint8}


def class_names(type: TensorType, uses: list[tuple[Table, list[Column]]]) -> tuple[str, ...]:
    """The names of the classes of a field over all tables, in sorted order; () where they are numbers.

    Of a text, they are its characters in the order of their code points.
    Raises DataError E0533 when there are more than `class(C)` has, E0532 for an empty cell.
    """
    letters = [column.values for _, columns in uses for column in columns if column.letters]
    if letters:
        return _vocabulary(type, uses[0][0], letters)
    if type.dtype != "class":
        return ()
    texts = [(table, column) for table, columns in uses for column in columns if column.is_text]
    if not texts:
        return next((column.classes for _, columns in uses for column in columns if column.classes), ())
    found: set[str] = set()
    for table, column in texts:
        for row, cell in enumerate(column.values.reshape(-1)):
            if str(cell).lower() in MISSING:
                raise DataError("E0532", f"{table.place(column, row)}: no class stands here", help=EMPTY)
            found.add(str(cell))
    if len(found) > type.classes:
        place = f"{texts[0][0].label}, {texts[0][0].kind} {texts[0][1].title()}"
        shown = listing([f'"{name}"' for name in sorted(found)])
        raise DataError(
            "E0533",
            f"{place} holds {len(found)} classes, the model has class({type.classes})",
            help=f"class({len(found)}) holds them all: {shown}",
        )
    return tuple(sorted(found))


def _vocabulary(type: TensorType, table: Table, letters: list[Array]) -> tuple[str, ...]:
    seen = np.zeros(0x110000, bool)  # of all code points: sorting a long text would take many times its memory
    for points in letters:
        for _, block in blocks(points):
            seen[block] = True
    found = np.flatnonzero(seen).tolist()
    if type.dtype == "class" and len(found) > type.classes:
        shown = "".join(map(chr, found))
        message = f"{table.label} has {len(found)} different characters, the model has class({type.classes})"
        raise DataError("E0533", message, help=f"class({len(found)}) holds them all: {shown!r}")
    return tuple(map(chr, found))


def convert(
    name: str, type: TensorType, table: Table, columns: list[Column], classes: tuple[str, ...], dims: dict[str, int]
) -> Rows:
    """The field's array (examples, *shape) from its columns. Floats stay float64 (8-bit images uint8).

    Of columns that lie in a file it is a stream.
    Raises DataError E0531 (shape), E0532 (no number), E0533 (class out of range), E0534 (not whole).
    """
    arrays = [_numbers(name, type, table, column, classes) for column in columns]
    if len(arrays) == 1:
        return fit(name, type.shape, arrays[0], table, columns, dims)
    if any(is_streamed(array) for array in arrays):
        return fit(name, type.shape, Stacked(arrays), table, columns, dims)
    flat = [np.asarray(array).reshape(len(array), -1) for array in arrays]
    return fit(name, type.shape, np.concatenate(flat, axis=1), table, columns, dims)


def _numbers(name: str, type: TensorType, table: Table, column: Column, classes: tuple[str, ...]) -> Rows:
    if type.dtype == "bool":
        return _truth(name, table, column)
    values = column.values
    if column.letters:
        return _letters(type, table, column, classes)
    if column.is_text:
        if type.dtype != "class":
            raise _no_number(name, table, column)
        values = _numbered(table, column, classes)
    if values.dtype.kind == "f":
        _require(np.isfinite, values, "E0532", table, column, "is not a finite number", EMPTY)
    if type.dtype in INTEGERS:
        return _whole(name, type, table, column, values)
    if values.dtype == np.uint8:
        return values
    return mapped(values, lambda part: part.astype(np.float64, copy=False), values.shape[1:], np.float64)


def _require(
    good: Callable[[Array], Array], values: Rows, code: str, table: Table, column: Column, fault: str, help: str = ""
) -> None:
    """Every number of a column holds `good`, or the first that does not is named with its row."""
    for start, block in blocks(values):
        fine = good(block)
        if not fine.all():
            row, value = _first(~fine, block)
            shown = int(value) if code == "E0533" else value
            raise DataError(code, f"{table.place(column, start + row)}: {shown} {fault}", help=help)


def _letters(type: TensorType, table: Table, column: Column, classes: tuple[str, ...]) -> Array:
    """Code points as places in the vocabulary `classes`, whose order is that of code points."""
    known = np.array([ord(letter) for letter in classes], column.values.dtype)
    numbers = np.searchsorted(known, column.values)
    missing = known[np.minimum(numbers, len(known) - 1)] != column.values
    if missing.any():
        row = int(np.argmax(missing))
        letter = chr(int(column.values[row]))
        raise DataError(
            "E0533",
            f"{table.place(column, row)}: the character {letter!r} was not known in training",
            help=f"known: {''.join(classes)!r}",
        )
    return numbers.astype(INTEGERS.get(type.dtype, np.float64))


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


def _truth(name: str, table: Table, column: Column) -> Rows:
    values: Rows = column.values
    if column.is_text:
        words = [TRUTH.get(str(cell).lower(), -1) for cell in column.values.reshape(-1)]
        values = np.array(words).reshape(column.values.shape)
    for start, block in blocks(values):
        if not np.isin(block, (0, 1)).all():
            row, _ = _first(~np.isin(block, (0, 1)), block)
            _, cell = _first(~np.isin(block, (0, 1)), np.asarray(column.values[start : start + len(block)]))
            place = table.place(column, start + row)
            raise DataError("E0532", f"{place}: {cell!r} is neither true nor false, which {name} takes")
    return mapped(values, lambda part: part.astype(bool), values.shape[1:], bool)


def _no_number(name: str, table: Table, column: Column) -> DataError:
    for row, cell in enumerate(column.values.reshape(-1)):
        try:
            float(cell)
        except ValueError:
            place = table.place(column, row)
            if str(cell).lower() in MISSING:
                shown = f'"{cell}"' if str(cell) else "an empty cell"
                return DataError("E0532", f"{place}: {shown}, and {name} takes numbers", help=EMPTY)
            message = f'{place}: "{cell}" is not a number, and {name} takes numbers'
            return DataError("E0532", message, help=f"leave the column out, or declare {name} as class(C)")
    message = f"{table.label}, {table.kind} {column.title()} holds numbers as text, and {name} takes numbers"
    return DataError("E0532", message, help="save the array as numbers: array.astype(float)")


def _whole(name: str, type: TensorType, table: Table, column: Column, values: Rows) -> Rows:
    if values.dtype.kind == "f":
        fault = f"is not a whole number, which {name}: {type} takes"
        _require(lambda part: part == np.floor(part), values, "E0534", table, column, fault)
    dtype = INTEGERS[type.dtype]
    low, high = (0, type.classes - 1) if type.dtype == "class" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    ends = [(part.min(), part.max()) for _, part in blocks(values) if part.size]
    least, most = (int(min(e[0] for e in ends)), int(max(e[1] for e in ends))) if ends else (low, high)
    if least < low or most > high:
        fault = f"is outside {type.with_shape(())}, that is {low} to {high}"
        help = _range_help(name, type, np.asarray(values[: 1 << 16]), least, most)
        inside: Callable[[Array], Array] = lambda part: (part >= low) & (part <= high)  # noqa: E731
        _require(inside, values, "E0533", table, column, fault, help)
    return mapped(values, lambda part: part.astype(dtype, copy=False), values.shape[1:], dtype)


def _range_help(name: str, type: TensorType, some: Array, low: int, high: int) -> str:
    if type.dtype != "class":
        return ""
    if set(np.unique(some).tolist()) == {-1, 1}:
        return f"declare {name}: float32; hinge and perceptron_loss read -1 and 1 as they are"
    if low >= 0:
        return f"the largest is {high}: class({high + 1}) holds them all"
    return f"they go from {low} to {high}: classes count from 0"


def _first(bad: Array, values: Array) -> tuple[int, Any]:
    """Row and value of the first entry that is marked."""
    index = int(np.argmax(bad.reshape(-1)))
    value = values.reshape(-1)[index]
    return index // (values.size // len(values)), value.item() if isinstance(value, np.generic) else value
