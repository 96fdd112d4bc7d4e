"""GoogLeNet for JAX, compiled by nnspec from googlenet.nn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    """Cross-correlation: x (N, H, W, I), weight (O, I, *K), bias (O)."""

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
        y = convolve(x, self.weight, self.stride, self.padding, self.dilation)
        return y if self.bias is None else y + self.bias


@register_dataclass
@dataclass
class BatchNorm:
    """Normalises each channel of x (N, H, W, C) or (N, C) over all other axes.

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
            axes = tuple(range(x.ndim - 1))
            count = x.size // x.shape[-1]
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
        y = (x - mean) * scale
        return (y if self.bias is None else y + self.bias), layer

    def towards(self, running: Array, new: Array) -> Array:
        """A running statistic after one more batch; no gradient passes."""
        return (1 - self.momentum) * running + self.momentum * lax.stop_gradient(new)


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
    """The largest entry of each window of an image; a tie goes to the first."""
    size = spread(size, 2)
    step = size if stride is None else spread(stride, 2)
    widths = window_padding(x.shape[1:3], size, step, spread(padding, 2), ceil)
    best, *others = windows(pad(x, widths, -jnp.inf), size, step)
    for other in others:
        best = jnp.where((other > best) | jnp.isnan(other), other, best)
    return best


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


