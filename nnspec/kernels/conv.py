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
Windows = tuple[tuple[int, ...], ...]  # stride, padding, dilation of each axis
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
    """y[n, o] = bias[o] + sum_c x[n, c] * weight[o, c], cross-correlated over space.

    x (N, C, *S), weight (O, C / groups, *kernel), bias (O) -> y (N, O, *M) with
    M = (S + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1. In memory the
    examples of y come last, (O, *M, N), unless `out` says otherwise.
    """
    windows = per_axis((stride, padding, dilation), x.ndim - 2)
    columns = im2col(x, weight.shape[2:], windows, scratch)  # (C, *kernel, *M, N)
    size = columns.shape[x.ndim - 1 :]
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = columns.reshape(groups, w.shape[2], -1)
    y = np.matmul(w, columns).reshape(weight.shape[0], -1)
    if bias is not None:
        y += bias[:, None]
    y = np.moveaxis(y.reshape(weight.shape[0], *size), -1, 0)
    if out is not None:
        out[...] = y
        y = out
    return y, (columns, weight, x.shape, windows, groups)


def conv_backward(
    dy: Array,
    cache: Cache,
    out: Outs = (None, None, None),
    scratch: Scratch | None = None,
) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias: dcolumns = W^T dy, added back to where the columns were read;
    dW = dy columns^T.
    """
    _, weight, shape, windows, groups = cache
    dweight, dbias = conv_backward_parameters(dy, cache, out[1:])
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    rows = np.moveaxis(dy, 0, -1).reshape(groups, w.shape[1], -1)
    dcolumns = np.matmul(np.swapaxes(w, 1, 2), rows)
    dcolumns = dcolumns.reshape(shape[1], *weight.shape[2:], *dy.shape[2:], shape[0])
    dx = col2im(dcolumns, shape, weight.shape[2:], windows, scratch)
    if out[0] is not None:
        out[0][...] = dx
        dx = out[0]
    return dx, dweight, dbias


def conv_backward_parameters(
    dy: Array, cache: Cache, out: Outs = (None, None)
) -> tuple[Array, Array]:
    """dweight and dbias alone: what a layer needs whose input is data."""
    columns, weight, _, _, groups = cache
    rows = np.moveaxis(dy, 0, -1).reshape(weight.shape[0], -1)  # (O, M * N)
    dbias = np.sum(rows, axis=1, out=out[1])
    grouped = rows.reshape(groups, weight.shape[0] // groups, -1)
    target = None if out[0] is None else out[0].reshape(groups, grouped.shape[1], -1)
    dweight = np.matmul(grouped, np.swapaxes(columns, 1, 2), out=target)
    return dweight.reshape(weight.shape), dbias


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

    x (N, C, *S), weight (C, O / groups, *kernel), bias (O) -> y (N, O, *M) with
    M = (S - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.
    """
    kernel, rank = weight.shape[2:], x.ndim - 2
    windows = per_axis((stride, padding, dilation), rank)
    (extra,) = per_axis((output_padding,), rank)
    extent = zip(x.shape[2:], kernel, *windows, extra, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in extent]
    shape = (x.shape[0], weight.shape[1] * groups, *size)
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    rows = np.moveaxis(x, 0, -1).reshape(groups, w.shape[1], -1)
    columns = np.matmul(np.swapaxes(w, 1, 2), rows)
    columns = columns.reshape(shape[1], *kernel, *x.shape[2:], x.shape[0])
    y = col2im(columns, shape, kernel, windows, scratch)
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * rank)
    return y, (rows, weight, x.shape, windows, groups)


