"""Planned batch normalisation over grids, by a team (see `planned.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import Array, Gradients, Team, grid, view
from nnspec.kernels.planned_grid import image_shape

CHUNK = 1 << 18  # numbers that are worked on together, so that they stay in a cache


class PlannedBatchNorm:
    """y = weight * (x - mean) / sqrt(var + eps) + bias with mean and variance of each
    channel over the whole batch, of which every member of the team has a part; with
    `relu`, y = max(that, 0).

    Each pass takes pieces that stay in the cache. `backward` works in dy, unless it is
    lent an array of its own.
    """

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        name: str,
        team: Team,
        member: int,
        relu: bool = False,
        dx: Array | None = None,
    ) -> None:
        self.layer = layer
        shape = image_shape(shape)
        channels, height, width = shape
        self.affine = layer.weight is not None
        none = np.zeros(channels, dtype)
        self.weight = layer.weight.value if self.affine else none + 1
        self.bias = layer.bias.value if self.affine else none
        self.dweight = gradients(layer.weight) if self.affine else none.copy()
        self.dbias = gradients(layer.bias) if self.affine else none.copy()
        self.team, self.member, self.relu = team, member, relu
        # count, sum, sum of squares; and for backward: sum of dy, of dy times normal
        self.board = team.board(name, (5, channels), dtype)
        self.y = grid(shape, n, dtype)
        self.dx = None if dx is None else view(dx, self.y.shape)
        blocks, height, _, width, n = self.y.shape
        self.rows = pieces(blocks * height, channels * width * n)
        self.work = np.empty((self.rows[0].stop, channels, width * n), dtype)
        self.mask = np.empty(self.work.shape, bool)
        self.ones = np.ones(width * n, dtype)
        self.zero = np.zeros(
            width * n, dtype
        )  # a row of them is compared faster than one
        self.count = float(blocks * height * width * n)

    def flat(self, x: Array) -> Array:
        """A grid as (rows, C, w * n)."""
        return x.reshape(-1, x.shape[2], x.shape[3] * x.shape[4])

    def forward(self, x: Array) -> Array:
        self.x = x = self.flat(x)
        y, mine = self.flat(self.y), self.board[self.member]
        mine[0] = self.count
        mine[1] = np.add.reduce(np.matmul(x, self.ones), axis=0)
        mean = (mine[1] / self.count)[:, None]
        squares = 0.0
        for rows in self.rows:
            work = np.subtract(x[rows], mean, out=self.work[: rows.stop - rows.start])
            squares = squares + np.add.reduce(np.vecdot(work, work), axis=0)
        mine[2] = squares
        self.team.meet()
        count, total = self.board[:, 0].sum(axis=0), self.board[:, 1].sum(axis=0)
        self.mean = (total / count)[:, None]
        apart = self.board[:, 1] / self.board[:, 0] - self.mean[:, 0]
        squares = self.board[:, 2] + self.board[:, 0] * apart * apart
        var = squares.sum(axis=0) / count
        self.total = float(count[0])
        self.inverse = 1.0 / np.sqrt(var + self.layer.eps)
        scale = (self.weight * self.inverse)[:, None]
        shift = self.bias[:, None] - self.mean * scale
        for rows in self.rows:
            part = np.multiply(x[rows], scale, out=y[rows])
            part += shift
            if self.relu:
                np.maximum(part, self.zero, out=part)
        if self.member == 0:
            self.remember(var)
        return self.y

    def remember(self, var: Array) -> None:
        """Move the running statistics towards those of the batch."""
        layer, unbiased = self.layer, self.total / max(self.total - 1.0, 1.0)
        mean, running = layer.running_mean.value, layer.running_var.value
        mean += layer.momentum * (self.mean[:, 0] - mean)
        running += layer.momentum * (var * unbiased - running)

    def backward(self, dy: Array) -> Array:
        d, x = self.flat(dy), self.x
        dx = d if self.dx is None else self.flat(self.dx)
        y, mine = self.flat(self.y), self.board[self.member]
        sums, products = 0.0, 0.0
        for rows in self.rows:
            size = rows.stop - rows.start
            part = d[rows]
            if self.relu:
                np.greater(y[rows], self.zero, out=self.mask[:size])
                part = np.multiply(part, self.mask[:size], out=dx[rows])
            work = np.subtract(x[rows], self.mean, out=self.work[:size])
            sums = sums + np.add.reduce(np.matmul(part, self.ones), axis=0)
            products = products + np.add.reduce(np.vecdot(part, work), axis=0)
        mine[3], mine[4] = sums, products * self.inverse
        self.dbias[...], self.dweight[...] = mine[3], mine[4]
        self.team.meet()
        sums = (self.board[:, 3].sum(axis=0) / self.total)[:, None]
        products = self.board[:, 4].sum(axis=0) / self.total * self.inverse
        scale, products = (self.weight * self.inverse)[:, None], products[:, None]
        # dx = scale * (dy - mean(dy) - (x - mean) * products)
        slope, shift = scale * products, scale * (products * self.mean - sums)
        source = dx if self.relu else d
        for rows in self.rows:
            work = np.multiply(x[rows], slope, out=self.work[: rows.stop - rows.start])
            work -= shift
            part = np.multiply(source[rows], scale, out=dx[rows])
            part -= work
        return dy if self.dx is None else self.dx


def pieces(rows: int, size: int) -> list[slice]:
    """Rows of a size in pieces of about CHUNK numbers; the first is the longest."""
    step = max(1, min(rows, CHUNK // size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
