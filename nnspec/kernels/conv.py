"""Convolution (cross-correlation) over any number of spatial axes, as one matrix
product on columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Scratch = dict[str, Array]
Outs = tuple[Array | None, ...]
Sizes = int | tuple[int, ...]  # one for all spatial axes, or one for each


def conv_forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    out: Array | None = None,
    scratch: Scratch | None = None,
) -> tuple[Array, Cache]:
    """y[n, o] = bias[o] + sum_c x[n, c] * weight[o, c], cross-correlated over the
    spatial axes.

    x (N, C, *spatial), weight (O, C / groups, *kernel), bias (O) -> y (N, O, *M) with M
    = (S + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1. The memory of y is
    ordered (O, N, *M), as the product leaves it, unless `out` says otherwise.
    """
    stride, padding, dilation = (
        per_axis(v, x.ndim - 2) for v in (stride, padding, dilation)
    )
    columns = im2col(
        x, weight.shape[2:], stride, padding, dilation, scratch
    )  # (C, *kernel, N, *M)
    batch, size = x.shape[0], columns.shape[2 - x.ndim :]
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = columns.reshape(groups, w.shape[2], -1)
    y = np.matmul(w, columns).reshape(weight.shape[0], -1)
    if bias is not None:
        y += bias[:, None]
    y = np.swapaxes(y.reshape(weight.shape[0], batch, *size), 0, 1)
    if out is not None:
        out[...] = y
        y = out
    return y, (columns, weight, x.shape, stride, padding, dilation, groups)


def conv_backward(
    dy: Array,
    cache: Cache,
    out: Outs = (None, None, None),
    scratch: Scratch | None = None,
) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias: dcolumns = W^T dy, added back to where the columns were read;
    dW = dy columns^T.
    """
    _, weight, shape, stride, padding, dilation, groups = cache
    dweight, dbias = conv_backward_parameters(dy, cache, out[1:])
    dy = np.swapaxes(dy, 0, 1)  # (O, N, *M)
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    dcolumns = np.matmul(np.swapaxes(w, 1, 2), dy.reshape(groups, w.shape[1], -1))
    dcolumns = dcolumns.reshape(shape[1], *weight.shape[2:], shape[0], *dy.shape[2:])
    dx = col2im(dcolumns, shape, weight.shape[2:], stride, padding, dilation, scratch)
    if out[0] is not None:
        out[0][...] = dx
        dx = out[0]
    return dx, dweight, dbias


def conv_backward_parameters(
    dy: Array, cache: Cache, out: Outs = (None, None)
) -> tuple[Array, Array]:
    """dweight and dbias alone: what a layer needs whose input is data."""
    columns, weight, _, _, _, _, groups = cache
    dy = np.swapaxes(dy, 0, 1).reshape(weight.shape[0], -1)  # (O, N * M)
    rows = dy.reshape(groups, weight.shape[0] // groups, -1)
    target = None if out[0] is None else out[0].reshape(groups, rows.shape[1], -1)
    dweight = np.matmul(rows, np.swapaxes(columns, 1, 2), out=target).reshape(
        weight.shape
    )
    return dweight, np.sum(dy, axis=1, out=out[1])


def conv_transpose_forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    scratch: Scratch | None = None,
) -> tuple[Array, Cache]:
    """The gradient of a convolution with regard to its input, used forward.

    x (N, C, *spatial), weight (C, O / groups, *kernel), bias (O) -> y (N, O, *M) with
    M = (S - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.
    """
    kernel, rank = weight.shape[2:], x.ndim - 2
    stride, padding, dilation = (per_axis(v, rank) for v in (stride, padding, dilation))
    output_padding = per_axis(output_padding, rank)
    extent = zip(
        x.shape[2:], kernel, stride, padding, output_padding, dilation, strict=True
    )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, k, s, p, o, d in extent
    )
    shape = (x.shape[0], weight.shape[1] * groups, *size)
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    rows = np.swapaxes(x, 0, 1).reshape(groups, w.shape[1], -1)
    columns = np.matmul(np.swapaxes(w, 1, 2), rows).reshape(
        shape[1], *kernel, x.shape[0], *x.shape[2:]
    )
    y = col2im(columns, shape, kernel, stride, padding, dilation, scratch)
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * rank)
    return y, (rows, weight, x.shape, stride, padding, dilation, groups)


def conv_transpose_backward(
    dy: Array, cache: Cache, scratch: Scratch | None = None
) -> tuple[Array, Array, Array]:
    """dx is the convolution of dy with the same weight; dweight pairs x with the
    columns of dy.
    """
    rows, weight, shape, stride, padding, dilation, groups = cache
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = im2col(dy, weight.shape[2:], stride, padding, dilation, scratch)
    window = (slice(None),) * (columns.ndim - len(shape) + 2) + tuple(
        slice(n) for n in shape[2:]
    )
    columns = columns[window].reshape(groups, w.shape[2], -1)
    dx = np.matmul(w, columns).reshape(shape[1], shape[0], *shape[2:])
    dweight = np.matmul(rows, np.swapaxes(columns, 1, 2)).reshape(weight.shape)
    return np.swapaxes(dx, 0, 1), dweight, dy.sum(axis=(0, *range(2, dy.ndim)))


def im2col(
    x: Array,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    scratch: Scratch | None = None,
) -> Array:
    """The windows of x (N, C, *spatial) as columns (C, *kernel, N, *M)."""
    rank = len(kernel)
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(
        x, extent, axis=tuple(range(2, 2 + rank))
    )
    steps = tuple(slice(None, None, s) for s in (*stride, *dilation))
    windows = windows[(slice(None), slice(None), *steps)]
    windows = np.transpose(
        windows, (1, *range(2 + rank, 2 + 2 * rank), 0, *range(2, 2 + rank))
    )
    if scratch is None:
        return np.ascontiguousarray(windows)
    columns = buffer(scratch, "columns", windows.shape, x.dtype)
    columns[...] = windows
    return columns


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    scratch: Scratch | None = None,
) -> Array:
    """The transpose of `im2col`: columns (C, *kernel, N, *M) added up where they were
    read, (N, C, *spatial).
    """
    batch, channels, *spatial = shape
    padded = (
        channels,
        batch,
        *(n + 2 * p for n, p in zip(spatial, padding, strict=True)),
    )
    x = (
        np.zeros(padded, columns.dtype)
        if scratch is None
        else buffer(scratch, "padded", padded, columns.dtype)
    )
    x[...] = 0.0
    size = columns.shape[len(kernel) + 2 :]
    for offset in np.ndindex(*kernel):
        starts = tuple(o * d for o, d in zip(offset, dilation, strict=True))
        window = tuple(
            slice(a, a + (m - 1) * s + 1, s)
            for a, m, s in zip(starts, size, stride, strict=True)
        )
        x[(slice(None), slice(None), *window)] += columns[(slice(None), *offset)]
    inside = tuple(slice(p, p + n) for p, n in zip(padding, spatial, strict=True))
    dx: Array = np.swapaxes(x[(slice(None), slice(None), *inside)], 0, 1)
    return dx


def per_axis(value: Sizes, rank: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return value if isinstance(value, tuple) else (value,) * rank


def buffer(scratch: Scratch, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """The array kept in `scratch` under `name`, made anew when its shape or dtype
    changed.
    """
    found = scratch.get(name)
    if found is None or found.shape != shape or found.dtype != dtype:
        found = scratch[name] = np.empty(shape, dtype)
    return found
