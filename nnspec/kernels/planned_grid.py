"""Planned kernels for images in grid layout, [block][h][c][w][n] (see `planned.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned import (
    Array,
    Gradients,
    Team,
    as_rows,
    blocks_of,
    grid,
    view,
)
from nnspec.kernels.pool import window_counts, window_settings, window_sizes

MANY = 8  # channels from which a product with one row for each is well filled
Area = tuple[slice, slice, slice, slice]  # outputs, and the entries they read
THIN = 12  # rows of a product below which several rows of outputs share one
CHUNK = 1 << 18  # numbers that are worked on together, so that they stay in the cache


class WindowRows:
    """The windows of a block of images (h, C, w, n) as matrices, one for a row of
    outputs.

    `fill` copies the block once for each column of the kernel, [h][c][j][w'][n]: the
    kernel's rows are consecutive rows of that, so `columns` (groups, h', K, w' * n)
    with K = (i, c, j) reads them in place, overlapping. Where rows are apart
    (dilation, or a stride beyond the kernel), they are copied too. With `together` > 1,
    that many rows of outputs share a matrix, which has the rows of them all.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
        n: int,
        dtype: Any,
        scratch: dict[Any, Array],
        together: int = 1,
    ) -> None:
        channels, height, width = shape
        self.plain = kernel == stride == (1, 1) and padding == (0, 0) and groups == 1
        rows = out_size(height, kernel[0], stride[0], padding[0], dilation[0])
        columns = out_size(width, kernel[1], stride[1], padding[1], dilation[1])
        self.size = rows, columns
        self.groups = groups
        if self.plain:
            return
        each = channels // groups
        apart = dilation[0] > 1 or stride[0] >= kernel[0]
        key = shape, kernel, stride, padding, dilation, groups, n, "columns"
        held = rows if apart else (rows - 1) * stride[0] + kernel[0]
        inner: tuple[int, ...] = (kernel[0], each, kernel[1], columns, n)
        inner = inner if apart else inner[1:]
        if key not in scratch:
            scratch[key] = np.zeros((groups, held, *inner), dtype)
        self.held = scratch[key]
        self.copies = []
        for j in range(kernel[1]):
            to, source = overlap(
                width, columns, j * dilation[1] - padding[1], stride[1]
            )
            if apart:
                for i in range(kernel[0]):
                    first = i * dilation[0] - padding[0]
                    into, rows_from = overlap(height, rows, first, stride[0])
                    self.copies.append(
                        (self.held[:, into, i, :, j, to], rows_from, source)
                    )
            else:
                into, rows_from = overlap(height, held, -padding[0], 1)
                self.copies.append((self.held[:, into, :, j, to], rows_from, source))
        step = self.held.strides[1] * (1 if apart else stride[0]) * together
        size = dtype().itemsize
        deep = kernel[0] + (together - 1) * stride[0]
        self.columns = np.lib.stride_tricks.as_strided(
            self.held,
            (groups, rows // together, deep * each * kernel[1], columns * n),
            (self.held.strides[0], step, columns * n * size, size),
        )

    def fill(self, x: Array) -> Array:
        """The columns of a block (h, C, w, n)."""
        if self.plain:
            return x.reshape(1, x.shape[0], x.shape[1], -1)
        height, channels, width, n = x.shape
        grouped = x.reshape(height, self.groups, channels // self.groups, width, n)
        for to, rows, columns in self.copies:
            np.copyto(to, grouped[rows, :, :, columns].swapaxes(0, 1))
        return self.columns


class PlannedConv:
    """y[o] = bias[o] + sum_c x[c] * weight[o, c] over grids: one product a row of
    outputs, W (O, K) times the windows of that row (K, w * n).

    dW is the product of dy and the windows, row by row. dx is one of three, by `way`:
    "turned", the same convolution of dy with the kernel turned round (stride 1, enough
    channels to fill a product); "rows", the kernel's rows inside a product and its
    columns added up after (stride 1 down the rows); "spread", W^T dy added up where
    the windows were read.
    """

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        scratch: dict[Any, Array],
        dx: Array | None = None,
    ) -> None:
        self.weight = layer.weight.value
        self.dweight = gradients(layer.weight)
        self.bias = None if layer.bias is None else layer.bias.value[:, None]
        self.dbias = None if layer.bias is None else gradients(layer.bias)
        spatial = self.weight.ndim - 2
        kernel = image_sizes(self.weight.shape[2:], 1, spatial)
        stride, padding, dilation = (
            image_sizes(setting, fill, spatial)
            for setting, fill in zip(layer.settings[:3], (1, 0, 1), strict=True)
        )
        groups = layer.settings[3]
        shape = image_shape(shape)
        channels = self.weight.shape[0]
        self.kernel, self.groups = kernel, groups
        self.count, self.n = blocks_of(n)
        itemsize = dtype().itemsize
        parts = shape, kernel, stride, padding, dilation, groups, self.n
        rows = out_size(shape[1], kernel[0], stride[0], padding[0], dilation[0])
        self.together = 1
        if groups == dilation[0] == 1 and stride[0] < kernel[0]:
            self.together = rows_together(channels, rows, kernel[0])
        # What one block leaves in the columns, backward finds there.
        self.kept = self.count == 1 and shape[0] * shape[1] * shape[2] * n <= CHUNK
        own: dict[Any, Array] = {} if self.kept else scratch
        self.windows = WindowRows(*parts, dtype, own, self.together)
        rows, columns = self.windows.size
        self.y = grid((channels, rows, columns), n, dtype)
        each, shift = channels // groups, stride[0]
        deep = kernel[0] + (self.together - 1) * shift
        across = self.turned().shape[2:]
        self.matrix = np.zeros((groups, self.together, each, deep, *across), dtype)
        alone, depth = (k * across[0] * across[1] for k in (kernel[0], deep))
        self.w = self.matrix.reshape(groups, 1, self.together * each, depth)
        self.ones = np.ones(columns * self.n, dtype)
        whole = (groups, rows // self.together, self.together * each, depth)
        self.few = rows * channels * depth <= 8 * CHUNK
        self.products = held_in(
            scratch, (whole if self.few else (groups, *whole[2:])), "products", dtype
        )
        self.sum = np.empty((groups, self.together * each, depth), dtype)
        self.shifts = [
            (self.matrix[:, i, :, s : s + kernel[0]], slice(s, s + kernel[0]))
            for i, s in enumerate(range(0, self.together * shift, shift))
        ]
        self.dx = None if dx is None else view(dx, grid_shape(shape, n))
        if self.dx is None:
            return
        down = stride[0] == dilation[0] == groups == 1 and padding[0] < kernel[0]
        across = stride[1] == dilation[1] == 1 and padding[1] < kernel[1]
        self.way = "rows" if down else "spread"
        if down and across and shape[0] >= MANY:
            self.way = "turned"
        if self.way == "turned":
            back = (kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1])
            size = (channels, rows, columns)
            self.back = WindowRows(
                size, kernel, stride, back, dilation, 1, self.n, dtype, scratch
            )
            self.wback = np.empty((shape[0], kernel[0], channels, kernel[1]), dtype)
        elif self.way == "rows":
            above = kernel[0] - 1 - padding[0]
            held = shape[1] + kernel[0] - 1
            key = "rows", shape, kernel, padding, stride, channels, self.n
            if key not in scratch:
                scratch[key] = np.zeros((held, channels, columns, self.n), dtype)
            self.inside = scratch[key][above : above + rows]
            self.stack = np.lib.stride_tricks.as_strided(
                scratch[key],
                (shape[1], kernel[0] * channels, columns * self.n),
                (scratch[key].strides[0], scratch[key].strides[2] * columns, itemsize),
            )
            room = shape[1], shape[0], kernel[1], columns, self.n
            self.wback = np.empty((shape[0], kernel[1], kernel[0], channels), dtype)
            self.across = held_in(scratch, room, "across", dtype)
            self.adds = []
            for j in range(kernel[1]):
                first = j * dilation[1] - padding[1]
                source, to = overlap(shape[2], columns, first, stride[1])
                part = self.across[:, :, j, source]
                self.adds.append((part, slice(None), to))
        else:
            self.spread = held_in(
                scratch, (groups, rows, alone, columns * self.n), "spread", dtype
            )
            self.adds = self.sums(shape, stride, padding, dilation)

    def turned(self) -> Array:
        """The weight (O, C, i, j) as (O, i, C, j), in the order of the columns."""
        w = self.weight.reshape(*self.weight.shape[:2], *self.kernel)
        turned: Array = w.transpose(0, 2, 1, 3)
        return turned

    def by_groups(self, y: Array, together: int = 0) -> Array:
        """A block of outputs as (groups, rows, O, w * n), one row for each product."""
        rows = y.shape[0] // (together or self.together)
        return y.reshape(rows, self.groups, -1, y.shape[2] * y.shape[3]).swapaxes(0, 1)

    def forward(self, x: Array) -> Array:
        self.x = x
        turned = self.turned()
        turned = turned.reshape(self.groups, -1, *turned.shape[1:])
        for part, _ in self.shifts:
            part[...] = turned
        for image, y in zip(x, self.y, strict=True):
            rows, channels = y.shape[:2]
            out = self.by_groups(y)
            np.matmul(self.w, self.windows.fill(image), out=out)
            if self.bias is not None:
                flat = y.reshape(rows, channels, -1)
                flat += self.bias
        return self.y

    def backward(self, dy: Array) -> Array | None:
        self.backward_parameters(dy)
        if self.dx is None:
            return None
        w = self.weight.reshape(*self.weight.shape[:2], *self.kernel)
        if self.way == "turned":
            self.wback[...] = w[:, :, ::-1, ::-1].transpose(1, 2, 0, 3)
            w = self.wback.reshape(len(self.wback), -1)
            for d, dx in zip(dy, self.dx, strict=True):
                out = dx.reshape(*dx.shape[:2], -1)
                np.matmul(w, self.back.fill(d)[0], out=out)
            return self.dx
        if self.way == "rows":
            self.wback[...] = w[:, :, ::-1].transpose(1, 3, 2, 0)
            w = self.wback.reshape(self.wback.shape[0] * self.wback.shape[1], -1)
            out = self.across.reshape(len(self.across), len(w), -1)
            for d, dx in zip(dy, self.dx, strict=True):
                self.inside[...] = d
                np.matmul(w, self.stack, out=out)
                dx[...] = 0.0
                for part, to_rows, to_columns in self.adds:
                    dx[to_rows, :, to_columns] += part
            return self.dx
        turned = self.turned().reshape(self.groups, 1, w.shape[0] // self.groups, -1)
        for d, dx in zip(dy, self.dx, strict=True):
            np.matmul(turned.swapaxes(2, 3), self.by_groups(d, 1), out=self.spread)
            dx[...] = 0.0
            for part, to_rows, to_columns in self.adds:
                target = dx.reshape(dx.shape[0], self.groups, -1, *dx.shape[2:])
                target[to_rows, :, :, to_columns] += part
        return self.dx

    def backward_parameters(self, dy: Array) -> None:
        for b, (image, d) in enumerate(zip(self.x, dy, strict=True)):
            d = self.by_groups(d)
            if self.kept and not self.windows.plain:
                columns = self.windows.columns.swapaxes(2, 3)
            else:
                columns = self.windows.fill(image).swapaxes(2, 3)
            if self.few:
                np.matmul(d, columns, out=self.products)
                part = np.add.reduce(self.products, axis=1)
                self.sum[...] = part if b == 0 else self.sum + part
                continue
            for row in range(d.shape[1]):
                np.matmul(d[:, row], columns[:, row], out=self.products)
                if b == 0 and row == 0:
                    self.sum[...] = self.products
                else:
                    self.sum += self.products
        whole = self.sum.reshape(self.matrix.shape)
        (_, rows_of_first), *others = self.shifts
        turned = whole[:, 0, :, rows_of_first]
        for i, (_, rows_of) in enumerate(others, 1):
            turned += whole[:, i, :, rows_of]
        turned = turned.reshape(self.turned().shape).transpose(0, 2, 1, 3)
        self.dweight[...] = turned.reshape(self.dweight.shape)
        if self.dbias is not None:
            sum_of_channels(dy, self.ones, self.dbias)

    def sums(
        self,
        shape: tuple[int, ...],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> list[tuple[Array, slice, slice]]:
        """Which part of `spread` is added to which rows and columns of dx."""
        _, height, width = shape
        rows, columns = self.windows.size
        spread = self.spread.reshape(
            self.groups, rows, self.kernel[0], -1, self.kernel[1], columns, self.n
        )
        found = []
        for i in range(self.kernel[0]):
            first = i * dilation[0] - padding[0]
            from_rows, to_rows = overlap(height, rows, first, stride[0])
            for j in range(self.kernel[1]):
                first = j * dilation[1] - padding[1]
                from_columns, to_columns = overlap(width, columns, first, stride[1])
                part = spread[:, from_rows, i, :, j, from_columns].swapaxes(0, 1)
                found.append((part, to_rows, to_columns))
        return found


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


def rows_together(channels: int, rows: int, kernel: int) -> int:
    """How many rows of outputs share a product, so that it has THIN rows at least."""
    for count in range(1, kernel + 1):
        if count * channels >= THIN and rows % count == 0:
            return count
    return 1


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows fit an axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


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


def held_in(
    scratch: dict[Any, Array], shape: tuple[int, ...], name: str, dtype: Any
) -> Array:
    """An array that all kernels share which want this name and size."""
    size = int(np.prod(shape))
    if (name, size) not in scratch:
        scratch[name, size] = np.empty(size, dtype)
    return scratch[name, size].reshape(shape)


def pieces(rows: int, size: int) -> list[slice]:
    """Rows of a size in pieces of about CHUNK numbers; the first is the longest."""
    step = max(1, min(rows, CHUNK // size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def sum_of_channels(dy: Array, ones: Array, out: Array) -> None:
    """The sum of a grid over all but channels."""
    flat = dy.reshape(-1, dy.shape[2], dy.shape[3] * dy.shape[4])
    np.add.reduce(np.matmul(flat, ones), axis=0, out=out)


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
