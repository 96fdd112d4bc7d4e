"""Series cut into windows: an example is n consecutive rows, its target starts `shift` rows later.

Windows overlap, so they are never dealt out at random: two that share rows would stand in different parts, and a
model would be tested on what it was trained on. The rows are split instead, in order, and a window with the target
that belongs to it lies in one part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError

if TYPE_CHECKING:
    from nnspec.ir.types import Shape

    Array = np.ndarray[Any, Any]


def window_starts(rows: Array, length: int, ahead: int, part: str) -> Array:
    """The first row of every window in a part that has these `rows` (ascending) of its source.

    A window takes `length` rows in a row and the `ahead` after them, all of the part.
    Raises DataError E0538 when none fits.
    """
    span = length + ahead
    first = rows[: len(rows) - span + 1] if len(rows) >= span else rows[:0]
    found: Array = first[rows[span - 1 :] - first == span - 1] if len(first) else first
    if len(found):
        return found
    after = f" and the {ahead} after it" if ahead else ""
    message = f"window = {length}: the {len(rows)} rows of the {part} part do not fill one window{after}"
    raise DataError("E0538", message, help="a smaller window, or a larger part")


def is_series(shape: Shape, width: int, length: int) -> bool:
    """Whether a field of this shape takes a whole window of rows of `width` numbers, not one row.

    Its first axis is then the window: `n`, or an open size that takes n.
    """
    return bool(shape) and (not isinstance(shape[0], int) or shape[0] == length) and _width(shape) == width


def misses_window(shape: Shape, width: int, length: int) -> bool:
    """Whether a field would take whole windows if only they had another length."""
    return bool(shape) and isinstance(shape[0], int) and shape[0] not in (1, length) and _width(shape) == width


def _width(shape: Shape) -> int:
    """Numbers in a row of the window, 0 where that is open."""
    rest = [size for size in shape[1:] if isinstance(size, int)]
    return int(np.prod(rest, dtype=np.int64)) if len(rest) == len(shape) - 1 else 0
