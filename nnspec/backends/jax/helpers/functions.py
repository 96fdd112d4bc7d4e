"""Functions whose gradient at kinks, or whose rounding of sizes, must be PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from nnspec.backends.jax.helpers.layers import spread

# ---------------------------------------------------------------- activations


def absolute(x: Array) -> Array:
    """|x|, with gradient 0 at 0."""
    return x * jnp.sign(x)


def clip(x: Array, low: float | None, high: float | None) -> Array:
    """x within [low, high]; the gradient passes at the bounds."""
    if low is not None:
        x = jnp.where(x < low, low, x)
    return x if high is None else jnp.where(x > high, high, x)


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6), with gradient 0 at both bounds."""
    return lax.clamp(0.0, x, 6.0)


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x for x > 0, else slope * x; the gradient at 0 is the slope."""
    return jnp.where(x > 0, x, slope * x)


def hard_sigmoid(x: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6, with gradient 0 at both bounds."""
    return lax.clamp(0.0, x + 3, 6.0) / 6


def hard_swish(x: Array) -> Array:
    """x * min(max(x + 3, 0), 6) / 6, with gradient 0 at -3 and 1 at 3."""
    return jnp.where(x < 3, jnp.where(x > -3, x * (x + 3) / 6, 0.0), x)


# ---------------------------------------------------------------- pooling


def max_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
) -> Array:
    """The largest entry of each window of x (N, C, *S); a tie goes to the first."""
    size = spread(size, x.ndim - 2)
    step = size if stride is None else spread(stride, x.ndim - 2)
    widths = window_padding(x.shape[2:], size, step, spread(padding, x.ndim - 2), ceil)
    y: Array = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 1, *size), (1, 1, *step), [(0, 0), (0, 0), *widths]
    )
    return y


def avg_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Array:
    """The mean of each window of x (N, C, *S), divided as PyTorch counts."""
    size = spread(size, x.ndim - 2)
    step = size if stride is None else spread(stride, x.ndim - 2)
    pad = spread(padding, x.ndim - 2)
    widths = window_padding(x.shape[2:], size, step, pad, ceil)
    y: Array = lax.reduce_window(
        x, 0.0, lax.add, (1, 1, *size), (1, 1, *step), [(0, 0), (0, 0), *widths]
    )
    count = window_entries(x.shape[2:], y.shape[2:], size, step, pad, count_padding)
    return y / jnp.asarray(count, x.dtype)


def window_entries(
    sizes: tuple[int, ...],
    counts: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    count_padding: bool,
) -> np.ndarray:
    """How many entries each of `counts` windows has, as PyTorch counts."""
    entries = np.ones(())
    for n, m, k, s, p in zip(sizes, counts, size, stride, padding, strict=True):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)  # what ceil adds beyond is not counted
        if not count_padding:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        entries = np.multiply.outer(entries, stop - start)
    return entries


def window_padding(
    sizes: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
) -> list[tuple[int, int]]:
    """What is added per spatial axis; with `ceil` a last window may hang over."""
    widths = []
    for n, k, s, p in zip(sizes, size, stride, padding, strict=True):
        count, rest = divmod(n + 2 * p - k, s)
        over = ceil and rest and (count + 1) * s < n + p  # starts before the end
        widths.append((p, p + s - rest if over else p))
    return widths


def adaptive_avg_pool(x: Array, size: int | tuple[int, ...]) -> Array:
    """Means of x (N, C, *S) over M windows: floor(i S / M) to ceil((i + 1) S / M)."""
    for axis, m in enumerate(spread(size, x.ndim - 2), start=2):
        n = x.shape[axis]
        edges = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
        means = [lax.slice_in_dim(x, a, b, axis=axis).mean(axis) for a, b in edges]
        x = jnp.stack(means, axis)
    return x


def global_max_pool(x: Array) -> Array:
    """The largest entry of each channel of x (N, C, *S); a tie goes to the first."""
    rows = x.reshape(*x.shape[:2], -1)
    first = jnp.argmax(rows, axis=-1, keepdims=True)
    return jnp.take_along_axis(rows, first, axis=-1)[..., 0]


