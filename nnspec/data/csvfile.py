"""Tables of text cells: csv files, and rows written in the spec."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from pathlib import Path

Cell = str | int | float | bool


def read_csv(path: Path, *, header: bool | None = None) -> Table:
    """A csv file: UTF-8, quoted cells, `,` `;` or tab between them, a header unless every cell of line 1 is a number.

    Raises DataError E0520 (missing), E0521 (not text, ragged, empty).
    """
    try:
        text = existing(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("E0521", f"{path} is not UTF-8 text (byte {error.start})", exit_code=2) from error
    except OSError as error:
        raise DataError("E0520", f"{path} cannot be read: {error.strerror}", exit_code=2) from error
    rows, lines = _rows(path, text)
    if not rows:
        raise DataError("E0521", f"{path} holds no rows", exit_code=2)
    titles = rows[0] if (header if header is not None else not _all_numbers(rows[0])) else None
    if titles is not None:
        rows, lines = rows[1:], lines[1:]
        if len(set(titles)) < len(titles):
            twice = next(t for t in titles if titles.count(t) > 1)
            raise DataError("E0521", f'{path} has two columns named "{twice}"')
    if not rows:
        raise DataError("E0521", f"{path} has a header and no rows", exit_code=2)
    return Table(str(path), _columns(rows, titles), files=(path,), lines=lines)


def _rows(path: Path, text: str) -> tuple[list[list[str]], list[int]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
                lines.append(line)
                if len(row) != len(rows[0]):
                    expected = f"{len(row)} cells where the first row has {len(rows[0])}"
                    raise DataError("E0521", f"{path}, line {line}: {expected}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError("E0521", f"{path}, line {line}: {error}") from error
    return rows, lines


def _all_numbers(cells: list[str]) -> bool:
    if cells == [str(i) for i in range(len(cells))] and len(cells) > 1:
        return False  # what data frames write over columns without names
    return all(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(rows: list[list[str]], titles: list[str] | None) -> list[Column]:
    names = titles or [""] * len(rows[0])
    try:
        block = np.array(rows, dtype=np.float64)
        return [Column(name, block[:, i], i) for i, name in enumerate(names)]
    except ValueError:  # some cell is no number: column by column
        return [
            Column(name, _values(list(cells)), i)
            for i, (name, cells) in enumerate(zip(names, zip(*rows, strict=True), strict=True))
        ]


def _values(cells: list[Any]) -> np.ndarray[Any, Any]:
    """Numbers if every cell is one, else text: which cell is at fault is said when a field needs a number."""
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array([_text(cell) for cell in cells], dtype=object)


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell if isinstance(cell, str) else repr(cell)


def read_table(rows: object) -> Table:
    """`table([[...], ...])`: rows of numbers and class names, nested lists flattened.

    A first row of words alone is a header. Raises DataError E0524 where the rows are not a rectangle.
    """
    if not isinstance(rows, list) or not rows:
        raise DataError("E0524", "table takes a list of rows, as in table([[0, 1], [1, 0]])")
    cells = [_flat(row) if isinstance(row, list) else [row] for row in rows]
    for number, row in enumerate(cells, 1):
        if len(row) != len(cells[0]):
            raise DataError("E0524", f"row {number} of the table has {len(row)} cells, row 1 has {len(cells[0])}")
    words = [all(isinstance(cell, str) for cell in row) for row in cells]
    titles: list[str] | None = None
    if words[0] and len(cells) > 1 and not all(words):
        titles, cells = [str(cell) for cell in cells[0]], cells[1:]
    if not cells[0]:
        raise DataError("E0524", "the rows of the table are empty")
    names = titles or [""] * len(cells[0])
    columns = [
        Column(name, _values(list(column)), i)
        for i, (name, column) in enumerate(zip(names, zip(*cells, strict=True), strict=True))
    ]
    return Table("the table", columns)


def _flat(row: list[Any]) -> list[Cell]:
    flat: list[Cell] = []
    for cell in row:
        if isinstance(cell, list):
            flat.extend(_flat(cell))
        elif isinstance(cell, str | int | float):
            flat.append(cell)
        else:
            raise DataError("E0524", f"a cell of the table is neither a number nor a class name: {cell}")
    return flat
