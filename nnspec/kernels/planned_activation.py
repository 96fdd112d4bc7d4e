"""Planned activations, for arrays of any layout: contiguous, and of one shape.

With `in_place` forward changes x, else it fills an array of its own; backward changes
dy. Those that need more than y for their gradient keep dy/dx, made in forward from what
is in the cache then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.activation import erf
from nnspec.kernels.planned_rows import numbers, stretches

Array = np.ndarray[Any, Any]

# Phi(-a) = exp(-a^2 / 2) (b1 t + ... + b5 t^5) with t = 3 / (a + 3), a >= 0, within
# 9e-8: the form of Abramowitz and Stegun 26.2.17, fitted anew by the largest error.
NORMAL_TAIL = (
    -0.10851426579576695,
    0.3600838326957303,
    -0.0732969610283396,
    0.1972100624615807,
    0.12451724425938532,
)
NORMAL_SHIFT = 3.0
NORMAL_PEAK = 0.3989422804014327  # 1 / sqrt(2 pi)
MANY_NUMBERS = 1 << 13  # from which a few passes cost less than a slower function


class PlannedRelu:
    """y = max(x, 0); its gradient at 0 is 0."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.positive = np.empty(shape, bool)
        self.zero = np.zeros((), dtype)
        # The maximum of two arrays takes 0.4 of the time of an array and a number; of
        # zeros there need be no more than a run of about a thousand.
        lengths = [int(np.prod(shape[k:])) for k in range(len(shape) + 1)]
        start = max(
            (k for k, length in enumerate(lengths) if length >= 1024), default=0
        )
        self.zeros = np.zeros(shape[start:], dtype)

    def forward(self, x: Array) -> Array:
        y = x if self.y is None else self.y
        self.result: Array = np.maximum(x, self.zeros, out=y)
        return y

    def backward(self, dy: Array) -> Array:
        np.greater(self.result, self.zero, out=self.positive)
        dy *= self.positive
        return dy


class PlannedTanh:
    """y = tanh(x); dx = dy (1 - y^2).

    Many numbers of float32 as 1 - 2 / (exp(2 x) + 1), since exp takes half the time of
    tanh: within 2e-7 of it, as close as y near 1 can be, not relatively so at x near 0.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.work = np.empty(shape, dtype)
        self.by_exp = dtype == np.float32 and self.work.size >= MANY_NUMBERS
        self.one, self.less = numbers(dtype, 1.0, -2.0)
        self.parts = stretches(self.work.size)

    def forward(self, x: Array) -> Array:
        y = x if self.y is None else self.y
        self.result: Array = y
        if not self.by_exp:
            return np.tanh(x, out=y)
        flat, to = x.reshape(-1), y.reshape(-1)
        with np.errstate(over="ignore"):  # 2 / infinity is what is wanted
            for part in self.parts:
                e = np.add(flat[part], flat[part], out=to[part])
                np.exp(e, out=e)
                e += self.one
                np.divide(self.less, e, out=e)
                e += self.one
        return y

    def backward(self, dy: Array) -> Array:
        np.multiply(self.result, self.result, out=self.work)
        self.work *= dy
        dy -= self.work
        return dy


class PlannedSigmoid:
    """y = 1 / (1 + exp(-x)); dx = dy y (1 - y)."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.work = np.empty(shape, dtype)
        self.sigmoid = PlannedLogistic(dtype)

    def forward(self, x: Array) -> Array:
        y = x if self.y is None else self.y
        np.negative(x, out=y)
        self.result: Array = self.sigmoid.forward(y)
        return y

    def backward(self, dy: Array) -> Array:
        np.multiply(self.result, self.result, out=self.work)
        np.subtract(self.result, self.work, out=self.work)
        dy *= self.work
        return dy


class PlannedLogistic:
    """1 / (1 + exp(x)) in place, with no overflow: exp(x) is as if infinite before."""

    def __init__(self, dtype: Any) -> None:
        self.one = np.ones((), dtype)
        self.top = np.array(np.floor(np.log(np.finfo(dtype).max)), dtype)

    def forward(self, x: Array) -> Array:
        np.minimum(x, self.top, out=x)
        np.exp(x, out=x)
        x += self.one
        return np.divide(self.one, x, out=x)


