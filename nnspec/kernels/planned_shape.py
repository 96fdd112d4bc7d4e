"""Planned kernels that move entries, and what stands for a layer where the spec has
none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import view

Array = np.ndarray[Any, Any]


class Affine:
    """x W^T + b written with free parameters, as a layer."""

    def __init__(self, weight: Any, bias: Any = None) -> None:
        self.weight = weight
        self.bias = bias


class PlannedSplit:
    """The parts of x along its last axis, as views; the gradients of the parts stand in
    `parts`, side by side in that of x.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        sizes: tuple[int, ...],
        n: int,
        dtype: Any,
        dx: Array | None = None,
    ) -> None:
        self.edges = np.cumsum(sizes)[:-1].tolist()
        self.dx = np.empty((n, *shape), dtype) if dx is None else view(dx, (n, *shape))
        self.parts = tuple(np.split(self.dx, self.edges, axis=-1))

    def forward(self, x: Array) -> list[Array]:
        return np.split(x, self.edges, axis=-1)

    def backward(self) -> Array:
        return self.dx
