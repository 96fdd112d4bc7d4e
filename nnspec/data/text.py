"""`text("file.txt", tokens = characters)`: one long row of tokens, which `window` cuts into examples."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.stream import scratch
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

TOKENS = ("bytes", "characters")
PIECE = 1 << 22  # bytes read at a time


def read_text(path: Path, tokens: str) -> Table:
    """A text as one column: its bytes (0 to 255, mapped from the file), or its characters, of UTF-8.

    Line ends stay as they are; a byte order mark is no character. Raises DataError E0520, E0521.
    """
    if not existing(path).stat().st_size:
        raise DataError("E0528", f"{path} holds no text", exit_code=2)
    try:
        if tokens == "bytes":
            column = Column("text", np.memmap(path, np.uint8, "r"), 0)
        else:
            column = Column("text", _points(path), 0, letters=True)
    except UnicodeDecodeError as error:
        help = "tokens = bytes reads any file"
        raise DataError("E0521", f"{path} is not UTF-8 text (byte {error.start})", help=help, exit_code=2) from error
    except OSError as error:
        raise DataError("E0520", f"{path} cannot be read: {error.strerror}", exit_code=2) from error
    return Table(str(path), [column], files=(path,), kind="text", tokens=tokens)


def _points(path: Path) -> Array:
    """The code points of a text. There are no more of them than bytes. UnicodeDecodeError counts from its start."""
    points, done, read = scratch((path.stat().st_size,), np.uint32), 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while raw := file.read(PIECE):
            begun = len(decoder.getstate()[0])
            try:
                piece = decoder.decode(raw, final=read + len(raw) == path.stat().st_size)
            except UnicodeDecodeError as error:
                error.start += read - begun
                raise
            piece = piece.removeprefix("\ufeff") if not read else piece
            read += len(raw)
            if "\0" in piece:
                help = "tokens = bytes reads any file"
                raise DataError("E0521", f"{path} holds zero bytes, so it is no text", help=help, exit_code=2)
            points[done : done + len(piece)] = np.frombuffer(piece.encode("utf-32-le"), "<u4")
            done += len(piece)
    return points[:done]
