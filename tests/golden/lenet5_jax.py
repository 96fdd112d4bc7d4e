"""LeNet5 for JAX, compiled by nnspec from lenet5.nn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
class Conv:
    """Cross-correlation as one product with the patches of all images.

    x (I, H, W, N), weight (O, I, *K), bias (O) -> y (O, H, W, N)
    """

    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = field(metadata={"static": True})
    padding: tuple[int, ...] = field(metadata={"static": True})
    dilation: tuple[int, ...] = field(metadata={"static": True})
    groups: int = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        key: Array,
        shape: tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
    ) -> Conv:
        k1, k2 = jax.random.split(key)
        axes = len(shape) - 2
        return cls(
            weight_init(k1, shape),
            bias_init(k2, shape[:1]) if bias else None,
            stride=spread(stride, axes),
            padding=spread(padding, axes),
            dilation=spread(dilation, axes),
            groups=groups,
        )

    def __call__(self, x: Array) -> Array:
        out, _, *kernel = self.weight.shape
        x = pad(x, [(p, p) for p in self.padding])
        taps = windows(x, tuple(kernel), self.stride, self.dilation)
        patches = jnp.concatenate(taps)  # (K * I, H, W, N)
        rows = jnp.moveaxis(self.weight, 1, -1).reshape(out, -1)  # (O, K * I)
        y = rows @ patches.reshape(rows.shape[1], -1)
        y = y.reshape(out, *patches.shape[1:])
        return y if self.bias is None else y + per_channel(self.bias, y)


def spread(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else value


def avg_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Array:
    """The mean of each window of an image, divided as PyTorch counts."""
    size = spread(size, 2)
    step = size if stride is None else spread(stride, 2)
    if step == size and not padding and not ceil:
        return tiles(x, size).mean((2, 4))
    around, sizes = spread(padding, 2), x.shape[1:3]
    x = pad(x, window_padding(sizes, size, step, around, ceil))
    first, *others = windows(x, size, step)
    y = sum(others, start=first)
    count = window_entries(sizes, y.shape[1:3], size, step, around, count_padding)
    return y / jnp.asarray(count[:, :, None], x.dtype)


def window_entries(
    sizes: tuple[int, ...],
    counts: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    count_padding: bool,
) -> np.ndarray:
    """How many entries each of `counts` windows has, as PyTorch counts."""
    entries = np.ones(())
    for n, m, k, s, p in zip(sizes, counts, size, stride, padding, strict=True):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)  # what ceil adds beyond is not counted
        if not count_padding:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        entries = np.multiply.outer(entries, stop - start)
    return entries


def window_padding(
    sizes: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
) -> list[tuple[int, int]]:
    """What is added per spatial axis; with `ceil` a last window may hang over."""
    widths = []
    for n, k, s, p in zip(sizes, size, stride, padding, strict=True):
        count, rest = divmod(n + 2 * p - k, s)
        over = ceil and rest and (count + 1) * s < n + p  # starts before the end
        widths.append((p, p + s - rest if over else p))
    return widths


def key_stream(key: Array | None) -> Iterator[Any]:
    """Independent keys, one for each `next`; None where no key was given."""
    for n in itertools.count():
        yield None if key is None else jax.random.fold_in(key, n)


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


def windows(
    x: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
) -> list[Array]:
    """For each place (i, j) of a window, the entries at that place of all windows."""
    if stride == size and dilation == (1, 1):
        parts = tiles(x, size)
        return [parts[:, :, i, :, j] for i in range(size[0]) for j in range(size[1])]
    (kh, kw), (sh, sw), (dh, dw) = size, stride, dilation
    h = (x.shape[1] - dh * (kh - 1) - 1) // sh + 1
    w = (x.shape[2] - dw * (kw - 1) - 1) // sw + 1
    rows = [slice(i * dh, i * dh + sh * (h - 1) + 1, sh) for i in range(kh)]
    columns = [slice(j * dw, j * dw + sw * (w - 1) + 1, sw) for j in range(kw)]
    return [x[:, r, c] for r in rows for c in columns]


def tiles(x: Array, size: tuple[int, ...]) -> Array:
    """x (A, H, W, B), cut into windows side by side: (A, H / kh, kh, W / kw, kw, B)."""
    (kh, kw), (h, w) = size, (x.shape[1] // size[0], x.shape[2] // size[1])
    whole = x[:, : h * kh, : w * kw]
    return whole.reshape(x.shape[0], h, kh, w, kw, x.shape[3])


def pad(x: Array, widths: list[tuple[int, int]], value: float = 0.0) -> Array:
    """x with `widths` entries more before and after its spatial axes."""
    return jnp.pad(x, [(0, 0), *widths, (0, 0)], constant_values=value)


def per_channel(v: Array, x: Array) -> Array:
    """v (C), shaped to stand beside x (C, H, W, N) or (N, C)."""
    return v[:, None, None, None] if x.ndim == 4 else v


def batch_last(x: Array) -> Array:
    """x (N, C, H, W) as (C, H, W, N)."""
    return jnp.moveaxis(x, 0, -1)


def flatten(x: Array) -> Array:
    """x (C, H, W, N) as rows (N, C * H * W)."""
    return x.reshape(-1, x.shape[-1]).T


@register_dataclass
@dataclass
class LeNet5:
    """image [1, 28, 28] -> logits [10], for one example."""

    conv1: Conv
    conv2: Conv
    dense1: Dense
    dense2: Dense
    dense3: Dense

    @classmethod
    def init(cls, key: Array) -> LeNet5:
        keys = key_stream(key)
        return cls(
            conv1=Conv.init(next(keys), (6, 1, 5, 5), padding=2),
            conv2=Conv.init(next(keys), (16, 6, 5, 5)),
            dense1=Dense.init(next(keys), (120, 400)),
            dense2=Dense.init(next(keys), (84, 120)),
            dense3=Dense.init(next(keys), (10, 84)),
        )

    def __call__(self, image: Array) -> Array:
        image = batch_last(image)
        x = jnp.tanh(self.conv1(image))  # [6, 28, 28]
        x = avg_pool(x, 2)  # [6, 14, 14]
        x = jnp.tanh(self.conv2(x))  # [16, 10, 10]
        x = avg_pool(x, 2)  # [16, 5, 5]
        x = flatten(x)  # [400]
        x = jnp.tanh(self.dense1(x))  # [120]
        x = jnp.tanh(self.dense2(x))  # [84]
        logits = self.dense3(x)  # [10]
        return logits


Model = LeNet5


def path_of(keys: Any) -> str:
    """The name of a leaf, as PyTorch would have it: `features.0.weight`."""
    return keystr(keys, simple=True, separator=".")


def to_state(model: LeNet5) -> dict[str, Array]:
    """Every parameter and running statistic by its path."""
    return {path_of(keys): leaf for keys, leaf in tree_leaves_with_path(model)}


def from_state(model: LeNet5, state: dict[str, Any]) -> LeNet5:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""

    def put(keys: Any, leaf: Array) -> Array:
        return jnp.array(state[path_of(keys)], leaf.dtype)

    return tree_map_with_path(put, model)


def outputs(model: LeNet5, batch: dict[str, Array]) -> dict[str, Array]:
    """The results of the model by name."""
    logits = model(batch["image"])
    return {"logits": logits}


def loss(model: LeNet5, batch: dict[str, Array]) -> Array:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    label = batch["label"]
    return cross_entropy(logits, label).mean()


@jax.jit
def gradients(model: LeNet5, batch: dict[str, Array]) -> tuple[Array, LeNet5]:
    """The loss of a batch in training and its gradient, a tree of the model's form."""
    value, grads = jax.value_and_grad(loss)(model, batch)
    return value, grads


