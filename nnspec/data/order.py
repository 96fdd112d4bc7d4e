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


def words(count: int, *name: object) -> Array:
    """`count` random 64-bit words of the stream with this name: (seed, "order", epoch), ..."""
    digest = hashlib.sha256(repr(name).encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    return np.random.Philox(key=key).random_raw(count)


def uniform(count: int, *name: object) -> Array:
    """`count` float64 numbers in [0, 1), 53 bits each."""
    return (words(count, *name) >> np.uint64(11)) * 2.0**-53


def normal(count: int, *name: object) -> Array:
    """`count` standard normal float64 numbers (Box and Muller, 1958)."""
    half = (count + 1) // 2
    u = uniform(2 * half, *name)
    radius = np.sqrt(-2.0 * np.log1p(-u[:half]))
    angle = 2.0 * math.pi * u[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


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
