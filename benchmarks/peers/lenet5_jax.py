"""LeNet-5 in JAX: one jitted scan an epoch, images as (C, H, W, N) with the batch innermost, convolutions as one
product with all patches (`lax.conv` inside a scan is slow on a CPU)."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

BATCH = 64
RATE, MOMENTUM = 0.01, 0.9


def conv(x, w, b, padding=0):
    """x (C, H, W, N), w (O, C, K, K): the K * K shifted images below each other, then one product."""
    k = w.shape[-1]
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    h, width = x.shape[1] - k + 1, x.shape[2] - k + 1
    patches = jnp.concatenate([x[:, i : i + h, j : j + width] for i in range(k) for j in range(k)])
    y = w.transpose(0, 2, 3, 1).reshape(len(w), -1) @ patches.reshape(len(patches), -1)
    return y.reshape(len(w), *patches.shape[1:]) + b[:, None, None, None]


def pool(x):
    c, h, w, n = x.shape
    return x.reshape(c, h // 2, 2, w // 2, 2, n).sum((2, 4)) / 4


def loss_of(p, x, y):
    x = jnp.moveaxis(x, 0, -1)
    x = pool(jnp.tanh(conv(x, p["conv1.weight"], p["conv1.bias"], 2)))
    x = pool(jnp.tanh(conv(x, p["conv2.weight"], p["conv2.bias"])))
    x = x.reshape(-1, x.shape[-1]).T
    x = jnp.tanh(x @ p["dense1.weight"].T + p["dense1.bias"])
    x = jnp.tanh(x @ p["dense2.weight"].T + p["dense2.bias"])
    logits = x @ p["dense3.weight"].T + p["dense3.bias"]
    hit = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - hit).mean()


def update(carry, x, y):
    p, m = carry
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    m = jax.tree.map(lambda m, g: MOMENTUM * m + g, m, g)
    return (jax.tree.map(lambda p, m: p - RATE * m, p, m), m), loss


@partial(jax.jit, donate_argnums=0)
def train(carry, images, labels, rows):
    return lax.scan(lambda carry, rows: update(carry, images[rows], labels[rows]), carry, rows)


def start(data, state):
    p = {name: jnp.array(array) for name, array in state.items()}
    carry = p, jax.tree.map(jnp.zeros_like, p)
    images, labels = jnp.array(data["image"]), jnp.array(data["label"], jnp.int32)

    def epoch(order):
        nonlocal carry
        order = order.astype("int32")
        full = len(order) // BATCH * BATCH
        carry, losses = train(carry, images, labels, order[:full].reshape(-1, BATCH))
        if full == len(order):
            return losses
        carry, last = train(carry, images, labels, order[full:][None])
        return jnp.concatenate([losses, last])

    return epoch
