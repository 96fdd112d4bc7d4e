"""What planned kernels stand on: gradients with a place of their own, and the team of
threads that share a batch.

A planned kernel is an object that made all its arrays when it was made: `forward` and
`backward` fill the same ones at every step. What they compute is what the textbook
functions beside them say; what differs is where it is kept:

- `forward(x)` returns an array of its own (or x itself, changed in place); x must stay
  as it is until `backward` has read it.
- `backward(dy)` returns the gradient of x, in `dx` (a flat array handed to the
  constructor, lent by other layers at other times), or in dy itself where it says so.
- Gradients of parameters are written, not added, to the arrays that `gradients` holds.

Two layouts. Rows: (N, ...), as everywhere. Grid, for images (C, H, W): arrays
[block][h][c][w][n], the examples last, in blocks of a few, so that all copies are long
runs, the windows of a row of outputs are one matrix in place, and a block's columns
stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Blocks = tuple[int, int]  # how many blocks, of how many examples each
Gradients = Callable[[Any], Array]  # where the gradient of a parameter is written

BLOCK = 32  # examples of a grid side by side; best of 8 to 64 (L2 of 512 kB)


def blocks_of(n: int) -> Blocks:
    """n examples in blocks of equal size, as near to BLOCK as n can be divided."""
    count = min(
        (b for b in range(1, n + 1) if n % b == 0),
        key=lambda b: abs(np.log2(n / b / BLOCK)),
    )
    return count, n // count


def grid(shape: tuple[int, ...], n: int, dtype: Any) -> Array:
    """A new array for n images (C, H, W): [block][h][c][w][n]."""
    count, size = blocks_of(n)
    channels, height, width = shape
    return np.empty((count, height, channels, width, size), dtype)


def as_rows(x: Array) -> Array:
    """A view (block, n, C, H, W) of a grid."""
    return x.transpose(0, 4, 2, 1, 3)


def view(flat: Array, shape: tuple[int, ...]) -> Array:
    """The beginning of a flat array in a shape."""
    return flat[: int(np.prod(shape))].reshape(shape)


class Team:
    """The threads that run a step together, each on its part of the batch.

    `size` of them; `member` says which one this is. What they add up, they add in the
    order of the members, so its bits do not depend on who came first.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.barrier = Barrier(size) if size > 1 else None
        self.boards: dict[str, Array] = {}

    def board(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array (size, *shape) that all members know by a name; each writes to its
        own part.
        """
        if name not in self.boards:
            self.boards[name] = np.zeros((self.size, *shape), dtype)
        return self.boards[name]

    def meet(self) -> None:
        """Wait until all have come here: what they wrote before can be read after."""
        if self.barrier is not None:
            self.barrier.wait()

    def gather(self) -> None:
        """Before a step: forget that somebody left the one before."""
        if self.barrier is not None and self.barrier.broken:
            self.barrier.reset()

    def leave(self) -> None:
        """Let those who wait for this one go on; for them it is an error."""
        if self.barrier is not None:
            self.barrier.abort()
