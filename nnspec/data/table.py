"""What every source is read into: named columns with one entry an example, and words for their places."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Array = np.ndarray[Any, Any]


class Column:
    """One column, or one array of an archive: `values` (examples, ...), numbers or strings.

    `name` is empty where the source has no names. `role` is "target" where the source itself says so,
    "extra" where it is only given to a field of its name.
    `classes` are the names of whole numbers 0, 1, ... where the source knows them. The values may be a stream.
    With `letters` they are code points of a text, which become places in its vocabulary.
    """

    __slots__ = ("classes", "index", "letters", "name", "role", "values")

    def __init__(
        self,
        name: str,
        values: Any,
        index: int,
        *,
        role: str = "",
        classes: tuple[str, ...] = (),
        letters: bool = False,
    ) -> None:
        self.name = name
        self.values: Array = values  # or a Stream, which takes slices and indices as an array does
        self.letters = letters
        self.index = index
        self.role = role
        self.classes = classes

    @property
    def is_text(self) -> bool:
        return self.values.dtype.kind in "OUS"

    @property
    def width(self) -> int:
        """Numbers an example."""
        return int(np.prod(self.values.shape[1:], dtype=np.int64))

    def title(self) -> str:
        return f'"{self.name}"' if self.name else str(self.index + 1)


class Table:
    """A source that was read. `label` names it in messages, `files` are what it was read from.

    `lines` holds the line in the file of each row, where that helps to find it. `tokens` says of a text what a row
    of it is: "bytes" or "characters".
    """

    def __init__(
        self,
        label: str,
        columns: list[Column],
        *,
        files: tuple[Path, ...] = (),
        lines: Sequence[int] | None = None,
        kind: str = "column",
        tokens: str = "",
        named: bool | None = None,
    ) -> None:
        self.label = label
        self.columns = columns
        self.files = files
        self.lines = lines
        self.kind = kind
        self.tokens = tokens
        self.named = all(column.name for column in columns) if named is None else named

    @property
    def size(self) -> int:
        return len(self.columns[0].values)

    def place(self, column: Column, row: int) -> str:
        """`houses.csv, row 6 (line 7), column "price"`; rows count from 1."""
        if self.tokens:
            return f"{self.label}, {self.tokens.removesuffix('s')} {row + 1}"
        line = f" (line {self.lines[row]})" if self.lines else ""
        return f"{self.label}, row {row + 1}{line}, {self.kind} {column.title()}"

    def named_like(self, name: str) -> list[Column]:
        return [column for column in self.columns if column.name == name]


def content_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; of a folder, over the names and hashes of the files below it, sorted."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        lines = (f"{p.relative_to(path).as_posix()} {content_hash(p)}\n" for p in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing(path: Path) -> Path:
    """`path` if it is a file that can be read; DataError E0520 otherwise."""
    if path.is_dir():
        raise DataError("E0520", f"{path} is a folder, not a file", exit_code=2)
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        hint = (
            f"files of that kind there: {', '.join(near[:5])}"
            if near
            else "paths are relative to the spec that names them"
        )
        raise DataError("E0520", f"the data file {path} does not exist", help=hint, exit_code=2)
    if not path.is_file():  # a pipe would be waited for, a device may never end
        raise DataError("E0520", f"{path} is not an ordinary file", exit_code=2)
    return path
