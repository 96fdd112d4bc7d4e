"""Dense layers, matrix products and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Outs = tuple[Array | None, ...]


def dense_forward(
    x: Array, weight: Array, bias: Array | None = None, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = x W^T + b over the last axis: x (..., I), weight (O, I), bias (O) -> y (...,
    O).
    """
    rows = x.reshape(-1, x.shape[-1])  # one GEMM, whatever the rank
    y = np.matmul(
        rows, weight.T, out=None if out is None else out.reshape(-1, weight.shape[0])
    )
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0]), (rows, weight, x.shape)


def dense_backward(
    dy: Array, cache: Cache, out: Outs = (None, None, None)
) -> tuple[Array, Array, Array]:
    """dx = dy W, dW = dy^T x, db = sum of dy over rows. Returns dx, dweight, dbias."""
    rows, weight, shape = cache
    dy = dy.reshape(-1, weight.shape[0])
    dx = np.matmul(
        dy, weight, out=None if out[0] is None else out[0].reshape(rows.shape)
    )
    return (
        dx.reshape(shape),
        np.matmul(dy.T, rows, out=out[1]),
        np.sum(dy, axis=0, out=out[2]),
    )


def dense_backward_parameters(
    dy: Array, cache: Cache, out: Outs = (None, None)
) -> tuple[Array, Array]:
    """dweight and dbias alone: what a layer needs whose input is data."""
    rows, weight, _ = cache
    dy = dy.reshape(-1, weight.shape[0])
    return np.matmul(dy.T, rows, out=out[0]), np.sum(dy, axis=0, out=out[1])


def matmul_forward(a: Array, b: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = a b over the last two axes: a (..., M, K), b (..., K, N) -> y (..., M, N);
    leading axes broadcast.
    """
    return np.matmul(a, b, out=out), (a, b)


def matmul_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """da = dy b^T, db = a^T dy, summed over the axes that were broadcast."""
    a, b = cache
    da = unbroadcast(np.matmul(dy, np.swapaxes(b, -1, -2)), a.shape)
    db = unbroadcast(np.matmul(np.swapaxes(a, -1, -2), dy), b.shape)
    return da, db


def embedding_forward(
    index: Array, weight: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = weight[index]: index (...) of whole numbers in [0, V), weight (V, E) -> y
    (..., E).
    """
    return np.take(weight, index, axis=0, out=out), (index, weight)


def embedding_backward(dy: Array, cache: Cache, out: Array | None = None) -> Array:
    """dweight (V, E): every row of dy added to the row of its index, in order of the
    index.
    """
    index, weight = cache
    dweight = np.zeros(weight.shape, dy.dtype) if out is None else out
    dweight[...] = 0.0
    if not index.size:
        return dweight
    rows = index.reshape(-1)
    order = np.argsort(rows, kind="stable")
    used, first = np.unique(rows[order], return_index=True)
    dweight[used] = np.add.reduceat(
        dy.reshape(-1, weight.shape[1])[order], first, axis=0
    )
    return dweight


def unbroadcast(d: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an operand of `shape` that NumPy broadcast: `d` summed over the
    axes that were stretched.
    """
    extra = np.ndim(d) - len(shape)
    axes = tuple(
        k
        for k in range(np.ndim(d))
        if k < extra or (shape[k - extra] == 1 and d.shape[k] != 1)
    )
    return np.sum(d, axis=axes, keepdims=True).reshape(shape) if axes else d
