"""ResNet for NumPy, compiled by nnspec from residual.nn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Init = Callable[[np.random.Generator, tuple[int, ...]], Array]
Scratch = dict[str, Array]
Outs = tuple[Array | None, ...]
Windows = tuple[tuple[int, ...], ...]  # stride, padding, dilation of each axis
Sizes = int | tuple[int, ...]  # one for all spatial axes, or one for each
Numbers = Any  # a number or nested tuples of numbers
Axes = tuple[int, ...]


class Parameter:
    """A tensor of the model: its value, and the gradient that backward passes add up.

    One that is not `trainable` is a buffer, or frozen: no optimizer moves it.
    """

    def __init__(
        self, shape: tuple[int, ...], init: Init, trainable: bool = True
    ) -> None:
        self.shape = shape
        self.init = init
        self.trainable = trainable
        self.value: Array = np.zeros(shape)
        self.grad: Array = np.zeros(shape)

    def reset(self, rng: np.random.Generator, dtype: Any) -> None:
        """A fresh value in a dtype, and no gradient."""
        self.value = np.asarray(self.init(rng, self.shape)).astype(dtype)
        self.grad = np.zeros(self.shape, dtype)


class Module:
    """Something that owns parameters: a layer, a block, the model.

    `forward` returns its result and a cache; `backward` takes the gradient of the
    result and that cache, adds to the gradients of the parameters and returns the
    gradient of the input. `renamed` says what members are called in paths of parameters
    where it is not the attribute's name.
    """

    renamed: ClassVar[dict[str, str]] = {}
    frozen = False  # runs as in evaluation, also while the rest is trained
    dtype: Any = np.float32  # of the numbers it makes itself


def named_members(owner: Any, path: str = "") -> dict[str, Any]:
    """Every module and parameter below `owner` by its path, in the order of
    construction.
    """
    found: dict[str, Any] = {}
    renamed: dict[str, str] = owner.renamed if isinstance(owner, Module) else {}
    members = owner if isinstance(owner, dict) else vars(owner)
    for attribute, member in members.items():
        name = renamed.get(attribute, attribute)
        inner = ".".join(part for part in (path, name) if part)
        if isinstance(member, Module | Parameter):
            found[inner] = member
        if isinstance(member, Module | dict):
            found.update(named_members(member, inner))
    return found


def named_parameters(model: Module) -> dict[str, Parameter]:
    """Every parameter and buffer of a model by its path."""
    members = named_members(model).items()
    return {path: member for path, member in members if isinstance(member, Parameter)}


def initialise(model: Any, dtype: Any = np.float32, seed: int = 0) -> Any:
    """Draw every parameter anew, in a dtype. Returns the model."""
    rng = np.random.default_rng(seed)
    model.dtype = dtype
    for member in named_members(model).values():
        if isinstance(member, Parameter):
            member.reset(rng, dtype)
        else:
            member.dtype = dtype
    return model


def state(model: Module) -> dict[str, Array]:
    """A copy of every parameter and buffer by path."""
    return {path: p.value.copy() for path, p in named_parameters(model).items()}


def load_state(model: Module, values: dict[str, Array]) -> None:
    """Set every parameter and buffer; ValueError names what is missing, extra or
    misshapen.
    """
    parameters = named_parameters(model)
    if parameters.keys() != values.keys():
        odd = sorted(parameters.keys() ^ values.keys())
        raise ValueError(f"missing or extra parameters: {', '.join(odd)}")
    for path, parameter in parameters.items():
        if values[path].shape != parameter.shape:
            shapes = f"{list(values[path].shape)} for {list(parameter.shape)}"
            raise ValueError(f"{path} has the wrong shape, {shapes}")
        parameter.value[...] = values[path]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs that one entry of a weight (O, I, *kernel) connects."""
    if len(shape) < 2:
        return max(shape, default=1), max(shape, default=1)
    field = int(np.prod(shape[2:]))
    return shape[1] * field, shape[0] * field


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = (6.0 / sum(fans(shape))) ** 0.5
    return rng.uniform(-bound, bound, shape)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """0 everywhere."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1 everywhere."""
    return np.ones(shape)


def normal(std: float) -> Init:
    """N(0, std^2)."""
    return lambda rng, shape: rng.normal(0.0, std, shape)


