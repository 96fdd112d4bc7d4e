"""GoogLeNet for NumPy, compiled by nnspec from googlenet.nn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    planned: tuple[Any, ...] = ()  # steps with their arrays, by size of batch


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


def dropout_forward(
    x: Array, p: float, rng: np.random.Generator
) -> tuple[Array, Cache]:
    """y = x * mask / (1 - p), the mask 1 with probability 1 - p (Srivastava et al.,
    2014, inverted).
    """
    mask = scaled_mask(x.shape, p, rng).astype(x.dtype)
    return x * mask, mask


def dropout_backward(dy: Array, mask: Cache) -> Array:
    dx: Array = dy * mask
    return dx


def scaled_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Array:
    """0 with probability p, else 1 / (1 - p), so that the mean is 1."""
    kept: Array = np.asarray(rng.random(shape) < 1.0 - p)
    return kept * (1.0 / (1.0 - p) if p < 1.0 else 0.0)


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


def max_pool_forward(
    x: Array,
    size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil: bool = False,
    out: Array | None = None,
) -> tuple[Array, Cache]:
    """The largest entry of each window: x (N, C, *spatial) -> y (N, C, *M). Padding
    never wins.
    """
    size, stride, padding = window_settings(size, stride, padding, x.ndim - 2)
    counts = window_counts(x.shape[2:], size, stride, padding, ceil)
    padded = pad_windows(x, -np.inf, size, stride, padding, counts)
    offsets = list(np.ndindex(*size))
    y = empty_like_order(x, counts) if out is None else out
    y[...] = padded[window_slice(offsets[0], stride, counts)]
    winner = np.zeros_like(y, np.int8 if len(offsets) < 128 else np.int32)
    for k, offset in enumerate(offsets[1:], 1):
        entries = padded[window_slice(offset, stride, counts)]
        np.putmask(winner, entries > y, k)  # a tie stays with the first
        np.maximum(y, entries, out=y)
    return y, (winner, offsets, x.shape, padded.shape, stride, padding)


def max_pool_backward(dy: Array, cache: Cache, out: Array | None = None) -> Array:
    """The gradient of a window goes to its first largest entry."""
    winner, offsets, shape, padded_shape, stride, padding = cache
    dx = empty_like_order(dy, padded_shape[2:])
    dx[...] = 0.0
    for k, offset in enumerate(offsets):
        dx[window_slice(offset, stride, dy.shape[2:])] += dy * (winner == k)
    return crop(dx, shape, padding, out)


def empty_like_order(x: Array, spatial: tuple[int, ...]) -> Array:
    """An array (N, C, *spatial) whose axes lie in memory as those of x do."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    shape = (*x.shape[:2], *spatial)
    y: Array = np.empty([shape[axis] for axis in order], x.dtype)
    return np.transpose(y, np.argsort(order))