def correlate(
    x: Array,
    weight: Array,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Cross-correlation of x (N, H, W, I) with weight (O, I, *K)."""
    return lax.conv_general_dilated(
        x,
        weight,
        window_strides=stride,
        padding=[(p, p) for p in padding],
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "OIHW", "NHWC"),
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(
    x: Array,
    weight: Array,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """`correlate`, with a gradient by the weight that is fast on a CPU."""
    return correlate(x, weight, stride, padding, dilation)


def convolve_forward(x: Array, weight: Array, *settings: Any) -> Any:
    """The value, and what the gradient needs."""
    return correlate(x, weight, *settings), (x, weight)


def convolve_backward(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    saved: tuple[Array, Array],
    dy: Array,
) -> tuple[Array, Array]:
    """dx as XLA has it; dweight from the patches of a few images at a time.

    XLA's own dweight is a convolution with a kernel as large as the image, up to ten
    times slower on a CPU than products with patches that stay in cache.
    """
    x, weight = saved
    out, features, *kernel = weight.shape

    def forward(x: Array) -> Array:
        return correlate(x, weight, stride, padding, dilation)

    def add(total: Array, few: tuple[Array, Array]) -> tuple[Array, None]:
        x, dy = few
        x = pad(x, [(p, p) for p in padding])
        taps = windows(x, tuple(kernel), stride, dilation)
        patches = jnp.concatenate(taps, -1).reshape(-1, total.shape[1])
        return total + dy.reshape(-1, out).T @ patches, None

    (dx,) = jax.linear_transpose(forward, x)(dy)
    few = chunk(len(x), dy[0, ..., 0].size * weight[0].size)
    parts = [v.reshape(-1, few, *v.shape[1:]) for v in (x, dy)]
    start = jnp.zeros((out, weight[0].size), weight.dtype)
    total, _ = lax.scan(add, start, (parts[0], parts[1]))
    return dx, jnp.moveaxis(total.reshape(out, *kernel, features), -1, 1)


convolve.defvjp(convolve_forward, convolve_backward)


def chunk(images: int, entries: int) -> int:
    """How many images at a time: their patches, `entries` each, fill about 1 MB."""
    most = max(1, 2**18 // entries)
    return next(n for n in range(min(most, images), 0, -1) if images % n == 0)


def channels_last(x: Array) -> Array:
    """x (N, C, H, W) as (N, H, W, C)."""
    return jnp.moveaxis(x, 1, -1)


@register_dataclass
@dataclass
class BasicConv:
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
    ) -> BasicConv:
        return cls(
            conv=Conv.init(
                key,
                (width, in_channels, kernel, kernel),
                stride=stride,
                padding=padding,
                bias=False,
            ),
            bn=BatchNorm.init(width, eps=0.001),
        )

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, BasicConv]:
        new = copy_tree(self)
        x, new.bn = new.bn(self.conv(x), training)
        return jax.nn.relu(x), new


@register_dataclass
@dataclass
class Inception:
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
    ) -> Inception:
        keys = key_stream(key)
        return cls(
            branch1=BasicConv.init(next(keys), in_channels, one, 1),
            branch2=[
                BasicConv.init(next(keys), in_channels, three_in, 1),
                BasicConv.init(next(keys), three_in, three, 3, padding=1),
            ],
            branch3=[
                BasicConv.init(next(keys), in_channels, five_in, 1),
                BasicConv.init(next(keys), five_in, five, 3, padding=1),
            ],
            branch4={"1": BasicConv.init(next(keys), in_channels, pool, 1)},
        )

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Inception]:
        new = copy_tree(self)
        y, new.branch1 = new.branch1(x, training)
        z, new.branch2[0] = new.branch2[0](x, training)
        z, new.branch2[1] = new.branch2[1](z, training)
        u, new.branch3[0] = new.branch3[0](x, training)
        u, new.branch3[1] = new.branch3[1](u, training)
        x = max_pool(x, 3, stride=1, padding=1)
        x, new.branch4["1"] = new.branch4["1"](x, training)
        return jnp.concatenate([y, z, u, x], axis=3), new


@register_dataclass
@dataclass
class GoogLeNet:
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
    def init(cls, key: Array) -> GoogLeNet:
        keys = key_stream(key)
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
    ) -> tuple[Array, GoogLeNet]:
        new = copy_tree(self)
        image = channels_last(image)
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
        x = dropout(x.mean((1, 2)), 0.2, key, training)  # [1024]
        logits = self.fc(x)  # [1000]
        return logits, new


Model = GoogLeNet


def path_of(keys: Any) -> str:
    """The name of a leaf, as PyTorch would have it: `features.0.weight`."""
    return keystr(keys, simple=True, separator=".")


def to_state(model: GoogLeNet) -> dict[str, Array]:
    """Every parameter and running statistic by its path."""
    return {path_of(keys): leaf for keys, leaf in tree_leaves_with_path(model)}


def from_state(model: GoogLeNet, state: dict[str, Any]) -> GoogLeNet:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""

    def put(keys: Any, leaf: Array) -> Array:
        return jnp.array(state[path_of(keys)], leaf.dtype)

    return tree_map_with_path(put, model)


def outputs(
    model: GoogLeNet,
    batch: dict[str, Array],
    training: bool = False,
    key: Array | None = None,
) -> dict[str, Array]:
    """The results of the model by name."""
    logits, _ = model(batch["image"], training=training, key=key)
    return {"logits": logits}


def loss(
    model: GoogLeNet,
    batch: dict[str, Array],
    training: bool = False,
    key: Array | None = None,
) -> tuple[Array, GoogLeNet]:
    """What training minimises, averaged over the batch; and the model with its statistics moved on."""
    logits, model = model(batch["image"], training=training, key=key)
    label = batch["label"]
    value = cross_entropy(logits, label).mean()
    return value, model


@jax.jit
def gradients(
    model: GoogLeNet, batch: dict[str, Array], key: Array | None = None
) -> tuple[Array, GoogLeNet, GoogLeNet]:
    """The loss of a batch in training and its gradient, a tree of the model's form;
    and the model with its running statistics moved on.
    """
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True, key=key)
    return value, grads, model


def labels(model: GoogLeNet) -> GoogLeNet:
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
        "sgd": optax.sgd(lr, momentum=0.9, nesterov=False),
        "frozen": optax.set_to_zero(),
    }
    return optax.multi_transform(rules, labels)


def update(
    model: GoogLeNet, opt_state: optax.OptState, grads: GoogLeNet, lr: Array | float
) -> tuple[GoogLeNet, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: GoogLeNet,
    opt_state: optax.OptState,
    batch: dict[str, Array],
    lr: Array | float,
    key: Array | None = None,
) -> tuple[GoogLeNet, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True, key=key)
    model, opt_state = update(model, opt_state, grads, lr)
    return model, opt_state, value


def train_steps(
    model: GoogLeNet,
    opt_state: optax.OptState,
    data: dict[str, Array],
    order: np.ndarray,
    lr: np.ndarray,
    key: Array | None = None,
    first_step: Array | int = 1,
) -> tuple[GoogLeNet, optax.OptState, np.ndarray]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for step, (rows, rate) in enumerate(zip(order, lr, strict=True), first_step):
        batch = select(data, rows)
        model, opt_state, value = train_step(
            model,
            opt_state,
            batch,
            rate,
            key=None if key is None else jax.random.fold_in(key, step),
        )
        losses.append(value)
    return model, opt_state, np.array(jax.device_get(losses))


@jax.jit
def evaluate(
    model: GoogLeNet, batch: dict[str, Array], key: Array | None = None
) -> tuple[Array, dict[str, Array]]:
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
