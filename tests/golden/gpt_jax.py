"""GPT for JAX, compiled by nnspec from gpt.nn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.nn import initializers
from jax.nn.initializers import Initializer
from jax.tree_util import (
    keystr,
    register_dataclass,
    tree_leaves_with_path,
    tree_map_with_path,
)

GLOROT_UNIFORM = initializers.glorot_uniform(in_axis=1, out_axis=0)

STANDARD_NORMAL = initializers.normal(1.0)


@register_dataclass
@dataclass
class Dense:
    """y = x W^T + b over the last axis: x (..., I), weight (O, I), bias (O)."""

    weight: Array
    bias: Array | None

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, int],
        *,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
    ) -> Dense:
        k1, k2 = jax.random.split(key)
        return cls(weight_init(k1, shape), bias_init(k2, shape[:1]) if bias else None)

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


@register_dataclass
@dataclass
class Embedding:
    """Row i of weight (V, E) for every index i of x (...)."""

    weight: Array

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, int],
        *,
        weight_init: Initializer = STANDARD_NORMAL,
    ) -> Embedding:
        return cls(weight_init(key, shape))

    def __call__(self, x: Array) -> Array:
        return self.weight[x]


@register_dataclass
@dataclass
class LayerNorm:
    """Normalises x (..., F) over its last axis: weight (F), bias (F)."""

    weight: Array
    bias: Array | None
    eps: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        *,
        eps: float = 1e-5,
        bias: bool = True,
        weight_init: Initializer = initializers.ones,
        bias_init: Initializer = initializers.zeros,
        key: Array | None = None,
    ) -> LayerNorm:
        k1, k2 = jax.random.split(jax.random.key(0) if key is None else key)
        shift = bias_init(k2, (features,)) if bias else None
        return cls(weight_init(k1, (features,)), shift, eps)

    def __call__(self, x: Array) -> Array:
        y = standardize(x, -1, self.eps) * self.weight
        return y if self.bias is None else y + self.bias


def standardize(x: Array, axis: int, eps: float) -> Array:
    """(x - mean) / sqrt(var + eps) over `axis`, with the biased variance."""
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps)


def key_stream(key: Array | None) -> Iterator[Any]:
    """Independent keys, one for each `next`; None where no key was given."""
    for n in itertools.count():
        yield None if key is None else jax.random.fold_in(key, n)


def attention(q: Array, k: Array, v: Array, heads: int, causal: bool = False) -> Array:
    """softmax(q k^T / sqrt(d)) v: q (..., T, E), k (..., S, E), v (..., S, F)."""

    def by_head(x: Array) -> Array:  # (..., T, E) -> (..., heads, T, E / heads)
        return jnp.swapaxes(x.reshape(*x.shape[:-1], heads, -1), -2, -3)

    q, k, v = by_head(q), by_head(k), by_head(v)
    scores = (q * q.shape[-1] ** -0.5) @ jnp.swapaxes(k, -1, -2)
    if causal:
        seen = jnp.tril(jnp.ones(scores.shape[-2:], bool))
        scores = jnp.where(seen, scores, -jnp.inf)
    y = jnp.swapaxes(jax.nn.softmax(scores) @ v, -2, -3)
    return y.reshape(*y.shape[:-2], -1)


def cross_entropy(logits: Array, label: Array, axis: int = -1) -> Array:
    """-log softmax(logits)[label], the classes along `axis`."""
    picked = jnp.take_along_axis(logits, jnp.expand_dims(label, axis), axis)
    return per_example(jax.nn.logsumexp(logits, axis, keepdims=True) - picked)


def per_example(entries: Array) -> Array:
    """entries (N, ...) averaged over all axes but the first."""
    return entries.mean(tuple(range(1, entries.ndim)))


@jax.jit
def select(data: dict[str, Array], rows: Array) -> dict[str, Array]:
    """The batch that holds some examples."""
    return {name: values[rows] for name, values in data.items()}


@register_dataclass
@dataclass
class Positional:
    """x [32, 64] -> x [32, 64], for one example."""

    weight: Array

    @classmethod
    def init(cls, key: Array) -> Positional:
        return cls(weight=initializers.normal(0.02)(key, (32, 64)))

    def __call__(self, x: Array) -> Array:
        return x + self.weight


@register_dataclass
@dataclass
class SelfAttention:
    """x [32, 64] -> x [32, 64], for one example."""

    in_proj_weight: Array
    in_proj_bias: Array
    out_proj: Dense

    @classmethod
    def init(cls, key: Array) -> SelfAttention:
        keys = key_stream(key)
        return cls(
            in_proj_weight=GLOROT_UNIFORM(next(keys), (192, 64)),
            in_proj_bias=jnp.zeros((192,)),
            out_proj=Dense.init(next(keys), (64, 64)),
        )

    def __call__(self, x: Array) -> Array:
        projected = x @ self.in_proj_weight.mT  # [32, 192]
        rows = projected + self.in_proj_bias
        q, k, v = jnp.split(rows, 3, axis=2)
        return self.out_proj(attention(q, k, v, 4, causal=True))


@register_dataclass
@dataclass
class Block:
    """x [32, 64] -> x [32, 64], for one example."""

    ln_1: LayerNorm
    attn: SelfAttention
    ln_2: LayerNorm
    fc: Dense
    proj: Dense

    @classmethod
    def init(cls, key: Array) -> Block:
        keys = key_stream(key)
        return cls(
            ln_1=LayerNorm.init(64),
            attn=SelfAttention.init(next(keys)),
            ln_2=LayerNorm.init(64),
            fc=Dense.init(next(keys), (256, 64)),
            proj=Dense.init(next(keys), (64, 256)),
        )

    def __call__(self, x: Array) -> Array:
        h = x + self.attn(self.ln_1(x))
        return h + self.proj(jax.nn.gelu(self.fc(self.ln_2(h)), approximate=False))


@register_dataclass
@dataclass
class GPT:
    """tokens [32] -> logits [32, 75], for one example."""

    wte: Embedding
    wpe: Positional
    h: list[Block]
    ln_f: LayerNorm
    head: Dense

    @classmethod
    def init(cls, key: Array) -> GPT:
        keys = key_stream(key)
        return cls(
            wte=Embedding.init(next(keys), (75, 64)),
            wpe=Positional.init(next(keys)),
            h=[Block.init(next(keys)) for _ in range(2)],
            ln_f=LayerNorm.init(64),
            head=Dense.init(next(keys), (75, 64), bias=False),
        )

    def __call__(self, tokens: Array) -> Array:
        x = self.wpe(self.wte(tokens))  # [32, 64]
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        logits = self.head(x)  # [32, 75]
        return logits


Model = GPT


def path_of(keys: Any) -> str:
    """The name of a leaf, as PyTorch would have it: `features.0.weight`."""
    return keystr(keys, simple=True, separator=".")


def to_state(model: GPT) -> dict[str, Array]:
    """Every parameter and running statistic by its path."""
    return {path_of(keys): leaf for keys, leaf in tree_leaves_with_path(model)}


def from_state(model: GPT, state: dict[str, Any]) -> GPT:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""

    def put(keys: Any, leaf: Array) -> Array:
        return jnp.array(state[path_of(keys)], leaf.dtype)

    return tree_map_with_path(put, model)


def outputs(model: GPT, batch: dict[str, Array]) -> dict[str, Array]:
    """The results of the model by name."""
    logits = model(batch["tokens"])
    return {"logits": logits}


def loss(model: GPT, batch: dict[str, Array]) -> Array:
    """What training minimises, averaged over the batch."""
    logits = model(batch["tokens"])
    next_ = batch["next"]
    return cross_entropy(logits, next_).mean()


@jax.jit
def gradients(model: GPT, batch: dict[str, Array]) -> tuple[Array, GPT]:
    """The loss of a batch in training and its gradient, a tree of the model's form."""
    value, grads = jax.value_and_grad(loss)(model, batch)
    return value, grads


