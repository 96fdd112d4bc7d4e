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
    # sigmoid(x) = (1 + tanh(x / 2)) / 2 cannot overflow; of g the tanh alone is taken
    half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], gates.dtype), units)
    h = np.zeros((len(x) + 1, *gates.shape[1:-1], units), gates.dtype)
    c, tanh_c = np.zeros_like(h), np.empty_like(h[1:])
    for t, gate in enumerate(gates):
        gate += np.matmul(h[t], weight_hh.T)
        gate *= half
        np.tanh(gate, out=gate)
        gate *= half
        gate += 1.0 - half
        i, f, g, o = (gate[..., k * units : (k + 1) * units] for k in range(4))
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += i * g
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])
    return h[1:], (x, gates, h, c, tanh_c, weight_ih, weight_hh)


def lstm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Returns dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh."""
    x, gates, h, c, tanh_c, weight_ih, weight_hh = cache
    i, f, g, o = np.split(gates, 4, axis=-1)
    dz = gates * (1.0 - gates)  # the slope of a sigmoid
    di, df, dg, do = np.split(dz, 4, axis=-1)  # views
    np.subtract(1.0, g * g, out=dg)
    dh, dc = np.zeros_like(c[0]), np.zeros_like(c[0])
    for t in reversed(range(len(x))):
        dh += dy[t]
        dc += dh * o[t] * (1.0 - tanh_c[t] * tanh_c[t])
        di[t] *= dc * g[t]
        df[t] *= dc * c[t]
        dg[t] *= dc * i[t]
        do[t] *= dh * tanh_c[t]
        dc *= f[t]
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
    for t, gate in enumerate(gates):
        rz, n = gate[..., : 2 * units], gate[..., 2 * units :]
        product = np.matmul(h[t], weight_hh.T)
        if bias_hh is not None:
            product += bias_hh
        rz += product[..., : 2 * units]
        sigmoid_in_place(rz)
        a[t] = product[..., 2 * units :]
        n += rz[..., :units] * a[t]
        np.tanh(n, out=n)
        np.subtract(h[t], n, out=h[t + 1])
        h[t + 1] *= rz[..., units:]
        h[t + 1] += n
    return h[1:], (x, gates, a, h, weight_ih, weight_hh)


def gru_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Returns dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh."""
    x, gates, a, h, weight_ih, weight_hh = cache
    r, z, n = np.split(gates, 3, axis=-1)
    dgates = gates * (1.0 - gates)  # the slope of a sigmoid
    dr, dz, dn = np.split(dgates, 3, axis=-1)  # views
    np.multiply(1.0 - z, 1.0 - n * n, out=dn)
    dz *= h[:-1] - n
    dproduct = np.empty_like(gates)
    units = h.shape[-1]
    dh = np.zeros_like(h[0])
    for t in reversed(range(len(x))):
        dh += dy[t]
        dn[t] *= dh
        dz[t] *= dh
        dr[t] *= dn[t] * a[t]
        dproduct[t] = dgates[t]
        dproduct[t, ..., 2 * units :] *= r[t]
        dh *= z[t]
        dh += np.matmul(dproduct[t], weight_hh)
    dx, dweight_ih, dbias_ih = product_gradients(dgates, x, weight_ih)
    dbias_hh = dproduct.reshape(-1, dproduct.shape[-1]).sum(axis=0)
    return dx, dweight_ih, weight_gradient(dproduct, h[:-1]), dbias_ih, dbias_hh


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