def window_settings(
    size: Sizes, stride: Sizes | None, padding: Sizes, rank: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Size, stride (that of the size, if None) and padding of each spatial axis."""
    stride = size if stride is None else stride
    sizes, strides, paddings = (
        v if isinstance(v, tuple) else (v,) * rank for v in (size, stride, padding)
    )
    return sizes, strides, paddings


def window_counts(
    spatial: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
) -> tuple[int, ...]:
    """Windows an axis. With `ceil` the last may hang over the end, if it starts inside
    input or left padding.
    """
    counts = []
    for n, k, s, p in zip(spatial, size, stride, padding, strict=True):
        count = -(-(n + 2 * p - k) // s) + 1 if ceil else (n + 2 * p - k) // s + 1
        counts.append(count - 1 if ceil and (count - 1) * s >= n + p else count)
    return tuple(counts)


def window_slice(
    offset: tuple[int, ...], stride: tuple[int, ...], counts: tuple[int, ...]
) -> tuple[slice, ...]:
    """Where the entry at `offset` of every window stands in a padded input."""
    spatial = [
        slice(a, a + (m - 1) * s + 1, s)
        for a, m, s in zip(offset, counts, stride, strict=True)
    ]
    return (slice(None), slice(None), *spatial)


def pad_windows(
    x: Array,
    value: float,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    counts: tuple[int, ...],
) -> Array:
    """x with `value` around it, as far as its windows reach."""
    ends = [
        max(n + 2 * p, (m - 1) * s + k)
        for n, k, s, p, m in zip(
            x.shape[2:], size, stride, padding, counts, strict=True
        )
    ]
    if tuple(ends) == x.shape[2:]:
        return x
    padded = empty_like_order(x, tuple(ends))
    padded[...] = value
    inside = [slice(p, p + n) for p, n in zip(padding, x.shape[2:], strict=True)]
    padded[(slice(None), slice(None), *inside)] = x
    return padded


def crop(
    dx: Array, shape: tuple[int, ...], padding: tuple[int, ...], out: Array | None
) -> Array:
    """The part of a padded gradient that belongs to the input of `shape`."""
    inside = dx[
        (
            slice(None),
            slice(None),
            *(slice(p, p + n) for p, n in zip(padding, shape[2:], strict=True)),
        )
    ]
    if out is None:
        return inside
    out[...] = inside
    return out


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


def concat_forward(*parts: Array, axis: int) -> tuple[Array, Cache]:
    """The parts one after the other along an axis."""
    return np.concatenate(parts, axis=axis), (
        np.cumsum([part.shape[axis] for part in parts[:-1]]),
        axis,
    )


def concat_backward(dy: Array, cache: Cache) -> list[Array]:
    """One gradient for each part."""
    ends, axis = cache
    return np.split(dy, ends, axis=axis)


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


class Dropout(Module):
    """In training each entry is 0 with probability p, else divided by 1 - p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def forward(
        self, x: Array, training: bool, rng: np.random.Generator
    ) -> tuple[Array, Cache]:
        if not training or self.frozen:
            return x, None
        return dropout_forward(x, self.p, rng)

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy if cache is None else dropout_backward(dy, cache)


class Optimizer:
    """Some parameters, by path, and what is remembered of each between steps."""

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: dict[str, Parameter]) -> None:
        self.parameters = parameters
        self.step = 0
        self.memory: dict[str, dict[str, Array]] = {
            slot: {path: np.zeros_like(p.value) for path, p in parameters.items()}
            for slot in self.slots
        }

    def zero_gradients(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self.parameters.values():
            parameter.grad[...] = 0.0

    def gradients(self) -> list[Array]:
        """The gradients themselves, not copies."""
        return [parameter.grad for parameter in self.parameters.values()]

    def update(self, lr: float) -> None:
        """One step along the gradients."""
        self.step += 1
        for path, parameter in self.parameters.items():
            memory = [self.memory[slot][path] for slot in self.slots]
            parameter.value -= self.change(parameter, lr, *memory)

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        """What is taken off a parameter; moves its memory on, in place."""
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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        (v,) = memory
        v[...] = self.momentum * v + parameter.grad
        ahead = parameter.grad + self.momentum * v if self.nesterov else v
        return lr * ahead


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


def noise_generator(seed: int, step: int) -> np.random.Generator:
    """Random numbers that depend on the seed and the step alone."""
    return np.random.Generator(np.random.Philox(key=(seed % 2**64, step)))


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


class BasicConv(Module):
    """A block over x, in 57 places of the model."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        self.conv = Conv(
            in_channels,
            width,
            (kernel, kernel),
            stride=stride,
            padding=padding,
            bias=False,
        )
        self.bn = BatchNorm(width, eps=0.001)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        x, conv_cache = self.conv.forward(x)
        x, bn_cache = self.bn.forward(x, training)
        x, relu_cache = relu_forward(x)
        return x, (conv_cache, bn_cache, relu_cache)

    def backward(self, dx: Array, cache: Cache) -> Array:
        conv_cache, bn_cache, relu_cache = cache
        dx = relu_backward(dx, relu_cache)
        dx = self.bn.backward(dx, bn_cache)
        dx = self.conv.backward(dx, conv_cache)
        return dx


class Inception(Module):
    """A block over x, in 9 places of the model."""

    def __init__(
        self,
        in_channels: int,
        one: int,
        three_in: int,
        three: int,
        five_in: int,
        five: int,
        pool: int,
    ) -> None:
        self.branch1 = BasicConv(in_channels, one, 1)
        self.branch2: dict[str, Any] = {}
        self.branch2["0"] = BasicConv(in_channels, three_in, 1)
        self.branch2["1"] = BasicConv(three_in, three, 3, padding=1)
        self.branch3: dict[str, Any] = {}
        self.branch3["0"] = BasicConv(in_channels, five_in, 1)
        self.branch3["1"] = BasicConv(five_in, five, 3, padding=1)
        self.branch4: dict[str, Any] = {}
        self.branch4["1"] = BasicConv(in_channels, pool, 1)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        y, branch1_cache = self.branch1.forward(x, training)
        z, branch2_0_cache = self.branch2["0"].forward(x, training)
        z, branch2_1_cache = self.branch2["1"].forward(z, training)
        u, branch3_0_cache = self.branch3["0"].forward(x, training)
        u, branch3_1_cache = self.branch3["1"].forward(u, training)
        x, max_pool_cache = max_pool_forward(x, 3, stride=1, padding=1)
        x, branch4_1_cache = self.branch4["1"].forward(x, training)
        x, concat_cache = concat_forward(y, z, u, x, axis=1)
        cache = (
            branch1_cache,
            branch2_0_cache,
            branch2_1_cache,
            branch3_0_cache,
            branch3_1_cache,
            max_pool_cache,
            branch4_1_cache,
            concat_cache,
        )
        return x, cache

    def backward(self, dx: Array, cache: Cache) -> Array:
        (
            branch1_cache,
            branch2_0_cache,
            branch2_1_cache,
            branch3_0_cache,
            branch3_1_cache,
            max_pool_cache,
            branch4_1_cache,
            concat_cache,
        ) = cache
        dy, dz, du, dx = concat_backward(dx, concat_cache)
        dx = self.branch4["1"].backward(dx, branch4_1_cache)
        dx = max_pool_backward(dx, max_pool_cache)
        du = self.branch3["1"].backward(du, branch3_1_cache)
        dx = dx + self.branch3["0"].backward(du, branch3_0_cache)
        dz = self.branch2["1"].backward(dz, branch2_1_cache)
        dx = dx + self.branch2["0"].backward(dz, branch2_0_cache)
        dx = dx + self.branch1.backward(dy, branch1_cache)
        return dx


class GoogLeNet(Module):
    """image [3, 224, 224] -> logits [1000], for one example."""

    def __init__(self) -> None:
        self.conv1 = BasicConv(3, 64, 7, stride=2, padding=3)
        self.conv2 = BasicConv(64, 64, 1)
        self.conv3 = BasicConv(64, 192, 3, padding=1)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.dropout1 = Dropout(0.2)
        self.fc = Dense(1024, 1000)

    def forward(
        self, image: Array, training: bool = False, rng: Any = None
    ) -> tuple[Array, Cache]:
        x, conv1_cache = self.conv1.forward(image, training)  # [64, 112, 112]
        x, max_pool_cache = max_pool_forward(x, 3, stride=2, ceil=True)  # [64, 56, 56]
        x, conv2_cache = self.conv2.forward(x, training)
        x, conv3_cache = self.conv3.forward(x, training)  # [192, 56, 56]
        x, max_pool_cache_2 = max_pool_forward(x, 3, stride=2, ceil=True)
        x, inception3a_cache = self.inception3a.forward(x, training)  # [256, 28, 28]
        x, inception3b_cache = self.inception3b.forward(x, training)  # [480, 28, 28]
        x, max_pool_cache_3 = max_pool_forward(x, 3, stride=2, ceil=True)
        x, inception4a_cache = self.inception4a.forward(x, training)  # [512, 14, 14]
        x, inception4b_cache = self.inception4b.forward(x, training)
        x, inception4c_cache = self.inception4c.forward(x, training)
        x, inception4d_cache = self.inception4d.forward(x, training)  # [528, 14, 14]
        x, inception4e_cache = self.inception4e.forward(x, training)  # [832, 14, 14]
        x, max_pool_cache_4 = max_pool_forward(x, 2, ceil=True)  # [832, 7, 7]
        x, inception5a_cache = self.inception5a.forward(x, training)
        x, inception5b_cache = self.inception5b.forward(x, training)  # [1024, 7, 7]
        x, mean_cache = mean_forward(x, (2, 3))  # [1024]
        x, dropout1_cache = self.dropout1.forward(x, training, rng)
        logits, fc_cache = self.fc.forward(x)  # [1000]
        cache = (
            conv1_cache,
            max_pool_cache,
            conv2_cache,
            conv3_cache,
            max_pool_cache_2,
            inception3a_cache,
            inception3b_cache,
            max_pool_cache_3,
            inception4a_cache,
            inception4b_cache,
            inception4c_cache,
            inception4d_cache,
            inception4e_cache,
            max_pool_cache_4,
            inception5a_cache,
            inception5b_cache,
            mean_cache,
            dropout1_cache,
            fc_cache,
        )
        return logits, cache

    def backward(self, dlogits: Array, cache: Cache) -> None:
        (
            conv1_cache,
            max_pool_cache,
            conv2_cache,
            conv3_cache,
            max_pool_cache_2,
            inception3a_cache,
            inception3b_cache,
            max_pool_cache_3,
            inception4a_cache,
            inception4b_cache,
            inception4c_cache,
            inception4d_cache,
            inception4e_cache,
            max_pool_cache_4,
            inception5a_cache,
            inception5b_cache,
            mean_cache,
            dropout1_cache,
            fc_cache,
        ) = cache
        dx = self.fc.backward(dlogits, fc_cache)
        dx = self.dropout1.backward(dx, dropout1_cache)
        dx = mean_backward(dx, mean_cache)
        dx = self.inception5b.backward(dx, inception5b_cache)
        dx = self.inception5a.backward(dx, inception5a_cache)
        dx = max_pool_backward(dx, max_pool_cache_4)
        dx = self.inception4e.backward(dx, inception4e_cache)
        dx = self.inception4d.backward(dx, inception4d_cache)
        dx = self.inception4c.backward(dx, inception4c_cache)
        dx = self.inception4b.backward(dx, inception4b_cache)
        dx = self.inception4a.backward(dx, inception4a_cache)
        dx = max_pool_backward(dx, max_pool_cache_3)
        dx = self.inception3b.backward(dx, inception3b_cache)
        dx = self.inception3a.backward(dx, inception3a_cache)
        dx = max_pool_backward(dx, max_pool_cache_2)
        dx = self.conv3.backward(dx, conv3_cache)
        dx = self.conv2.backward(dx, conv2_cache)
        dx = max_pool_backward(dx, max_pool_cache)
        self.conv1.backward(dx, conv1_cache)


Model = GoogLeNet


SEED = 0  # of the noise; each step draws its own from (SEED, step)


def outputs(
    model: GoogLeNet, batch: dict[str, Array], training: bool = False, step: int = 0
) -> dict[str, Array]:
    """The results of the model by name."""
    rng = noise_generator(SEED, step)
    logits, _ = model.forward(batch["image"], training, rng)
    return {"logits": logits}


def loss(
    model: GoogLeNet, batch: dict[str, Array], step: int = 1, training: bool = False
) -> tuple[Array, Cache]:
    """What training minimises, averaged over the batch, and a cache for `backward`."""
    rng = noise_generator(SEED, step)
    logits, model_cache = model.forward(batch["image"], training, rng)
    label = batch["label"]
    x, cross_entropy_cache = cross_entropy_forward(logits, label, mean=True)
    return x, (model_cache, cross_entropy_cache)


def backward(model: GoogLeNet, dx: Array, cache: Cache) -> None:
    """Backpropagation: adds to the gradient of every parameter."""
    model_cache, cross_entropy_cache = cache
    dlogits = cross_entropy_backward(dx, cross_entropy_cache)
    model.backward(dlogits, model_cache)


def make_optimizer(model: GoogLeNet) -> list[Optimizer]:
    """An optimizer for each group of parameters; rates are handed to every update."""
    groups = parameter_groups(model, ("*",))
    return [Momentum(groups[0])]


def update(optimizer: list[Optimizer], lr: Sequence[float]) -> None:
    """One update from the gradients that the parameters hold."""
    for one, rate in zip(optimizer, lr):
        one.update(float(rate))


def gradients(
    model: GoogLeNet, batch: dict[str, Array], step: int = 1
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
    model: GoogLeNet,
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
    model: GoogLeNet,
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


def evaluate(
    model: GoogLeNet, batch: dict[str, Array]
) -> tuple[float, dict[str, float]]:
    """Loss and metrics of a batch, noise layers off and running statistics in use."""
    rng = noise_generator(SEED, 0)
    value, _ = loss(model, batch)
    logits, _ = model.forward(batch["image"], False, rng)
    return float(value), {
        "accuracy": float(np.mean(logits.argmax(axis=1) == batch["label"]))
    }


if __name__ == "__main__":
    model = initialise(GoogLeNet())
    random = np.random.default_rng(0)
    batch = {
        "image": random.random((4, 3, 224, 224), np.float32),
        "label": random.integers(1000, size=(4,)),
    }
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.01], step)
        print(f"step {step}: loss {value:.4f}")
