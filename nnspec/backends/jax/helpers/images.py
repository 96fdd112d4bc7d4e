"""Windows of images whose spatial axes are 1 and 2: (C, H, W, N) or (N, H, W, C)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from nnspec.backends.jax.helpers.functions import window_entries, window_padding
from nnspec.backends.jax.helpers.layers import spread


def windows(
    x: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
) -> list[Array]:
    """For each place (i, j) of a window, the entries at that place of all windows."""
    if stride == size and dilation == (1, 1):
        parts = tiles(x, size)
        return [parts[:, :, i, :, j] for i in range(size[0]) for j in range(size[1])]
    (kh, kw), (sh, sw), (dh, dw) = size, stride, dilation
    h = (x.shape[1] - dh * (kh - 1) - 1) // sh + 1
    w = (x.shape[2] - dw * (kw - 1) - 1) // sw + 1
    rows = [slice(i * dh, i * dh + sh * (h - 1) + 1, sh) for i in range(kh)]
    columns = [slice(j * dw, j * dw + sw * (w - 1) + 1, sw) for j in range(kw)]
    return [x[:, r, c] for r in rows for c in columns]


def tiles(x: Array, size: tuple[int, ...]) -> Array:
    """x (A, H, W, B), cut into windows side by side: (A, H / kh, kh, W / kw, kw, B)."""
    (kh, kw), (h, w) = size, (x.shape[1] // size[0], x.shape[2] // size[1])
    whole = x[:, : h * kh, : w * kw]
    return whole.reshape(x.shape[0], h, kh, w, kw, x.shape[3])


def pad(x: Array, widths: list[tuple[int, int]], value: float = 0.0) -> Array:
    """x with `widths` entries more before and after its spatial axes."""
    return jnp.pad(x, [(0, 0), *widths, (0, 0)], constant_values=value)


def max_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
) -> Array:
    """The largest entry of each window of an image; a tie goes to the first."""
    size = spread(size, 2)
    step = size if stride is None else spread(stride, 2)
    widths = window_padding(x.shape[1:3], size, step, spread(padding, 2), ceil)
    best, *others = windows(pad(x, widths, -jnp.inf), size, step)
    for other in others:
        best = jnp.where((other > best) | jnp.isnan(other), other, best)
    return best


def avg_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Array:
    """The mean of each window of an image, divided as PyTorch counts."""
    size = spread(size, 2)
    step = size if stride is None else spread(stride, 2)
    if step == size and not padding and not ceil:
        return tiles(x, size).mean((2, 4))
    around, sizes = spread(padding, 2), x.shape[1:3]
    x = pad(x, window_padding(sizes, size, step, around, ceil))
    first, *others = windows(x, size, step)
    y = sum(others, start=first)
    count = window_entries(sizes, y.shape[1:3], size, step, around, count_padding)
    return y / jnp.asarray(count[:, :, None], x.dtype)
