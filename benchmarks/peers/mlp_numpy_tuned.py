"""The MLP in NumPy by someone who counts calls: parameters, gradients and moments are one flat vector each with layers
as views, biases are a last row of the weights met by a last column of ones, every buffer is planned, the data is
gathered and the losses are read once an epoch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

BATCH = 32
SIZES = (64, 128, 64, 10)
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def start(data, state):
    layers = [(i + 1, o) for i, o in pairwise(SIZES)]  # rows: inputs and the bias
    flat, grad, m, v, a, b = np.zeros((6, sum(i * o for i, o in layers)), np.float32)
    weights, grads = views(flat, layers), views(grad, layers)
    for number, w in enumerate(weights, 1):
        w[:-1], w[-1] = state[f"dense{number}.weight"].T, state[f"dense{number}.bias"]
    images = np.ones((len(data["image"]), SIZES[0] + 1), np.float32)
    images[:, :-1] = data["image"]
    labels = data["label"]
    shuffled = np.empty_like(images)
    sizes = {min(BATCH, len(labels) - i) for i in range(0, len(labels), BATCH)}
    forms = {n: plan(n, weights, grads) for n in sizes}
    t = 0

    def update():
        """Adam over the flat vectors, its two corrections in the rate and in eps."""
        nonlocal t
        t += 1
        root = (1 - BETA2**t) ** 0.5
        np.multiply(grad, 1 - BETA1, out=a)
        np.multiply(m, BETA1, out=m)
        np.add(m, a, out=m)
        np.multiply(grad, grad, out=a)
        np.multiply(a, 1 - BETA2, out=a)
        np.multiply(v, BETA2, out=v)
        np.add(v, a, out=v)
        np.sqrt(v, out=a)
        np.add(a, EPS * root, out=a)
        np.divide(m, a, out=b)
        np.multiply(b, RATE * root / (1 - BETA1**t), out=b)
        np.subtract(flat, b, out=flat)

    def epoch(order):
        np.take(images, order, axis=0, out=shuffled[: len(order)], mode="clip")
        wanted = labels[order]
        flat_index = np.arange(len(order)) % BATCH * SIZES[-1] + wanted
        losses = np.empty(-(-len(order) // BATCH))
        for k, i in enumerate(range(0, len(order), BATCH)):
            x = shuffled[i : i + BATCH]
            losses[k] = forms[len(x)](x, flat_index[i : i + BATCH])
            update()
        return losses

    return epoch


def views(flat, shapes):
    ends = np.cumsum([i * o for i, o in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def plan(n, weights, grads):
    """Loss and gradients of n examples into planned buffers; h1 and h2 end in a column of ones."""
    w1, w2, w3 = weights
    g1, g2, g3 = grads
    h1, h2 = np.ones((n, SIZES[1] + 1), np.float32), np.ones((n, SIZES[2] + 1), np.float32)
    z1, z2 = h1[:, :-1], h2[:, :-1]
    d1, d2 = np.empty((n, SIZES[1]), np.float32), np.empty((n, SIZES[2]), np.float32)
    q = np.empty((n, SIZES[3]), np.float32)
    q_flat = q.reshape(-1)
    top, total = np.empty((n, 1), np.float32), np.empty((n, 1), np.float32)
    on1, on2 = np.empty(d1.shape, bool), np.empty(d2.shape, bool)
    w2_in, w3_in = w2[:-1].T, w3[:-1].T
    h1_t, h2_t = h1.T, h2.T

    def gradients(x, hits):
        np.matmul(x, w1, out=z1)
        np.maximum(z1, 0, out=z1)
        np.matmul(h1, w2, out=z2)
        np.maximum(z2, 0, out=z2)
        np.matmul(h2, w3, out=q)
        np.max(q, axis=1, keepdims=True, out=top)
        np.subtract(q, top, out=q)
        hit = q_flat[hits].sum()
        np.exp(q, out=q)
        np.sum(q, axis=1, keepdims=True, out=total)
        np.multiply(total, n, out=top)
        np.divide(q, top, out=q)
        q_flat[hits] -= 1 / n
        np.matmul(h2_t, q, out=g3)
        np.matmul(q, w3_in, out=d2)
        np.greater(z2, 0, out=on2)
        np.multiply(d2, on2, out=d2)
        np.matmul(h1_t, d2, out=g2)
        np.matmul(d2, w2_in, out=d1)
        np.greater(z1, 0, out=on1)
        np.multiply(d1, on1, out=d1)
        np.matmul(x.T, d1, out=g1)
        return (np.log(total).sum() - hit) / n

    return gradients
