"""Planned kernels for images in grid layout, [block][h][c][w][n]: pools, and changes of
layout (see `planned.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import Array, as_rows, blocks_of, grid, view
from nnspec.kernels.pool import window_counts, window_settings, window_sizes

Area = tuple[slice, slice, slice, slice]  # outputs, and the entries they read


class PlannedMaxPool:
    """The largest entry of each window of a grid; its gradient goes to the first of
    them.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n: int,
        dtype: Any,
        size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil: bool = False,
        dx: Array | None = None,
    ) -> None:
        self.areas, size_out = pool_areas(shape, size, stride, padding, ceil)
        shape = image_shape(shape)
        self.y = grid((shape[0], *size_out), n, dtype)
        self.dx = None if dx is None else view(dx, grid_shape(shape, n))
        self.hit = np.empty(self.y.shape[1:], bool)
        self.taken = np.empty(self.y.shape[1:], bool)
        self.part = np.empty(self.y.shape[1:], dtype)

    def forward(self, x: Array) -> Array:
        self.x = x
        for image, y in zip(x, self.y, strict=True):
            y[...] = -np.inf
            for rows, columns, from_rows, from_columns in self.areas:
                area = y[rows, :, columns]
                np.maximum(area, image[from_rows, :, from_columns], out=area)
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is None:
            return None
        for image, y, d, dx in zip(self.x, self.y, dy, self.dx, strict=True):
            self.taken[...] = False
            dx[...] = 0.0
            for rows, columns, from_rows, from_columns in self.areas:
                hit, taken = self.hit[rows, :, columns], self.taken[rows, :, columns]
                np.equal(
                    y[rows, :, columns], image[from_rows, :, from_columns], out=hit
                )
                np.greater(hit, taken, out=hit)
                np.logical_or(taken, hit, out=taken)
                part = self.part[rows, :, columns]
                np.multiply(d[rows, :, columns], hit, out=part)
                dx[from_rows, :, from_columns] += part
        return self.dx


class PlannedAvgPool:
    """The mean of each window of a grid, divided by its size as PyTorch counts it."""

    def __init__(
        self,
        shape: tuple[int, ...],
        n: int,
        dtype: Any,
        size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil: bool = False,
        count_include_pad: bool = True,
        dx: Array | None = None,
    ) -> None:
        self.areas, size_out = pool_areas(shape, size, stride, padding, ceil)
        spatial = len(shape) - 1
        settings = window_settings(size, stride, padding, spatial)
        counts = size_out[-spatial:]
        sizes = window_sizes(tuple(shape[1:]), *settings, counts, count_include_pad)
        shape = image_shape(shape)
        self.tiles = tiles(self.areas, image_shape(shape))
        channels, _, width = image_shape(shape)
        if self.tiles:
            room = size_out[0], channels, width, blocks_of(n)[1]
            self.half = np.empty(room, dtype)
        self.factor = (1.0 / sizes.reshape(size_out)).astype(dtype)[:, None, :, None]
        if np.all(self.factor == self.factor.flat[0]):
            self.factor = np.asarray(self.factor.flat[0])
        self.y = grid((shape[0], *size_out), n, dtype)
        self.dx = None if dx is None else view(dx, grid_shape(shape, n))
        self.part = np.empty(self.y.shape[1:], dtype)

    def forward(self, x: Array) -> Array:
        for image, y in zip(x, self.y, strict=True):
            if self.tiles:  # the rows first: their entries lie in long runs
                down, across = self.tiles
                add_up([image[rows] for rows in down], self.half)
                add_up([self.half[:, :, columns] for columns in across], y)
            else:
                y[...] = 0.0
                for rows, columns, from_rows, from_columns in self.areas:
                    y[rows, :, columns] += image[from_rows, :, from_columns]
            y *= self.factor
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is None:
            return None
        for d, dx in zip(dy, self.dx, strict=True):
            np.multiply(d, self.factor, out=self.part)
            if self.tiles:
                down, across = self.tiles
                for columns in across:
                    self.half[:, :, columns] = self.part
                for rows in down:
                    dx[rows] = self.half
                continue
            dx[...] = 0.0
            for rows, columns, to_rows, to_columns in self.areas:
                dx[to_rows, :, to_columns] += self.part[rows, :, columns]
        return self.dx


class PlannedGlobalAverage:
    """The mean of each channel of a grid: rows (N, C)."""

    def __init__(
        self, shape: tuple[int, ...], n: int, dtype: Any, dx: Array | None = None
    ) -> None:
        channels, height, width = image_shape(shape)
        self.size = float(height * width)
        self.y = np.empty((n, channels), dtype)
        self.dx = None
        if dx is not None:
            self.dx = view(dx, grid_shape((channels, height, width), n))

    def forward(self, x: Array) -> Array:
        blocks, _, channels, _, n = x.shape
        sums = np.add.reduce(x, axis=(1, 3))  # (block, C, n)
        out = self.y.reshape(blocks, n, channels)
        np.divide(sums.swapaxes(1, 2), self.size, out=out)
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is None:
            return None
        blocks, _, channels, _, n = self.dx.shape
        d = dy.reshape(blocks, n, channels).swapaxes(1, 2) / self.size
        self.dx[...] = d[:, None, :, None]
        return self.dx


