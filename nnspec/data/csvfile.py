"""Tables of text cells: csv files, and rows written in the spec."""

from __future__ import annotations

import csv
import io
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from nnspec.data.errors import UTF8, DataError, counted
from nnspec.data.stream import MAPPED, scratch
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Cell = str | int | float | bool
BLOCK = 1 << 13  # rows of a large file at a time
LONGEST = 1 << 24  # characters of a line
MOST_COLUMNS = 1 << 16


def read_csv(path: Path, *, header: bool | None = None) -> Table:
    """A csv file: UTF-8, quoted cells, `,` `;` or tab between them, a header unless every cell of line 1 is a number.

    Raises DataError E0520 (missing), E0521 (not text, ragged, empty).
    """
    try:
        if existing(path).stat().st_size > MAPPED:
            return _read_large(path, header)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("E0521", f"{path} is not UTF-8 text (byte {error.start})", help=UTF8, exit_code=2) from error
    except OSError as error:
        raise DataError("E0520", f"{path} cannot be read: {error.strerror}", exit_code=2) from error
    records = list(_records(path, io.StringIO(text)))
    titles = _titles(path, records[0][1] if records else [], header)
    body = records[1:] if titles is not None else records
    if not body:
        raise _without_rows(path)
    lines = [line for line, _ in body]
    return Table(str(path), _columns([cells for _, cells in body], titles), files=(path,), lines=lines)


def _titles(path: Path, first: list[str], header: bool | None) -> list[str] | None:
    """The names that line 1 gives, None where it is a row like the others."""
    if not first:
        raise _without_rows(path)
    if _all_numbers(first) if header is None else not header:
        return None
    if len(set(first)) < len(first):
        twice = next(t for t in first if first.count(t) > 1)
        help = "rename one; header = false takes the first line as a row"
        raise DataError("E0522", f'{path} has two columns named "{twice}"', help=help)
    return first


def _without_rows(path: Path) -> DataError:
    return DataError("E0528", f"{path} holds no rows", exit_code=2)


def _records(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins. Raises DataError E0521."""
    lines = _lines(path, file)
    first = next(lines, "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
    line, width = 1, 0
    try:
        for row in reader:
            if row:
                width = width or _width(path, row)
                if len(row) != width:
                    message = f"{path}, line {line}: {counted(len(row), 'cell')} where the first row has {width}"
                    raise DataError("E0522", message, help="a cell that holds a comma stands in double quotes")
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as error:
        help = 'a cell in quotes ends with ", and a quote inside it is written twice'
        raise DataError("E0521", f"{path}, line {line}: {error}", help=help) from error


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a file, none of which fills the memory."""
    for number in count(1):
        line = file.readline(LONGEST + 1)
        if len(line) > LONGEST:
            raise DataError("E0521", f"{path}, line {number} is longer than {LONGEST:,} characters", exit_code=2)
        if not line:
            return
        yield line


def _width(path: Path, row: list[str]) -> int:
    if len(row) > MOST_COLUMNS:
        help = "many numbers an example are read from npz(...) or parquet(...)"
        raise DataError("E0522", f"{path} has {len(row):,} columns, at most {MOST_COLUMNS:,} are read", help=help)
    return len(row)


def _read_large(path: Path, header: bool | None) -> Table:
    """A file that is read twice, a block of rows at a time: which columns are numbers, then the numbers.

    They lie in a file where there are many; words are held, equal ones once.
    """
    with _opened(path) as file:
        titles = _titles(path, next(_records(path, file), (1, []))[1], header)
    skip = int(titles is not None)
    numeric: list[bool] = []
    rows_read, regular = 0, True
    for block in _blocks(path, skip):
        columns = list(zip(*(cells for _, cells in block), strict=True))
        numeric = numeric or [True] * len(columns)
        numeric = [known and _as_numbers(cells) is not None for known, cells in zip(numeric, columns, strict=True)]
        regular = regular and block[-1][0] == rows_read + skip + len(block)
        rows_read += len(block)
    if not rows_read:
        raise _without_rows(path)
    table = scratch((rows_read, sum(numeric)), np.float64)
    words = {i: np.empty(rows_read, object) for i, known in enumerate(numeric) if not known}
    equal: dict[str, str] = {}
    start = 0
    for block in _blocks(path, skip):
        rows = slice(start, start + len(block))
        cells = list(zip(*(cells for _, cells in block), strict=True))
        for place, index in enumerate(i for i, known in enumerate(numeric) if known):
            table[rows, place] = np.array(cells[index], dtype=np.float64)
        for index, column in words.items():
            column[rows] = [equal.setdefault(cell, cell) for cell in cells[index]]
        start += len(block)
    places = iter(range(sum(numeric)))
    found = [table[:, next(places)] if known else words[i] for i, known in enumerate(numeric)]
    names = titles or [""] * len(found)
    columns_ = [Column(name, values, i) for i, (name, values) in enumerate(zip(names, found, strict=True))]
    return Table(str(path), columns_, files=(path,), lines=range(1 + skip, 1 + skip + rows_read) if regular else None)


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _blocks(path: Path, skip: int) -> Iterator[list[tuple[int, list[str]]]]:
    """The rows after the first `skip`, up to BLOCK of them at a time."""
    with _opened(path) as file:
        records = islice(_records(path, file), skip, None)
        while block := list(islice(records, BLOCK)):
            yield block


def _as_numbers(cells: Sequence[str]) -> np.ndarray[Any, Any] | None:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return None


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
            message = f"row {number} of the table has {counted(len(row), 'cell')}, row 1 has {len(cells[0])}"
            raise DataError("E0522", message, help="every row is one example, with the same columns")
    words = [all(isinstance(cell, str) for cell in row) for row in cells]
    titles: list[str] | None = None
    if words[0] and len(cells) > 1 and not all(words):
        titles, cells = [str(cell) for cell in cells[0]], cells[1:]
    if not cells[0]:
        raise DataError("E0528", "the rows of the table are empty", help="as in table([[0, 1], [1, 0]])")
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
