"""ResNet50 for JAX, compiled by nnspec from resnet.nn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
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
class Bottleneck:
    """A block over x, in 16 places of the model."""

    conv1: Conv
    bn1: BatchNorm
    conv2: Conv
    bn2: BatchNorm
    conv3: Conv
    bn3: BatchNorm
    downsample: list[Conv | BatchNorm] | None

    @classmethod
    def init(
        cls, key: Array, in_channels: int, width: int, stride: int = 1
    ) -> Bottleneck:
        keys = key_stream(key)
        downsample = None
        if stride != 1 or in_channels != 4 * width:
            downsample = [
                Conv.init(
                    next(keys),
                    (4 * width, in_channels, 1, 1),
                    stride=stride,
                    bias=False,
                ),
                BatchNorm.init(4 * width),
            ]
        return cls(
            conv1=Conv.init(next(keys), (width, in_channels, 1, 1), bias=False),
            bn1=BatchNorm.init(width),
            conv2=Conv.init(
                next(keys), (width, width, 3, 3), stride=stride, padding=1, bias=False
            ),
            bn2=BatchNorm.init(width),
            conv3=Conv.init(next(keys), (4 * width, width, 1, 1), bias=False),
            bn3=BatchNorm.init(4 * width),
            downsample=downsample,
        )

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Bottleneck]:
        new = copy_tree(self)
        z, new.bn1 = new.bn1(self.conv1(x), training)
        z, new.bn2 = new.bn2(self.conv2(jax.nn.relu(z)), training)
        y, new.bn3 = new.bn3(self.conv3(jax.nn.relu(z)), training)
        if self.downsample is not None:
            z = self.downsample[0](x)
            skip, new.downsample[1] = new.downsample[1](z, training)
        else:
            skip = x
        return jax.nn.relu(y + skip), new


@register_dataclass
@dataclass
class ResNet50:
    """image [3, 224, 224] -> logits [1000], for one example."""

    conv1: Conv
    bn1: BatchNorm
    layer1: list[Bottleneck]
    layer2: list[Bottleneck]
    layer3: list[Bottleneck]
    layer4: list[Bottleneck]
    fc: Dense

    @classmethod
    def init(cls, key: Array) -> ResNet50:
        keys = key_stream(key)
        layer2 = [Bottleneck.init(next(keys), 256, 128, stride=2)]
        layer2 += [Bottleneck.init(next(keys), 512, 128) for _ in range(3)]
        layer3 = [Bottleneck.init(next(keys), 512, 256, stride=2)]
        layer3 += [Bottleneck.init(next(keys), 1024, 256) for _ in range(5)]
        layer4 = [Bottleneck.init(next(keys), 1024, 512, stride=2)]
        layer4 += [Bottleneck.init(next(keys), 2048, 512) for _ in range(2)]
        return cls(
            conv1=Conv.init(next(keys), (64, 3, 7, 7), stride=2, padding=3, bias=False),
            bn1=BatchNorm.init(64),
            layer1=[
                Bottleneck.init(next(keys), in_channels, 64)
                for in_channels in (64, 256, 256)
            ],
            layer2=layer2,
            layer3=layer3,
            layer4=layer4,
            fc=Dense.init(next(keys), (1000, 2048)),
        )

    def __call__(self, image: Array, training: bool = False) -> tuple[Array, ResNet50]:
        new = copy_tree(self)
        image = channels_last(image)
        x, new.bn1 = new.bn1(self.conv1(image), training)  # [64, 112, 112]
        x = jax.nn.relu(x)
        x = max_pool(x, 3, stride=2, padding=1)  # [64, 56, 56]
        for i in range(3):
            x, new.layer1[i] = new.layer1[i](x, training)  # [256, 56, 56]
        x, new.layer2[0] = new.layer2[0](x, training)  # [512, 28, 28]
        for i in range(1, 4):
            x, new.layer2[i] = new.layer2[i](x, training)
        x, new.layer3[0] = new.layer3[0](x, training)  # [1024, 14, 14]
        for i in range(1, 6):
            x, new.layer3[i] = new.layer3[i](x, training)
        x, new.layer4[0] = new.layer4[0](x, training)  # [2048, 7, 7]
        for i in (1, 2):
            x, new.layer4[i] = new.layer4[i](x, training)
        x = x.mean((1, 2))  # [2048]
        logits = self.fc(x)  # [1000]
        return logits, new


Model = ResNet50


def path_of(keys: Any) -> str:
    """The name of a leaf, as PyTorch would have it: `features.0.weight`."""
    return keystr(keys, simple=True, separator=".")


def to_state(model: ResNet50) -> dict[str, Array]:
    """Every parameter and running statistic by its path."""
    return {path_of(keys): leaf for keys, leaf in tree_leaves_with_path(model)}


def from_state(model: ResNet50, state: dict[str, Any]) -> ResNet50:
    """The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one."""

    def put(keys: Any, leaf: Array) -> Array:
        return jnp.array(state[path_of(keys)], leaf.dtype)

    return tree_map_with_path(put, model)


def outputs(
    model: ResNet50, batch: dict[str, Array], training: bool = False
) -> dict[str, Array]:
    """The results of the model by name."""
    logits, _ = model(batch["image"], training=training)
    return {"logits": logits}


def weights(model: ResNet50) -> list[Array]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [leaf for leaf in jax.tree.leaves(model) if leaf.ndim > 1]


def loss(
    model: ResNet50, batch: dict[str, Array], training: bool = False
) -> tuple[Array, ResNet50]:
    """What training minimises, averaged over the batch; and the model with its statistics moved on."""
    logits, model = model(batch["image"], training=training)
    label = batch["label"]
    value = cross_entropy(logits, label).mean() + 0.0001 * l2(weights(model))
    return value, model


@jax.jit
def gradients(
    model: ResNet50, batch: dict[str, Array]
) -> tuple[Array, ResNet50, ResNet50]:
    """The loss of a batch in training and its gradient, a tree of the model's form;
    and the model with its running statistics moved on.
    """
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True)
    return value, grads, model


def labels(model: ResNet50) -> ResNet50:
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
    model: ResNet50, opt_state: optax.OptState, grads: ResNet50, lr: Array | float
) -> tuple[ResNet50, optax.OptState]:
    """One step of the optimizer."""
    updates, opt_state = optimizer(lr).update(grads, opt_state, model)
    return optax.apply_updates(model, updates), opt_state


@partial(jax.jit, donate_argnums=(0, 1))
def train_step(
    model: ResNet50,
    opt_state: optax.OptState,
    batch: dict[str, Array],
    lr: Array | float,
) -> tuple[ResNet50, optax.OptState, Array]:
    """One update from one batch; model and opt_state are given up to their successors."""
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, model), grads = grad(model, batch, training=True)
    model, opt_state = update(model, opt_state, grads, lr)
    return model, opt_state, value


def train_steps(
    model: ResNet50,
    opt_state: optax.OptState,
    data: dict[str, Array],
    order: np.ndarray,
    lr: np.ndarray,
) -> tuple[ResNet50, optax.OptState, np.ndarray]:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for rows, rate in zip(order, lr, strict=True):
        batch = select(data, rows)
        model, opt_state, value = train_step(model, opt_state, batch, rate)
        losses.append(value)
    return model, opt_state, np.array(jax.device_get(losses))


@jax.jit
def evaluate(
    model: ResNet50, batch: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
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
