"""GPT for JAX, compiled by nnspec from gpt.nn."""

from dataclasses import dataclass
from functools import partial
from typing import Self, dataclass_transform

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.nn import initializers
from jax.tree_util import keystr, register_dataclass, tree_leaves_with_path

GLOROT_UNIFORM = initializers.glorot_uniform(in_axis=1, out_axis=0)
Arrays = dict[str, Array]  # by name


@dataclass_transform()
class Module:
    """A dataclass that is a pytree: its fields are its branches, or marked static."""

    def __init_subclass__(cls) -> None:
        register_dataclass(dataclass(cls))


class Dense(Module):
    """y = x W^T + b over the last axis: x (..., I), weight (O, I), bias (O)."""

    weight: Array
    bias: Array | None

    @classmethod
    def init(cls, key: Array, shape: tuple[int, int], bias: bool = True) -> Self:
        return cls(GLOROT_UNIFORM(key, shape), jnp.zeros(shape[0]) if bias else None)

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """Row i of weight (V, E) for every index i of x (...)."""

    weight: Array

    @classmethod
    def init(cls, key: Array, shape: tuple[int, int]) -> Self:
        return cls(jax.random.normal(key, shape))

    def __call__(self, x: Array) -> Array:
        return self.weight[x]


class LayerNorm(Module):
    """Normalises x (..., F) over its last axis: weight (F), bias (F)."""

    weight: Array
    bias: Array

    @classmethod
    def init(cls, size: int) -> Self:
        return cls(jnp.ones(size), jnp.zeros(size))

    def __call__(self, x: Array) -> Array:
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * self.weight + self.bias


def attention(q: Array, k: Array, v: Array, heads: int, causal: bool = False) -> Array:
    """softmax(q k^T / sqrt(d)) v: q (..., T, E), k (..., S, E), v (..., S, F)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).swapaxes(-2, -3) for x in (q, k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if causal:
        seen = jnp.tri(q.shape[-2], k.shape[-2], dtype=bool)
        scores = jnp.where(seen, scores, -jnp.inf)
    y = (jax.nn.softmax(scores) @ v).swapaxes(-2, -3)
    return y.reshape(*y.shape[:-2], -1)


class Positional(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    weight: Array

    @classmethod
    def init(cls, key: Array) -> Self:
        return cls(initializers.normal(0.02)(key, (32, 64)))

    def __call__(self, x: Array) -> Array:
        return x + self.weight


class SelfAttention(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    in_proj_weight: Array
    in_proj_bias: Array
    out_proj: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 2))
        in_proj_weight = GLOROT_UNIFORM(next(keys), (192, 64))
        in_proj_bias = jnp.zeros((192,))
        out_proj = Dense.init(next(keys), (64, 64))
        return cls(in_proj_weight, in_proj_bias, out_proj)

    def __call__(self, x: Array) -> Array:
        projected = x @ self.in_proj_weight.mT  # [32, 192]
        rows = projected + self.in_proj_bias
        q, k, v = jnp.split(rows, 3, axis=2)
        return self.out_proj(attention(q, k, v, 4, causal=True))


class Block(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    ln_1: LayerNorm
    attn: SelfAttention
    ln_2: LayerNorm
    fc: Dense
    proj: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 3))
        ln_1 = LayerNorm.init(64)
        attn = SelfAttention.init(next(keys))
        ln_2 = LayerNorm.init(64)
        fc = Dense.init(next(keys), (256, 64))
        proj = Dense.init(next(keys), (64, 256))
        return cls(ln_1, attn, ln_2, fc, proj)

    def __call__(self, x: Array) -> Array:
        h = x + self.attn(self.ln_1(x))
        return h + self.proj(jax.nn.gelu(self.fc(self.ln_2(h)), approximate=False))


class GPT(Module):
    """tokens [32] -> logits [32, 75], for one example."""

    wte: Embedding
    wpe: Positional
    h: list[Block]
    ln_f: LayerNorm
    head: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 5))
        wte = Embedding.init(next(keys), (75, 64))
        wpe = Positional.init(next(keys))
        h = [Block.init(next(keys)) for _ in range(2)]
        ln_f = LayerNorm.init(64)
        head = Dense.init(next(keys), (75, 64), bias=False)
        return cls(wte, wpe, h, ln_f, head)

    def __call__(self, tokens: Array) -> Array:
        x = self.wpe(self.wte(tokens))  # [32, 64]
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))  # [32, 75]


Model = GPT


def to_state(model: GPT) -> Arrays:
    """Every parameter and running statistic by its path: `features.0.weight`."""
    leaves = tree_leaves_with_path(model)
    return {keystr(keys, simple=True, separator="."): leaf for keys, leaf in leaves}


def from_state(model: GPT, state: Arrays) -> GPT:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""
    leaves = [jnp.array(state[k], leaf.dtype) for k, leaf in to_state(model).items()]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def outputs(model: GPT, batch: Arrays) -> Arrays:
    """The results of the model by name."""
    return {"logits": model(batch["tokens"])}


def loss(model: GPT, batch: Arrays) -> Array:
    """What training minimises, averaged over the batch."""
    logits = model(batch["tokens"])
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch["next"]).mean()


@jax.jit
def gradients(model: GPT, batch: Arrays) -> tuple[Array, GPT]:
    """The loss of a batch in training and its gradient, a tree of the model's form."""
    return jax.value_and_grad(loss)(model, batch)


def optimizer(lr: float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.adamw(lr, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.01)


def update(
    model: GPT, opt_state: optax.OptState, grads: GPT, lr: float
) -> tuple[GPT, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: GPT, opt_state: optax.OptState, batch: Arrays, lr: float
) -> tuple[GPT, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads = gradients(model, batch)
    return *update(model, opt_state, grads, lr), value


def train_steps(
    model: GPT, opt_state: optax.OptState, data: Arrays, order: Array, lr: Array
) -> tuple[GPT, optax.OptState, Array]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for rows, rate in zip(order, lr):
        batch = {name: values[rows] for name, values in data.items()}
        model, opt_state, value = train_step(model, opt_state, batch, rate)
        losses.append(value)
    return model, opt_state, jnp.stack(losses)


@jax.jit
def evaluate(model: GPT, batch: Arrays) -> tuple[Array, Arrays]:
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