def optimizer(lr: Array | float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.adamw(lr, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.01)


def update(
    model: GPT, opt_state: optax.OptState, grads: GPT, lr: Array | float
) -> tuple[GPT, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: GPT, opt_state: optax.OptState, batch: dict[str, Array], lr: Array | float
) -> tuple[GPT, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads = jax.value_and_grad(loss)(model, batch)
    model, opt_state = update(model, opt_state, grads, lr)
    return model, opt_state, value


@partial(jax.jit, donate_argnums=(0, 1))
def train_steps(
    model: GPT,
    opt_state: optax.OptState,
    data: dict[str, Array],
    order: Array,
    lr: Array,
    count: Array | int | None = None,
) -> tuple[GPT, optax.OptState, Array]:
    """One update for each row of `order`, which holds the examples of a batch; their losses.

    Of the rows only the first `count`: one compiled loop serves any number.
    """

    def one(k: Array, state: Any) -> Any:
        model, opt_state, losses = state
        batch = select(data, order[k])
        model, opt_state, value = train_step(model, opt_state, batch, lr[k])
        return model, opt_state, losses.at[k].set(value)

    start = (model, opt_state, jnp.zeros(len(order)))
    return lax.fori_loop(0, len(order) if count is None else count, one, start)


@jax.jit
def evaluate(model: GPT, batch: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Loss and metrics of a batch."""
    value = loss(model, batch)
    logits = model(batch["tokens"])
    return value, {"accuracy": (logits.argmax(2) == batch["next"]).mean(dtype=float)}


if __name__ == "__main__":
    key = jax.random.key(0)
    model = GPT.init(key)
    batch = {
        "tokens": jax.random.randint(key, (4, 32), 0, 75),
        "next": jax.random.randint(key, (4, 32), 0, 75),
    }
    lr = 0.0002
    opt_state = optimizer(lr).init(model)
    for step in range(1, 4):
        model, opt_state, value = train_step(model, opt_state, batch, lr)
        print(f"step {step}: loss {value:.4f}")
