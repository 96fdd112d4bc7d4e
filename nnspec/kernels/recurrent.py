"""Recurrent layers over x (T, ..., I), time first: forward, and back through time.

Products with inputs, and gradients of weights, are one GEMM over all steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any


def rnn_forward(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
    activation: str = "tanh",
) -> tuple[Array, Cache]:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), h_0 = 0 (Elman, 1990): all
    h_t, (T, ..., H).
    """
    z = input_product(x, weight_ih, bias_ih, bias_hh)
    h = np.zeros((len(x) + 1, *z.shape[1:]), z.dtype)
    for t in range(len(x)):
        z[t] += np.matmul(h[t], weight_hh.T)
        if activation == "tanh":
            np.tanh(z[t], out=h[t + 1])
        else:
            np.maximum(z[t], 0.0, out=h[t + 1])
    return h[1:], (x, h, weight_ih, weight_hh, activation)


def rnn_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Returns dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh."""
    x, h, weight_ih, weight_hh, activation = cache
    dz = np.empty(dy.shape, h.dtype)
    dh = np.zeros(dy.shape[1:], h.dtype)
    for t in reversed(range(len(x))):
        dh += dy[t]
        slope = 1.0 - h[t + 1] * h[t + 1] if activation == "tanh" else h[t + 1] > 0
        np.multiply(dh, slope, out=dz[t])
        dh = np.matmul(dz[t], weight_hh)
    dx, dweight_ih, dbias = product_gradients(dz, x, weight_ih)
    return dx, dweight_ih, weight_gradient(dz, h[:-1]), dbias, dbias


def lstm_forward(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[Array, Cache]:
    """c_t = f * c_(t-1) + i * g, h_t = o * tanh(c_t), gates stacked as i, f, g, o
    (Hochreiter and Schmidhuber, 1997; Gers et al., 2000): all h_t, (T, ..., H).
    """
    gates = input_product(x, weight_ih, bias_ih, bias_hh)
    units = weight_hh.shape[1]
    h = np.zeros((len(x) + 1, *gates.shape[1:-1], units), gates.dtype)
    c, tanh_c = np.zeros_like(h), np.empty_like(h[1:])
    for t in range(len(x)):
        gates[t] += np.matmul(h[t], weight_hh.T)
        i, f, g, o = np.split(gates[t], 4, axis=-1)  # views
        for gate in (i, f, o):
            sigmoid_in_place(gate)
        np.tanh(g, out=g)
        c[t + 1] = f * c[t] + i * g
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])
    return h[1:], (x, gates, h, c, tanh_c, weight_ih, weight_hh)


def lstm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Returns dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh."""
    x, gates, h, c, tanh_c, weight_ih, weight_hh = cache
    dz = np.empty_like(gates)
    dh, dc = np.zeros_like(c[0]), np.zeros_like(c[0])
    for t in reversed(range(len(x))):
        i, f, g, o = np.split(gates[t], 4, axis=-1)
        di, df, dg, do = np.split(dz[t], 4, axis=-1)  # views
        dh += dy[t]
        dc += dh * o * (1.0 - tanh_c[t] * tanh_c[t])
        di[...] = dc * g * i * (1.0 - i)
        df[...] = dc * c[t] * f * (1.0 - f)
        dg[...] = dc * i * (1.0 - g * g)
        do[...] = dh * tanh_c[t] * o * (1.0 - o)
        dc *= f
        dh = np.matmul(dz[t], weight_hh)
    dx, dweight_ih, dbias = product_gradients(dz, x, weight_ih)
    return dx, dweight_ih, weight_gradient(dz, h[:-1]), dbias, dbias


def gru_forward(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[Array, Cache]:
    """h_t = (1 - z) * n + z * h_(t-1), gates stacked as r, z, n; n = tanh(W_in x_t +
    b_in + r * (W_hn h_(t-1) + b_hn)) (Cho et al., 2014): all h_t, (T, ..., H).
    """
    gates = input_product(x, weight_ih, bias_ih)
    units = weight_hh.shape[1]
    h = np.zeros((len(x) + 1, *gates.shape[1:-1], units), gates.dtype)
    a = np.empty_like(h[1:])  # what r lets through of the state
    for t in range(len(x)):
        r, z, n = np.split(gates[t], 3, axis=-1)  # views
        product = np.matmul(h[t], weight_hh.T)
        if bias_hh is not None:
            product += bias_hh
        ar, az, a[t] = np.split(product, 3, axis=-1)
        r += ar
        z += az
        sigmoid_in_place(r)
        sigmoid_in_place(z)
        n += r * a[t]
        np.tanh(n, out=n)
        h[t + 1] = n + z * (h[t] - n)
    return h[1:], (x, gates, a, h, weight_ih, weight_hh)


def gru_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Returns dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh."""
    x, gates, a, h, weight_ih, weight_hh = cache
    dz_ih, dz_hh = np.empty_like(gates), np.empty_like(gates)
    dh = np.zeros_like(h[0])
    for t in reversed(range(len(x))):
        r, z, n = np.split(gates[t], 3, axis=-1)
        dr, dz, dn = np.split(dz_ih[t], 3, axis=-1)  # views
        dh += dy[t]
        dn[...] = dh * (1.0 - z) * (1.0 - n * n)
        dz[...] = dh * (h[t] - n) * z * (1.0 - z)
        dr[...] = dn * a[t] * r * (1.0 - r)
        dz_hh[t] = np.concatenate([dr, dz, dn * r], axis=-1)
        dh = dh * z + np.matmul(dz_hh[t], weight_hh)
    dx, dweight_ih, dbias_ih = product_gradients(dz_ih, x, weight_ih)
    dbias_hh = dz_hh.reshape(-1, dz_hh.shape[-1]).sum(axis=0)
    return dx, dweight_ih, weight_gradient(dz_hh, h[:-1]), dbias_ih, dbias_hh


def input_product(x: Array, weight: Array, *biases: Array | None) -> Array:
    """W x_t + b of all steps in one GEMM: (T, ..., O)."""
    z: Array = np.matmul(x.reshape(-1, x.shape[-1]), weight.T)
    for bias in biases:
        if bias is not None:
            z += bias
    return z.reshape(*x.shape[:-1], weight.shape[0])


def product_gradients(dz: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Of z = W x + b in all steps: dx, dweight, dbias."""
    rows = dz.reshape(-1, dz.shape[-1])
    dx = np.matmul(rows, weight).reshape(x.shape)
    return dx, weight_gradient(dz, x), rows.sum(axis=0)


def weight_gradient(dz: Array, x: Array) -> Array:
    """dz^T x over all steps: dz (T, ..., O), x (T, ..., I) -> (O, I)."""
    dweight: Array = np.matmul(
        dz.reshape(-1, dz.shape[-1]).T, x.reshape(-1, x.shape[-1])
    )
    return dweight


def sigmoid_in_place(x: Array) -> None:
    """x = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
