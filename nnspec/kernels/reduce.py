"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Axes = tuple[int, ...]


def sum_forward(
    x: Array, axis: Axes, keepdims: bool = False, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the sum of x over the axes, in the dtype of x."""
    return np.sum(x, axis=axis, dtype=x.dtype, keepdims=keepdims, out=out), (
        np.shape(x),
        axis,
    )


def sum_backward(dy: Array, cache: Cache) -> Array:
    shape, axis = cache
    return np.broadcast_to(restore_axes(dy, shape, axis), shape)


def mean_forward(
    x: Array, axis: Axes, keepdims: bool = False, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the mean of x over the axes."""
    return np.mean(x, axis=axis, keepdims=keepdims, out=out), (np.shape(x), axis)


def mean_backward(dy: Array, cache: Cache) -> Array:
    shape, axis = cache
    count = float(np.prod([shape[k] for k in axis], dtype=np.int64))
    return np.broadcast_to(restore_axes(dy / count, shape, axis), shape)


def max_forward(x: Array, axis: Axes, keepdims: bool = False) -> tuple[Array, Cache]:
    """y = the largest entry over the axes; equal largest entries share the gradient
    evenly, as in torch's amax.
    """
    y = np.max(x, axis=axis, keepdims=True)
    return (y if keepdims else np.squeeze(y, axis)), (x == y, axis)


def max_backward(dy: Array, cache: Cache) -> Array:
    winners, axis = cache
    share = restore_axes(dy, winners.shape, axis) / np.sum(
        winners, axis=axis, keepdims=True
    ).astype(dy.dtype)
    dx: Array = winners * share
    return dx


def min_forward(x: Array, axis: Axes, keepdims: bool = False) -> tuple[Array, Cache]:
    """y = the smallest entry over the axes; equal smallest entries share the gradient
    evenly.
    """
    y = np.min(x, axis=axis, keepdims=True)
    return (y if keepdims else np.squeeze(y, axis)), (x == y, axis)


def min_backward(dy: Array, cache: Cache) -> Array:
    return max_backward(dy, cache)


def norm_forward(x: Array, axis: Axes, keepdims: bool = False) -> tuple[Array, Cache]:
    """y = sqrt(sum of x^2) over the axes; its gradient at 0 is 0."""
    y = np.sqrt(np.sum(x * x, axis=axis, keepdims=True))
    return (y if keepdims else np.squeeze(y, axis)), (x, y, axis)


def norm_backward(dy: Array, cache: Cache) -> Array:
    x, y, axis = cache
    dx: Array = restore_axes(dy, x.shape, axis) * (x / np.where(y == 0, 1.0, y))
    return dx


def restore_axes(dy: Array, shape: tuple[int, ...], axis: Axes) -> Array:
    """dy with the reduced axes back in place, of size 1."""
    return np.reshape(dy, tuple(1 if k in axis else n for k, n in enumerate(shape)))
