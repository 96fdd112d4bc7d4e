"""`text("file.txt", tokens = characters)`: one long row of tokens, which `window` cuts into examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = ("bytes", "characters")


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
            with path.open(encoding="utf-8-sig", newline="") as file:
                points = np.frombuffer(file.read().encode("utf-32-le"), "<u4")
            column = Column("text", points, 0, letters=True)
    except UnicodeDecodeError as error:
        help = "tokens = bytes reads any file"
        raise DataError("E0521", f"{path} is not UTF-8 text (byte {error.start})", help=help, exit_code=2) from error
    except OSError as error:
        raise DataError("E0520", f"{path} cannot be read: {error.strerror}", exit_code=2) from error
    return Table(str(path), [column], files=(path,), kind="text", tokens=tokens)
