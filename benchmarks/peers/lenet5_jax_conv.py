"""LeNet-5 in JAX with `lax.conv` in a jitted step, called once a batch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

BATCH = 64
RATE, MOMENTUM = 0.01, 0.9


def conv(x, w, b, padding=0):
    pads = [(padding, padding)] * 2
    y = lax.conv_general_dilated(x, w, (1, 1), pads, dimension_numbers=("NHWC", "OIHW", "NHWC"))
    return y + b


def pool(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def loss_of(p, x, y):
    x = pool(jnp.tanh(conv(x, p["conv1.weight"], p["conv1.bias"], 2)))
    x = pool(jnp.tanh(conv(x, p["conv2.weight"], p["conv2.bias"])))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    x = jnp.tanh(x @ p["dense1.weight"].T + p["dense1.bias"])
    x = jnp.tanh(x @ p["dense2.weight"].T + p["dense2.bias"])
    logits = x @ p["dense3.weight"].T + p["dense3.bias"]
    hit = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - hit).mean()


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(p, m, x, y):
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    m = jax.tree.map(lambda m, g: MOMENTUM * m + g, m, g)
    return jax.tree.map(lambda p, m: p - RATE * m, p, m), m, loss


def start(data, state):
    p = {name: jnp.array(array) for name, array in state.items()}
    m = jax.tree.map(jnp.zeros_like, p)
    images, labels = data["image"].transpose(0, 2, 3, 1).copy(), data["label"].astype("int32")

    def epoch(order):
        nonlocal p, m
        losses = []
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            p, m, loss = train_step(p, m, images[rows], labels[rows])
            losses.append(loss)
        return jax.device_get(losses)

    return epoch
