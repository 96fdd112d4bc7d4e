"""Layers that draw random numbers. The generator is handed down; two calls in a row
draw different numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any


def dropout_forward(
    x: Array, p: float, rng: np.random.Generator
) -> tuple[Array, Cache]:
    """y = x * mask / (1 - p), the mask 1 with probability 1 - p (Srivastava et al.,
    2014, inverted).
    """
    mask = scaled_mask(x.shape, p, rng).astype(x.dtype)
    return x * mask, mask


def dropout_backward(dy: Array, mask: Cache) -> Array:
    dx: Array = dy * mask
    return dx


def drop_path_forward(
    x: Array, p: float, rng: np.random.Generator
) -> tuple[Array, Cache]:
    """Like dropout, with one draw for all of an example (Huang et al., 2016)."""
    mask = scaled_mask((x.shape[0], *[1] * (x.ndim - 1)), p, rng).astype(x.dtype)
    return x * mask, mask


def drop_path_backward(dy: Array, mask: Cache) -> Array:
    dx: Array = dy * mask
    return dx


def scaled_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Array:
    """0 with probability p, else 1 / (1 - p), so that the mean is 1."""
    kept: Array = np.asarray(rng.random(shape) < 1.0 - p)
    return kept * (1.0 / (1.0 - p) if p < 1.0 else 0.0)


def gaussian_noise(x: Array, std: float, rng: np.random.Generator) -> Array:
    """x + std * e with e standard normal; the gradient passes unchanged."""
    noise: Any = rng.standard_normal(x.shape, dtype=x.dtype)
    y: Array = x + std * noise
    return y


def bernoulli(p: Array, rng: np.random.Generator) -> Array:
    """1 with probability p, else 0. No gradient."""
    drawn: Array = np.asarray(rng.random(p.shape) < p)
    return drawn.astype(p.dtype)