def relu_forward(x: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = max(x, 0); its gradient at 0 is 0."""
    y = np.maximum(x, 0.0, out=out)
    return y, y


def relu_backward(dy: Array, y: Cache, out: Array | None = None) -> Array:
    dx: Array = np.multiply(dy, y > 0, out=out)
    return dx


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along `axis`, without overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    y: Array = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y


def conv_forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    out: Array | None = None,
    scratch: Scratch | None = None,
) -> tuple[Array, Cache]:
    """y[n, o] = bias[o] + sum_c x[n, c] * weight[o, c], cross-correlated over space.

    x (N, C, *S), weight (O, C / groups, *kernel), bias (O) -> y (N, O, *M) with
    M = (S + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1. In memory the
    examples of y come last, (O, *M, N), unless `out` says otherwise.
    """
    windows = per_axis((stride, padding, dilation), x.ndim - 2)
    columns = im2col(x, weight.shape[2:], windows, scratch)  # (C, *kernel, *M, N)
    size = columns.shape[x.ndim - 1 :]
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = columns.reshape(groups, w.shape[2], -1)
    y = np.matmul(w, columns).reshape(weight.shape[0], -1)
    if bias is not None:
        y += bias[:, None]
    y = np.moveaxis(y.reshape(weight.shape[0], *size), -1, 0)
    if out is not None:
        out[...] = y
        y = out
    return y, (columns, weight, x.shape, windows, groups)


def conv_backward(
    dy: Array,
    cache: Cache,
    out: Outs = (None, None, None),
    scratch: Scratch | None = None,
) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias: dcolumns = W^T dy, added back to where the columns were read;
    dW = dy columns^T.
    """
    _, weight, shape, windows, groups = cache
    dweight, dbias = conv_backward_parameters(dy, cache, out[1:])
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    rows = np.moveaxis(dy, 0, -1).reshape(groups, w.shape[1], -1)
    dcolumns = np.matmul(np.swapaxes(w, 1, 2), rows)
    dcolumns = dcolumns.reshape(shape[1], *weight.shape[2:], *dy.shape[2:], shape[0])
    dx = col2im(dcolumns, shape, weight.shape[2:], windows, scratch)
    if out[0] is not None:
        out[0][...] = dx
        dx = out[0]
    return dx, dweight, dbias


def conv_backward_parameters(
    dy: Array, cache: Cache, out: Outs = (None, None)
) -> tuple[Array, Array]:
    """dweight and dbias alone: what a layer needs whose input is data."""
    columns, weight, _, _, groups = cache
    rows = np.moveaxis(dy, 0, -1).reshape(weight.shape[0], -1)  # (O, M * N)
    dbias = np.sum(rows, axis=1, out=out[1])
    grouped = rows.reshape(groups, weight.shape[0] // groups, -1)
    target = None if out[0] is None else out[0].reshape(groups, grouped.shape[1], -1)
    dweight = np.matmul(grouped, np.swapaxes(columns, 1, 2), out=target)
    return dweight.reshape(weight.shape), dbias


def im2col(
    x: Array,
    kernel: tuple[int, ...],
    windows: Windows,
    scratch: Scratch | None = None,
) -> Array:
    """The windows of x (N, C, *S) as columns (C, *kernel, *M, N).

    Examples come last, so that what is copied are long runs.
    """
    stride, padding, dilation = windows
    padded = pad_examples_last(x, padding, scratch)
    extent = zip(padded.shape[1:-1], kernel, stride, dilation, strict=True)
    size = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in extent)
    shape = (x.shape[1], *kernel, *size, x.shape[0])
    columns = buffer(scratch, "columns", shape, x.dtype)
    for offset in np.ndindex(*kernel):
        window = window_at(offset, size, stride, dilation)
        columns[(slice(None), *offset)] = padded[window]
    return columns


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    windows: Windows,
    scratch: Scratch | None = None,
) -> Array:
    """The transpose of `im2col`: columns (C, *kernel, *M, N) added up where they were
    read, (N, C, *S).
    """
    stride, padding, dilation = windows
    batch, channels, *spatial = shape
    sizes = [n + 2 * p for n, p in zip(spatial, padding, strict=True)]
    padded = buffer(scratch, "sums", (channels, *sizes, batch), columns.dtype)
    padded[...] = 0.0
    size = columns.shape[len(kernel) + 1 : -1]
    for offset in np.ndindex(*kernel):
        window = window_at(offset, size, stride, dilation)
        padded[window] += columns[(slice(None), *offset)]
    inside = [slice(p, p + n) for p, n in zip(padding, spatial, strict=True)]
    dx: Array = np.moveaxis(padded[(slice(None), *inside)], -1, 0)
    return dx


def pad_examples_last(
    x: Array, padding: tuple[int, ...], scratch: Scratch | None
) -> Array:
    """x (N, C, *S) as (C, *S, N), with zeros around the spatial axes."""
    x = np.moveaxis(x, 0, -1)
    if not any(padding):
        return x
    sizes = [n + 2 * p for n, p in zip(x.shape[1:-1], padding, strict=True)]
    padded = buffer(scratch, "padded", (x.shape[0], *sizes, x.shape[-1]), x.dtype)
    padded[...] = 0.0
    inside = [slice(p, p + n) for p, n in zip(padding, x.shape[1:-1], strict=True)]
    padded[(slice(None), *inside)] = x
    return padded


def window_at(
    offset: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[slice, ...]:
    """Where the entry at `offset` of every window stands in (C, *S, N)."""
    axes = zip(offset, size, stride, dilation, strict=True)
    return (
        slice(None),
        *(slice(o * d, o * d + (m - 1) * s + 1, s) for o, m, s, d in axes),
    )


def per_axis(settings: tuple[Sizes, ...], rank: int) -> Windows:
    """Each setting as one number for each spatial axis."""
    return tuple(v if isinstance(v, tuple) else (v,) * rank for v in settings)


def buffer(
    scratch: Scratch | None, name: str, shape: tuple[int, ...], dtype: Any
) -> Array:
    """A new array; or the one kept in `scratch`, while shape and dtype stay."""
    if scratch is None:
        return np.empty(shape, dtype)
    found = scratch.get(name)
    if found is None or found.shape != shape or found.dtype != dtype:
        found = scratch[name] = np.empty(shape, dtype)
    return found


def dense_forward(
    x: Array, weight: Array, bias: Array | None = None, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = x W^T + b over the last axis: x (..., I), weight (O, I), bias (O) -> y (...,
    O).
    """
    rows = x.reshape(-1, x.shape[-1])  # one GEMM, whatever the rank
    y = np.matmul(
        rows, weight.T, out=None if out is None else out.reshape(-1, weight.shape[0])
    )
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0]), (rows, weight, x.shape)


def dense_backward(
    dy: Array, cache: Cache, out: Outs = (None, None, None)
) -> tuple[Array, Array, Array]:
    """dx = dy W, dW = dy^T x, db = sum of dy over rows. Returns dx, dweight, dbias."""
    rows, weight, shape = cache
    dy = dy.reshape(-1, weight.shape[0])
    dx = np.matmul(
        dy, weight, out=None if out[0] is None else out[0].reshape(rows.shape)
    )
    return (
        dx.reshape(shape),
        np.matmul(dy.T, rows, out=out[1]),
        np.sum(dy, axis=0, out=out[2]),
    )


def dense_backward_parameters(
    dy: Array, cache: Cache, out: Outs = (None, None)
) -> tuple[Array, Array]:
    """dweight and dbias alone: what a layer needs whose input is data."""
    rows, weight, _ = cache
    dy = dy.reshape(-1, weight.shape[0])
    return np.matmul(dy.T, rows, out=out[0]), np.sum(dy, axis=0, out=out[1])


def cross_entropy_forward(
    logits: Array,
    label: Array,
    axis: int = -1,
    weight: Numbers = None,
    ignore: int | None = None,
    label_smoothing: float = 0.0,
    mean: bool = False,
) -> tuple[Array, Cache]:
    """L = -log softmax(logits)[label], the classes along `axis`, the mean over an
    example's other axes.

    With smoothing e and C classes the target is (1 - e) one_hot + e / C. A class weighs
    as `weight` (C) says; a position whose label is `ignore` counts neither in the sum
    nor in the mean.
    """
    axis = axis % logits.ndim
    log_p = log_softmax(logits, axis)
    p = weigh_classes(
        spread_labels(label, logits.shape[axis], axis, label_smoothing, logits.dtype),
        axis,
        weight,
    )
    counted = None if ignore is None else count_mean(label != ignore)
    if counted is not None:
        p = p * np.expand_dims(counted, axis).astype(p.dtype)
    return per_example(-np.sum(p * log_p, axis=axis), mean), (log_p, p, axis, mean)


def cross_entropy_backward(dy: Array, cache: Cache) -> Array:
    """(softmax - target) where the target sums to one, in general softmax * sum(target)
    - target.
    """
    log_p, p, axis, mean = cache
    positions = log_p.shape[:axis] + log_p.shape[axis + 1 :]
    d = np.expand_dims(to_entries(dy, positions, mean), axis)
    dx: Array = d * (np.exp(log_p) * np.sum(p, axis=axis, keepdims=True) - p)
    return dx


def per_example(entries: Array, mean: bool, total: bool = False) -> Array:
    """entries (N, ...) averaged (or summed) over each example, then over the batch if
    `mean`.
    """
    axes = tuple(range(1, entries.ndim))
    each = entries.sum(axis=axes) if total else entries.mean(axis=axes)
    return np.asarray(each.mean()) if mean else each


def to_entries(
    dy: Array, shape: tuple[int, ...], mean: bool, total: bool = False
) -> Array:
    """The transpose of `per_example`: the gradient of every entry, in a shape that
    broadcasts to `shape`.
    """
    count = (shape[0] if mean else 1) * (
        1 if total else int(np.prod(shape[1:], dtype=np.int64))
    )
    dentries: Array = np.reshape(
        dy / float(count), (1 if mean else shape[0], *[1] * (len(shape) - 1))
    )
    return dentries


def weigh_classes(p: Array, axis: int, weight: Numbers) -> Array:
    """p times one factor for each class along `axis` (None: 1)."""
    return (
        p
        if weight is None
        else p * np.asarray(weight, p.dtype).reshape(-1, *[1] * (p.ndim - axis - 1))
    )


def count_mean(counted: Array) -> Array:
    """Factors (N, ...) that turn the mean over each example into the mean over its
    counted positions.
    """
    axes = tuple(range(1, counted.ndim))
    share = counted.mean(axis=axes, keepdims=True)
    factors: Array = counted / np.where(share == 0, 1.0, share)
    return factors


def spread_labels(
    label: Array, classes: int, axis: int, smoothing: float, dtype: Any
) -> Array:
    """Labels as distributions: one_hot along a new `axis`, smoothed towards the uniform
    one.
    """
    index = np.arange(classes).reshape(-1, *[1] * (label.ndim - axis))
    hit: Array = (np.expand_dims(label, axis) == index).astype(dtype)
    return hit if smoothing == 0.0 else hit * (1.0 - smoothing) + smoothing / classes


def batch_norm_forward(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    training: bool,
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> tuple[Array, Cache]:
    """y = weight * (x - mean) / sqrt(var + eps) + bias, a channel at a time (Ioffe and
    Szegedy, 2015).

    x (N, C, ...), everything else (C). In training mean and (biased) variance are those
    of the batch, and the running statistics move towards them in place, the variance
    towards its unbiased estimate.
    """
    axes = (0, *range(2, x.ndim))
    stand = (-1, *[1] * (x.ndim - 2))
    if training:
        count = x.size // x.shape[1]
        mean = x.mean(axis=axes)
        centred = x - mean.reshape(stand)
        var = np.mean(centred * centred, axis=axes)
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (count / max(count - 1, 1)) - running_var)
    else:
        centred = x - running_mean.reshape(stand)
        var = running_var
    scale = 1.0 / np.sqrt(var + eps)
    normal = centred * scale.reshape(stand)
    y = normal if weight is None else normal * weight.reshape(stand)
    return y if bias is None else y + bias.reshape(stand), (
        normal,
        scale,
        weight,
        axes,
        stand,
        training,
    )


def batch_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias. In training the mean and variance depend on x, which takes
    their share off dx.
    """
    normal, scale, weight, axes, stand, training = cache
    dbias = dy.sum(axis=axes)
    dweight = np.sum(dy * normal, axis=axes)
    factor = (scale if weight is None else weight * scale).reshape(stand)
    if not training:
        return dy * factor, dweight, dbias
    count = dy.size // dy.shape[1]
    dx = factor * (
        dy - (dbias / count).reshape(stand) - normal * (dweight / count).reshape(stand)
    )
    return dx, dweight, dbias


def mean_forward(
    x: Array, axis: Axes, keepdims: bool = False, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the mean of x over the axes."""
    return np.mean(x, axis=axis, keepdims=keepdims, out=out), (np.shape(x), axis)


def mean_backward(dy: Array, cache: Cache) -> Array:
    shape, axis = cache
    count = float(np.prod([shape[k] for k in axis], dtype=np.int64))
    return np.broadcast_to(restore_axes(dy / count, shape, axis), shape)


def restore_axes(dy: Array, shape: tuple[int, ...], axis: Axes) -> Array:
    """dy with the reduced axes back in place, of size 1."""
    return np.reshape(dy, tuple(1 if k in axis else n for k, n in enumerate(shape)))


class Dense(Module):
    """y = x W^T + b over the last axis."""

    def __init__(
        self,
        in_features: int,
        units: int,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        self.weight = Parameter((units, in_features), weight_init)
        self.bias = Parameter((units,), bias_init) if bias else None

    def forward(self, x: Array) -> tuple[Array, Cache]:
        bias = None if self.bias is None else self.bias.value
        return dense_forward(x, self.weight.value, bias)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = dense_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx

    def backward_parameters(self, dy: Array, cache: Cache) -> None:
        """Where x is data, which needs no gradient."""
        dweight, dbias = dense_backward_parameters(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class Conv(Module):
    """Cross-correlation over the axes after the channels."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: tuple[int, ...],
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        shape = (channels, in_channels // groups, *kernel)
        self.weight = Parameter(shape, weight_init)
        self.bias = Parameter((channels,), bias_init) if bias else None
        self.settings = stride, padding, dilation, groups

    def forward(self, x: Array) -> tuple[Array, Cache]:
        bias = None if self.bias is None else self.bias.value
        return conv_forward(x, self.weight.value, bias, *self.settings)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = conv_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx

    def backward_parameters(self, dy: Array, cache: Cache) -> None:
        """Where x is data, which needs no gradient."""
        dweight, dbias = conv_backward_parameters(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class Normalisation(Module):
    """What has been normalised is scaled by `weight` and shifted by `bias`, if they
    exist.
    """

    def __init__(
        self,
        features: int,
        eps: float,
        affine: bool = True,
        bias: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        self.eps = eps
        self.weight = Parameter((features,), weight_init) if affine else None
        self.bias = Parameter((features,), bias_init) if affine and bias else None

    def values(self) -> tuple[Array | None, Array | None]:
        """The values of weight and bias."""
        weight = None if self.weight is None else self.weight.value
        return weight, None if self.bias is None else self.bias.value

    def add(self, dweight: Array, dbias: Array) -> None:
        """Add to the gradients of weight and bias."""
        if self.weight is not None:
            self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias


class BatchNorm(Normalisation):
    """Each channel normalised over the batch; in evaluation by running statistics."""

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        super().__init__(channels, eps, affine, True, weight_init, bias_init)
        self.momentum = momentum
        self.running_mean = Parameter((channels,), zeros, trainable=False)
        self.running_var = Parameter((channels,), ones, trainable=False)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        running = self.running_mean.value, self.running_var.value
        training = training and not self.frozen
        return batch_norm_forward(
            x, *self.values(), *running, training, self.eps, self.momentum
        )

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = batch_norm_backward(dy, cache)
        self.add(dweight, dbias)
        return dx


class Optimizer:
    """Some parameters, by path, moved into one vector; `memory` has a vector for each
    slot.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: dict[str, Parameter]) -> None:
        self.parameters = parameters
        self.step = 0
        values = [p.value.ravel() for p in parameters.values()]
        self.value = np.concatenate(values) if values else np.zeros(0)
        self.grad = np.zeros_like(self.value)
        for part, parameter in self.parts():
            parameter.value = self.value[part].reshape(parameter.shape)
            parameter.grad = self.grad[part].reshape(parameter.shape)
        self.vectors = {slot: np.zeros_like(self.value) for slot in self.slots}
        self.work = np.empty_like(self.value)

    def parts(self) -> Iterator[tuple[slice, Parameter]]:
        """Each parameter and where it stands in the vectors."""
        start = 0
        for parameter in self.parameters.values():
            stop = start + int(np.prod(parameter.shape, dtype=np.int64))
            yield slice(start, stop), parameter
            start = stop

    @property
    def memory(self) -> dict[str, dict[str, Array]]:
        """Views of what is remembered, by slot and path."""
        paths = list(self.parameters)
        return {
            slot: {
                path: vector[part].reshape(parameter.shape)
                for path, (part, parameter) in zip(paths, self.parts(), strict=True)
            }
            for slot, vector in self.vectors.items()
        }

    def zero_gradients(self) -> None:
        """Forget the gradients of the last step."""
        self.grad[...] = 0.0

    def gradients(self) -> list[Array]:
        """The gradients themselves, in one vector."""
        return [self.grad]

    def update(self, lr: float) -> None:
        """One step along the gradients; leaves what was taken off in `work`."""
        self.step += 1
        self.change(lr, self.grad, self.work, *self.vectors.values())
        self.value -= self.work

    def change(self, lr: float, grad: Array, work: Array, *memory: Array) -> None:
        """What is taken off, into `work`; moves the memory on, in place."""
        raise NotImplementedError


class Momentum(Optimizer):
    """v = m * v + g, w -= lr * v; with `nesterov` w -= lr * (g + m * v)."""

    slots = ("momentum_buffer",)

    def __init__(
        self,
        parameters: dict[str, Parameter],
        momentum: float = 0.9,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.momentum = momentum
        self.nesterov = nesterov

    def change(self, lr: float, grad: Array, work: Array, *memory: Array) -> None:
        (v,) = memory
        v *= self.momentum
        v += grad
        if self.nesterov:
            np.multiply(v, self.momentum, out=work)
            work += grad
            work *= lr
        else:
            np.multiply(v, lr, out=work)


def group_of(path: str, patterns: tuple[str, ...]) -> int | None:
    """The last pattern that selects a path: all of it, or a part of the tree."""
    found = None
    for index, pattern in enumerate(patterns):
        if fnmatchcase(path, pattern) or path.startswith(f"{pattern}."):
            found = index
    return found


def parameter_groups(
    model: Module, patterns: tuple[str, ...]
) -> list[dict[str, Parameter]]:
    """The trained parameters that each pattern selects; the last match wins."""
    groups: list[dict[str, Parameter]] = [{} for _ in patterns]
    for path, parameter in named_parameters(model).items():
        index = group_of(path, patterns)
        if index is not None and parameter.trainable:
            groups[index][path] = parameter
    return groups


def l2_penalty_forward(weights: list[Parameter]) -> tuple[Any, Cache]:
    """Half the sum of the squares of all weights."""
    return 0.5 * sum(np.vdot(w.value, w.value) for w in weights), weights


def l2_penalty_backward(dy: Any, weights: Cache) -> None:
    """Adds dy * w to the gradient of each weight w."""
    for w in weights:
        w.grad += dy * w.value


def optimizer_state(optimizers: list[Optimizer]) -> dict[str, Array]:
    """A copy of what is remembered of each parameter, as `path/slot`, and the step."""
    found = {"step": np.array(max((o.step for o in optimizers), default=0))}
    for optimizer in optimizers:
        for slot, memory in optimizer.memory.items():
            found |= {f"{path}/{slot}": value.copy() for path, value in memory.items()}
    return found


def load_optimizer_state(optimizers: list[Optimizer], values: dict[str, Array]) -> None:
    """Put back what `optimizer_state` gave; what it lacks was not remembered yet: 0."""
    for optimizer in optimizers:
        optimizer.step = int(values["step"])
        for slot, memory in optimizer.memory.items():
            for path, value in memory.items():
                value[...] = values.get(f"{path}/{slot}", 0.0)


class Residual(Module):
    """A block over x, in 6 places of the model."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        self.conv1 = Conv(
            in_channels, width, (3, 3), stride=stride, padding=1, bias=False
        )
        self.bn1 = BatchNorm(width)
        self.conv2 = Conv(width, width, (3, 3), padding=1, bias=False)
        self.bn2 = BatchNorm(width)
        self.has_downsample = stride != 1 or in_channels != width
        if self.has_downsample:
            self.downsample: dict[str, Any] = {}
            self.downsample["0"] = Conv(
                in_channels, width, (1, 1), stride=stride, bias=False
            )
            self.downsample["1"] = BatchNorm(width)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        z, conv1_cache = self.conv1.forward(x)
        z, bn1_cache = self.bn1.forward(z, training)
        z, relu_cache = relu_forward(z)
        z, conv2_cache = self.conv2.forward(z)
        y, bn2_cache = self.bn2.forward(z, training)
        if self.has_downsample:
            z, downsample_0_cache = self.downsample["0"].forward(x)
            skip, downsample_1_cache = self.downsample["1"].forward(z, training)
            skip_cache = downsample_0_cache, downsample_1_cache
        else:
            skip = x
            skip_cache = None
        z = y + skip
        z, relu_cache_2 = relu_forward(z)
        cache = (
            conv1_cache,
            bn1_cache,
            relu_cache,
            conv2_cache,
            bn2_cache,
            skip_cache,
            relu_cache_2,
        )
        return z, cache

    def backward(self, dz: Array, cache: Cache) -> Array:
        (
            conv1_cache,
            bn1_cache,
            relu_cache,
            conv2_cache,
            bn2_cache,
            skip_cache,
            relu_cache_2,
        ) = cache
        dz = relu_backward(dz, relu_cache_2)
        dy = dz
        dskip = dz
        if self.has_downsample:
            downsample_0_cache, downsample_1_cache = skip_cache
            dz = self.downsample["1"].backward(dskip, downsample_1_cache)
            dx = self.downsample["0"].backward(dz, downsample_0_cache)
        else:
            dx = dskip
        dz = self.bn2.backward(dy, bn2_cache)
        dz = self.conv2.backward(dz, conv2_cache)
        dz = relu_backward(dz, relu_cache)
        dz = self.bn1.backward(dz, bn1_cache)
        dx = dx + self.conv1.backward(dz, conv1_cache)
        return dx


class ResNet(Module):
    """image [1, 8, 8] -> logits [10], for one example."""

    def __init__(self) -> None:
        self.stem = Conv(1, 8, (3, 3), padding=1, bias=False)
        self.bn = BatchNorm(8)
        self.stages: dict[str, Any] = {}
        for key, key_2, in_channels, width, stride in [
            ("0", "1", 8, 8, 1),
            ("2", "3", 8, 16, 2),
            ("4", "5", 16, 32, 2),
        ]:
            self.stages[key] = Residual(in_channels, width, stride=stride)
            self.stages[key_2] = Residual(width, width)
        self.head = Dense(32, 10)

    def forward(self, image: Array, training: bool = False) -> tuple[Array, Cache]:
        x, stem_cache = self.stem.forward(image)  # [8, 8, 8]
        x, bn_cache = self.bn.forward(x, training)
        x, relu_cache = relu_forward(x)
        stages_caches = []
        for key, key_2 in [("0", "1"), ("2", "3"), ("4", "5")]:
            y, stages_step_cache = self.stages[key].forward(x, training)
            x, stages_step_cache_2 = self.stages[key_2].forward(y, training)
            stages_caches.append((stages_step_cache, stages_step_cache_2))
        x, mean_cache = mean_forward(x, (2, 3))  # [32]
        logits, head_cache = self.head.forward(x)  # [10]
        cache = (
            stem_cache,
            bn_cache,
            relu_cache,
            stages_caches,
            mean_cache,
            head_cache,
        )
        return logits, cache

    def backward(self, dlogits: Array, cache: Cache) -> None:
        stem_cache, bn_cache, relu_cache, stages_caches, mean_cache, head_cache = cache
        dx = self.head.backward(dlogits, head_cache)
        dx = mean_backward(dx, mean_cache)
        for (key, key_2), (stages_step_cache, stages_step_cache_2) in zip(
            reversed([("0", "1"), ("2", "3"), ("4", "5")]), reversed(stages_caches)
        ):
            dy = self.stages[key_2].backward(dx, stages_step_cache_2)
            dx = self.stages[key].backward(dy, stages_step_cache)
        dx = relu_backward(dx, relu_cache)
        dx = self.bn.backward(dx, bn_cache)
        self.stem.backward_parameters(dx, stem_cache)


Model = ResNet


def outputs(
    model: ResNet, batch: dict[str, Array], training: bool = False
) -> dict[str, Array]:
    """The results of the model by name."""
    logits, _ = model.forward(batch["image"], training)
    return {"logits": logits}


def weights(model: ResNet) -> list[Parameter]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    parameters = named_parameters(model).values()
    return [p for p in parameters if len(p.shape) > 1]


def loss(
    model: ResNet, batch: dict[str, Array], step: int = 1, training: bool = False
) -> tuple[Array, Cache]:
    """What training minimises, averaged over the batch, and a cache for `backward`."""
    logits, model_cache = model.forward(batch["image"], training)
    label = batch["label"]
    x, cross_entropy_cache = cross_entropy_forward(logits, label, mean=True)
    y, l2_penalty_cache = l2_penalty_forward(weights(model))
    y = 0.0001 * y
    x = x + y
    return x, (model_cache, cross_entropy_cache, l2_penalty_cache)


def backward(model: ResNet, dx: Array, cache: Cache) -> None:
    """Backpropagation: adds to the gradient of every parameter."""
    model_cache, cross_entropy_cache, l2_penalty_cache = cache
    dy = dx
    dy = 0.0001 * dy
    l2_penalty_backward(dy, l2_penalty_cache)
    dlogits = cross_entropy_backward(dx, cross_entropy_cache)
    model.backward(dlogits, model_cache)


def make_optimizer(model: ResNet) -> list[Optimizer]:
    """An optimizer for each group of parameters; rates are handed to every update."""
    groups = parameter_groups(model, ("*",))
    return [Momentum(groups[0], nesterov=True)]


def update(optimizer: list[Optimizer], lr: Sequence[float]) -> None:
    """One update from the gradients that the parameters hold."""
    for one, rate in zip(optimizer, lr):
        one.update(float(rate))


def gradients(
    model: ResNet, batch: dict[str, Array], step: int = 1
) -> tuple[float, dict[str, Array]]:
    """The loss of a batch and its gradient by every trained parameter."""
    parameters = named_parameters(model)
    for parameter in parameters.values():
        parameter.grad[...] = 0.0
    value, cache = loss(model, batch, step, training=True)
    backward(model, np.ones_like(value), cache)
    found = {n: p.grad.copy() for n, p in parameters.items() if p.trainable}
    return float(value), found


def train_step(
    model: ResNet,
    optimizer: list[Optimizer],
    batch: dict[str, Array],
    lr: Sequence[float],
    step: int,
) -> float:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    for one in optimizer:
        one.zero_gradients()
    value, cache = loss(model, batch, step, training=True)
    backward(model, np.ones_like(value), cache)
    update(optimizer, lr)
    return float(value)


def train_steps(
    model: ResNet,
    optimizer: list[Optimizer],
    data: dict[str, Array],
    order: Array,
    lr: Array,
    first_step: int = 1,
) -> Array:
    """One update for each row of `order`, the examples of a batch; their losses."""
    losses = np.empty(len(order))
    for k, (rows, rates) in enumerate(zip(order, lr)):
        batch = {name: values[rows] for name, values in data.items()}
        losses[k] = train_step(model, optimizer, batch, rates, first_step + k)
    return losses


def evaluate(model: ResNet, batch: dict[str, Array]) -> tuple[float, dict[str, float]]:
    """Loss and metrics of a batch, noise layers off and running statistics in use."""
    value, _ = loss(model, batch)
    logits, _ = model.forward(batch["image"])
    return float(value), {
        "accuracy": float(np.mean(logits.argmax(axis=1) == batch["label"]))
    }


if __name__ == "__main__":
    model = initialise(ResNet())
    random = np.random.default_rng(0)
    batch = {
        "image": random.random((4, 1, 8, 8), np.float32),
        "label": random.integers(10, size=(4,)),
    }
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.1], step)
        print(f"step {step}: loss {value:.4f}")
