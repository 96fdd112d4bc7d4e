"""Initialisers: functions of a generator and a shape. Fans as PyTorch counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Init = Callable[[np.random.Generator, tuple[int, ...]], Array]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs that one entry of a weight (O, I, *kernel) connects."""
    if len(shape) < 2:
        return max(shape, default=1), max(shape, default=1)
    field = int(np.prod(shape[2:]))
    return shape[1] * field, shape[0] * field


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = (6.0 / sum(fans(shape))) ** 0.5
    return rng.uniform(-bound, bound, shape)


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, s^2), s = sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return rng.normal(0.0, (2.0 / sum(fans(shape))) ** 0.5, shape)


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(-a, a), a = sqrt(6 / fan_in) (He et al., 2015)."""
    bound = (6.0 / fans(shape)[0]) ** 0.5
    return rng.uniform(-bound, bound, shape)


def he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, s^2), s = sqrt(2 / fan_in) (He et al., 2015)."""
    return rng.normal(0.0, (2.0 / fans(shape)[0]) ** 0.5, shape)


def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, s^2), s = sqrt(1 / fan_in) (LeCun et al., 1998)."""
    return rng.normal(0.0, (1.0 / fans(shape)[0]) ** 0.5, shape)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Orthonormal rows or columns, the shape seen as (shape[0], rest) (Saxe et al.,
    2014).
    """
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diagonal(r))
    drawn: Array = q if rows >= columns else q.T
    return drawn.reshape(shape)


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, 1)."""
    return rng.standard_normal(shape)


def quarter(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1/4 everywhere: the slope that He et al. (2015) start from."""
    return np.full(shape, 0.25)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """0 everywhere."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1 everywhere."""
    return np.ones(shape)


def uniform(a: float, b: float) -> Init:
    """U(a, b)."""
    return lambda rng, shape: rng.uniform(a, b, shape)


def normal(std: float) -> Init:
    """N(0, std^2)."""
    return lambda rng, shape: rng.normal(0.0, std, shape)


def truncated_normal(std: float) -> Init:
    """N(0, std^2), drawn again where it is further than two deviations from 0."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        values = rng.standard_normal(shape)
        while np.any(far := np.abs(values) > 2.0):
            values = np.where(far, rng.standard_normal(shape), values)
        return values * std

    return draw


def constant(value: Any) -> Init:
    """A number, or nested tuples of numbers, as it stands."""
    return lambda rng, shape: np.broadcast_to(np.asarray(value, float), shape)
