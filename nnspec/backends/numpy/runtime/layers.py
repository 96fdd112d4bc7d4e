"""Layers with state: parameters and their gradients around the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.backends.numpy.runtime.initial import (
    glorot_uniform,
    ones,
    quarter,
    standard_normal,
    zeros,
)
from nnspec.backends.numpy.runtime.module import Cache, Init, Module, Parameter
from nnspec.kernels.activation import prelu_backward, prelu_forward
from nnspec.kernels.conv import (
    Sizes,
    conv_backward,
    conv_backward_parameters,
    conv_forward,
    conv_transpose_backward,
    conv_transpose_forward,
)
from nnspec.kernels.linear import (
    dense_backward,
    dense_backward_parameters,
    dense_forward,
    embedding_backward,
    embedding_forward,
)
from nnspec.kernels.noise import (
    bernoulli,
    drop_path_backward,
    drop_path_forward,
    dropout_backward,
    dropout_forward,
    gaussian_noise,
)
from nnspec.kernels.norm import (
    batch_norm_backward,
    batch_norm_forward,
    group_norm_backward,
    group_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)

Array = np.ndarray[Any, Any]


class Dense(Module):
    """y = x W^T + b over the last axis."""

    def __init__(
        self,
        in_features: int,
        units: int,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        self.weight = Parameter((units, in_features), weight_init)
        self.bias = Parameter((units,), bias_init) if bias else None

    def forward(self, x: Array) -> tuple[Array, Cache]:
        bias = None if self.bias is None else self.bias.value
        return dense_forward(x, self.weight.value, bias)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = dense_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx

    def backward_parameters(self, dy: Array, cache: Cache) -> None:
        """Where x is data, which needs no gradient."""
        dweight, dbias = dense_backward_parameters(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class Conv(Module):
    """Cross-correlation over the axes after the channels."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: tuple[int, ...],
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        shape = (channels, in_channels // groups, *kernel)
        self.weight = Parameter(shape, weight_init)
        self.bias = Parameter((channels,), bias_init) if bias else None
        self.settings = stride, padding, dilation, groups

    def forward(self, x: Array) -> tuple[Array, Cache]:
        bias = None if self.bias is None else self.bias.value
        return conv_forward(x, self.weight.value, bias, *self.settings)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = conv_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx

    def backward_parameters(self, dy: Array, cache: Cache) -> None:
        """Where x is data, which needs no gradient."""
        dweight, dbias = conv_backward_parameters(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class ConvTranspose(Module):
    """The transpose of a convolution: a small input becomes a large output."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: tuple[int, ...],
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        shape = (in_channels, channels // groups, *kernel)
        self.weight = Parameter(shape, weight_init)
        self.bias = Parameter((channels,), bias_init) if bias else None
        self.settings = stride, padding, output_padding, dilation, groups

    def forward(self, x: Array) -> tuple[Array, Cache]:
        bias = None if self.bias is None else self.bias.value
        return conv_transpose_forward(x, self.weight.value, bias, *self.settings)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = conv_transpose_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx


class Embedding(Module):
    """Row x of a table, for every entry of x."""

    def __init__(
        self, vocab: int, features: int, weight_init: Init = standard_normal
    ) -> None:
        self.weight = Parameter((vocab, features), weight_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return embedding_forward(x, self.weight.value)

    def backward(self, dy: Array, cache: Cache) -> None:
        self.weight.grad += embedding_backward(dy, cache)


class PReLU(Module):
    """x where x > 0, else a learned multiple of it: one for all, or one a channel."""

    def __init__(self, count: int = 1, weight_init: Init = quarter) -> None:
        self.weight = Parameter((count,), weight_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return prelu_forward(x, self.weight.value)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight = prelu_backward(dy, cache)
        self.weight.grad += dweight
        return dx


class Normalisation(Module):
    """What has been normalised is scaled by `weight` and shifted by `bias`, if they
    exist.
    """

    def __init__(
        self,
        features: int,
        eps: float,
        affine: bool = True,
        bias: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        self.eps = eps
        self.weight = Parameter((features,), weight_init) if affine else None
        self.bias = Parameter((features,), bias_init) if affine and bias else None

    def values(self) -> tuple[Array | None, Array | None]:
        """The values of weight and bias."""
        weight = None if self.weight is None else self.weight.value
        return weight, None if self.bias is None else self.bias.value

    def add(self, dweight: Array, dbias: Array) -> None:
        """Add to the gradients of weight and bias."""
        if self.weight is not None:
            self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class BatchNorm(Normalisation):
    """Each channel normalised over the batch; in evaluation by running statistics."""

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        super().__init__(channels, eps, affine, True, weight_init, bias_init)
        self.momentum = momentum
        self.running_mean = Parameter((channels,), zeros, trainable=False)
        self.running_var = Parameter((channels,), ones, trainable=False)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        running = self.running_mean.value, self.running_var.value
        training = training and not self.frozen
        return batch_norm_forward(
            x, *self.values(), *running, training, self.eps, self.momentum
        )

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = batch_norm_backward(dy, cache)
        self.add(dweight, dbias)
        return dx


def conv_norm(conv: Conv, norm: BatchNorm, x: Array, training: bool) -> Array:
    """norm(conv(x)): in evaluation, where a channel is only scaled and shifted, one
    convolution with its weight scaled and its bias shifted.
    """
    if training and not norm.frozen:
        y, _ = conv.forward(x)
        y, _ = norm.forward(y, training)
        return y
    weight, bias = norm.values()
    scale = 1.0 / np.sqrt(norm.running_var.value + norm.eps)
    scale = scale if weight is None else scale * weight
    shift = -norm.running_mean.value * scale
    shift = shift if bias is None else shift + bias
    if conv.bias is not None:
        shift = shift + conv.bias.value * scale
    scaled = conv.weight.value * scale.reshape(-1, *[1] * (x.ndim - 1))
    y, _ = conv_forward(x, scaled, shift, *conv.settings)
    return y


class LayerNorm(Normalisation):
    """Each row normalised over the last axis."""

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        super().__init__(features, eps, affine, bias, weight_init, bias_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return layer_norm_forward(x, *self.values(), self.eps)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = layer_norm_backward(dy, cache)
        self.add(dweight, dbias)
        return dx


class RMSNorm(Normalisation):
    """Each row divided by the root of its mean square over the last axis."""

    def __init__(
        self,
        features: int,
        eps: float = 1.1920928955078125e-07,
        affine: bool = True,
        weight_init: Init = ones,
    ) -> None:
        super().__init__(features, eps, affine, False, weight_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return rms_norm_forward(x, self.values()[0], self.eps)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight = rms_norm_backward(dy, cache)
        self.add(dweight, dweight)
        return dx


class GroupNorm(Normalisation):
    """Each group of channels of an example normalised on its own."""

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        super().__init__(channels, eps, affine, True, weight_init, bias_init)
        self.groups = groups

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return group_norm_forward(x, self.groups, *self.values(), self.eps)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = group_norm_backward(dy, cache)
        self.add(dweight, dbias)
        return dx


class Dropout(Module):
    """In training each entry is 0 with probability p, else divided by 1 - p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def forward(
        self, x: Array, training: bool, rng: np.random.Generator
    ) -> tuple[Array, Cache]:
        if not training or self.frozen:
            return x, None
        return dropout_forward(x, self.p, rng)

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy if cache is None else dropout_backward(dy, cache)


class DropPath(Module):
    """In training a whole example is 0 with probability p, else divided by 1 - p."""

    def __init__(self, p: float) -> None:
        self.p = p

    def forward(
        self, x: Array, training: bool, rng: np.random.Generator
    ) -> tuple[Array, Cache]:
        if not training or self.frozen:
            return x, None
        return drop_path_forward(x, self.p, rng)

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy if cache is None else drop_path_backward(dy, cache)


class GaussianNoise(Module):
    """In training x + std * e with e standard normal."""

    def __init__(self, std: float) -> None:
        self.std = std

    def forward(
        self, x: Array, training: bool, rng: np.random.Generator
    ) -> tuple[Array, Cache]:
        if not training or self.frozen:
            return x, None
        return gaussian_noise(x, self.std, rng), None

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy


class Bernoulli(Module):
    """1 with probability x, else 0, in evaluation too; passes no gradient."""

    def forward(self, x: Array, rng: np.random.Generator) -> tuple[Array, Cache]:
        return bernoulli(x, rng), None
