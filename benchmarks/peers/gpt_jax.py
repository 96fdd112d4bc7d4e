"""The GPT in JAX: an epoch in one scan with donated state."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

BATCH, HEADS, LAYERS = 16, 4, 2
RATE, BETA1, BETA2, EPS, DECAY = 3e-4, 0.9, 0.999, 1e-8, 0.01


def norm(x, p, path):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p[f"{path}.weight"] + p[f"{path}.bias"]


def dense(x, p, path):
    return x @ p[f"{path}.weight"].T + p[f"{path}.bias"]


def attention(x, p, path):
    n, t, width = x.shape
    qkv = x @ p[f"{path}.in_proj_weight"].T + p[f"{path}.in_proj_bias"]
    q, k, v = qkv.reshape(n, t, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
    scores = q @ k.transpose(0, 1, 3, 2) * (width // HEADS) ** -0.5
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    y = jax.nn.softmax(scores, axis=-1) @ v
    return dense(y.transpose(0, 2, 1, 3).reshape(n, t, width), p, f"{path}.out_proj")


def loss_of(p, tokens, following):
    x = p["wte.weight"][tokens] + p["wpe.weight"][: tokens.shape[1]]
    for i in range(LAYERS):
        x = x + attention(norm(x, p, f"h.{i}.ln_1"), p, f"h.{i}.attn")
        h = jax.nn.gelu(dense(norm(x, p, f"h.{i}.ln_2"), p, f"h.{i}.fc"), approximate=False)
        x = x + dense(h, p, f"h.{i}.proj")
    logits = norm(x, p, "ln_f") @ p["head.weight"].T
    hit = jnp.take_along_axis(logits, following[..., None], axis=-1)[..., 0]
    return (jax.nn.logsumexp(logits, axis=-1) - hit).mean()


@partial(jax.jit, donate_argnums=0)
def train(carry, tokens, following, rows):
    """len(rows) steps of AdamW; rows (k, b)."""

    def step(carry, rows):
        p, m, v, t = carry
        t = t + 1
        loss, g = jax.value_and_grad(loss_of)(p, tokens[rows], following[rows])
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
        size, root = RATE / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        p = jax.tree.map(lambda p, m, v: (1 - RATE * DECAY) * p - size * m / (jnp.sqrt(v) / root + EPS), p, m, v)
        return (p, m, v, t), loss

    return lax.scan(step, carry, rows)


def start(data, state):
    p = {name: jnp.array(array) for name, array in state.items()}
    carry = p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.zeros(())
    tokens, following = (jnp.array(data[name], jnp.int32) for name in ("tokens", "next"))

    def epoch(order):
        nonlocal carry
        order = order.astype("int32")
        full = len(order) // BATCH * BATCH
        carry, losses = train(carry, tokens, following, order[:full].reshape(-1, BATCH))
        if full == len(order):
            return losses
        carry, last = train(carry, tokens, following, order[full:][None])
        return jnp.concatenate([losses, last])

    return epoch