class PlannedToGrid:
    """Rows (N, C, H, W) as a grid."""

    def __init__(
        self, shape: tuple[int, ...], n: int, dtype: Any, dx: Array | None = None
    ) -> None:
        self.y = grid(image_shape(shape), n, dtype)
        self.dx = None if dx is None else view(dx, (n, *shape))

    def forward(self, x: Array) -> Array:
        rows = as_rows(self.y)
        rows[...] = x.reshape(rows.shape)
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is not None:
            rows = as_rows(dy)
            self.dx.reshape(rows.shape)[...] = rows
        return self.dx


class PlannedToRows:
    """A grid as rows (N, C, H, W), or (N, C * H * W) where it is flattened."""

    def __init__(
        self,
        shape: tuple[int, ...],
        n: int,
        dtype: Any,
        flat: bool = False,
        dx: Array | None = None,
    ) -> None:
        self.y = np.empty((n, int(np.prod(shape))) if flat else (n, *shape), dtype)
        self.dx = None
        if dx is not None:
            self.dx = view(dx, grid_shape(image_shape(shape), n))

    def forward(self, x: Array) -> Array:
        rows = as_rows(x)
        self.y.reshape(rows.shape)[...] = rows
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is not None:
            rows = as_rows(self.dx)
            rows[...] = dy.reshape(rows.shape)
        return self.dx


def overlap(size: int, count: int, first: int, stride: int) -> tuple[slice, slice]:
    """Which of `count` windows have their entry number `first` + stride * m inside an
    axis of a size, and where those entries stand.
    """
    start = max(0, -(first // stride))
    stop = max(start, min(count, (size - 1 - first) // stride + 1))
    inside = slice(start * stride + first, (stop - 1) * stride + first + 1, stride)
    return slice(start, stop), inside if stop > start else slice(0, 0)


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, L) as an image of one row, (C, 1, L)."""
    return shape if len(shape) == 3 else (shape[0], 1, shape[1])


def image_sizes(setting: Any, fill: int, spatial: int) -> tuple[int, int]:
    """A setting for both axes of an image; where there is one, the rows have `fill`."""
    sizes = setting if isinstance(setting, tuple) else (setting,) * spatial
    return sizes if spatial == 2 else (fill, sizes[0])


def grid_shape(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The shape of the grid of n images (C, H, W)."""
    count, size = blocks_of(n)
    return count, shape[1], shape[0], shape[2], size


def tiles(
    areas: list[Area], shape: tuple[int, ...]
) -> tuple[list[slice], list[slice]] | None:
    """The rows and the columns that a pool reads for each place in its window, if
    together they are every entry of the image once.
    """
    seen = np.zeros(shape[1:], int)
    for rows, columns, from_rows, from_columns in areas:
        seen[from_rows, from_columns] += 1
        if (rows.start, columns.start) != (0, 0):
            return None
    if not np.all(seen == 1):
        return None
    down = {rows.start: rows for _, _, rows, _ in areas}
    across = {columns.start: columns for _, _, _, columns in areas}
    return list(down.values()), list(across.values())


def add_up(parts: list[Array], out: Array) -> None:
    """The sum of arrays."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    np.add(parts[0], parts[1], out=out)
    for part in parts[2:]:
        out += part


def pool_areas(
    shape: tuple[int, ...], size: Any, stride: Any, padding: Any, ceil: bool
) -> tuple[list[Area], tuple[int, int]]:
    """For every offset in a window: which outputs have it inside the image, and where
    it stands there. And how many windows there are.
    """
    spatial = len(shape) - 1
    settings = window_settings(size, stride, padding, spatial)
    counts = window_counts(tuple(shape[1:]), *settings, ceil)
    kernel, step = (image_sizes(s, 1, spatial) for s in settings[:2])
    first = image_sizes(settings[2], 0, spatial)
    rows, columns = image_sizes(tuple(counts), 1, spatial)
    _, height, width = image_shape(shape)
    found = []
    for i in range(kernel[0]):
        to_rows, from_rows = overlap(height, rows, i - first[0], step[0])
        for j in range(kernel[1]):
            to, source = overlap(width, columns, j - first[1], step[1])
            found.append((to_rows, to, from_rows, source))
    return found, (rows, columns)


def sum_of_channels(dy: Array, ones: Array, out: Array) -> None:
    """The sum of a grid over all but channels."""
    flat = dy.reshape(-1, dy.shape[2], dy.shape[3] * dy.shape[4])
    np.add.reduce(np.matmul(flat, ones), axis=0, out=out)
