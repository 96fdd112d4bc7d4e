"""ResNet50 for JAX, compiled by nnspec from resnet.nn."""

from collections.abc import Iterable
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
        scale = self.weight / jnp.sqrt(var + 1e-5)
        mean, scale, bias = (v[:, None, None] for v in (mean, scale, self.bias))
        return (x - mean) * scale + bias, new


def max_pool(x: Array, size: int, stride: int, padding: int = 0) -> Array:
    """The largest entry of each window of x (N, C, H, W); a tie goes to the first."""
    window, strides = (1, 1, size, size), (1, 1, stride, stride)
    around = [(0, 0)] * 2 + [(padding, padding)] * 2
    return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, around)


def l2(weights: Iterable[Array]) -> Array:
    """Half the sum of w^2."""
    return 0.5 * sum(((w * w).sum() for w in weights), start=jnp.zeros(()))


def copy_tree(tree: Any) -> Any:
    """The same leaves in new objects, which may be assigned to."""
    return jax.tree.map(lambda leaf: leaf, tree)


class Bottleneck(Module):
    """A block over x, in 16 places of the model."""

    conv1: Conv
    bn1: BatchNorm
    conv2: Conv
    bn2: BatchNorm
    conv3: Conv
    bn3: BatchNorm
    downsample: list[Conv | BatchNorm] | None

    @classmethod
    def init(cls, key: Array, in_channels: int, width: int, stride: int = 1) -> Self:
        keys = iter(jax.random.split(key, 4))
        conv1 = Conv.init(next(keys), (width, in_channels, 1, 1))
        bn1 = BatchNorm.init(width)
        conv2 = Conv.init(next(keys), (width, width, 3, 3), stride=stride, padding=1)
        bn2 = BatchNorm.init(width)
        conv3 = Conv.init(next(keys), (4 * width, width, 1, 1))
        bn3 = BatchNorm.init(4 * width)
        downsample = None
        if stride != 1 or in_channels != 4 * width:
            downsample = [
                Conv.init(next(keys), (4 * width, in_channels, 1, 1), stride=stride),
                BatchNorm.init(4 * width),
            ]
        return cls(conv1, bn1, conv2, bn2, conv3, bn3, downsample)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Self]:
        new = copy_tree(self)
        z, new.bn1 = new.bn1(self.conv1(x), training)
        z, new.bn2 = new.bn2(self.conv2(jax.nn.relu(z)), training)
        y, new.bn3 = new.bn3(self.conv3(jax.nn.relu(z)), training)
        skip = x
        if self.downsample is not None:
            z = self.downsample[0](x)
            skip, new.downsample[1] = new.downsample[1](z, training)
        return jax.nn.relu(y + skip), new


class ResNet50(Module):
    """image [3, 224, 224] -> logits [1000], for one example."""

    conv1: Conv
    bn1: BatchNorm
    layer1: list[Bottleneck]
    layer2: list[Bottleneck]
    layer3: list[Bottleneck]
    layer4: list[Bottleneck]
    fc: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 18))
        conv1 = Conv.init(next(keys), (64, 3, 7, 7), stride=2, padding=3)
        bn1 = BatchNorm.init(64)
        layer1 = [Bottleneck.init(next(keys), n, 64) for n in (64, 256, 256)]
        layer2 = [Bottleneck.init(next(keys), 256, 128, stride=2)]
        layer2 += [Bottleneck.init(next(keys), 512, 128) for _ in range(3)]
        layer3 = [Bottleneck.init(next(keys), 512, 256, stride=2)]
        layer3 += [Bottleneck.init(next(keys), 1024, 256) for _ in range(5)]
        layer4 = [Bottleneck.init(next(keys), 1024, 512, stride=2)]
        layer4 += [Bottleneck.init(next(keys), 2048, 512) for _ in range(2)]
        fc = Dense.init(next(keys), (1000, 2048))
        return cls(conv1, bn1, layer1, layer2, layer3, layer4, fc)

    def __call__(self, image: Array, training: bool = False) -> tuple[Array, Self]:
        new = copy_tree(self)
        x, new.bn1 = new.bn1(self.conv1(image), training)  # [64, 112, 112]
        x = max_pool(jax.nn.relu(x), 3, stride=2, padding=1)  # [64, 56, 56]
        for i in range(3):
            x, new.layer1[i] = new.layer1[i](x, training)  # [256, 56, 56]
        for i in range(4):
            x, new.layer2[i] = new.layer2[i](x, training)  # [512, 28, 28]
        for i in range(6):
            x, new.layer3[i] = new.layer3[i](x, training)  # [1024, 14, 14]
        for i in range(3):
            x, new.layer4[i] = new.layer4[i](x, training)  # [2048, 7, 7]
        x = x.mean((2, 3))  # [2048]
        return self.fc(x), new  # [1000]


