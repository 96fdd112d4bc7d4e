"""Activations. At a kink the gradient is PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al., 2017
SELU_SCALE = 1.0507009873554804934193349852946

# Numerators and denominators of Cody's CALERF (see `erf`), highest power first.
ERF_SMALL = (
    (1.85777706184603153e-1, 1.0),
    (3.16112374387056560, 2.36012909523441209e1),
    (1.13864154151050156e2, 2.44024637934444173e2),
    (3.77485237685302021e2, 1.28261652607737228e3),
    (3.20937758913846947e3, 2.84423683343917062e3),
)
ERF_MIDDLE = (
    (2.15311535474403846e-8, 1.0),
    (5.64188496988670089e-1, 1.57449261107098347e1),
    (8.88314979438837594, 1.17693950891312499e2),
    (6.61191906371416295e1, 5.37181101862009858e2),
    (2.98635138197400131e2, 1.62138957456669019e3),
    (8.81952221241769090e2, 3.29079923573345963e3),
    (1.71204761263407058e3, 4.36261909014324716e3),
    (2.05107837782607147e3, 3.43936767414372164e3),
    (1.23033935479799725e3, 1.23033935480374942e3),
)
ERF_LARGE = (
    (1.63153871373020978e-2, 1.0),
    (3.05326634961232344e-1, 2.56852019228982242),
    (3.60344899949804439e-1, 1.87295284992346725),
    (1.25781726111229246e-1, 5.27905102951428412e-1),
    (1.60837851487422766e-2, 6.05183413124413191e-2),
    (6.58749161529837803e-4, 2.33520497626869185e-3),
)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow on either side."""
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1.0, e) / (1.0 + e)
    return y


def sigmoid_forward(x: Array) -> tuple[Array, Cache]:
    """y = 1 / (1 + exp(-x))."""
    y = sigmoid(x)
    return y, y


def sigmoid_backward(dy: Array, y: Cache) -> Array:
    dx: Array = dy * y * (1.0 - y)
    return dx


def tanh_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = tanh(x)."""
    y = np.tanh(x, out=out)
    return y, y


def tanh_backward(dy: Array, y: Cache) -> Array:
    dx: Array = dy * (1.0 - y * y)
    return dx


def relu_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = max(x, 0); its gradient at 0 is 0."""
    y = np.maximum(x, 0.0, out=out)
    return y, y


def relu_backward(dy: Array, y: Cache, out: Array | None = None) -> Array:
    dx: Array = np.multiply(dy, y > 0, out=out)
    return dx


