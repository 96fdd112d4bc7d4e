"""The MLP in JAX: an epoch in one scan with donated state; the smaller last batch in a call of its own."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

BATCH = 32
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def loss_of(p, x, y):
    x = jax.nn.relu(x @ p["dense1.weight"].T + p["dense1.bias"])
    x = jax.nn.relu(x @ p["dense2.weight"].T + p["dense2.bias"])
    logits = x @ p["dense3.weight"].T + p["dense3.bias"]
    hit = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - hit).mean()


@partial(jax.jit, donate_argnums=0)
def train(carry, images, labels, rows):
    """len(rows) steps of Adam; rows (k, b)."""

    def step(carry, rows):
        p, m, v, t = carry
        t = t + 1
        loss, g = jax.value_and_grad(loss_of)(p, images[rows], labels[rows])
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
        size, root = RATE / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        p = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + EPS), p, m, v)
        return (p, m, v, t), loss

    return lax.scan(step, carry, rows)


def start(data, state):
    p = {name: jnp.array(array) for name, array in state.items()}
    carry = p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.zeros(())
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