def conv_transpose_backward(
    dy: Array, cache: Cache, scratch: Scratch | None = None
) -> tuple[Array, Array, Array]:
    """dx is the convolution of dy with the same weight; dweight pairs x with the
    columns of dy.
    """
    rows, weight, shape, windows, groups = cache
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = im2col(dy, weight.shape[2:], windows, scratch)
    read = (slice(None),) * (columns.ndim - len(shape) + 1)
    columns = columns[(*read, *(slice(n) for n in shape[2:]))]  # no output padding
    columns = columns.reshape(groups, w.shape[2], -1)
    dx = np.matmul(w, columns).reshape(*shape[1:], shape[0])
    dweight = np.matmul(rows, np.swapaxes(columns, 1, 2)).reshape(weight.shape)
    return np.moveaxis(dx, -1, 0), dweight, dy.sum(axis=(0, *range(2, dy.ndim)))


def im2col(
    x: Array,
    kernel: tuple[int, ...],
    windows: Windows,
    scratch: Scratch | None = None,
) -> Array:
    """The windows of x (N, C, *S) as columns (C, *kernel, *M, N).

    Examples come last, so that what is copied are long runs.
    """
    stride, padding, dilation = windows
    padded = pad_examples_last(x, padding, scratch)
    extent = zip(padded.shape[1:-1], kernel, stride, dilation, strict=True)
    size = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in extent)
    shape = (x.shape[1], *kernel, *size, x.shape[0])
    columns = buffer(scratch, "columns", shape, x.dtype)
    for offset in np.ndindex(*kernel):
        window = window_at(offset, size, stride, dilation)
        columns[(slice(None), *offset)] = padded[window]
    return columns


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    windows: Windows,
    scratch: Scratch | None = None,
) -> Array:
    """The transpose of `im2col`: columns (C, *kernel, *M, N) added up where they were
    read, (N, C, *S).
    """
    stride, padding, dilation = windows
    batch, channels, *spatial = shape
    sizes = [n + 2 * p for n, p in zip(spatial, padding, strict=True)]
    padded = buffer(scratch, "sums", (channels, *sizes, batch), columns.dtype)
    padded[...] = 0.0
    size = columns.shape[len(kernel) + 1 : -1]
    for offset in np.ndindex(*kernel):
        window = window_at(offset, size, stride, dilation)
        padded[window] += columns[(slice(None), *offset)]
    inside = [slice(p, p + n) for p, n in zip(padding, spatial, strict=True)]
    dx: Array = np.moveaxis(padded[(slice(None), *inside)], -1, 0)
    return dx


def pad_examples_last(
    x: Array, padding: tuple[int, ...], scratch: Scratch | None
) -> Array:
    """x (N, C, *S) as (C, *S, N), with zeros around the spatial axes."""
    x = np.moveaxis(x, 0, -1)
    if not any(padding):
        return x
    sizes = [n + 2 * p for n, p in zip(x.shape[1:-1], padding, strict=True)]
    padded = buffer(scratch, "padded", (x.shape[0], *sizes, x.shape[-1]), x.dtype)
    padded[...] = 0.0
    inside = [slice(p, p + n) for p, n in zip(padding, x.shape[1:-1], strict=True)]
    padded[(slice(None), *inside)] = x
    return padded


def window_at(
    offset: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[slice, ...]:
    """Where the entry at `offset` of every window stands in (C, *S, N)."""
    axes = zip(offset, size, stride, dilation, strict=True)
    return (
        slice(None),
        *(slice(o * d, o * d + (m - 1) * s + 1, s) for o, m, s, d in axes),
    )


def per_axis(settings: tuple[Sizes, ...], rank: int) -> Windows:
    """Each setting as one number for each spatial axis."""
    return tuple(v if isinstance(v, tuple) else (v,) * rank for v in settings)


def buffer(
    scratch: Scratch | None, name: str, shape: tuple[int, ...], dtype: Any
) -> Array:
    """A new array; or the one kept in `scratch`, while shape and dtype stay."""
    if scratch is None:
        return np.empty(shape, dtype)
    found = scratch.get(name)
    if found is None or found.shape != shape or found.dtype != dtype:
        found = scratch[name] = np.empty(shape, dtype)
    return found
