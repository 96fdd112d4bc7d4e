"""GoogLeNet for JAX, compiled by nnspec from googlenet.nn."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, dataclass_transform

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.nn import initializers
from jax.tree_util import (
    keystr,
    register_dataclass,
    tree_leaves_with_path,
    tree_map_with_path,
)

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
    bias: Array

    @classmethod
    def init(cls, key: Array, shape: tuple[int, int]) -> Self:
        return cls(GLOROT_UNIFORM(key, shape), jnp.zeros(shape[0]))

    def __call__(self, x: Array) -> Array:
        return x @ self.weight.T + self.bias


class Conv(Module):
    """Cross-correlation: x (N, I, H, W), weight (O, I, kh, kw)."""

    weight: Array
    stride: int = field(metadata={"static": True})
    padding: int = field(metadata={"static": True})

    @classmethod
    def init(
        cls, key: Array, shape: tuple[int, ...], stride: int = 1, padding: int = 0
    ) -> Self:
        return cls(GLOROT_UNIFORM(key, shape), stride, padding)

    def __call__(self, x: Array) -> Array:
        strides, padding = (self.stride,) * 2, [(self.padding,) * 2] * 2
        return lax.conv_general_dilated(x, self.weight, strides, padding)


class BatchNorm(Module):
    """Normalises each channel of x (N, C, H, W), in training over the batch.

    A call returns y, and the layer with its running statistics moved on if training.
    """

    weight: Array
    bias: Array
    running_mean: Array
    running_var: Array

    @classmethod
    def init(cls, size: int) -> Self:
        return cls(jnp.ones(size), jnp.zeros(size), jnp.zeros(size), jnp.ones(size))

    def __call__(self, x: Array, training: bool) -> tuple[Array, Self]:
        mean, var, new = self.running_mean, self.running_var, self
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            count = x[:, 0].size
            running_mean = 0.9 * self.running_mean + 0.1 * mean
            unbiased = var * count / max(count - 1, 1)
            running_var = 0.9 * self.running_var + 0.1 * unbiased
            new = replace(self, running_mean=running_mean, running_var=running_var)
        scale = self.weight / jnp.sqrt(var + 0.001)
        mean, scale, bias = (v[:, None, None] for v in (mean, scale, self.bias))
        return (x - mean) * scale + bias, new


def spread(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else value


def max_pool(
    x: Array,
    size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil: bool = False,
) -> Array:
    """The largest entry of each window of x (N, C, *S); a tie goes to the first."""
    size = spread(size, x.ndim - 2)
    step = size if stride is None else spread(stride, x.ndim - 2)
    widths = window_padding(x.shape[2:], size, step, spread(padding, x.ndim - 2), ceil)
    y: Array = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 1, *size), (1, 1, *step), [(0, 0), (0, 0), *widths]
    )
    return y


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


def dropout(x: Array, p: float, key: Array | None, training: bool) -> Array:
    """Each entry is 0 with probability p in training, the others are scaled up."""
    if not training or p == 0 or key is None:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    keep = jax.random.bernoulli(key, 1 - p, x.shape)
    return jnp.where(keep, x / (1 - p), 0.0)


def copy_tree(tree: Any) -> Any:
    """The same leaves in new objects, which may be assigned to."""
    return jax.tree.map(lambda leaf: leaf, tree)


class BasicConv(Module):
    """A block over x, in 57 places of the model."""

    conv: Conv
    bn: BatchNorm

    @classmethod
    def init(
        cls,
        key: Array,
        in_channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
    ) -> Self:
        conv = Conv.init(
            key,
            (width, in_channels, kernel, kernel),
            stride=stride,
            padding=padding,
        )
        bn = BatchNorm.init(width)
        return cls(conv, bn)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Self]:
        new = copy_tree(self)
        x, new.bn = new.bn(self.conv(x), training)
        return jax.nn.relu(x), new


class Inception(Module):
    """A block over x, in 9 places of the model."""

    branch1: BasicConv
    branch2: list[BasicConv]
    branch3: list[BasicConv]
    branch4: dict[str, BasicConv]

    @classmethod
    def init(
        cls,
        key: Array,
        in_channels: int,
        one: int,
        three_in: int,
        three: int,
        five_in: int,
        five: int,
        pool: int,
    ) -> Self:
        keys = iter(jax.random.split(key, 6))
        branch1 = BasicConv.init(next(keys), in_channels, one, 1)
        branch2 = [
            BasicConv.init(next(keys), in_channels, three_in, 1),
            BasicConv.init(next(keys), three_in, three, 3, padding=1),
        ]
        branch3 = [
            BasicConv.init(next(keys), in_channels, five_in, 1),
            BasicConv.init(next(keys), five_in, five, 3, padding=1),
        ]
        branch4 = {"1": BasicConv.init(next(keys), in_channels, pool, 1)}
        return cls(branch1, branch2, branch3, branch4)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Self]:
        new = copy_tree(self)
        y, new.branch1 = new.branch1(x, training)
        z, new.branch2[0] = new.branch2[0](x, training)
        z, new.branch2[1] = new.branch2[1](z, training)
        u, new.branch3[0] = new.branch3[0](x, training)
        u, new.branch3[1] = new.branch3[1](u, training)
        x = max_pool(x, 3, stride=1, padding=1)
        x, new.branch4["1"] = new.branch4["1"](x, training)
        return jnp.concatenate([y, z, u, x], axis=1), new


class GoogLeNet(Module):
    """image [3, 224, 224] -> logits [1000], for one example."""

    conv1: BasicConv
    conv2: BasicConv
    conv3: BasicConv
    inception3a: Inception
    inception3b: Inception
    inception4a: Inception
    inception4b: Inception
    inception4c: Inception
    inception4d: Inception
    inception4e: Inception
    inception5a: Inception
    inception5b: Inception
    fc: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 13))
        return cls(
            conv1=BasicConv.init(next(keys), 3, 64, 7, stride=2, padding=3),
            conv2=BasicConv.init(next(keys), 64, 64, 1),
            conv3=BasicConv.init(next(keys), 64, 192, 3, padding=1),
            inception3a=Inception.init(next(keys), 192, 64, 96, 128, 16, 32, 32),
            inception3b=Inception.init(next(keys), 256, 128, 128, 192, 32, 96, 64),
            inception4a=Inception.init(next(keys), 480, 192, 96, 208, 16, 48, 64),
            inception4b=Inception.init(next(keys), 512, 160, 112, 224, 24, 64, 64),
            inception4c=Inception.init(next(keys), 512, 128, 128, 256, 24, 64, 64),
            inception4d=Inception.init(next(keys), 512, 112, 144, 288, 32, 64, 64),
            inception4e=Inception.init(next(keys), 528, 256, 160, 320, 32, 128, 128),
            inception5a=Inception.init(next(keys), 832, 256, 160, 320, 32, 128, 128),
            inception5b=Inception.init(next(keys), 832, 384, 192, 384, 48, 128, 128),
            fc=Dense.init(next(keys), (1000, 1024)),
        )

    def __call__(
        self, image: Array, training: bool = False, key: Array | None = None
    ) -> tuple[Array, Self]:
        new = copy_tree(self)
        x, new.conv1 = new.conv1(image, training)  # [64, 112, 112]
        x, new.conv2 = new.conv2(max_pool(x, 3, stride=2, ceil=True), training)
        x, new.conv3 = new.conv3(x, training)  # [192, 56, 56]
        x = max_pool(x, 3, stride=2, ceil=True)  # [192, 28, 28]
        x, new.inception3a = new.inception3a(x, training)  # [256, 28, 28]
        x, new.inception3b = new.inception3b(x, training)  # [480, 28, 28]
        x = max_pool(x, 3, stride=2, ceil=True)  # [480, 14, 14]
        x, new.inception4a = new.inception4a(x, training)  # [512, 14, 14]
        x, new.inception4b = new.inception4b(x, training)
        x, new.inception4c = new.inception4c(x, training)
        x, new.inception4d = new.inception4d(x, training)  # [528, 14, 14]
        x, new.inception4e = new.inception4e(x, training)  # [832, 14, 14]
        x, new.inception5a = new.inception5a(max_pool(x, 2, ceil=True), training)
        x, new.inception5b = new.inception5b(x, training)  # [1024, 7, 7]
        x = dropout(x.mean((2, 3)), 0.2, key, training)  # [1024]
        return self.fc(x), new  # [1000]


Model = GoogLeNet


def to_state(model: GoogLeNet) -> Arrays:
    """Every parameter and running statistic by its path: `features.0.weight`."""
    leaves = tree_leaves_with_path(model)
    return {keystr(keys, simple=True, separator="."): leaf for keys, leaf in leaves}


def from_state(model: GoogLeNet, state: Arrays) -> GoogLeNet:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""
    leaves = [jnp.array(state[k], leaf.dtype) for k, leaf in to_state(model).items()]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def outputs(
    model: GoogLeNet, batch: Arrays, training: bool = False, key: Array | None = None
) -> Arrays:
    """The results of the model by name."""
    return {"logits": model(batch["image"], training=training, key=key)[0]}


def loss(
    model: GoogLeNet, batch: Arrays, training: bool = False, key: Array | None = None
) -> tuple[Array, GoogLeNet]:
    """What training minimises, averaged over the batch; and the model with its statistics moved on."""
    logits, model = model(batch["image"], training=training, key=key)
    value = optax.softmax_cross_entropy_with_integer_labels(
        logits, batch["label"]
    ).mean()
    return value, model


@jax.jit
def gradients(
    model: GoogLeNet, batch: Arrays, key: Array | None = None
) -> tuple[Array, GoogLeNet, GoogLeNet]:
    """The loss of a batch in training and its gradient, a tree of the model's form; and the model with new statistics."""
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True, key=key)
    return value, grads, model