def relu6_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = min(max(x, 0), 6); its gradient at 0 and at 6 is 0."""
    y = np.clip(x, 0.0, 6.0, out=out)
    return y, y


def relu6_backward(dy: Array, y: Cache, out: Array | None = None) -> Array:
    dx: Array = np.multiply(dy, (y > 0) & (y < 6), out=out)
    return dx


def leaky_relu_forward(x: Array, slope: float = 0.01) -> tuple[Array, Cache]:
    """y = x for x > 0, else slope * x; its gradient at 0 is the slope."""
    factor = np.where(x > 0, 1.0, slope).astype(x.dtype)
    return x * factor, factor


def leaky_relu_backward(dy: Array, factor: Cache) -> Array:
    dx: Array = dy * factor
    return dx


def elu_forward(x: Array, alpha: float = 1.0) -> tuple[Array, Cache]:
    """y = x for x > 0, else alpha * (exp(x) - 1) (Clevert et al., 2015)."""
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))
    return y, (x > 0, y, alpha)


def elu_backward(dy: Array, cache: Cache) -> Array:
    positive, y, alpha = cache
    dx: Array = dy * np.where(positive, 1.0, y + alpha)
    return dx


def selu_forward(x: Array) -> tuple[Array, Cache]:
    """y = scale * elu(x, alpha), with the fixed point of Klambauer et al. (2017)."""
    y, cache = elu_forward(x, SELU_ALPHA)
    return y * SELU_SCALE, cache


def selu_backward(dy: Array, cache: Cache) -> Array:
    dx: Array = elu_backward(dy, cache) * SELU_SCALE
    return dx


def gelu_forward(x: Array) -> tuple[Array, Cache]:
    """y = x * Phi(x), Phi the standard normal distribution function (Hendrycks and
    Gimpel, 2016).
    """
    phi = 0.5 + 0.5 * erf(x * 0.7071067811865476)
    return x * phi, (x, phi)


def gelu_backward(dy: Array, cache: Cache) -> Array:
    """d/dx = Phi(x) + x * exp(-x^2 / 2) / sqrt(2 pi)."""
    x, phi = cache
    dx: Array = dy * (phi + x * np.exp(-0.5 * x * x) * 0.3989422804014327)
    return dx


def gelu_tanh_forward(x: Array) -> tuple[Array, Cache]:
    """y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), the approximation that
    GPT-2 uses.
    """
    t = np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1.0 + t), (x, t)


def gelu_tanh_backward(dy: Array, cache: Cache) -> Array:
    x, t = cache
    slope = 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x)
    dx: Array = dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
    return dx


def silu_forward(x: Array) -> tuple[Array, Cache]:
    """y = x * sigmoid(x), also called swish."""
    s = sigmoid(x)
    return x * s, (x, s)


def silu_backward(dy: Array, cache: Cache) -> Array:
    x, s = cache
    dx: Array = dy * s * (1.0 + x * (1.0 - s))
    return dx


def mish_forward(x: Array) -> tuple[Array, Cache]:
    """y = x * tanh(softplus(x)) (Misra, 2019)."""
    t = np.tanh(np.logaddexp(0.0, x))
    return x * t, (x, t)


def mish_backward(dy: Array, cache: Cache) -> Array:
    x, t = cache
    dx: Array = dy * (t + x * sigmoid(x) * (1.0 - t * t))
    return dx


def softplus_forward(x: Array) -> tuple[Array, Cache]:
    """y = log(1 + exp(x)), without overflow."""
    return np.logaddexp(0.0, x), x


def softplus_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * sigmoid(x)
    return dx


def hard_sigmoid_forward(x: Array) -> tuple[Array, Cache]:
    """y = min(max(x + 3, 0), 6) / 6; its gradient at -3 and 3 is 0."""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0, x


def hard_sigmoid_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * ((x > -3) & (x < 3)) / 6.0
    return dx


def hard_swish_forward(x: Array) -> tuple[Array, Cache]:
    """y = x * min(max(x + 3, 0), 6) / 6; its gradient at -3 is 0, at 3 is 1 (Howard et
    al., 2019).
    """
    return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0, x


def hard_swish_backward(dy: Array, x: Cache) -> Array:
    dx: Array = dy * np.where(x <= -3, 0.0, np.where(x < 3, x / 3.0 + 0.5, 1.0))
    return dx


def prelu_forward(x: Array, weight: Array) -> tuple[Array, Cache]:
    """y = x for x > 0, else weight * x (He et al., 2015): x (N, C, ...), weight (1) or
    (C).
    """
    stand = weight.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, stand * x), (x, stand, weight.shape)


def prelu_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """dx, dweight; at 0 the slope is the weight."""
    x, stand, shape = cache
    dslope = unbroadcast(np.where(x > 0, 0.0, dy * x), stand.shape)
    return np.where(x > 0, dy, stand * dy), dslope.reshape(shape)


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along `axis`, without overflow."""
    e: Array = np.exp(x - x.max(axis=axis, keepdims=True))
    e /= np.sum(e, axis=axis, keepdims=True)
    return e


def softmax_forward(x: Array, axis: int = -1) -> tuple[Array, Cache]:
    """y = exp(x) / sum(exp(x)) along `axis`."""
    y = softmax(x, axis)
    return y, (y, axis)


def softmax_backward(dy: Array, cache: Cache) -> Array:
    y, axis = cache
    dx: Array = y * (dy - np.sum(dy * y, axis=axis, keepdims=True))
    return dx


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along `axis`, without overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    y: Array = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y


def log_softmax_forward(x: Array, axis: int = -1) -> tuple[Array, Cache]:
    """y = x - log(sum(exp(x))) along `axis`."""
    y = log_softmax(x, axis)
    return y, (y, axis)


def log_softmax_backward(dy: Array, cache: Cache) -> Array:
    y, axis = cache
    dx: Array = dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)
    return dx


def sign_of(x: Array) -> Array:
    """-1 for x < 0, else 1. No gradient."""
    return np.where(x < 0, -1.0, 1.0).astype(x.dtype)


def heaviside(x: Array) -> Array:
    """0 for x < 0, else 1. No gradient."""
    return np.where(x < 0, 0.0, 1.0).astype(x.dtype)


def erf(x: Array) -> Array:
    """The error function, within a few units in the last place.

    W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23
    (1969), with the coefficients of his CALERF: one quotient of polynomials for |x| <=
    0.46875, one up to 4, one beyond.
    """
    a = np.minimum(np.abs(x), 30.0)  # erf(6) is 1.0 already
    result = np.empty(np.shape(x), a.dtype)
    small, large = a <= 0.46875, a > 4.0
    middle = ~(small | large)

    z = np.square(a[small])
    result[small] = a[small] * quotient(z, ERF_SMALL)
    z = a[middle]
    result[middle] = 1.0 - np.exp(-z * z) * quotient(z, ERF_MIDDLE)
    z = 1.0 / np.square(a[large])
    result[large] = 1.0 - np.exp(-1.0 / z) * np.sqrt(z) * (
        0.5641895835477563 - z * quotient(z, ERF_LARGE)
    )
    return np.copysign(result, x)


def quotient(z: Array, coefficients: tuple[tuple[float, float], ...]) -> Array:
    """Two polynomials in z divided, by their pairs of coefficients from the highest
    power on.
    """
    p, q = (np.full_like(z, first) for first in coefficients[0])
    for a, b in coefficients[1:]:
        p, q = p * z + a, q * z + b
    return p / q


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
