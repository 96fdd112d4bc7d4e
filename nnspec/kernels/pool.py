"""Pooling over any number of spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Sizes = int | tuple[int, ...]  # one for all spatial axes, or one for each


def max_pool_forward(
    x: Array,
    size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil: bool = False,
    out: Array | None = None,
) -> tuple[Array, Cache]:
    """The largest entry of each window: x (N, C, *spatial) -> y (N, C, *M). Padding
    never wins.
    """
    size, stride, padding = window_settings(size, stride, padding, x.ndim - 2)
    counts = window_counts(x.shape[2:], size, stride, padding, ceil)
    padded = pad_windows(x, -np.inf, size, stride, padding, counts)
    offsets = list(np.ndindex(*size))
    y = empty_like_order(x, counts) if out is None else out
    y[...] = padded[window_slice(offsets[0], stride, counts)]
    winner = np.zeros_like(y, np.int8 if len(offsets) < 128 else np.int32)
    for k, offset in enumerate(offsets[1:], 1):
        entries = padded[window_slice(offset, stride, counts)]
        np.putmask(winner, entries > y, k)  # a tie stays with the first
        np.maximum(y, entries, out=y)
    return y, (winner, offsets, x.shape, padded.shape, stride, padding)


def max_pool_backward(dy: Array, cache: Cache, out: Array | None = None) -> Array:
    """The gradient of a window goes to its first largest entry."""
    winner, offsets, shape, padded_shape, stride, padding = cache
    dx = empty_like_order(dy, padded_shape[2:])
    dx[...] = 0.0
    for k, offset in enumerate(offsets):
        dx[window_slice(offset, stride, dy.shape[2:])] += dy * (winner == k)
    return crop(dx, shape, padding, out)


def avg_pool_forward(
    x: Array,
    size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil: bool = False,
    count_include_pad: bool = True,
    out: Array | None = None,
) -> tuple[Array, Cache]:
    """The mean of each window, divided by its size as PyTorch counts it.

    A window counts the padding if `count_include_pad` says so, and never what `ceil`
    adds beyond it.
    """
    size, stride, padding = window_settings(size, stride, padding, x.ndim - 2)
    counts = window_counts(x.shape[2:], size, stride, padding, ceil)
    padded = pad_windows(x, 0.0, size, stride, padding, counts)
    y = empty_like_order(x, counts) if out is None else out
    y[...] = 0.0
    for offset in np.ndindex(*size):
        y += padded[window_slice(offset, stride, counts)]
    divisor = window_sizes(
        x.shape[2:], size, stride, padding, counts, count_include_pad
    ).astype(x.dtype)
    y /= divisor
    return y, (divisor, x.shape, padded.shape, size, stride, padding)


def avg_pool_backward(dy: Array, cache: Cache, out: Array | None = None) -> Array:
    """The gradient of a window is shared by its entries alike."""
    divisor, shape, padded_shape, size, stride, padding = cache
    dx = empty_like_order(dy, padded_shape[2:])
    dx[...] = 0.0
    share = dy / divisor
    for offset in np.ndindex(*size):
        dx[window_slice(offset, stride, dy.shape[2:])] += share
    return crop(dx, shape, padding, out)


def adaptive_avg_pool_forward(x: Array, size: Sizes) -> tuple[Array, Cache]:
    """Means over `size` windows an axis: window i runs from floor(i N / M) to ceil((i +
    1) N / M).
    """
    size = size if isinstance(size, tuple) else (size,) * (x.ndim - 2)
    maps = [
        averaging_matrix(n, m, x.dtype) for n, m in zip(x.shape[2:], size, strict=True)
    ]
    y = x
    for axis, a in enumerate(maps, 2):
        y = np.moveaxis(np.tensordot(a, y, (1, axis)), 0, axis)
    return y, maps


def adaptive_avg_pool_backward(dy: Array, cache: Cache) -> Array:
    """The transposed averages, axis by axis."""
    for axis, a in enumerate(cache, 2):
        dy = np.moveaxis(np.tensordot(a, dy, (0, axis)), 0, axis)
    return dy


def averaging_matrix(n: int, m: int, dtype: Any) -> Array:
    """Row i (of m) holds 1 / length over window i of n entries."""
    starts = np.arange(m) * n // m
    stops = -(-(np.arange(1, m + 1) * n) // m)
    position = np.arange(n)
    inside = (position >= starts[:, None]) & (position < stops[:, None])
    return (inside / (stops - starts)[:, None]).astype(dtype)


def global_max_pool_forward(x: Array) -> tuple[Array, Cache]:
    """The largest entry of every channel: x (N, C, *spatial) -> y (N, C)."""
    rows = x.reshape(*x.shape[:2], -1)
    winner = rows.argmax(axis=2)[..., None]  # a tie goes to the first
    return np.take_along_axis(rows, winner, axis=2)[..., 0], (winner, x.shape)


def global_max_pool_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of a channel goes to its first largest entry."""
    winner, shape = cache
    rows = np.zeros((*shape[:2], int(np.prod(shape[2:]))), dy.dtype)
    np.put_along_axis(rows, winner, dy[..., None], axis=2)
    return rows.reshape(shape)