def is_trained(model: GoogLeNet) -> GoogLeNet:
    """Which leaves are parameters, a tree of the model's form; the others are statistics."""
    statistics = (".running_mean", ".running_var")
    return tree_map_with_path(lambda k, _: not keystr(k).endswith(statistics), model)


def optimizer(lr: float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.masked(optax.sgd(lr, momentum=0.9, nesterov=False), is_trained)


def update(
    model: GoogLeNet, opt_state: optax.OptState, grads: GoogLeNet, lr: float
) -> tuple[GoogLeNet, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: GoogLeNet,
    opt_state: optax.OptState,
    batch: Arrays,
    lr: float,
    key: Array | None = None,
) -> tuple[GoogLeNet, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads, model = gradients(model, batch, key=key)
    return *update(model, opt_state, grads, lr), value


def train_steps(
    model: GoogLeNet,
    opt_state: optax.OptState,
    data: Arrays,
    order: Array,
    lr: Array,
    key: Array | None = None,
    first_step: int = 1,
) -> tuple[GoogLeNet, optax.OptState, Array]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for step, (rows, rate) in enumerate(zip(order, lr), first_step):
        batch = {name: values[rows] for name, values in data.items()}
        model, opt_state, value = train_step(
            model,
            opt_state,
            batch,
            rate,
            key=None if key is None else jax.random.fold_in(key, step),
        )
        losses.append(value)
    return model, opt_state, jnp.stack(losses)


@jax.jit
def evaluate(
    model: GoogLeNet, batch: Arrays, key: Array | None = None
) -> tuple[Array, Arrays]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    value, _ = loss(model, batch, key=key)
    logits, _ = model(batch["image"], key=key)
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).mean(dtype=float)}


if __name__ == "__main__":
    key = jax.random.key(0)
    model = GoogLeNet.init(key)
    batch = {
        "image": jax.random.uniform(key, (4, 3, 224, 224)),
        "label": jax.random.randint(key, (4,), 0, 1000),
    }
    lr = 0.01
    opt_state = optimizer(lr).init(model)
    for step in range(1, 4):
        model, opt_state, value = train_step(
            model, opt_state, batch, lr, key=jax.random.fold_in(key, step)
        )
        print(f"step {step}: loss {value:.4f}")