class PlannedLeakyRelu:
    """y = x for x > 0, else slope * x; its gradient at 0 is the slope."""

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, in_place: bool, slope: float = 0.01
    ) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.factor = np.empty(shape, dtype)
        self.step = np.array(1.0 - slope, dtype)
        self.slope = np.array(slope, dtype)
        self.zero = np.zeros((), dtype)

    def forward(self, x: Array) -> Array:
        np.greater(x, self.zero, out=self.factor)
        self.factor *= self.step
        self.factor += self.slope
        y: Array = np.multiply(x, self.factor, out=x if self.y is None else self.y)
        return y

    def backward(self, dy: Array) -> Array:
        dy *= self.factor
        return dy


class PlannedCurve:
    """y = f(x) with dy/dx in an array of its own, a piece at a time."""

    works = 1  # arrays that a piece needs beside x, y and its slope

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.slope = np.empty(shape, dtype)
        self.parts = stretches(self.slope.size)
        self.work = np.empty((self.works, self.parts[0].stop), dtype)
        self.zero, self.half, self.one = numbers(dtype, 0.0, 0.5, 1.0)
        self.logistic = PlannedLogistic(dtype)

    def forward(self, x: Array) -> Array:
        y = x if self.y is None else self.y
        flat = x.reshape(-1), y.reshape(-1), self.slope.reshape(-1)
        for part in self.parts:
            work = self.work[:, : part.stop - part.start]
            self.piece(*(values[part] for values in flat), *work)
        return y

    def backward(self, dy: Array) -> Array:
        dy *= self.slope
        return dy

    def piece(self, x: Array, y: Array, slope: Array, *work: Array) -> None:
        """Fills y (which may be x) and slope."""
        raise NotImplementedError


class PlannedGelu(PlannedCurve):
    """y = x Phi(x), dy/dx = Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi).

    Phi(x) is |[x > 0] - Phi(-|x|)|; in float32 Phi(-|x|) = exp(-x^2 / 2) P(t).
    """

    works = 4

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        super().__init__(shape, dtype, in_place)
        self.single = self.slope.dtype == np.float32
        self.tail = numbers(dtype, *NORMAL_TAIL)
        self.shift, self.peak = numbers(dtype, NORMAL_SHIFT, NORMAL_PEAK)
        self.minus_half = np.array(-0.5, dtype)

    def piece(self, x: Array, y: Array, slope: Array, *work: Array) -> None:
        e, phi, t, p = work
        np.multiply(x, x, out=e)
        e *= self.minus_half
        np.exp(e, out=e)
        if self.single:
            np.abs(x, out=t)
            t += self.shift
            np.divide(self.shift, t, out=t)
            first, *others = self.tail
            np.multiply(t, first, out=p)
            for b in others:
                p += b
                p *= t
            p *= e
            np.greater(x, self.zero, out=phi)
            phi -= p
            np.abs(phi, out=phi)
        else:
            np.multiply(erf(x * 0.7071067811865476), self.half, out=phi)
            phi += self.half
        e *= self.peak
        e *= x
        np.add(phi, e, out=slope)
        np.multiply(x, phi, out=y)


class PlannedGeluTanh(PlannedCurve):
    """y = x s, s = (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)), u = sqrt(2 / pi) (x +
    0.044715 x^3); dy/dx = s + 2 y (1 - s) du/dx.
    """

    works = 2

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        super().__init__(shape, dtype, in_place)
        root = 0.7978845608028654  # sqrt(2 / pi)
        cube = root * 0.044715
        self.factors = numbers(dtype, -2 * cube, -2 * root, 6 * cube, 2 * root)

    def piece(self, x: Array, y: Array, slope: Array, *work: Array) -> None:
        s, square = work
        cubic, linear, curve, start = self.factors
        np.multiply(x, x, out=square)
        np.multiply(square, cubic, out=s)
        s += linear
        s *= x
        self.logistic.forward(s)
        square *= curve
        square += start  # 2 du/dx
        np.multiply(x, s, out=y)
        np.subtract(self.one, s, out=slope)
        slope *= square
        slope *= y
        slope += s


class PlannedSilu(PlannedCurve):
    """y = x s, s = 1 / (1 + exp(-x)); dy/dx = s + y (1 - s)."""

    def piece(self, x: Array, y: Array, slope: Array, *work: Array) -> None:
        (s,) = work
        np.negative(x, out=s)
        self.logistic.forward(s)
        np.multiply(x, s, out=y)
        np.subtract(self.one, s, out=slope)
        slope *= y
        slope += s
