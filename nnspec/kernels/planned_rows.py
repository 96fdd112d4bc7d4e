"""Planned kernels for rows: dense layers, sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import Gradients, view

Array = np.ndarray[Any, Any]


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
