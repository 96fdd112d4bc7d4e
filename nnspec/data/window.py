"""Series cut into windows: an example is n consecutive rows, its target starts `shift` rows later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError

if TYPE_CHECKING:
    from nnspec.ir.types import Shape

    Array = np.ndarray[Any, Any]


def window_count(rows: int, length: int, shift: int, targets: bool) -> int:
    """How many windows fit. Raises DataError E0538 when none does."""
    count = rows - length + 1 - (shift if targets else 0)
    if count < 1:
        ahead = f" and the {shift} after it" if targets and shift else ""
        raise DataError(
            "E0538", f"window = {length}: the {rows} rows do not fill one window{ahead}", help="a smaller window"
        )
    return count


def is_series(shape: Shape, width: int, length: int) -> bool:
    """Whether a field of this shape takes a whole window of rows of `width` numbers, not one row.

    Its first axis is then the window: `n`, or an open size that takes n.
    """
    if not shape:
        return False
    first, rest = shape[0], shape[1:]
    whole = [size for size in rest if isinstance(size, int)]
    if len(whole) < len(rest) or (isinstance(first, int) and first != length):
        return False
    return int(np.prod(whole, dtype=np.int64)) == width


def windows(rows: Array, count: int, length: int, start: int, whole: bool) -> Array:
    """(count, length, ...) windows of `rows` from `start` on, or the last row of each if not `whole`."""
    if not whole:
        return rows[start + length - 1 : start + length - 1 + count]
    view = np.lib.stride_tricks.sliding_window_view(rows[start:], length, axis=0)[:count]
    return np.ascontiguousarray(np.moveaxis(view, -1, 1))
