"""LeNet-5 in NumPy as a student writes it: images [n][c][h][w], im2col by sliding windows, fresh arrays."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BATCH = 64
RATE, MOMENTUM = 0.01, 0.9


def conv_forward(x, w, b, padding=0):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k = w.shape[-1]
    columns = sliding_window_view(x, (k, k), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    n, height, width = columns.shape[:3]
    columns = columns.reshape(n * height * width, -1)
    y = columns @ w.reshape(len(w), -1).T + b
    return y.reshape(n, height, width, len(w)).transpose(0, 3, 1, 2), (columns, x.shape)


def conv_backward(dy, w, cache):
    columns, shape = cache
    n, o, height, width = dy.shape
    k = w.shape[-1]
    rows = dy.transpose(0, 2, 3, 1).reshape(-1, o)
    dw = (rows.T @ columns).reshape(w.shape)
    dcolumns = (rows @ w.reshape(o, -1)).reshape(n, height, width, -1, k, k)
    dx = np.zeros(shape, np.float32)
    for i in range(k):
        for j in range(k):
            dx[:, :, i : i + height, j : j + width] += dcolumns[..., i, j].transpose(0, 3, 1, 2)
    return dx, dw, rows.sum(axis=0)


def pool_forward(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))


def pool_backward(dy):
    return np.repeat(np.repeat(dy, 2, axis=2), 2, axis=3) / 4


def start(data, state):
    p = {name: array.copy() for name, array in state.items()}
    m = {name: np.zeros_like(array) for name, array in p.items()}
    images, labels = data["image"], data["label"]

    def step(x, y):
        n = len(x)
        g = {}
        z1, cache1 = conv_forward(x, p["conv1.weight"], p["conv1.bias"], padding=2)
        a1 = np.tanh(z1)
        z2, cache2 = conv_forward(pool_forward(a1), p["conv2.weight"], p["conv2.bias"])
        a2 = np.tanh(z2)
        h = pool_forward(a2).reshape(n, -1)
        a3 = np.tanh(h @ p["dense1.weight"].T + p["dense1.bias"])
        a4 = np.tanh(a3 @ p["dense2.weight"].T + p["dense2.bias"])
        logits = a4 @ p["dense3.weight"].T + p["dense3.bias"]

        logits = logits - logits.max(axis=1, keepdims=True)
        q = np.exp(logits)
        q = q / q.sum(axis=1, keepdims=True)
        loss = -np.log(q[np.arange(n), y]).mean()

        d = q.copy()
        d[np.arange(n), y] -= 1
        d /= n
        g["dense3.weight"], g["dense3.bias"] = d.T @ a4, d.sum(axis=0)
        d = (d @ p["dense3.weight"]) * (1 - a4**2)
        g["dense2.weight"], g["dense2.bias"] = d.T @ a3, d.sum(axis=0)
        d = (d @ p["dense2.weight"]) * (1 - a3**2)
        g["dense1.weight"], g["dense1.bias"] = d.T @ h, d.sum(axis=0)
        d = pool_backward((d @ p["dense1.weight"]).reshape(n, 16, 5, 5)) * (1 - a2**2)
        d, g["conv2.weight"], g["conv2.bias"] = conv_backward(d, p["conv2.weight"], cache2)
        d = pool_backward(d) * (1 - a1**2)
        d, g["conv1.weight"], g["conv1.bias"] = conv_backward(d, p["conv1.weight"], cache1)
        for name in p:
            m[name] = MOMENTUM * m[name] + g[name]
            p[name] -= RATE * m[name]
        return float(loss)

    def epoch(order):
        return [step(images[rows], labels[rows]) for rows in np.split(order, range(BATCH, len(order), BATCH))]

    return epoch