def local_response_norm(
    x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """x / (k + alpha * mean of the squares of `size` channels)^beta: x (N, C, ...)."""
    ones = (1,) * (x.ndim - 2)
    widths = [(0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in ones)]
    window = (1, size, *ones)
    squares = lax.reduce_window(x * x, 0.0, lax.add, window, (1, 1, *ones), widths)
    y: Array = x / (k + alpha / size * squares) ** beta
    return y


# ---------------------------------------------------------------- noise


def dropout(x: Array, p: float, key: Array | None, training: bool) -> Array:
    """Each entry is 0 with probability p in training, the others are scaled up."""
    if not training or p == 0 or key is None:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    keep = jax.random.bernoulli(key, 1 - p, x.shape)
    return jnp.where(keep, x / (1 - p), 0.0)


def drop_path(x: Array, p: float, key: Array | None, training: bool) -> Array:
    """Whole examples of x (N, ...) are 0 with probability p in training."""
    if not training or p == 0 or key is None:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    keep = jax.random.bernoulli(key, 1 - p, (x.shape[0], *(1,) * (x.ndim - 1)))
    return jnp.where(keep, x / (1 - p), 0.0)


def gaussian_noise(x: Array, std: float, key: Array | None, training: bool) -> Array:
    """x plus normal noise in training."""
    if not training or key is None:
        return x
    return x + std * jax.random.normal(key, x.shape, x.dtype)


def bernoulli(p: Array, key: Array) -> Array:
    """1 with probability p, else 0; passes no gradient."""
    return jax.random.bernoulli(key, lax.stop_gradient(p)).astype(p.dtype)


def key_stream(key: Array | None) -> Iterator[Any]:
    """Independent keys, one for each `next`; None where no key was given."""
    for n in itertools.count():
        yield None if key is None else jax.random.fold_in(key, n)


# ---------------------------------------------------------------- arithmetic and shape


def norm(x: Array, axis: int | tuple[int, ...], keepdims: bool = False) -> Array:
    """The Euclidean norm, with gradient 0 at 0."""
    total = jnp.sum(x * x, axis, keepdims=keepdims)
    zero = total == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, total)))


def power(x: Array, y: Array | float) -> Array:
    """x ** y; the gradient by x is 0 where y is 0, also at x = 0."""
    return jnp.where((x == 0) & (y == 0), 1.0, x) ** y


def upsample(x: Array, factor: int | tuple[int, ...], method: str = "nearest") -> Array:
    """x (N, C, *S) enlarged `factor` times along each spatial axis."""
    factor = spread(factor, x.ndim - 2)
    if method == "nearest":
        for axis, times in enumerate(factor, start=2):
            x = jnp.repeat(x, times, axis)
        return x
    sizes = [n * times for n, times in zip(x.shape[2:], factor, strict=True)]
    y: Array = jax.image.resize(x, (*x.shape[:2], *sizes), method, antialias=False)
    return y


# ---------------------------------------------------------------- sequence


def attention(q: Array, k: Array, v: Array, heads: int, causal: bool = False) -> Array:
    """softmax(q k^T / sqrt(d)) v: q (..., T, E), k (..., S, E), v (..., S, F)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).swapaxes(-2, -3) for x in (q, k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if causal:
        seen = jnp.tri(q.shape[-2], k.shape[-2], dtype=bool)
        scores = jnp.where(seen, scores, -jnp.inf)
    y = (jax.nn.softmax(scores) @ v).swapaxes(-2, -3)
    return y.reshape(*y.shape[:-2], -1)


def sinusoidal(x: Array, base: float = 10000.0) -> Array:
    """x (..., T, F) plus sines and cosines of t / base^(2i / F), interleaved."""
    length, features = x.shape[-2:]
    rate = base ** (-np.arange(0, features, 2) / features)
    angle = np.outer(np.arange(length), rate)  # in float64
    table = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)
    return x + jnp.asarray(table[:, :features], x.dtype)


def rotary(x: Array, heads: int = 1, base: float = 10000.0) -> Array:
    """Features i and i + d/2 of each head of d, turned by t * base^(-2i / d)."""
    length, size = x.shape[-2], x.shape[-1] // heads
    rate = base ** (-np.arange(0, size, 2) / size)
    angle = np.outer(np.arange(length), rate)[:, None]  # (T, 1, d / 2), in float64
    cos, sin = jnp.asarray(np.cos(angle), x.dtype), jnp.asarray(np.sin(angle), x.dtype)
    a, b = jnp.split(x.reshape(*x.shape[:-1], heads, size), 2, axis=-1)
    y = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return y.reshape(x.shape)
