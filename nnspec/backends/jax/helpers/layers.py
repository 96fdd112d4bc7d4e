"""Layers with parameters: pytrees whose fields are named and shaped as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self, dataclass_transform

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import initializers
from jax.nn.initializers import Initializer
from jax.tree_util import register_dataclass

GLOROT_UNIFORM = initializers.glorot_uniform(in_axis=1, out_axis=0)
STANDARD_NORMAL = initializers.normal(1.0)
QUARTER = initializers.constant(0.25)


@dataclass_transform()
class Module:
    """A dataclass that is a pytree: its fields are its branches, or marked static."""

    def __init_subclass__(cls) -> None:
        register_dataclass(dataclass(cls))


class Dense(Module):
    """y = x W^T + b over the last axis: x (..., I), weight (O, I), bias (O)."""

    weight: Array
    bias: Array | None

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, int],
        *,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
    ) -> Self:
        k1, k2 = jax.random.split(key)
        return cls(weight_init(k1, shape), bias_init(k2, shape[:1]) if bias else None)

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Conv(Module):
    """Cross-correlation: x (N, I, *S), weight (O, I / groups, *K), bias (O)."""

    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = field(metadata={"static": True})
    padding: tuple[int, ...] = field(metadata={"static": True})
    dilation: tuple[int, ...] = field(metadata={"static": True})
    groups: int = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
    ) -> Self:
        k1, k2 = jax.random.split(key)
        axes = len(shape) - 2
        return cls(
            weight_init(k1, shape),
            bias_init(k2, shape[:1]) if bias else None,
            stride=spread(stride, axes),
            padding=spread(padding, axes),
            dilation=spread(dilation, axes),
            groups=groups,
        )

    def __call__(self, x: Array) -> Array:
        y = lax.conv_general_dilated(
            x,
            self.weight,
            window_strides=self.stride,
            padding=[(p, p) for p in self.padding],
            rhs_dilation=self.dilation,
            feature_group_count=self.groups,
        )
        return y if self.bias is None else y + channels(self.bias, y.ndim)


class ConvTranspose(Module):
    """The transpose of a convolution: x (N, I, *S), weight (I, O / groups, *K)."""

    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = field(metadata={"static": True})
    padding: tuple[int, ...] = field(metadata={"static": True})
    output_padding: tuple[int, ...] = field(metadata={"static": True})
    dilation: tuple[int, ...] = field(metadata={"static": True})
    groups: int = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
    ) -> Self:
        k1, k2 = jax.random.split(key)
        axes = len(shape) - 2
        return cls(
            weight_init(k1, shape),
            bias_init(k2, (shape[1] * groups,)) if bias else None,
            stride=spread(stride, axes),
            padding=spread(padding, axes),
            output_padding=spread(output_padding, axes),
            dilation=spread(dilation, axes),
            groups=groups,
        )

    def __call__(self, x: Array) -> Array:
        kernel = self.weight.shape[2:]
        groups, spatial = self.groups, range(2, x.ndim)
        weight = jnp.flip(self.weight, tuple(spatial))
        weight = weight.reshape(groups, -1, *weight.shape[1:])  # (G, I/G, O/G, *K)
        weight = jnp.swapaxes(weight, 1, 2)
        weight = weight.reshape(-1, *weight.shape[2:])  # (O, I / G, *K)
        reach = [d * (k - 1) for d, k in zip(self.dilation, kernel, strict=True)]
        ends = zip(reach, self.padding, self.output_padding, strict=True)
        y = lax.conv_general_dilated(
            x,
            weight,
            window_strides=(1,) * len(kernel),
            padding=[(r - p, r - p + extra) for r, p, extra in ends],
            lhs_dilation=self.stride,
            rhs_dilation=self.dilation,
            feature_group_count=groups,
        )
        return y if self.bias is None else y + channels(self.bias, y.ndim)


class Embedding(Module):
    """Row i of weight (V, E) for every index i of x (...)."""

    weight: Array

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, int],
        *,
        weight_init: Initializer = STANDARD_NORMAL,
    ) -> Self:
        return cls(weight_init(key, shape))

    def __call__(self, x: Array) -> Array:
        return self.weight[x]


class PRelu(Module):
    """x for x > 0, else weight * x: x (N, C, ...), weight (C) or (1)."""

    weight: Array

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int],
        *,
        weight_init: Initializer = QUARTER,
    ) -> Self:
        return cls(weight_init(key, shape))

    def __call__(self, x: Array) -> Array:
        return jnp.where(x > 0, x, channels(self.weight, x.ndim) * x)


class BatchNorm(Module):
    """Normalises each channel of x (N, C, ...) over the batch and the spatial axes.

    A call returns y and the layer itself, with its running statistics moved on if
    training; the running variance is unbiased, as in PyTorch.
    """

    weight: Array | None
    bias: Array | None
    running_mean: Array
    running_var: Array
    eps: float = field(metadata={"static": True})
    momentum: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        weight_init: Initializer = initializers.ones,
        bias_init: Initializer = initializers.zeros,
        key: Array | None = None,
    ) -> Self:
        k1, k2 = jax.random.split(jax.random.key(0) if key is None else key)
        return cls(
            weight_init(k1, (features,)) if affine else None,
            bias_init(k2, (features,)) if affine else None,
            running_mean=jnp.zeros(features),
            running_var=jnp.ones(features),
            eps=eps,
            momentum=momentum,
        )

    def __call__(self, x: Array, training: bool) -> tuple[Array, Self]:
        mean, var, layer = self.running_mean, self.running_var, self
        if training:
            axes = (0, *range(2, x.ndim))
            count = x.size // x.shape[1]
            mean, var = x.mean(axes), x.var(axes)
            unbiased = var * (count / max(count - 1, 1))
            layer = replace(
                self,
                running_mean=self.towards(self.running_mean, mean),
                running_var=self.towards(self.running_var, unbiased),
            )
        y = (x - channels(mean, x.ndim)) / jnp.sqrt(channels(var, x.ndim) + self.eps)
        if self.weight is not None:
            y = y * channels(self.weight, x.ndim)
        if self.bias is not None:
            y = y + channels(self.bias, x.ndim)
        return y, layer

    def towards(self, running: Array, new: Array) -> Array:
        """A running statistic after one more batch; no gradient passes."""
        return (1 - self.momentum) * running + self.momentum * lax.stop_gradient(new)


class LayerNorm(Module):
    """Normalises x (..., F) over its last axis: weight (F), bias (F)."""

    weight: Array
    bias: Array | None
    eps: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        *,
        eps: float = 1e-5,
        bias: bool = True,
        weight_init: Initializer = initializers.ones,
        bias_init: Initializer = initializers.zeros,
        key: Array | None = None,
    ) -> Self:
        k1, k2 = jax.random.split(jax.random.key(0) if key is None else key)
        shift = bias_init(k2, (features,)) if bias else None
        return cls(weight_init(k1, (features,)), shift, eps)

    def __call__(self, x: Array) -> Array:
        y = standardize(x, -1, self.eps) * self.weight
        return y if self.bias is None else y + self.bias


class RMSNorm(Module):
    """weight * x / sqrt(mean(x^2) + eps) over the last axis: weight (F)."""

    weight: Array
    eps: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        *,
        eps: float,
        weight_init: Initializer = initializers.ones,
        key: Array | None = None,
    ) -> Self:
        key = jax.random.key(0) if key is None else key
        return cls(weight_init(key, (features,)), eps)

    def __call__(self, x: Array) -> Array:
        return rms_standardize(x, self.eps) * self.weight


class GroupNorm(Module):
    """Normalises each of `groups` groups of channels of each example: x (N, C, ...)."""

    weight: Array
    bias: Array
    groups: int = field(metadata={"static": True})
    eps: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        groups: int,
        *,
        eps: float = 1e-5,
        weight_init: Initializer = initializers.ones,
        bias_init: Initializer = initializers.zeros,
        key: Array | None = None,
    ) -> Self:
        k1, k2 = jax.random.split(jax.random.key(0) if key is None else key)
        shape = (features,)
        return cls(weight_init(k1, shape), bias_init(k2, shape), groups, eps)

    def __call__(self, x: Array) -> Array:
        y = group_standardize(x, self.groups, self.eps)
        return y * channels(self.weight, x.ndim) + channels(self.bias, x.ndim)


def spread(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else value


def channels(v: Array, ndim: int) -> Array:
    """v (C) or (1), shaped to stand at axis 1 of an array with `ndim` axes."""
    return v.reshape(-1, *(1,) * (ndim - 2))


def standardize(x: Array, axis: int, eps: float) -> Array:
    """(x - mean) / sqrt(var + eps) over `axis`, with the biased variance."""
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps)


def group_standardize(x: Array, groups: int, eps: float) -> Array:
    """x (N, C, ...), standardized over each group of channels of each example."""
    rows = x.reshape(x.shape[0], groups, -1)
    return standardize(rows, -1, eps).reshape(x.shape)


def rms_standardize(x: Array, eps: float) -> Array:
    """x / sqrt(mean(x^2) + eps) over the last axis."""
    return x / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps)


def uniform(low: float, high: float) -> Callable[..., Array]:
    """Draws from [low, high)."""

    def draw(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, minval=low, maxval=high)

    return draw