def optimizer(lr: Array | float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.sgd(lr, momentum=0.9, nesterov=False)


def update(
    model: LeNet5, opt_state: optax.OptState, grads: LeNet5, lr: Array | float
) -> tuple[LeNet5, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: LeNet5, opt_state: optax.OptState, batch: dict[str, Array], lr: Array | float
) -> tuple[LeNet5, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads = jax.value_and_grad(loss)(model, batch)
    model, opt_state = update(model, opt_state, grads, lr)
    return model, opt_state, value


@partial(jax.jit, donate_argnums=(0, 1))
def train_steps(
    model: LeNet5,
    opt_state: optax.OptState,
    data: dict[str, Array],
    order: Array,
    lr: Array,
    count: Array | int | None = None,
) -> tuple[LeNet5, optax.OptState, Array]:
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
def evaluate(model: LeNet5, batch: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Loss and metrics of a batch."""
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).mean(dtype=float)}


if __name__ == "__main__":
    key = jax.random.key(0)
    model = LeNet5.init(key)
    batch = {
        "image": jax.random.uniform(key, (4, 1, 28, 28)),
        "label": jax.random.randint(key, (4,), 0, 10),
    }
    lr = 0.01
    opt_state = optimizer(lr).init(model)
    for step in range(1, 4):
        model, opt_state, value = train_step(model, opt_state, batch, lr)
        print(f"step {step}: loss {value:.4f}")
