"""Elementwise arithmetic. Binary functions broadcast as NumPy does, and their gradients
are summed back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Scalar = float | int


def add_forward(a: Array, b: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = a + b."""
    return np.add(a, b, out=out), (np.shape(a), np.shape(b))


def add_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    return unbroadcast(dy, a), unbroadcast(dy, b)


def subtract_forward(
    a: Array, b: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = a - b."""
    return np.subtract(a, b, out=out), (np.shape(a), np.shape(b))


def subtract_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    return unbroadcast(dy, a), unbroadcast(-dy, b)


def multiply_forward(
    a: Array, b: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = a * b."""
    return np.multiply(a, b, out=out), (a, b)


def multiply_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    return unbroadcast(dy * b, np.shape(a)), unbroadcast(dy * a, np.shape(b))


def divide_forward(a: Array, b: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = a / b."""
    y = np.divide(a, b, out=out)
    return y, (y, np.shape(a), b)


def divide_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    y, a, b = cache
    da = dy / b
    return unbroadcast(da, a), unbroadcast(-da * y, np.shape(b))


def power_forward(a: Array, b: Array) -> tuple[Array, Cache]:
    """y = a ^ b."""
    dtype = np.result_type(a, b)
    a, b = np.asarray(a, dtype), np.asarray(b, dtype)
    y = np.power(a, b)
    return y, (a, b, y)


def power_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """da = b a^(b - 1), and 0 where b = 0; db = a^b log(a), and 0 where a = 0 and b >=
    0.
    """
    a, b, y = cache
    da = np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b - 1.0)))
    flat = (a == 0) & (b >= 0)
    db = np.where(flat, 0.0, y * np.log(np.where(flat, 1.0, a)))
    return unbroadcast(dy * da, np.shape(a)), unbroadcast(dy * db, np.shape(b))


def power_scalar_forward(x: Array, exponent: Scalar) -> tuple[Array, Cache]:
    """y = x ^ exponent for a fixed exponent."""
    return np.power(x, exponent), (x, exponent)


def power_scalar_backward(dy: Array, cache: Cache) -> Array:
    x, exponent = cache
    dx: Array = (
        dy * (exponent * np.power(x, exponent - 1))
        if exponent != 0
        else np.zeros_like(dy)
    )
    return dx


def negative_forward(x: Array) -> tuple[Array, Cache]:
    """y = -x."""
    return -x, None


def negative_backward(dy: Array, cache: Cache = None) -> Array:
    return -dy


def exp_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = e^x."""
    y = np.exp(x, out=out)
    return y, y


def exp_backward(dy: Array, y: Cache) -> Array:
    dx: Array = dy * y
    return dx


def log_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = log(x), the natural logarithm; -inf at 0, as PyTorch has it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x, out=out), x


def log_backward(dy: Array, x: Cache) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        dx: Array = dy / x
    return dx


def sqrt_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = the square root of x; its gradient at 0 is infinite."""
    with np.errstate(invalid="ignore"):
        y = np.sqrt(x, out=out)
    return y, y


def sqrt_backward(dy: Array, y: Cache) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        dx: Array = dy / (2.0 * y)
    return dx


def abs_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = |x|; its gradient at 0 is 0."""
    return np.abs(x, out=out), x


def abs_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * np.sign(x)
    return dx


def square_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = x * x."""
    return np.square(x, out=out), x


def square_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * (2.0 * x)
    return dx


def sin_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = sin(x)."""
    return np.sin(x, out=out), x


def sin_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * np.cos(x)
    return dx


def cos_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = cos(x)."""
    return np.cos(x, out=out), x


def cos_backward(dy: Array, x: Cache) -> Array:
    dx: Array = -dy * np.sin(x)
    return dx


def maximum_forward(
    a: Array, b: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the larger of a and b; a tie shares the gradient in halves."""
    return np.maximum(a, b, out=out), (a, b)


def maximum_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    half = 0.5 * dy * (a == b)
    return unbroadcast(dy * (a > b) + half, np.shape(a)), unbroadcast(
        dy * (b > a) + half, np.shape(b)
    )


def minimum_forward(
    a: Array, b: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the smaller of a and b; a tie shares the gradient in halves."""
    return np.minimum(a, b, out=out), (a, b)


def minimum_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    half = 0.5 * dy * (a == b)
    return unbroadcast(dy * (a < b) + half, np.shape(a)), unbroadcast(
        dy * (b < a) + half, np.shape(b)
    )


def clip_forward(
    x: Array, low: float | None = None, high: float | None = None
) -> tuple[Array, Cache]:
    """y = x held between the bounds; the gradient passes at the bounds themselves."""
    inside = np.ones(np.shape(x), bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return np.clip(x, low, high), inside


def clip_backward(dy: Array, inside: Cache) -> Array:
    dx: Array = dy * inside
    return dx


def where_forward(condition: Array, a: Array, b: Array) -> tuple[Array, Cache]:
    """y = a where the condition holds, else b."""
    return np.where(condition, a, b), (condition, np.shape(a), np.shape(b))


def where_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """da, db; what was not chosen gets an exact zero, also where dy is not finite."""
    condition, a, b = cache
    return unbroadcast(np.where(condition, dy, 0.0), a), unbroadcast(
        np.where(condition, 0.0, dy), b
    )


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
