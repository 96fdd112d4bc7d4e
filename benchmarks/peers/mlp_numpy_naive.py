"""The MLP in NumPy as a student writes it from the equations: fresh arrays, one dictionary of parameters."""

from __future__ import annotations

import numpy as np

BATCH = 32
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def start(data, state):
    p = {name: array.copy() for name, array in state.items()}
    m = {name: np.zeros_like(array) for name, array in p.items()}
    v = {name: np.zeros_like(array) for name, array in p.items()}
    images, labels = data["image"], data["label"]
    t = 0

    def step(x, y):
        nonlocal t
        t += 1
        n = len(x)
        z1 = x @ p["dense1.weight"].T + p["dense1.bias"]
        h1 = np.maximum(z1, 0)
        z2 = h1 @ p["dense2.weight"].T + p["dense2.bias"]
        h2 = np.maximum(z2, 0)
        logits = h2 @ p["dense3.weight"].T + p["dense3.bias"]

        logits = logits - logits.max(axis=1, keepdims=True)
        q = np.exp(logits)
        q = q / q.sum(axis=1, keepdims=True)
        loss = -np.log(q[np.arange(n), y]).mean()

        d3 = q.copy()
        d3[np.arange(n), y] -= 1
        d3 /= n
        d2 = (d3 @ p["dense3.weight"]) * (z2 > 0)
        d1 = (d2 @ p["dense2.weight"]) * (z1 > 0)
        g = {
            "dense1.weight": d1.T @ x, "dense1.bias": d1.sum(axis=0),
            "dense2.weight": d2.T @ h1, "dense2.bias": d2.sum(axis=0),
            "dense3.weight": d3.T @ h2, "dense3.bias": d3.sum(axis=0),
        }  # fmt: skip
        for name in p:
            m[name] = BETA1 * m[name] + (1 - BETA1) * g[name]
            v[name] = BETA2 * v[name] + (1 - BETA2) * g[name] ** 2
            mean = m[name] / (1 - BETA1**t)
            square = v[name] / (1 - BETA2**t)
            p[name] -= RATE * mean / (np.sqrt(square) + EPS)
        return float(loss)

    def epoch(order):
        return [step(images[rows], labels[rows]) for rows in np.split(order, range(BATCH, len(order), BATCH))]

    return epoch
