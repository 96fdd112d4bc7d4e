"""Reproducible chance: streams of random words by name, the order of an epoch, its batches.

NumPy promises that a bit generator's words never change, and promises nothing about `permutation` or
`normal`. So everything here is made from the words of Philox by arithmetic of our own.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, Any]


PIECE = 1 << 15  # numbers made at a time: what they pass through stays in the cache


def words(count: int, *name: object) -> Array:
    """`count` random 64-bit words of the stream with this name: (seed, "order", epoch), ..."""
    return _stream(name).random_raw(count)


def uniform(count: int, *name: object) -> Array:
    """`count` float64 numbers in [0, 1), 53 bits each."""
    return _unit(words(count, *name))


def normal(count: int, *name: object, dtype: str = "float64") -> Array:
    """`count` standard normal numbers (Box and Muller, 1958), made as float64 and rounded to `dtype`.

    The stream's first half gives the radii, its second half the angles.
    """
    half = (count + 1) // 2
    radii, angles = _stream(name), _stream(name).advance(half // 4)  # a step of the counter makes four words
    angles.random_raw(half % 4)
    out = np.empty(2 * half, dtype)
    for start in range(0, half, PIECE):
        size = min(PIECE, half - start)
        radius = np.sqrt(-2.0 * np.log1p(-_unit(radii.random_raw(size))))
        angle = 2.0 * math.pi * _unit(angles.random_raw(size))
        out[start : start + size] = radius * np.cos(angle)
        out[half + start : half + start + size] = radius * np.sin(angle)
    return out[:count]


def _stream(name: tuple[object, ...]) -> np.random.Philox:
    digest = hashlib.sha256(repr(name).encode()).digest()
    return np.random.Philox(key=int.from_bytes(digest[:16], "little"))


def _unit(random: Array) -> Array:
    return (random >> np.uint64(11)) * 2.0**-53


def permutation(count: int, *name: object) -> Array:
    """A random order of `count` things: the order of their random words."""
    return np.argsort(words(count, *name), kind="stable")


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """The examples of one epoch (counted from 1) in the order in which they are visited.

    A function of `seed` and `epoch` alone, equal on every backend and machine. Returns int64 (count,).
    """
    if not shuffle:
        return np.arange(count)
    return permutation(count, "order", seed, epoch)


def batches(order: Array, size: int) -> Iterator[Array]:
    """Consecutive batches of `size` indices; a last smaller one is kept."""
    for start in range(0, len(order), size):
        yield order[start : start + size]