def empty_like_order(x: Array, spatial: tuple[int, ...]) -> Array:
    """An array (N, C, *spatial) whose axes lie in memory as those of x do."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    shape = (*x.shape[:2], *spatial)
    y: Array = np.empty([shape[axis] for axis in order], x.dtype)
    return np.transpose(y, np.argsort(order))


def window_settings(
    size: Sizes, stride: Sizes | None, padding: Sizes, rank: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Size, stride (that of the size, if None) and padding of each spatial axis."""
    stride = size if stride is None else stride
    sizes, strides, paddings = (
        v if isinstance(v, tuple) else (v,) * rank for v in (size, stride, padding)
    )
    return sizes, strides, paddings


def window_counts(
    spatial: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
) -> tuple[int, ...]:
    """Windows an axis. With `ceil` the last may hang over the end, if it starts inside
    input or left padding.
    """
    counts = []
    for n, k, s, p in zip(spatial, size, stride, padding, strict=True):
        count = -(-(n + 2 * p - k) // s) + 1 if ceil else (n + 2 * p - k) // s + 1
        counts.append(count - 1 if ceil and (count - 1) * s >= n + p else count)
    return tuple(counts)


def window_slice(
    offset: tuple[int, ...], stride: tuple[int, ...], counts: tuple[int, ...]
) -> tuple[slice, ...]:
    """Where the entry at `offset` of every window stands in a padded input."""
    spatial = [
        slice(a, a + (m - 1) * s + 1, s)
        for a, m, s in zip(offset, counts, stride, strict=True)
    ]
    return (slice(None), slice(None), *spatial)


def pad_windows(
    x: Array,
    value: float,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    counts: tuple[int, ...],
) -> Array:
    """x with `value` around it, as far as its windows reach."""
    ends = [
        max(n + 2 * p, (m - 1) * s + k)
        for n, k, s, p, m in zip(
            x.shape[2:], size, stride, padding, counts, strict=True
        )
    ]
    if tuple(ends) == x.shape[2:]:
        return x
    padded = empty_like_order(x, tuple(ends))
    padded[...] = value
    inside = [slice(p, p + n) for p, n in zip(padding, x.shape[2:], strict=True)]
    padded[(slice(None), slice(None), *inside)] = x
    return padded


def window_sizes(
    spatial: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    counts: tuple[int, ...],
    count_include_pad: bool,
) -> Array:
    """How many entries each window averages, (*M)."""
    total = np.ones(())
    for n, k, s, p, m in zip(spatial, size, stride, padding, counts, strict=True):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        total = np.multiply.outer(total, stop - start)
    return np.asarray(total)


def crop(
    dx: Array, shape: tuple[int, ...], padding: tuple[int, ...], out: Array | None
) -> Array:
    """The part of a padded gradient that belongs to the input of `shape`."""
    inside = dx[
        (
            slice(None),
            slice(None),
            *(slice(p, p + n) for p, n in zip(padding, shape[2:], strict=True)),
        )
    ]
    if out is None:
        return inside
    out[...] = inside
    return out
