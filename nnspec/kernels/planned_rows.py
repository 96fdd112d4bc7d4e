"""Planned kernels for rows: dense layers, sums, normalisation, embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import Gradients, view

Array = np.ndarray[Any, Any]

# Numbers that are worked on together, from one operation to the next. Small enough for
# a cache, but for the L3: pieces for the L2 (16 thousand) were 2.4 times as slow on two
# threads, since calls of a few microseconds wait for the interpreter's lock.
PIECE = 1 << 17


def stretches(rows: int, size: int = 1) -> list[slice]:
    """Rows of a size in parts of about PIECE numbers; the first is the longest."""
    step = max(1, min(rows, PIECE // size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def numbers(dtype: Any, *values: float) -> list[Array]:
    """Arrays of no axes, which NumPy takes faster than numbers of Python."""
    return [np.array(value, dtype) for value in values]


class PlannedDense:
    """y = x W^T + b; dx = dy W, dW = dy^T x, db = 1^T dy, over all rows of x."""

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        dx: Array | None = None,
    ) -> None:
        units, self.features = layer.weight.shape
        self.weight, self.dweight = layer.weight.value, gradients(layer.weight)
        self.bias = None if layer.bias is None else layer.bias.value
        self.dbias = None if layer.bias is None else gradients(layer.bias)
        self.y = np.empty((n, *shape[:-1], units), dtype)
        self.rows = self.y.reshape(-1, units)
        self.ones = np.ones(len(self.rows), dtype)
        self.dx = None if dx is None else view(dx, (n, *shape))

    def forward(self, x: Array) -> Array:
        self.x = x if x.ndim == 2 else x.reshape(-1, self.features)
        self.x.dot(self.weight.T, self.rows)  # less to call than matmul
        if self.bias is not None:
            self.rows += self.bias
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if dy.ndim != 2:
            dy = dy.reshape(self.rows.shape)
        dy.T.dot(self.x, self.dweight)
        if self.dbias is not None:
            self.ones.dot(dy, self.dbias)
        if self.dx is not None:
            dy.dot(self.weight, self.dx.reshape(self.x.shape))
        return self.dx


class PlannedAdd:
    """y = a + b, whose gradients are dy; with `in_place` in a."""

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, in_place: bool = False
    ) -> None:
        self.y = None if in_place else np.empty(shape, dtype)

    def forward(self, a: Array, b: Array) -> Array:
        y: Array = np.add(a, b, out=a if self.y is None else self.y)
        return y


class PlannedRMSNorm:
    """y = w x', x' = r x, r = 1 / sqrt(mean(x^2) + eps), over the last axis.

    dx = r (dy w - x' mean(dy w x')), dw = sum of dy x' over all rows.
    """

    centred = False

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        dx: Array | None = None,
    ) -> None:
        features = shape[-1]
        rows = n * int(np.prod(shape[:-1]))
        self.weight = None if layer.weight is None else layer.weight.value
        self.bias = None if layer.bias is None else layer.bias.value
        self.y = np.empty((n, *shape), dtype)
        self.dx = None if dx is None else view(dx, (n, *shape))
        self.parts = stretches(rows, features)
        step = self.parts[0].stop
        self.normal = np.empty((rows, features), dtype)
        self.scale = np.empty((rows, 1), dtype)
        self.work = np.empty((step, features), dtype)
        self.means = np.empty((2, step, 1), dtype)
        self.average = np.full(features, 1.0 / features, dtype)
        self.ones = np.ones(step, dtype)
        self.eps, self.one, self.share = numbers(dtype, layer.eps, 1.0, 1.0 / features)
        # Sums over rows: one row for each part, which then are summed.
        parameters = layer.weight, layer.bias
        self.dparameters = [None if p is None else gradients(p) for p in parameters]
        self.sums = [
            None if g is None else np.empty((len(self.parts), features), dtype)
            for g in self.dparameters
        ]
        if len(self.parts) == 1:
            self.sums = [None if g is None else g[None] for g in self.dparameters]

    def forward(self, x: Array) -> Array:
        x, y = x.reshape(self.normal.shape), self.y.reshape(self.normal.shape)
        for part in self.parts:
            self.forward_part(x[part], self.normal[part], self.scale[part], y[part])
        return self.y

    def forward_part(self, x: Array, normal: Array, scale: Array, y: Array) -> None:
        """Fills some rows of what has been normalised, its scale and y."""
        r = scale.reshape(-1)
        if self.centred:
            mean = self.means[0, : len(x)]
            x.dot(self.average, mean.reshape(-1))
            x = np.subtract(x, mean, out=normal)
        np.vecdot(x, x, out=r)
        r *= self.share
        r += self.eps
        np.sqrt(r, out=r)
        np.divide(self.one, r, out=r)
        np.multiply(x, scale, out=normal)
        if self.weight is None:
            np.copyto(y, normal)
        else:
            np.multiply(normal, self.weight, out=y)
        if self.bias is not None:
            y += self.bias

    def backward(self, dy: Array) -> Array | None:
        dy = dy.reshape(self.normal.shape)
        # the mean of dy w as one product
        mean = self.average if self.weight is None else self.weight * self.share
        for index, part in enumerate(self.parts):
            normal, d = self.normal[part], dy[part]
            work, ones = self.work[: len(d)], self.ones[: len(d)]
            np.multiply(d, normal, out=work)
            for sums, terms in zip(self.sums, (work, d), strict=True):
                if sums is not None:
                    ones.dot(terms, sums[index])
            if self.dx is not None:
                dx = self.dx.reshape(self.normal.shape)[part]
                self.backward_part(d, normal, self.scale[part], work, mean, dx)
        for sums, gradient in zip(self.sums, self.dparameters, strict=True):
            if len(self.parts) > 1 and sums is not None:
                np.add.reduce(sums, axis=0, out=gradient)
        return self.dx

    def backward_part(
        self, dy: Array, x: Array, scale: Array, work: Array, mean: Array, dx: Array
    ) -> None:
        """Some rows of dx; x has been normalised, work is dy x."""
        along, level = self.means[:, : len(dy)]
        work.dot(mean, along.reshape(-1))  # mean(dy w x)
        np.multiply(x, along, out=work)
        if self.centred:
            dy.dot(mean, level.reshape(-1))  # mean(dy w)
            work += level
        if self.weight is None:
            np.subtract(dy, work, out=dx)
        else:
            np.multiply(dy, self.weight, out=dx)
            dx -= work
        dx *= scale


class PlannedLayerNorm(PlannedRMSNorm):
    """y = w x' + b, x' = r (x - mean(x)), r = 1 / sqrt(var(x) + eps), over the last
    axis.

    dx = r (dy w - mean(dy w) - x' mean(dy w x')), dw = sum of dy x', db = sum of dy.
    """

    centred = True


class PlannedEmbedding:
    """y = W[x], x of whole numbers in [0, V); dW[k] = sum of dy where x is k."""

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
    ) -> None:
        self.weight, self.dweight = layer.weight.value, gradients(layer.weight)
        vocabulary, features = layer.weight.shape
        self.y = np.empty((n, *shape, features), dtype)
        self.rows = self.y.reshape(-1, features)
        count = len(self.rows)
        self.places = np.arange(count)
        # For a small table one product is faster than sorting.
        small = vocabulary <= 128
        self.hit = np.zeros((vocabulary, count), dtype) if small else None
        self.sorted = np.empty((0 if small else count, features), dtype)

    def forward(self, x: Array) -> Array:
        self.x = x.reshape(-1)
        np.take(self.weight, self.x, axis=0, out=self.rows, mode="clip")
        return self.y

    def backward(self, dy: Array) -> None:
        dy = dy.reshape(self.rows.shape)
        if self.hit is not None:
            hit = self.hit.reshape(-1)
            places = self.x * len(dy)
            places += self.places
            hit[places] = 1.0
            self.hit.dot(dy, self.dweight)
            hit[places] = 0.0
            return
        order = np.argsort(self.x, kind="stable")
        rows = self.x[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        np.take(dy, order, axis=0, out=self.sorted, mode="clip")
        self.dweight[...] = 0.0
        self.dweight[rows[first]] = np.add.reduceat(self.sorted, first, axis=0)
