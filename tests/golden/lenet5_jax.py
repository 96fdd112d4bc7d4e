"""LeNet5 for JAX, compiled by nnspec from lenet5.nn."""

from dataclasses import dataclass, field
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
    bias: Array

    @classmethod
    def init(cls, key: Array, shape: tuple[int, int]) -> Self:
        return cls(GLOROT_UNIFORM(key, shape), jnp.zeros(shape[0]))

    def __call__(self, x: Array) -> Array:
        return x @ self.weight.T + self.bias


class Conv(Module):
    """Cross-correlation: x (N, I, H, W), weight (O, I, kh, kw), bias (O)."""

    weight: Array
    bias: Array
    padding: int = field(metadata={"static": True})

    @classmethod
    def init(cls, key: Array, shape: tuple[int, ...], padding: int = 0) -> Self:
        return cls(GLOROT_UNIFORM(key, shape), jnp.zeros(shape[0]), padding)

    def __call__(self, x: Array) -> Array:
        padding = [(self.padding,) * 2] * 2
        y = lax.conv_general_dilated(x, self.weight, (1, 1), padding)
        return y + self.bias[:, None, None]


def avg_pool(x: Array, size: int) -> Array:
    """The mean of each window of x (N, C, H, W)."""
    window = (1, 1, size, size)
    return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / size**2


class LeNet5(Module):
    """image [1, 28, 28] -> logits [10], for one example."""

    conv1: Conv
    conv2: Conv
    dense1: Dense
    dense2: Dense
    dense3: Dense

    @classmethod
    def init(cls, key: Array) -> Self:
        keys = iter(jax.random.split(key, 5))
        conv1 = Conv.init(next(keys), (6, 1, 5, 5), padding=2)
        conv2 = Conv.init(next(keys), (16, 6, 5, 5))
        dense1 = Dense.init(next(keys), (120, 400))
        dense2 = Dense.init(next(keys), (84, 120))
        dense3 = Dense.init(next(keys), (10, 84))
        return cls(conv1, conv2, dense1, dense2, dense3)

    def __call__(self, image: Array) -> Array:
        x = jnp.tanh(self.conv1(image))  # [6, 28, 28]
        x = avg_pool(x, 2)  # [6, 14, 14]
        x = jnp.tanh(self.conv2(x))  # [16, 10, 10]
        x = avg_pool(x, 2)  # [16, 5, 5]
        x = x.reshape(x.shape[0], -1)  # [400]
        x = jnp.tanh(self.dense1(x))  # [120]
        x = jnp.tanh(self.dense2(x))  # [84]
        return self.dense3(x)  # [10]


Model = LeNet5


def to_state(model: LeNet5) -> Arrays:
    """Every parameter and running statistic by its path: `features.0.weight`."""
    leaves = tree_leaves_with_path(model)
    return {keystr(keys, simple=True, separator="."): leaf for keys, leaf in leaves}


def from_state(model: LeNet5, state: Arrays) -> LeNet5:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""
    leaves = [jnp.array(state[k], leaf.dtype) for k, leaf in to_state(model).items()]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def outputs(model: LeNet5, batch: Arrays) -> Arrays:
    """The results of the model by name."""
    return {"logits": model(batch["image"])}


def loss(model: LeNet5, batch: Arrays) -> Array:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    return optax.softmax_cross_entropy_with_integer_labels(
        logits, batch["label"]
    ).mean()


@jax.jit
def gradients(model: LeNet5, batch: Arrays) -> tuple[Array, LeNet5]:
    """The loss of a batch in training and its gradient, a tree of the model's form."""
    return jax.value_and_grad(loss)(model, batch)


def optimizer(lr: float) -> optax.GradientTransformation:
    """The update rule at a learning rate; its state does not depend on the rate."""
    return optax.sgd(lr, momentum=0.9, nesterov=False)


def update(
    model: LeNet5, opt_state: optax.OptState, grads: LeNet5, lr: float
) -> tuple[LeNet5, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: LeNet5, opt_state: optax.OptState, batch: Arrays, lr: float
) -> tuple[LeNet5, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    value, grads = gradients(model, batch)
    return *update(model, opt_state, grads, lr), value


def train_steps(
    model: LeNet5, opt_state: optax.OptState, data: Arrays, order: Array, lr: Array
) -> tuple[LeNet5, optax.OptState, Array]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for rows, rate in zip(order, lr):
        batch = {name: values[rows] for name, values in data.items()}
        model, opt_state, value = train_step(model, opt_state, batch, rate)
        losses.append(value)
    return model, opt_state, jnp.stack(losses)


@jax.jit
def evaluate(model: LeNet5, batch: Arrays) -> tuple[Array, Arrays]:
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
