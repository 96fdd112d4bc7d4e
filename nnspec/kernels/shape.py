"""What moves entries about without computing with them. Results may be views of the
inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Sizes = int | tuple[int, ...]  # one for all spatial axes, or one for each
Key = Any  # a basic index: numbers, slices, None and Ellipsis


def reshape_forward(x: Array, shape: tuple[int, ...]) -> tuple[Array, Cache]:
    """The same entries in the same order, in another shape (one size may be -1)."""
    return np.reshape(x, shape), np.shape(x)


def reshape_backward(dy: Array, shape: Cache) -> Array:
    return np.reshape(dy, shape)


def flatten_forward(x: Array) -> tuple[Array, Cache]:
    """All of an example in one axis: (N, ...) -> (N, F)."""
    return x.reshape(x.shape[0], -1), x.shape


def flatten_backward(dy: Array, shape: Cache) -> Array:
    return dy.reshape(shape)


def transpose_forward(x: Array) -> tuple[Array, Cache]:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2), None


def transpose_backward(dy: Array, cache: Cache = None) -> Array:
    return np.swapaxes(dy, -1, -2)


def permute_forward(x: Array, axes: tuple[int, ...]) -> tuple[Array, Cache]:
    """Axis k of y is axis axes[k] of x."""
    return np.transpose(x, axes), axes


def permute_backward(dy: Array, axes: Cache) -> Array:
    return np.transpose(dy, np.argsort(axes))


def concat_forward(*parts: Array, axis: int) -> tuple[Array, Cache]:
    """The parts one after the other along an axis."""
    return np.concatenate(parts, axis=axis), (
        np.cumsum([part.shape[axis] for part in parts[:-1]]),
        axis,
    )


def concat_backward(dy: Array, cache: Cache) -> list[Array]:
    """One gradient for each part."""
    ends, axis = cache
    return np.split(dy, ends, axis=axis)


def stack_forward(*parts: Array, axis: int) -> tuple[Array, Cache]:
    """The parts side by side along a new axis."""
    return np.stack(parts, axis=axis), axis


def stack_backward(dy: Array, axis: Cache) -> list[Array]:
    """One gradient for each part."""
    return list(np.moveaxis(dy, axis, 0))


def split_forward(
    x: Array, sizes: tuple[int, ...], axis: int
) -> tuple[list[Array], Cache]:
    """Consecutive pieces of these sizes along an axis."""
    return np.split(x, np.cumsum(sizes)[:-1], axis=axis), (x.shape, sizes, axis)


def split_backward(dys: list[Array | None], cache: Cache) -> Array:
    """Takes one gradient for each piece; None where nothing depends on the piece."""
    shape, sizes, axis = cache
    dtype = next(dy.dtype for dy in dys if dy is not None)
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    parts = zip(dys, shapes, strict=True)
    return np.concatenate(
        [np.zeros(n, dtype) if dy is None else dy for dy, n in parts], axis=axis
    )


def index_forward(x: Array, key: Key) -> tuple[Array, Cache]:
    """x[key] for numbers and slices."""
    return x[key], (x.shape, key)


def index_backward(dy: Array, cache: Cache) -> Array:
    shape, key = cache
    dx = np.zeros(shape, dy.dtype)
    dx[key] = dy
    return dx


def expand_forward(x: Array, shape: tuple[int, ...]) -> tuple[Array, Cache]:
    """x repeated along axes of size 1, and along new leading axes, up to a shape."""
    return np.broadcast_to(x, shape), np.shape(x)


def expand_backward(dy: Array, shape: Cache) -> Array:
    return unbroadcast(dy, shape)


def pad_forward(
    x: Array, widths: tuple[tuple[int, int], ...], value: float = 0.0
) -> tuple[Array, Cache]:
    """x with (before, after) entries of `value` along every axis."""
    return np.pad(x, widths, constant_values=value), (x.shape, widths)


def pad_backward(dy: Array, cache: Cache) -> Array:
    shape, widths = cache
    dx: Array = dy[
        tuple(
            slice(before, before + n)
            for (before, _), n in zip(widths, shape, strict=True)
        )
    ]
    return dx


def flip_forward(x: Array, axis: tuple[int, ...]) -> tuple[Array, Cache]:
    """Entries in reverse order along the axes."""
    return np.flip(x, axis), axis


def flip_backward(dy: Array, axis: Cache) -> Array:
    return np.flip(dy, axis)


def roll_forward(x: Array, shift: int, axis: int) -> tuple[Array, Cache]:
    """Entries moved on by `shift` along an axis; what leaves the end comes back at the
    start.
    """
    return np.roll(x, shift, axis), (shift, axis)


def roll_backward(dy: Array, cache: Cache) -> Array:
    shift, axis = cache
    return np.roll(dy, -shift, axis)


def upsample_nearest_forward(x: Array, factor: Sizes) -> tuple[Array, Cache]:
    """Every entry of x (N, C, *spatial) repeated `factor` times along each spatial
    axis.
    """
    factor = factor if isinstance(factor, tuple) else (factor,) * (x.ndim - 2)
    y = x
    for axis, times in enumerate(factor, 2):
        y = np.repeat(y, times, axis=axis)
    return y, (x.shape, factor)


def upsample_nearest_backward(dy: Array, cache: Cache) -> Array:
    """The sum over the copies of each entry."""
    shape, factor = cache
    blocks = [size for n, f in zip(shape[2:], factor, strict=True) for size in (n, f)]
    dx: Array = dy.reshape(*shape[:2], *blocks).sum(
        axis=tuple(range(3, 2 + len(blocks), 2))
    )
    return dx


def upsample_linear_forward(x: Array, factor: Sizes) -> tuple[Array, Cache]:
    """Linear interpolation along each spatial axis between the centres of the entries
    (no aligned corners).
    """
    factor = factor if isinstance(factor, tuple) else (factor,) * (x.ndim - 2)
    maps = [
        interpolation_matrix(n, f, x.dtype)
        for n, f in zip(x.shape[2:], factor, strict=True)
    ]
    y = x
    for axis, a in enumerate(maps, 2):
        y = np.moveaxis(np.tensordot(a, y, (1, axis)), 0, axis)
    return y, maps


def upsample_linear_backward(dy: Array, maps: Cache) -> Array:
    """The transposed interpolation, axis by axis."""
    for axis, a in enumerate(maps, 2):
        dy = np.moveaxis(np.tensordot(a, dy, (0, axis)), 0, axis)
    return dy


def interpolation_matrix(n: int, factor: int, dtype: Any) -> Array:
    """Row i of (n * factor, n) weighs the two entries nearest to (i + 1/2) / factor -
    1/2.
    """
    place = np.maximum((np.arange(n * factor) + 0.5) / factor - 0.5, 0.0)
    low = place.astype(np.int64)
    matrix = np.zeros((n * factor, n))
    matrix[np.arange(n * factor), low] += 1.0 - (place - low)
    matrix[np.arange(n * factor), np.minimum(low + 1, n - 1)] += place - low
    return matrix.astype(dtype)


def one_hot_rows(index: Array, classes: int, dtype: Any) -> Array:
    """A new last axis of size `classes` with a 1 at the index. No gradient."""
    y: Array = (index[..., None] == np.arange(classes)).astype(dtype)
    return y


def unbroadcast(d: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an operand of `shape` that NumPy broadcast: `d` summed over the
    axes that were stretched.
    """
    extra = np.ndim(d) - len(shape)
    axes = tuple(
        k
        for k in range(np.ndim(d))
        if k < extra or (shape[k - extra] == 1 and d.shape[k] != 1)
    )
    return np.sum(d, axis=axes, keepdims=True).reshape(shape) if axes else d
