"""Images of a batch side by side in memory, (C, H, W, N): long contiguous runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import jax.numpy as jnp
from jax import Array

from nnspec.backends.jax.helpers import layers
from nnspec.backends.jax.helpers.images import pad, windows


class Conv(layers.Conv):
    """Cross-correlation as one product with the patches of all images.

    x (I, H, W, N), weight (O, I, *K), bias (O) -> y (O, H, W, N)
    """

    def __call__(self, x: Array) -> Array:
        out, _, *kernel = self.weight.shape
        x = pad(x, [(p, p) for p in self.padding])
        taps = windows(x, tuple(kernel), self.stride, self.dilation)
        patches = jnp.concatenate(taps)  # (K * I, H, W, N)
        rows = jnp.moveaxis(self.weight, 1, -1).reshape(out, -1)  # (O, K * I)
        y = rows @ patches.reshape(rows.shape[1], -1)
        y = y.reshape(out, *patches.shape[1:])
        return y if self.bias is None else y + per_channel(self.bias, y)


class BatchNorm(layers.BatchNorm):
    """Normalises each channel of x (C, H, W, N) or (N, C) over all other axes.

    A call returns y and the layer itself, with its running statistics moved on if
    training; the running variance is unbiased, as in PyTorch.
    """

    def __call__(self, x: Array, training: bool) -> tuple[Array, Self]:
        mean, var, layer = self.running_mean, self.running_var, self
        if training:
            axes = (1, 2, 3) if x.ndim == 4 else (0,)
            count = x.size // len(mean)
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
        y = (x - per_channel(mean, x)) * per_channel(scale, x)
        if self.bias is not None:
            y = y + per_channel(self.bias, x)
        return y, layer


def per_channel(v: Array, x: Array) -> Array:
    """v (C), shaped to stand beside x (C, H, W, N) or (N, C)."""
    return v[:, None, None, None] if x.ndim == 4 else v


def batch_last(x: Array) -> Array:
    """x (N, C, H, W) as (C, H, W, N)."""
    return jnp.moveaxis(x, 0, -1)


def channels_first(x: Array) -> Array:
    """x (C, H, W, N) as (N, C, H, W)."""
    return jnp.moveaxis(x, -1, 0)


def flatten(x: Array) -> Array:
    """x (C, H, W, N) as rows (N, C * H * W)."""
    return x.reshape(-1, x.shape[-1]).T
