"""Channels innermost, (N, H, W, C): how XLA's CPU convolutions want images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax import Array, lax

from nnspec.backends.jax.helpers import layers
from nnspec.backends.jax.helpers.images import pad, windows


class Conv(layers.Conv):
    """Cross-correlation: x (N, H, W, I), weight (O, I, *K), bias (O)."""

    def __call__(self, x: Array) -> Array:
        y = convolve(x, self.weight, self.stride, self.padding, self.dilation)
        return y if self.bias is None else y + self.bias


class BatchNorm(layers.BatchNorm):
    """Normalises each channel of x (N, H, W, C) or (N, C) over all other axes.

    A call returns y and the layer itself, with its running statistics moved on if
    training; the running variance is unbiased, as in PyTorch.
    """

    def __call__(self, x: Array, training: bool) -> tuple[Array, Self]:
        mean, var, layer = self.running_mean, self.running_var, self
        if training:
            axes = tuple(range(x.ndim - 1))
            count = x.size // x.shape[-1]
            mean, var = x.mean(axes), x.var(axes)
            unbiased = var * (count / max(count - 1, 1))
            layer = replace(
                self,
                running_mean=self.towards(self.running_mean, mean),
                running_var=self.towards(self.running_var, unbiased),
            )
        scale = 1 / jnp.sqrt(var + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        y = (x - mean) * scale
        return (y if self.bias is None else y + self.bias), layer


def correlate(
    x: Array,
    weight: Array,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Cross-correlation of x (N, H, W, I) with weight (O, I, *K)."""
    return lax.conv_general_dilated(
        x,
        weight,
        window_strides=stride,
        padding=[(p, p) for p in padding],
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "OIHW", "NHWC"),
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(
    x: Array,
    weight: Array,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """`correlate`, with a gradient by the weight that is fast on a CPU."""
    return correlate(x, weight, stride, padding, dilation)


def convolve_forward(x: Array, weight: Array, *settings: Any) -> Any:
    """The value, and what the gradient needs."""
    return correlate(x, weight, *settings), (x, weight)


def convolve_backward(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    saved: tuple[Array, Array],
    dy: Array,
) -> tuple[Array, Array]:
    """dx as XLA has it; dweight from the patches of a few images at a time.

    XLA's own dweight is a convolution with a kernel as large as the image, up to ten
    times slower on a CPU than products with patches that stay in cache.
    """
    x, weight = saved
    out, features, *kernel = weight.shape

    def forward(x: Array) -> Array:
        return correlate(x, weight, stride, padding, dilation)

    def add(total: Array, few: tuple[Array, Array]) -> tuple[Array, None]:
        x, dy = few
        x = pad(x, [(p, p) for p in padding])
        taps = windows(x, tuple(kernel), stride, dilation)
        patches = jnp.concatenate(taps, -1).reshape(-1, total.shape[1])
        return total + dy.reshape(-1, out).T @ patches, None

    (dx,) = jax.linear_transpose(forward, x)(dy)
    few = chunk(len(x), dy[0, ..., 0].size * weight[0].size)
    parts = [v.reshape(-1, few, *v.shape[1:]) for v in (x, dy)]
    start = jnp.zeros((out, weight[0].size), weight.dtype)
    total, _ = lax.scan(add, start, (parts[0], parts[1]))
    return dx, jnp.moveaxis(total.reshape(out, *kernel, features), -1, 1)


convolve.defvjp(convolve_forward, convolve_backward)


def chunk(images: int, entries: int) -> int:
    """How many images at a time: their patches, `entries` each, fill about 1 MB."""
    most = max(1, 2**18 // entries)
    return next(n for n in range(min(most, images), 0, -1) if images % n == 0)


def channels_last(x: Array) -> Array:
    """x (N, C, H, W) as (N, H, W, C)."""
    return jnp.moveaxis(x, 1, -1)


def channels_first(x: Array) -> Array:
    """x (N, H, W, C) as (N, C, H, W)."""
    return jnp.moveaxis(x, -1, 1)


def flatten(x: Array) -> Array:
    """x (N, H, W, C) as rows (N, C * H * W)."""
    return channels_first(x).reshape(x.shape[0], -1)