Model = ResNet50


def to_state(model: ResNet50) -> Arrays:
    """Every parameter and running statistic by its path: `features.0.weight`."""
    leaves = tree_leaves_with_path(model)
    return {keystr(keys, simple=True, separator="."): leaf for keys, leaf in leaves}


def from_state(model: ResNet50, state: Arrays) -> ResNet50:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""
    leaves = [jnp.array(state[k], leaf.dtype) for k, leaf in to_state(model).items()]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def outputs(model: ResNet50, batch: Arrays, training: bool = False) -> Arrays:
    """The results of the model by name."""
    return {"logits": model(batch["image"], training=training)[0]}


def weights(model: ResNet50) -> list[Array]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [leaf for leaf in jax.tree.leaves(model) if leaf.ndim > 1]


def loss(
    model: ResNet50, batch: Arrays, training: bool = False
) -> tuple[Array, ResNet50]:
    """What training minimises, averaged over the batch; and the model with its statistics moved on."""
    logits, model = model(batch["image"], training=training)
    x = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()
    value = x + 0.0001 * l2(weights(model))
    return value, model


@jax.jit
def gradients(model: ResNet50, batch: Arrays) -> tuple[Array, ResNet50, ResNet50]:
    """The loss of a batch in training and its gradient, a tree of the model's form; and the model with new statistics."""
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True)
    return value, grads, model


def is_trained(model: ResNet50) -> ResNet50:
    """Which leaves are parameters, a tree of the model's form; the others are statistics."""
    statistics = (".running_mean", ".running_var")
    return tree_map_with_path(lambda k, _: not keystr(k).endswith(statistics), model)


def optimizer(lr: float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.masked(optax.sgd(lr, momentum=0.9, nesterov=False), is_trained)


def update(
    model: ResNet50, opt_state: optax.OptState, grads: ResNet50, lr: float
) -> tuple[ResNet50, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: ResNet50, opt_state: optax.OptState, batch: Arrays, lr: float
) -> tuple[ResNet50, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads, model = gradients(model, batch)
    return *update(model, opt_state, grads, lr), value


def train_steps(
    model: ResNet50, opt_state: optax.OptState, data: Arrays, order: Array, lr: Array
) -> tuple[ResNet50, optax.OptState, Array]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for rows, rate in zip(order, lr):
        batch = {name: values[rows] for name, values in data.items()}
        model, opt_state, value = train_step(model, opt_state, batch, rate)
        losses.append(value)
    return model, opt_state, jnp.stack(losses)


@jax.jit
def evaluate(model: ResNet50, batch: Arrays) -> tuple[Array, Arrays]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    value, _ = loss(model, batch)
    logits, _ = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).mean(dtype=float)}


if __name__ == "__main__":
    key = jax.random.key(0)
    model = ResNet50.init(key)
    batch = {
        "image": jax.random.uniform(key, (4, 3, 224, 224)),
        "label": jax.random.randint(key, (4,), 0, 1000),
    }
    lr = 0.1
    opt_state = optimizer(lr).init(model)
    for step in range(1, 4):
        model, opt_state, value = train_step(model, opt_state, batch, lr)
        print(f"step {step}: loss {value:.4f}")
