"""The GPT in JAX with a jitted step, called once a batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from peers.gpt_jax import BATCH, train


def start(data, state):
    p = {name: jnp.array(array) for name, array in state.items()}
    carry = p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.zeros(())
    tokens, following = (jnp.array(data[name], jnp.int32) for name in ("tokens", "next"))

    def epoch(order):
        nonlocal carry
        losses = []
        for i in range(0, len(order), BATCH):
            carry, loss = train(carry, tokens, following, order[None, i : i + BATCH].astype("int32"))
            losses.append(loss)
        return jnp.concatenate(losses)

    return epoch
