"""ResNet for JAX, compiled by nnspec from residual.nn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
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


@register_dataclass
@dataclass
class BatchNorm:
    """Normalises each channel of x (C, H, W, N) or (N, C) over all other axes.

    A call returns y and the layer itself, with its running statistics moved on if
    training; the running variance is unbiased, as in PyTorch.
    """

    weight: Array | None
    bias: Array | None
    running_mean: Array
    running_var: Array
    eps: float = field(metadata={"static": True})
    momentum: float = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        weight_init: Initializer = initializers.ones,
        bias_init: Initializer = initializers.zeros,
        key: Array | None = None,
    ) -> BatchNorm:
        k1, k2 = jax.random.split(jax.random.key(0) if key is None else key)
        return cls(
            weight_init(k1, (features,)) if affine else None,
            bias_init(k2, (features,)) if affine else None,
            running_mean=jnp.zeros(features),
            running_var=jnp.ones(features),
            eps=eps,
            momentum=momentum,
        )

    def __call__(self, x: Array, training: bool) -> tuple[Array, BatchNorm]:
        mean, var, layer = self.running_mean, self.running_var, self
        if training:
            axes = (1, 2, 3) if x.ndim == 4 else (0,)
            count = x.size // len(mean)
            mean, var = x.mean(axes), x.var(axes)
            unbiased = var * (count / max(count - 1, 1))
            layer = replace(
                self,
                running_mean=self.towards(self.running_mean, mean),
                running_var=self.towards(self.running_var, unbiased),
            )
        scale = 1 / jnp.sqrt(var + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        y = (x - per_channel(mean, x)) * per_channel(scale, x)
        if self.bias is not None:
            y = y + per_channel(self.bias, x)
        return y, layer

    def towards(self, running: Array, new: Array) -> Array:
        """A running statistic after one more batch; no gradient passes."""
        return (1 - self.momentum) * running + self.momentum * lax.stop_gradient(new)


def spread(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else value


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


def l2(weights: Iterable[Array]) -> Array:
    """Half the sum of w^2."""
    return 0.5 * sum(((w * w).sum() for w in weights), start=jnp.zeros(()))


def copy_tree(tree: Any) -> Any:
    """The same leaves in new objects, which may be assigned to."""
    return jax.tree.map(lambda leaf: leaf, tree)


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


def channels_first(x: Array) -> Array:
    """x (C, H, W, N) as (N, C, H, W)."""
    return jnp.moveaxis(x, -1, 0)


@register_dataclass
@dataclass
class Residual:
    """A block over x, in 6 places of the model."""

    conv1: Conv
    bn1: BatchNorm
    conv2: Conv
    bn2: BatchNorm
    downsample: list[Conv | BatchNorm] | None

    @classmethod
    def init(
        cls, key: Array, in_channels: int, width: int, stride: int = 1
    ) -> Residual:
        keys = key_stream(key)
        downsample = None
        if stride != 1 or in_channels != width:
            downsample = [
                Conv.init(
                    next(keys), (width, in_channels, 1, 1), stride=stride, bias=False
                ),
                BatchNorm.init(width),
            ]
        return cls(
            conv1=Conv.init(
                next(keys),
                (width, in_channels, 3, 3),
                stride=stride,
                padding=1,
                bias=False,
            ),
            bn1=BatchNorm.init(width),
            conv2=Conv.init(next(keys), (width, width, 3, 3), padding=1, bias=False),
            bn2=BatchNorm.init(width),
            downsample=downsample,
        )

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Residual]:
        new = copy_tree(self)
        z, new.bn1 = new.bn1(self.conv1(x), training)
        y, new.bn2 = new.bn2(self.conv2(jax.nn.relu(z)), training)
        if self.downsample is not None:
            z = self.downsample[0](x)
            skip, new.downsample[1] = new.downsample[1](z, training)
        else:
            skip = x
        return jax.nn.relu(y + skip), new


@register_dataclass
@dataclass
class ResNet:
    """image [1, 8, 8] -> logits [10], for one example."""

    stem: Conv
    bn: BatchNorm
    stages: dict[str, Residual]
    head: Dense

    @classmethod
    def init(cls, key: Array) -> ResNet:
        keys = key_stream(key)
        stages = {}
        for name_2, name, in_channels, width, stride in [
            ("1", "0", 8, 8, 1),
            ("3", "2", 8, 16, 2),
            ("5", "4", 16, 32, 2),
        ]:
            stages[name] = Residual.init(next(keys), in_channels, width, stride=stride)
            stages[name_2] = Residual.init(next(keys), width, width)
        return cls(
            stem=Conv.init(next(keys), (8, 1, 3, 3), padding=1, bias=False),
            bn=BatchNorm.init(8),
            stages=stages,
            head=Dense.init(next(keys), (10, 32)),
        )

    def __call__(self, image: Array, training: bool = False) -> tuple[Array, ResNet]:
        new = copy_tree(self)
        image = batch_last(image)
        x, new.bn = new.bn(self.stem(image), training)  # [8, 8, 8]
        x = jax.nn.relu(x)
        for name_2, name in [("1", "0"), ("3", "2"), ("5", "4")]:
            y, new.stages[name] = new.stages[name](x, training)
            x, new.stages[name_2] = new.stages[name_2](y, training)
        x = channels_first(x).mean((2, 3))  # [32]
        logits = self.head(x)  # [10]
        return logits, new


Model = ResNet


def path_of(keys: Any) -> str:
    """The name of a leaf, as PyTorch would have it: `features.0.weight`."""
    return keystr(keys, simple=True, separator=".")


def to_state(model: ResNet) -> dict[str, Array]:
    """Every parameter and running statistic by its path."""
    return {path_of(keys): leaf for keys, leaf in tree_leaves_with_path(model)}


def from_state(model: ResNet, state: dict[str, Any]) -> ResNet:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""

    def put(keys: Any, leaf: Array) -> Array:
        return jnp.array(state[path_of(keys)], leaf.dtype)

    return tree_map_with_path(put, model)


def outputs(
    model: ResNet, batch: dict[str, Array], training: bool = False
) -> dict[str, Array]:
    """The results of the model by name."""
    logits, _ = model(batch["image"], training=training)
    return {"logits": logits}


def weights(model: ResNet) -> list[Array]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [leaf for leaf in jax.tree.leaves(model) if leaf.ndim > 1]


def loss(
    model: ResNet, batch: dict[str, Array], training: bool = False
) -> tuple[Array, ResNet]:
    """What training minimises, averaged over the batch; and the model with its statistics moved on."""
    logits, model = model(batch["image"], training=training)
    label = batch["label"]
    value = cross_entropy(logits, label).mean() + 0.0001 * l2(weights(model))
    return value, model


@jax.jit
def gradients(model: ResNet, batch: dict[str, Array]) -> tuple[Array, ResNet, ResNet]:
    """The loss of a batch in training and its gradient, a tree of the model's form;
    and the model with its running statistics moved on.
    """
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True)
    return value, grads, model


def labels(model: ResNet) -> ResNet:
    """Which rule updates each leaf, a tree of the model's form."""

    def label(keys: Any, leaf: Array) -> str:
        path = path_of(keys)
        if path.endswith((".running_mean", ".running_var")):
            return "frozen"
        return "sgd"

    return tree_map_with_path(label, model)


