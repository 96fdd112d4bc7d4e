"""Normalisation: over the batch, over features, over groups of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any


def batch_norm_forward(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    training: bool,
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> tuple[Array, Cache]:
    """y = weight * (x - mean) / sqrt(var + eps) + bias, a channel at a time (Ioffe and
    Szegedy, 2015).

    x (N, C, ...), everything else (C). In training mean and (biased) variance are those
    of the batch, and the running statistics move towards them in place, the variance
    towards its unbiased estimate.
    """
    axes = (0, *range(2, x.ndim))
    stand = (-1, *[1] * (x.ndim - 2))
    if training:
        count = x.size // x.shape[1]
        mean = x.mean(axis=axes)
        centred = x - mean.reshape(stand)
        var = np.mean(centred * centred, axis=axes)
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (count / max(count - 1, 1)) - running_var)
    else:
        centred = x - running_mean.reshape(stand)
        var = running_var
    scale = 1.0 / np.sqrt(var + eps)
    normal = centred * scale.reshape(stand)
    y = normal if weight is None else normal * weight.reshape(stand)
    return y if bias is None else y + bias.reshape(stand), (
        normal,
        scale,
        weight,
        axes,
        stand,
        training,
    )


def batch_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias. In training the mean and variance depend on x, which takes
    their share off dx.
    """
    normal, scale, weight, axes, stand, training = cache
    dbias = dy.sum(axis=axes)
    dweight = np.sum(dy * normal, axis=axes)
    factor = (scale if weight is None else weight * scale).reshape(stand)
    if not training:
        return dy * factor, dweight, dbias
    count = dy.size // dy.shape[1]
    dx = factor * (
        dy - (dbias / count).reshape(stand) - normal * (dweight / count).reshape(stand)
    )
    return dx, dweight, dbias


def layer_norm_forward(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    axes: int = 1,
) -> tuple[Array, Cache]:
    """y = weight * (x - mean) / sqrt(var + eps) + bias over the last `axes` axes (Ba et
    al., 2016).
    """
    over = tuple(range(-axes, 0))
    centred = x - x.mean(axis=over, keepdims=True)
    scale = 1.0 / np.sqrt(np.mean(centred * centred, axis=over, keepdims=True) + eps)
    normal = centred * scale
    y = normal if weight is None else normal * weight
    return y if bias is None else y + bias, (normal, scale, weight, over)


def layer_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias."""
    normal, scale, weight, over = cache
    lead = tuple(range(dy.ndim - len(over)))
    dweight, dbias = np.sum(dy * normal, axis=lead), dy.sum(axis=lead)
    d = dy if weight is None else dy * weight
    dx = (
        d
        - d.mean(axis=over, keepdims=True)
        - normal * np.mean(d * normal, axis=over, keepdims=True)
    )
    return dx * scale, dweight, dbias


def rms_norm_forward(
    x: Array, weight: Array | None = None, eps: float = 1e-5
) -> tuple[Array, Cache]:
    """y = weight * x / sqrt(mean(x^2) + eps) over the last axis (Zhang and Sennrich,
    2019).
    """
    scale = 1.0 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    normal = x * scale
    return normal if weight is None else normal * weight, (normal, scale, weight)


def rms_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """dx, dweight."""
    normal, scale, weight = cache
    dweight = np.sum(dy * normal, axis=tuple(range(dy.ndim - 1)))
    d = dy if weight is None else dy * weight
    return (d - normal * np.mean(d * normal, axis=-1, keepdims=True)) * scale, dweight


def group_norm_forward(
    x: Array,
    groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Cache]:
    """Each group of channels of each example normalised on its own (Wu and He, 2018): x
    (N, C, ...).

    `groups = C` is instance normalisation.
    """
    rows = x.reshape(x.shape[0], groups, -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    scale = 1.0 / np.sqrt(np.mean(centred * centred, axis=2, keepdims=True) + eps)
    normal = (centred * scale).reshape(x.shape)
    stand = (-1, *[1] * (x.ndim - 2))
    y = normal if weight is None else normal * weight.reshape(stand)
    return y if bias is None else y + bias.reshape(stand), (
        normal,
        scale,
        weight,
        groups,
    )


def group_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias."""
    normal, scale, weight, groups = cache
    axes = (0, *range(2, dy.ndim))
    dweight, dbias = np.sum(dy * normal, axis=axes), dy.sum(axis=axes)
    d = dy if weight is None else dy * weight.reshape(-1, *[1] * (dy.ndim - 2))
    d = d.reshape(dy.shape[0], groups, -1)
    z = normal.reshape(d.shape)
    dx = (
        d - d.mean(axis=2, keepdims=True) - z * np.mean(d * z, axis=2, keepdims=True)
    ) * scale
    return dx.reshape(dy.shape), dweight, dbias


def local_response_norm_forward(
    x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> tuple[Array, Cache]:
    """y = x / (k + alpha * mean of x^2 over `size` channels)^beta (Krizhevsky et al.,
    2012): x (N, C, ...).

    The window of channel c starts at c - size // 2; channels that do not exist count as
    zeros.
    """
    scale = k + (alpha / size) * sum_channels(x * x, size, size // 2)
    return x * scale**-beta, (x, scale, size, alpha, beta)


def local_response_norm_backward(dy: Array, cache: Cache) -> Array:
    """Through the numerator, and through every window that a channel stands in."""
    x, scale, size, alpha, beta = cache
    power = scale**-beta
    through = sum_channels(dy * x * power / scale, size, (size - 1) // 2)
    dx: Array = dy * power - (2.0 * alpha * beta / size) * x * through
    return dx


def sum_channels(x: Array, size: int, before: int) -> Array:
    """The sum over `size` channels from c - before on, zeros beyond the ends."""
    padded = np.pad(x, ((0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)))
    total: Array = np.zeros_like(x)
    for offset in range(size):
        total = total + padded[:, offset : offset + x.shape[1]]
    return total
