"""Planned convolutions over grids (see `planned.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnspec.kernels.planned import Array, Gradients, blocks_of, grid, view
from nnspec.kernels.planned_grid import (
    grid_shape,
    image_shape,
    image_sizes,
    overlap,
    sum_of_channels,
)

Held = dict[Any, Array]
Pair = tuple[int, int]  # of the rows and of the columns of an image

MANY = 8  # channels from which a product with one row for each is well filled
THIN = 12  # rows of a product below which several rows of outputs share one
FEW = 1 << 18  # numbers of which another copy costs less than making them again


class Geometry:
    """The windows of images (C, H, W): settings for both axes, and how many windows."""

    def __init__(
        self,
        shape: tuple[int, ...],
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> None:
        self.shape, self.kernel, self.stride = shape, kernel, stride
        self.padding, self.dilation, self.groups = padding, dilation, groups
        rows, columns = (
            (shape[a + 1] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1)
            // stride[a]
            + 1
            for a in (0, 1)
        )
        self.size = rows, columns
        self.key = shape, kernel, stride, padding, dilation, groups

    def reach(self, axis: int, offset: int) -> tuple[slice, slice]:
        """Which windows have their entry `offset` inside an axis (0: rows), and where
        that is.
        """
        first = offset * self.dilation[axis] - self.padding[axis]
        size, count = self.shape[axis + 1], self.size[axis]
        return overlap(size, count, first, self.stride[axis])


class Seen:
    """What a function makes of an array, kept while the same array comes."""

    def __init__(self, make: Callable[[Array], Any]) -> None:
        self.make = make
        self.of: Array | None = None
        self.made: Any = None

    def __call__(self, x: Array) -> Any:
        if x is not self.of:
            self.of, self.made = x, self.make(x)
        return self.made


class WindowRows:
    """The windows of a block of images (h, C, w, n) as matrices, one for a row of
    outputs.

    `moves` says what to copy, the block once for each column of the kernel, into
    [h][c][j][w'][n]: the kernel's rows are consecutive rows of that, so `columns`
    (groups, h', K, w' * n) with K = (i, c, j) reads them in place, overlapping. Where
    rows are apart (dilation, or a stride beyond the kernel), they are copied too. With
    `together` > 1, that many rows of outputs share a matrix, which has the rows of them
    all.
    """

    def __init__(
        self, g: Geometry, n: int, dtype: Any, scratch: Held, together: int = 1
    ) -> None:
        self.g = g
        self.plain = g.kernel == g.stride == (1, 1) and not any(g.padding)
        self.plain &= g.groups == 1
        if self.plain:
            return
        rows, columns = g.size
        each = g.shape[0] // g.groups
        self.apart = g.dilation[0] > 1 or g.stride[0] >= g.kernel[0]
        inner: tuple[int, ...] = (each, g.kernel[1], columns, n)
        if self.apart:
            held, inner = rows, (g.kernel[0], *inner)
        else:
            held = (rows - 1) * g.stride[0] + g.kernel[0]
        key = "columns", g.key, n
        if key not in scratch:  # what padding leaves is zero, and stays so
            scratch[key] = np.zeros((g.groups, held, *inner), dtype)
        self.held = scratch[key]
        step = self.held.strides[1] * (1 if self.apart else g.stride[0]) * together
        deep = g.kernel[0] + (together - 1) * g.stride[0]
        size = self.held.itemsize
        self.columns = np.lib.stride_tricks.as_strided(
            self.held,
            (g.groups, rows // together, deep * each * g.kernel[1], columns * n),
            (self.held.strides[0], step, columns * n * size, size),
        )

    def moves(self, x: Array) -> tuple[list[tuple[Array, Array]], Array]:
        """What is copied from a block, as (to, from), and the matrices after that."""
        g = self.g
        height, channels, width, n = x.shape
        if self.plain:
            return [], x.reshape(1, height, channels, -1)
        x = x.reshape(height, g.groups, channels // g.groups, width, n)
        found = []
        for j in range(g.kernel[1]):
            to, source = g.reach(1, j)
            if not self.apart:
                into, rows = overlap(height, self.held.shape[1], -g.padding[0], 1)
                part = x[rows, :, :, source].swapaxes(0, 1)
                found.append((self.held[:, into, :, j, to], part))
                continue
            for i in range(g.kernel[0]):
                into, rows = g.reach(0, i)
                part = x[rows, :, :, source].swapaxes(0, 1)
                found.append((self.held[:, into, i, :, j, to], part))
        return found, self.columns


class PlannedConv:
    """y[o] = bias[o] + sum_c x[c] * weight[o, c] over grids: one product a row of
    outputs, W (O, K) times the windows of that row (K, w * n). dW is the product of dy
    and the windows, row by row.

    A product with few rows is a slow one: where O is small, several rows of outputs
    share one, with W below itself, shifted.
    """

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        scratch: Held,
        dx: Array | None = None,
    ) -> None:
        weight = layer.weight.value
        spatial = weight.ndim - 2
        kernel = image_sizes(weight.shape[2:], 1, spatial)
        stride, padding, dilation, groups = layer.settings
        g = Geometry(
            image_shape(shape),
            kernel,
            image_sizes(stride, 1, spatial),
            image_sizes(padding, 0, spatial),
            image_sizes(dilation, 1, spatial),
            groups,
        )
        self.weight = weight.reshape(*weight.shape[:2], *kernel)
        self.dweight = gradients(layer.weight).reshape(self.weight.shape)
        self.bias = None if layer.bias is None else layer.bias.value[:, None]
        self.dbias = None if layer.bias is None else gradients(layer.bias)
        blocks, n_of_block = blocks_of(n)
        (rows, columns), channels = g.size, len(weight)
        self.together = together = rows_together(g, channels)
        # What one block leaves in the columns, backward finds there.
        self.kept = blocks == 1 and int(np.prod(g.shape)) * n <= FEW
        own: Held = {} if self.kept else scratch
        self.windows = WindowRows(g, n_of_block, dtype, own, together)
        self.blocks = Seen(lambda x: [self.windows.moves(image) for image in x])
        self.y = grid((channels, rows, columns), n, dtype)
        self.outs = [self.products_of(y) for y in self.y]
        self.flat = [y.reshape(rows, channels, -1) for y in self.y]
        self.rows_of = Seen(lambda dy: [self.products_of(d) for d in dy])
        each = channels // groups
        deep = g.kernel[0] + (together - 1) * g.stride[0]
        shape_of_w = (groups, together, each, deep, g.shape[0] // groups, kernel[1])
        self.matrix = np.zeros(shape_of_w, dtype)
        self.w = self.matrix.reshape(groups, 1, together * each, -1)
        self.sum = np.empty(self.w[:, 0].shape, dtype)
        by_rows = self.weight.reshape(groups, each, *self.weight.shape[1:])
        self.by_rows = by_rows.swapaxes(2, 3)  # (groups, O, i, C, j), as columns are
        starts = range(0, together * g.stride[0], g.stride[0])
        self.shifts = [slice(start, start + kernel[0]) for start in starts]
        self.ones = np.ones(columns * n_of_block, dtype)
        whole = (groups, rows // together, *self.sum.shape[1:])
        self.few = int(np.prod(whole)) <= FEW
        self.parts = held_in(
            scratch, whole if self.few else self.sum.shape, "products", dtype
        )
        self.back: Any = None
        if dx is not None:
            to = view(dx, grid_shape(g.shape, n))
            self.back = input_gradient(g, self.weight, n_of_block, scratch, to)

    def products_of(self, y: Array) -> Array:
        """A block of outputs as (groups, rows, O, w * n), one row for each product."""
        rows = y.shape[0] // self.together
        groups = self.windows.g.groups
        return y.reshape(rows, groups, -1, y.shape[2] * y.shape[3]).swapaxes(0, 1)

    def forward(self, x: Array) -> Array:
        self.x = x
        for i, rows in enumerate(self.shifts):
            self.matrix[:, i, :, rows] = self.by_rows
        for block, out, flat in zip(self.blocks(x), self.outs, self.flat, strict=True):
            np.matmul(self.w, filled(block), out=out)
            if self.bias is not None:
                flat += self.bias
        return self.y

    def backward(self, dy: Array) -> Array | None:
        self.backward_parameters(dy)
        if self.back is None:
            return None
        dx: Array = self.back.run(dy)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        first = True
        for block, d in zip(self.blocks(self.x), self.rows_of(dy), strict=True):
            columns = (block[1] if self.kept else filled(block)).swapaxes(2, 3)
            if self.few:
                np.matmul(d, columns, out=self.parts)
                if first:
                    np.add.reduce(self.parts, axis=1, out=self.sum)
                else:
                    self.sum += np.add.reduce(self.parts, axis=1)
                first = False
                continue
            for row in range(d.shape[1]):
                to = self.sum if first else self.parts
                np.matmul(d[:, row], columns[:, row], out=to)
                if not first:
                    self.sum += self.parts
                first = False
        whole = self.sum.reshape(self.matrix.shape)
        dweight = self.dweight.reshape(len(whole), -1, *self.weight.shape[1:])
        for i, rows in enumerate(self.shifts):
            part = whole[:, i, :, rows].swapaxes(2, 3)
            if i == 0:
                dweight[...] = part
            else:
                dweight += part
        if self.dbias is not None:
            sum_of_channels(dy, self.ones, self.dbias)


def input_gradient(g: Geometry, weight: Array, n: int, scratch: Held, dx: Array) -> Any:
    """The form of dx that suits a convolution."""
    down = g.stride[0] == g.dilation[0] == g.groups == 1
    across = g.stride[1] == g.dilation[1] == 1
    if down and g.padding[0] < g.kernel[0]:
        if across and g.padding[1] < g.kernel[1] and g.shape[0] >= MANY:
            return TurnedGradient(g, weight, n, scratch, dx)
        return RowsGradient(g, weight, n, scratch, dx)
    return SpreadGradient(g, weight, n, scratch, dx)


class TurnedGradient:
    """dx as a convolution of dy with the kernel turned round: at stride 1, with enough
    channels to fill a product.
    """

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        self.outs = [part.reshape(*part.shape[:2], -1) for part in dx]
        padding = g.kernel[0] - 1 - g.padding[0], g.kernel[1] - 1 - g.padding[1]
        size = (len(weight), *g.size)
        windows = WindowRows(
            Geometry(size, g.kernel, (1, 1), padding), n, dx.dtype.type, scratch
        )
        self.blocks = Seen(lambda dy: [windows.moves(d) for d in dy])
        self.turned = weight[:, :, ::-1, ::-1].transpose(1, 2, 0, 3)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(len(self.matrix), -1)

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for block, out in zip(self.blocks(dy), self.outs, strict=True):
            np.matmul(self.w, filled(block)[0], out=out)
        return self.dx


class RowsGradient:
    """dx with the kernel's rows inside a product, [c][j] = W^T (i, o) times the rows of
    dy that reach a row of x, and its columns j added up after: at stride 1 down.
    """

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        (rows, columns), channels = g.size, len(weight)
        above = g.kernel[0] - 1 - g.padding[0]
        height = g.shape[1]
        key = "rows", g.key, channels, n
        if key not in scratch:
            held = (height + g.kernel[0] - 1, channels, columns, n)
            scratch[key] = np.zeros(held, dx.dtype)
        self.inside = scratch[key][above : above + rows]
        step, size = scratch[key].strides[0], dx.itemsize
        self.stack = np.lib.stride_tricks.as_strided(
            scratch[key],
            (height, g.kernel[0] * channels, columns * n),
            (step, columns * n * size, size),
        )
        self.turned = weight[:, :, ::-1].transpose(1, 3, 2, 0)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(g.shape[0] * g.kernel[1], -1)
        room = height, g.shape[0], g.kernel[1], columns, n
        self.across = held_in(scratch, room, "across", dx.dtype)
        self.out = self.across.reshape(height, len(self.w), -1)
        self.adds = []
        for j in range(g.kernel[1]):
            source, to = g.reach(1, j)
            self.adds.append((to, self.across[:, :, j, source]))

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for d, dx in zip(dy, self.dx, strict=True):
            self.inside[...] = d
            np.matmul(self.w, self.stack, out=self.out)
            dx[...] = 0.0
            for columns, part in self.adds:
                dx[:, :, columns] += part
        return self.dx


class SpreadGradient:
    """dx as W^T dy, added up where the windows were read: whatever the settings."""

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        (rows, columns), groups = g.size, g.groups
        inner = g.kernel[0], g.shape[0] // groups, g.kernel[1]
        by_groups = weight.reshape(groups, -1, *weight.shape[1:])
        self.turned = by_groups.transpose(0, 3, 2, 4, 1)  # (groups, i, C, j, O)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(groups, 1, -1, len(weight) // groups)
        room: tuple[int, ...] = (groups, rows, *inner, columns, n)
        spread = held_in(scratch, room, "spread", dx.dtype)
        self.out = spread.reshape(groups, rows, -1, columns * n)
        self.rows_of = Seen(lambda dy: [self.by_groups(d, groups) for d in dy])
        self.parts = [
            part.reshape(len(part), groups, -1, *part.shape[2:]) for part in dx
        ]
        self.adds = []
        for i in range(g.kernel[0]):
            from_rows, to_rows = g.reach(0, i)
            for j in range(g.kernel[1]):
                source, to = g.reach(1, j)
                part = spread[:, from_rows, i, :, j, source].swapaxes(0, 1)
                self.adds.append((to_rows, to, part))

    @staticmethod
    def by_groups(d: Array, groups: int) -> Array:
        """A block of dy as (groups, rows, O, w * n)."""
        return d.reshape(len(d), groups, -1, d.shape[2] * d.shape[3]).swapaxes(0, 1)

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for d, dx in zip(self.rows_of(dy), self.parts, strict=True):
            np.matmul(self.w, d, out=self.out)
            dx[...] = 0.0
            for rows, columns, part in self.adds:
                dx[rows, :, :, columns] += part
        return self.dx


def filled(block: tuple[list[tuple[Array, Array]], Array]) -> Array:
    """The matrices of a block, once its windows are copied."""
    moves, columns = block
    for to, source in moves:
        np.copyto(to, source)
    return columns


def rows_together(g: Geometry, channels: int) -> int:
    """How many rows of outputs share a product, so that it has THIN rows at least."""
    if not g.groups == g.dilation[0] == 1 or g.stride[0] >= g.kernel[0]:
        return 1
    for count in range(1, g.kernel[0] + 1):
        if count * channels >= THIN and g.size[0] % count == 0:
            return count
    return 1


def held_in(scratch: Held, shape: tuple[int, ...], name: str, dtype: Any) -> Array:
    """An array that all kernels share which want this name and size."""
    size = int(np.prod(shape))
    if (name, size) not in scratch:
        scratch[name, size] = np.empty(size, dtype)
    return scratch[name, size].reshape(shape)
