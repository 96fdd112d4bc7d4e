"""`parquet("file.parquet")`: columns of numbers, text and lists of numbers, read a batch of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import AGAIN, DataError, MissingData
from nnspec.data.stream import BLOCK, HELD, scratch
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

ROWS = 1 << 14  # rows read at a time, fewer where they are large
MOST_PACKED = 1000  # bytes that one of a large file may stand for


def read_parquet(path: Path) -> Table:
    """A Parquet file, or a folder of them in the order of their names. Raises DataError E0520, E0521, MissingData.

    Never more than a batch of rows is in memory besides the arrays, which lie in a file where they are large.
    An empty cell of a column of numbers is NaN. What is neither a number, text nor a list of numbers becomes text.
    """
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [existing(path)]
    if not paths:
        raise DataError("E0520", f"the folder {path} holds no .parquet files", exit_code=2)
    arrow, parquet = _pyarrow()
    try:
        files = [parquet.ParquetFile(part) for part in paths]
        first = files[0].schema_arrow
        for part, file in zip(paths, files, strict=True):
            if file.schema_arrow.names != first.names:
                raise DataError("E0522", f"{part} has other columns than {paths[0]}", exit_code=2)
        rows = sum(file.metadata.num_rows for file in files)
        _require_room(path, rows * len(first.names), sum(part.stat().st_size for part in paths))
        if not rows:
            raise DataError("E0528", f"{path} holds no rows", exit_code=2)
        filled = [_Filled(arrow, str(path), name, rows) for name in first.names]
        for file in files:
            for batch in file.iter_batches(_rows_at_a_time(file.metadata)):
                for column, values in zip(filled, batch.columns, strict=True):
                    column.add(values)
    except (arrow.ArrowException, OSError) as error:
        raise DataError("E0521", f"{path} cannot be read: {error}", help=AGAIN, exit_code=2) from error
    columns = [Column(column.name, column.values, i) for i, column in enumerate(filled)]
    return Table(str(path), columns, files=tuple(paths))


def _require_room(path: Path, cells: int, held: int) -> None:
    """Equal numbers take next to no room in a file: one of a few KB may say that it holds billions."""
    if 8 * cells > max(HELD, MOST_PACKED * held):
        message = f"{path} declares {cells:,} cells, more than a file of {held:,} bytes is taken to hold"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingData("Parquet files are read by pyarrow, which is not installed", "parquet") from error
    return pyarrow, pyarrow.parquet


def _rows_at_a_time(metadata: Any) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    each = max(group.total_byte_size // max(group.num_rows, 1) for group in groups) if groups else 1
    return max(1, min(ROWS, 16 * BLOCK // max(each, 1)))


class _Filled:
    """An array of all rows of a column, filled from batches."""

    def __init__(self, arrow: Any, label: str, name: str, rows: int) -> None:
        self.arrow, self.label, self.name, self.rows = arrow, label, name, rows
        self.values: Array = np.empty(0)
        self.done = 0

    def add(self, values: Any) -> None:
        found = self.array(values)
        if not self.done:
            shape = (self.rows, *found.shape[1:])
            text = found.dtype.kind == "O"
            self.values = np.empty(shape, object) if text else scratch(shape, self.kind(found))
        if found.shape[1:] != self.values.shape[1:]:
            raise self.ragged(0)
        if found.dtype.kind == "f" and self.values.dtype.kind in "iu":  # Arrow's way to give gaps in whole numbers
            row = int(np.argmax(np.isnan(found.reshape(len(found), -1)).any(axis=1)))
            raise DataError("E0532", f"{self.place(row)}: an empty cell")
        self.values[self.done : self.done + len(found)] = found
        self.done += len(found)

    @staticmethod
    def kind(found: Array) -> np.dtype[Any]:
        """Whole numbers, which may have an empty cell further on, become floats, which hold them exactly up to 2^53."""
        return np.dtype(np.float64) if found.dtype.kind in "iu" and found.ndim == 1 else found.dtype

    def array(self, values: Any) -> Array:
        """Numbers, text as objects, or lists of equal length as further axes."""
        types, kind = self.arrow.types, values.type
        if types.is_dictionary(kind):
            return self.array(values.dictionary_decode())
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            return self.lists(values)
        if types.is_decimal(kind):
            values = values.cast(self.arrow.float64())
        elif types.is_boolean(kind):
            values = values.cast(self.arrow.uint8())
        elif not (types.is_integer(kind) or types.is_floating(kind)):
            return self.words(values)
        array: Array = values.to_numpy(zero_copy_only=False)
        return array

    def lists(self, values: Any) -> Array:
        if values.null_count:
            raise DataError("E0532", f"{self.place(values.is_null().index(True).as_py())}: an empty cell")
        inner = self.array(values.flatten())
        lengths = values.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (other := np.flatnonzero(lengths != lengths[0])).size:
            raise self.ragged(int(other[0]))
        return inner.reshape(len(values), -1, *inner.shape[1:]) if len(inner) else np.empty((len(values), 0))

    def words(self, values: Any) -> Array:
        """Equal words are one object; an empty cell is an empty word."""
        try:
            coded = values.cast(self.arrow.string()).fill_null("").dictionary_encode()
        except self.arrow.ArrowException as error:
            message = f'{self.label}, column "{self.name}" holds {values.type}, which is neither numbers nor text'
            raise DataError("E0529", message, help="leave the column out, or write each part as a column") from error
        words = np.array(coded.dictionary.to_pylist(), dtype=object)
        found: Array = words[coded.indices.to_numpy(zero_copy_only=False)]
        return found

    def place(self, row: int) -> str:
        return f'{self.label}, row {self.done + row + 1}, column "{self.name}"'

    def ragged(self, row: int) -> DataError:
        return DataError("E0522", f"{self.place(row)}: the lists of this column differ in length")