def optimizer(lr: Array | float) -> optax.GradientTransformation:
    """The update rules at a learning rate; their state does not depend on the rate."""
    rules = {
        "sgd": optax.sgd(lr, momentum=0.9, nesterov=True),
        "frozen": optax.set_to_zero(),
    }
    return optax.multi_transform(rules, labels)


def update(
    model: ResNet, opt_state: optax.OptState, grads: ResNet, lr: Array | float
) -> tuple[ResNet, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: ResNet, opt_state: optax.OptState, batch: dict[str, Array], lr: Array | float
) -> tuple[ResNet, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True)
    model, opt_state = update(model, opt_state, grads, lr)
    return model, opt_state, value


@partial(jax.jit, donate_argnums=(0, 1))
def train_steps(
    model: ResNet,
    opt_state: optax.OptState,
    data: dict[str, Array],
    order: Array,
    lr: Array,
    count: Array | int | None = None,
) -> tuple[ResNet, optax.OptState, Array]:
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
def evaluate(model: ResNet, batch: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    value, _ = loss(model, batch)
    logits, _ = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).mean(dtype=float)}


if __name__ == "__main__":
    key = jax.random.key(0)
    model = ResNet.init(key)
    batch = {
        "image": jax.random.uniform(key, (4, 1, 8, 8)),
        "label": jax.random.randint(key, (4,), 0, 10),
    }
    lr = 0.1
    opt_state = optimizer(lr).init(model)
    for step in range(1, 4):
        model, opt_state, value = train_step(model, opt_state, batch, lr)
        print(f"step {step}: loss {value:.4f}")
