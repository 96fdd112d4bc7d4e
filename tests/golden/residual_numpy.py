"""ResNet for NumPy, compiled by nnspec from residual.nn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from threading import Barrier
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
Blocks = tuple[int, int]  # how many blocks, of how many examples each
Gradients = Callable[[Any], Array]  # where the gradient of a parameter is written
Held = dict[Any, Array]
Pair = tuple[int, int]  # of the rows and of the columns of an image
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


def per_example(entries: Array, mean: bool, total: bool = False) -> Array:
    """entries (N, ...) averaged (or summed) over each example, then over the batch if
    `mean`.
    """
    axes = tuple(range(1, entries.ndim))
    each = entries.sum(axis=axes) if total else entries.mean(axis=axes)
    return np.asarray(each.mean()) if mean else each


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


BLOCK = 32  # examples of a grid side by side; best of 8 to 64 (L2 of 512 kB)


def blocks_of(n: int) -> Blocks:
    """n examples in blocks of equal size, as near to BLOCK as n can be divided."""
    count = min(
        (b for b in range(1, n + 1) if n % b == 0),
        key=lambda b: abs(np.log2(n / b / BLOCK)),
    )
    return count, n // count


def grid(shape: tuple[int, ...], n: int, dtype: Any) -> Array:
    """A new array for n images (C, H, W): [block][h][c][w][n]."""
    count, size = blocks_of(n)
    channels, height, width = shape
    return np.empty((count, height, channels, width, size), dtype)


def as_rows(x: Array) -> Array:
    """A view (block, n, C, H, W) of a grid."""
    return x.transpose(0, 4, 2, 1, 3)


def view(flat: Array, shape: tuple[int, ...]) -> Array:
    """The beginning of a flat array in a shape."""
    return flat[: int(np.prod(shape))].reshape(shape)


class Team:
    """The threads that run a step together, each on its part of the batch.

    `size` of them; `member` says which one this is. What they add up, they add in the
    order of the members, so its bits do not depend on who came first.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.barrier = Barrier(size) if size > 1 else None
        self.boards: dict[str, Array] = {}

    def board(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array (size, *shape) that all members know by a name; each writes to its
        own part.
        """
        if name not in self.boards:
            self.boards[name] = np.zeros((self.size, *shape), dtype)
        return self.boards[name]

    def meet(self) -> None:
        """Wait until all have come here: what they wrote before can be read after."""
        if self.barrier is not None:
            self.barrier.wait()

    def gather(self) -> None:
        """Before a step: forget that somebody left the one before."""
        if self.barrier is not None and self.barrier.broken:
            self.barrier.reset()

    def leave(self) -> None:
        """Let those who wait for this one go on; for them it is an error."""
        if self.barrier is not None:
            self.barrier.abort()


class PlannedRelu:
    """y = max(x, 0); its gradient at 0 is 0."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, in_place: bool) -> None:
        self.y = None if in_place else np.empty(shape, dtype)
        self.positive = np.empty(shape, bool)
        self.zero = np.zeros((), dtype)
        # The maximum of two arrays takes 0.4 of the time of an array and a number; of
        # zeros there need be no more than a run of about a thousand.
        lengths = [int(np.prod(shape[k:])) for k in range(len(shape) + 1)]
        start = max(
            (k for k, length in enumerate(lengths) if length >= 1024), default=0
        )
        self.zeros = np.zeros(shape[start:], dtype)

    def forward(self, x: Array) -> Array:
        y = x if self.y is None else self.y
        self.result: Array = np.maximum(x, self.zeros, out=y)
        return y

    def backward(self, dy: Array) -> Array:
        np.greater(self.result, self.zero, out=self.positive)
        dy *= self.positive
        return dy


CHUNK = 1 << 18  # numbers that are worked on together, so that they stay in a cache


class PlannedBatchNorm:
    """y = weight * (x - mean) / sqrt(var + eps) + bias with mean and variance of each
    channel over the whole batch, of which every member of the team has a part; with
    `relu`, y = max(that, 0).

    Each pass takes pieces that stay in the cache. `backward` works in dy, unless it is
    lent an array of its own.
    """

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        name: str,
        team: Team,
        member: int,
        relu: bool = False,
        dx: Array | None = None,
    ) -> None:
        self.layer = layer
        shape = image_shape(shape)
        channels, height, width = shape
        self.affine = layer.weight is not None
        none = np.zeros(channels, dtype)
        self.weight = layer.weight.value if self.affine else none + 1
        self.bias = layer.bias.value if self.affine else none
        self.dweight = gradients(layer.weight) if self.affine else none.copy()
        self.dbias = gradients(layer.bias) if self.affine else none.copy()
        self.team, self.member, self.relu = team, member, relu
        # count, sum, sum of squares; and for backward: sum of dy, of dy times normal
        self.board = team.board(name, (5, channels), dtype)
        self.y = grid(shape, n, dtype)
        self.dx = None if dx is None else view(dx, self.y.shape)
        blocks, height, _, width, n = self.y.shape
        self.rows = pieces(blocks * height, channels * width * n)
        self.work = np.empty((self.rows[0].stop, channels, width * n), dtype)
        self.mask = np.empty(self.work.shape, bool)
        self.ones = np.ones(width * n, dtype)
        self.zero = np.zeros(
            width * n, dtype
        )  # a row of them is compared faster than one
        self.count = float(blocks * height * width * n)

    def flat(self, x: Array) -> Array:
        """A grid as (rows, C, w * n)."""
        return x.reshape(-1, x.shape[2], x.shape[3] * x.shape[4])

    def forward(self, x: Array) -> Array:
        self.x = x = self.flat(x)
        y, mine = self.flat(self.y), self.board[self.member]
        mine[0] = self.count
        mine[1] = np.add.reduce(np.matmul(x, self.ones), axis=0)
        mean = (mine[1] / self.count)[:, None]
        squares = 0.0
        for rows in self.rows:
            work = np.subtract(x[rows], mean, out=self.work[: rows.stop - rows.start])
            squares = squares + np.add.reduce(np.vecdot(work, work), axis=0)
        mine[2] = squares
        self.team.meet()
        count, total = self.board[:, 0].sum(axis=0), self.board[:, 1].sum(axis=0)
        self.mean = (total / count)[:, None]
        apart = self.board[:, 1] / self.board[:, 0] - self.mean[:, 0]
        squares = self.board[:, 2] + self.board[:, 0] * apart * apart
        var = squares.sum(axis=0) / count
        self.total = float(count[0])
        self.inverse = 1.0 / np.sqrt(var + self.layer.eps)
        scale = (self.weight * self.inverse)[:, None]
        shift = self.bias[:, None] - self.mean * scale
        for rows in self.rows:
            part = np.multiply(x[rows], scale, out=y[rows])
            part += shift
            if self.relu:
                np.maximum(part, self.zero, out=part)
        if self.member == 0:
            self.remember(var)
        return self.y

    def remember(self, var: Array) -> None:
        """Move the running statistics towards those of the batch."""
        layer, unbiased = self.layer, self.total / max(self.total - 1.0, 1.0)
        mean, running = layer.running_mean.value, layer.running_var.value
        mean += layer.momentum * (self.mean[:, 0] - mean)
        running += layer.momentum * (var * unbiased - running)

    def backward(self, dy: Array) -> Array:
        d, x = self.flat(dy), self.x
        dx = d if self.dx is None else self.flat(self.dx)
        y, mine = self.flat(self.y), self.board[self.member]
        sums, products = 0.0, 0.0
        for rows in self.rows:
            size = rows.stop - rows.start
            part = d[rows]
            if self.relu:
                np.greater(y[rows], self.zero, out=self.mask[:size])
                part = np.multiply(part, self.mask[:size], out=dx[rows])
            work = np.subtract(x[rows], self.mean, out=self.work[:size])
            sums = sums + np.add.reduce(np.matmul(part, self.ones), axis=0)
            products = products + np.add.reduce(np.vecdot(part, work), axis=0)
        mine[3], mine[4] = sums, products * self.inverse
        self.dbias[...], self.dweight[...] = mine[3], mine[4]
        self.team.meet()
        sums = (self.board[:, 3].sum(axis=0) / self.total)[:, None]
        products = self.board[:, 4].sum(axis=0) / self.total * self.inverse
        scale, products = (self.weight * self.inverse)[:, None], products[:, None]
        # dx = scale * (dy - mean(dy) - (x - mean) * products)
        slope, shift = scale * products, scale * (products * self.mean - sums)
        source = dx if self.relu else d
        for rows in self.rows:
            work = np.multiply(x[rows], slope, out=self.work[: rows.stop - rows.start])
            work -= shift
            part = np.multiply(source[rows], scale, out=dx[rows])
            part -= work
        return dy if self.dx is None else self.dx


def pieces(rows: int, size: int) -> list[slice]:
    """Rows of a size in pieces of about CHUNK numbers; the first is the longest."""
    step = max(1, min(rows, CHUNK // size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


MANY = 8  # channels from which a product with one row for each is well filled


THIN = 12  # rows of a product below which several rows of outputs share one


FEW = 1 << 18  # numbers of which another copy costs less than making them again


class Geometry:
    """The windows of images (C, H, W): settings for both axes, and how many windows."""

    def __init__(
        self,
        shape: tuple[int, ...],
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> None:
        self.shape, self.kernel, self.stride = shape, kernel, stride
        self.padding, self.dilation, self.groups = padding, dilation, groups
        rows, columns = (
            (shape[a + 1] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1)
            // stride[a]
            + 1
            for a in (0, 1)
        )
        self.size = rows, columns
        self.key = shape, kernel, stride, padding, dilation, groups

    def reach(self, axis: int, offset: int) -> tuple[slice, slice]:
        """Which windows have their entry `offset` inside an axis (0: rows), and where
        that is.
        """
        first = offset * self.dilation[axis] - self.padding[axis]
        size, count = self.shape[axis + 1], self.size[axis]
        return overlap(size, count, first, self.stride[axis])


class Seen:
    """What a function makes of an array, kept while the same array comes."""

    def __init__(self, make: Callable[[Array], Any]) -> None:
        self.make = make
        self.of: Array | None = None
        self.made: Any = None

    def __call__(self, x: Array) -> Any:
        if x is not self.of:
            self.of, self.made = x, self.make(x)
        return self.made


class WindowRows:
    """The windows of a block of images (h, C, w, n) as matrices, one for a row of
    outputs.

    `moves` says what to copy, the block once for each column of the kernel, into
    [h][c][j][w'][n]: the kernel's rows are consecutive rows of that, so `columns`
    (groups, h', K, w' * n) with K = (i, c, j) reads them in place, overlapping. Where
    rows are apart (dilation, or a stride beyond the kernel), they are copied too. With
    `together` > 1, that many rows of outputs share a matrix, which has the rows of them
    all.
    """

    def __init__(
        self, g: Geometry, n: int, dtype: Any, scratch: Held, together: int = 1
    ) -> None:
        self.g = g
        self.plain = g.kernel == g.stride == (1, 1) and not any(g.padding)
        self.plain &= g.groups == 1
        if self.plain:
            return
        rows, columns = g.size
        each = g.shape[0] // g.groups
        self.apart = g.dilation[0] > 1 or g.stride[0] >= g.kernel[0]
        inner: tuple[int, ...] = (each, g.kernel[1], columns, n)
        if self.apart:
            held, inner = rows, (g.kernel[0], *inner)
        else:
            held = (rows - 1) * g.stride[0] + g.kernel[0]
        key = "columns", g.key, n
        if key not in scratch:  # what padding leaves is zero, and stays so
            scratch[key] = np.zeros((g.groups, held, *inner), dtype)
        self.held = scratch[key]
        step = self.held.strides[1] * (1 if self.apart else g.stride[0]) * together
        deep = g.kernel[0] + (together - 1) * g.stride[0]
        size = self.held.itemsize
        self.columns = np.lib.stride_tricks.as_strided(
            self.held,
            (g.groups, rows // together, deep * each * g.kernel[1], columns * n),
            (self.held.strides[0], step, columns * n * size, size),
        )

    def moves(self, x: Array) -> tuple[list[tuple[Array, Array]], Array]:
        """What is copied from a block, as (to, from), and the matrices after that."""
        g = self.g
        height, channels, width, n = x.shape
        if self.plain:
            return [], x.reshape(1, height, channels, -1)
        x = x.reshape(height, g.groups, channels // g.groups, width, n)
        found = []
        for j in range(g.kernel[1]):
            to, source = g.reach(1, j)
            if not self.apart:
                into, rows = overlap(height, self.held.shape[1], -g.padding[0], 1)
                part = x[rows, :, :, source].swapaxes(0, 1)
                found.append((self.held[:, into, :, j, to], part))
                continue
            for i in range(g.kernel[0]):
                into, rows = g.reach(0, i)
                part = x[rows, :, :, source].swapaxes(0, 1)
                found.append((self.held[:, into, i, :, j, to], part))
        return found, self.columns


class PlannedConv:
    """y[o] = bias[o] + sum_c x[c] * weight[o, c] over grids: one product a row of
    outputs, W (O, K) times the windows of that row (K, w * n). dW is the product of dy
    and the windows, row by row.

    A product with few rows is a slow one: where O is small, several rows of outputs
    share one, with W below itself, shifted.
    """

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        scratch: Held,
        dx: Array | None = None,
    ) -> None:
        weight = layer.weight.value
        spatial = weight.ndim - 2
        kernel = image_sizes(weight.shape[2:], 1, spatial)
        stride, padding, dilation, groups = layer.settings
        g = Geometry(
            image_shape(shape),
            kernel,
            image_sizes(stride, 1, spatial),
            image_sizes(padding, 0, spatial),
            image_sizes(dilation, 1, spatial),
            groups,
        )
        self.weight = weight.reshape(*weight.shape[:2], *kernel)
        self.dweight = gradients(layer.weight).reshape(self.weight.shape)
        self.bias = None if layer.bias is None else layer.bias.value[:, None]
        self.dbias = None if layer.bias is None else gradients(layer.bias)
        blocks, n_of_block = blocks_of(n)
        (rows, columns), channels = g.size, len(weight)
        self.together = together = rows_together(g, channels)
        # What one block leaves in the columns, backward finds there.
        self.kept = blocks == 1 and int(np.prod(g.shape)) * n <= FEW
        own: Held = {} if self.kept else scratch
        self.windows = WindowRows(g, n_of_block, dtype, own, together)
        self.blocks = Seen(lambda x: [self.windows.moves(image) for image in x])
        self.y = grid((channels, rows, columns), n, dtype)
        self.outs = [self.products_of(y) for y in self.y]
        self.flat = [y.reshape(rows, channels, -1) for y in self.y]
        self.rows_of = Seen(lambda dy: [self.products_of(d) for d in dy])
        each = channels // groups
        deep = g.kernel[0] + (together - 1) * g.stride[0]
        shape_of_w = (groups, together, each, deep, g.shape[0] // groups, kernel[1])
        self.matrix = np.zeros(shape_of_w, dtype)
        self.w = self.matrix.reshape(groups, 1, together * each, -1)
        self.sum = np.empty(self.w[:, 0].shape, dtype)
        by_rows = self.weight.reshape(groups, each, *self.weight.shape[1:])
        self.by_rows = by_rows.swapaxes(2, 3)  # (groups, O, i, C, j), as columns are
        starts = range(0, together * g.stride[0], g.stride[0])
        self.shifts = [slice(start, start + kernel[0]) for start in starts]
        self.ones = np.ones(columns * n_of_block, dtype)
        whole = (groups, rows // together, *self.sum.shape[1:])
        self.few = int(np.prod(whole)) <= FEW
        self.parts = held_in(
            scratch, whole if self.few else self.sum.shape, "products", dtype
        )
        self.back: Any = None
        if dx is not None:
            to = view(dx, grid_shape(g.shape, n))
            self.back = input_gradient(g, self.weight, n_of_block, scratch, to)

    def products_of(self, y: Array) -> Array:
        """A block of outputs as (groups, rows, O, w * n), one row for each product."""
        rows = y.shape[0] // self.together
        groups = self.windows.g.groups
        return y.reshape(rows, groups, -1, y.shape[2] * y.shape[3]).swapaxes(0, 1)

    def forward(self, x: Array) -> Array:
        self.x = x
        for i, rows in enumerate(self.shifts):
            self.matrix[:, i, :, rows] = self.by_rows
        for block, out, flat in zip(self.blocks(x), self.outs, self.flat, strict=True):
            np.matmul(self.w, filled(block), out=out)
            if self.bias is not None:
                flat += self.bias
        return self.y

    def backward(self, dy: Array) -> Array | None:
        self.backward_parameters(dy)
        if self.back is None:
            return None
        dx: Array = self.back.run(dy)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        first = True
        for block, d in zip(self.blocks(self.x), self.rows_of(dy), strict=True):
            columns = (block[1] if self.kept else filled(block)).swapaxes(2, 3)
            if self.few:
                np.matmul(d, columns, out=self.parts)
                if first:
                    np.add.reduce(self.parts, axis=1, out=self.sum)
                else:
                    self.sum += np.add.reduce(self.parts, axis=1)
                first = False
                continue
            for row in range(d.shape[1]):
                to = self.sum if first else self.parts
                np.matmul(d[:, row], columns[:, row], out=to)
                if not first:
                    self.sum += self.parts
                first = False
        whole = self.sum.reshape(self.matrix.shape)
        dweight = self.dweight.reshape(len(whole), -1, *self.weight.shape[1:])
        for i, rows in enumerate(self.shifts):
            part = whole[:, i, :, rows].swapaxes(2, 3)
            if i == 0:
                dweight[...] = part
            else:
                dweight += part
        if self.dbias is not None:
            sum_of_channels(dy, self.ones, self.dbias)


def input_gradient(g: Geometry, weight: Array, n: int, scratch: Held, dx: Array) -> Any:
    """The form of dx that suits a convolution."""
    down = g.stride[0] == g.dilation[0] == g.groups == 1
    across = g.stride[1] == g.dilation[1] == 1
    if down and g.padding[0] < g.kernel[0]:
        if across and g.padding[1] < g.kernel[1] and g.shape[0] >= MANY:
            return TurnedGradient(g, weight, n, scratch, dx)
        return RowsGradient(g, weight, n, scratch, dx)
    return SpreadGradient(g, weight, n, scratch, dx)


class TurnedGradient:
    """dx as a convolution of dy with the kernel turned round: at stride 1, with enough
    channels to fill a product.
    """

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        self.outs = [part.reshape(*part.shape[:2], -1) for part in dx]
        padding = g.kernel[0] - 1 - g.padding[0], g.kernel[1] - 1 - g.padding[1]
        size = (len(weight), *g.size)
        windows = WindowRows(
            Geometry(size, g.kernel, (1, 1), padding), n, dx.dtype.type, scratch
        )
        self.blocks = Seen(lambda dy: [windows.moves(d) for d in dy])
        self.turned = weight[:, :, ::-1, ::-1].transpose(1, 2, 0, 3)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(len(self.matrix), -1)

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for block, out in zip(self.blocks(dy), self.outs, strict=True):
            np.matmul(self.w, filled(block)[0], out=out)
        return self.dx


class RowsGradient:
    """dx with the kernel's rows inside a product, [c][j] = W^T (i, o) times the rows of
    dy that reach a row of x, and its columns j added up after: at stride 1 down.
    """

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        (rows, columns), channels = g.size, len(weight)
        above = g.kernel[0] - 1 - g.padding[0]
        height = g.shape[1]
        key = "rows", g.key, channels, n
        if key not in scratch:
            held = (height + g.kernel[0] - 1, channels, columns, n)
            scratch[key] = np.zeros(held, dx.dtype)
        self.inside = scratch[key][above : above + rows]
        step, size = scratch[key].strides[0], dx.itemsize
        self.stack = np.lib.stride_tricks.as_strided(
            scratch[key],
            (height, g.kernel[0] * channels, columns * n),
            (step, columns * n * size, size),
        )
        self.turned = weight[:, :, ::-1].transpose(1, 3, 2, 0)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(g.shape[0] * g.kernel[1], -1)
        room = height, g.shape[0], g.kernel[1], columns, n
        self.across = held_in(scratch, room, "across", dx.dtype)
        self.out = self.across.reshape(height, len(self.w), -1)
        self.adds = []
        for j in range(g.kernel[1]):
            source, to = g.reach(1, j)
            self.adds.append((to, self.across[:, :, j, source]))

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for d, dx in zip(dy, self.dx, strict=True):
            self.inside[...] = d
            np.matmul(self.w, self.stack, out=self.out)
            dx[...] = 0.0
            for columns, part in self.adds:
                dx[:, :, columns] += part
        return self.dx


class SpreadGradient:
    """dx as W^T dy, added up where the windows were read: whatever the settings."""

    def __init__(
        self, g: Geometry, weight: Array, n: int, scratch: Held, dx: Array
    ) -> None:
        self.dx = dx
        (rows, columns), groups = g.size, g.groups
        inner = g.kernel[0], g.shape[0] // groups, g.kernel[1]
        by_groups = weight.reshape(groups, -1, *weight.shape[1:])
        self.turned = by_groups.transpose(0, 3, 2, 4, 1)  # (groups, i, C, j, O)
        self.matrix = np.empty(self.turned.shape, dx.dtype)
        self.w = self.matrix.reshape(groups, 1, -1, len(weight) // groups)
        room: tuple[int, ...] = (groups, rows, *inner, columns, n)
        spread = held_in(scratch, room, "spread", dx.dtype)
        self.out = spread.reshape(groups, rows, -1, columns * n)
        self.rows_of = Seen(lambda dy: [self.by_groups(d, groups) for d in dy])
        self.parts = [
            part.reshape(len(part), groups, -1, *part.shape[2:]) for part in dx
        ]
        self.adds = []
        for i in range(g.kernel[0]):
            from_rows, to_rows = g.reach(0, i)
            for j in range(g.kernel[1]):
                source, to = g.reach(1, j)
                part = spread[:, from_rows, i, :, j, source].swapaxes(0, 1)
                self.adds.append((to_rows, to, part))

    @staticmethod
    def by_groups(d: Array, groups: int) -> Array:
        """A block of dy as (groups, rows, O, w * n)."""
        return d.reshape(len(d), groups, -1, d.shape[2] * d.shape[3]).swapaxes(0, 1)

    def run(self, dy: Array) -> Array:
        self.matrix[...] = self.turned
        for d, dx in zip(self.rows_of(dy), self.parts, strict=True):
            np.matmul(self.w, d, out=self.out)
            dx[...] = 0.0
            for rows, columns, part in self.adds:
                dx[rows, :, :, columns] += part
        return self.dx


def filled(block: tuple[list[tuple[Array, Array]], Array]) -> Array:
    """The matrices of a block, once its windows are copied."""
    moves, columns = block
    for to, source in moves:
        np.copyto(to, source)
    return columns


def rows_together(g: Geometry, channels: int) -> int:
    """How many rows of outputs share a product, so that it has THIN rows at least."""
    if not g.groups == g.dilation[0] == 1 or g.stride[0] >= g.kernel[0]:
        return 1
    for count in range(1, g.kernel[0] + 1):
        if count * channels >= THIN and g.size[0] % count == 0:
            return count
    return 1


def held_in(scratch: Held, shape: tuple[int, ...], name: str, dtype: Any) -> Array:
    """An array that all kernels share which want this name and size."""
    size = int(np.prod(shape))
    if (name, size) not in scratch:
        scratch[name, size] = np.empty(size, dtype)
    return scratch[name, size].reshape(shape)


class PlannedGlobalAverage:
    """The mean of each channel of a grid: rows (N, C)."""

    def __init__(
        self, shape: tuple[int, ...], n: int, dtype: Any, dx: Array | None = None
    ) -> None:
        channels, height, width = image_shape(shape)
        self.size = float(height * width)
        self.y = np.empty((n, channels), dtype)
        self.dx = None
        if dx is not None:
            self.dx = view(dx, grid_shape((channels, height, width), n))

    def forward(self, x: Array) -> Array:
        blocks, _, channels, _, n = x.shape
        sums = np.add.reduce(x, axis=(1, 3))  # (block, C, n)
        out = self.y.reshape(blocks, n, channels)
        np.divide(sums.swapaxes(1, 2), self.size, out=out)
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is None:
            return None
        blocks, _, channels, _, n = self.dx.shape
        d = dy.reshape(blocks, n, channels).swapaxes(1, 2) / self.size
        self.dx[...] = d[:, None, :, None]
        return self.dx


class PlannedToGrid:
    """Rows (N, C, H, W) as a grid."""

    def __init__(
        self, shape: tuple[int, ...], n: int, dtype: Any, dx: Array | None = None
    ) -> None:
        self.y = grid(image_shape(shape), n, dtype)
        self.dx = None if dx is None else view(dx, (n, *shape))

    def forward(self, x: Array) -> Array:
        rows = as_rows(self.y)
        rows[...] = x.reshape(rows.shape)
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if self.dx is not None:
            rows = as_rows(dy)
            self.dx.reshape(rows.shape)[...] = rows
        return self.dx


def overlap(size: int, count: int, first: int, stride: int) -> tuple[slice, slice]:
    """Which of `count` windows have their entry number `first` + stride * m inside an
    axis of a size, and where those entries stand.
    """
    start = max(0, -(first // stride))
    stop = max(start, min(count, (size - 1 - first) // stride + 1))
    inside = slice(start * stride + first, (stop - 1) * stride + first + 1, stride)
    return slice(start, stop), inside if stop > start else slice(0, 0)


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, L) as an image of one row, (C, 1, L)."""
    return shape if len(shape) == 3 else (shape[0], 1, shape[1])


def image_sizes(setting: Any, fill: int, spatial: int) -> tuple[int, int]:
    """A setting for both axes of an image; where there is one, the rows have `fill`."""
    sizes = setting if isinstance(setting, tuple) else (setting,) * spatial
    return sizes if spatial == 2 else (fill, sizes[0])


def grid_shape(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The shape of the grid of n images (C, H, W)."""
    count, size = blocks_of(n)
    return count, shape[1], shape[0], shape[2], size


def sum_of_channels(dy: Array, ones: Array, out: Array) -> None:
    """The sum of a grid over all but channels."""
    flat = dy.reshape(-1, dy.shape[2], dy.shape[3] * dy.shape[4])
    np.add.reduce(np.matmul(flat, ones), axis=0, out=out)


class PlannedCrossEntropy:
    """L = mean of -log softmax(z)[label] over `total` examples, the classes along the
    last axis; dz = (softmax(z) - one_hot(label)) / count.
    """

    def __init__(self, shape: tuple[int, ...], n: int, dtype: Any, total: int) -> None:
        self.classes = shape[-1]
        positions = int(np.prod(shape[:-1]))
        self.parts = stretches(n * positions, self.classes)
        step = self.parts[0].stop
        self.ones = np.ones(self.classes, dtype)
        count = total * positions
        self.count, self.share = numbers(dtype, count, 1.0 / count)
        start = np.arange(step) * self.classes  # of each row
        buffers = (
            start,
            np.empty_like(start),  # where the logits of the labels are
            np.empty((step, self.classes), dtype),  # e
            np.empty((step, 1), dtype),  # sum
            np.empty(step, dtype),  # picked
            np.empty(step, dtype),  # log
            np.full(step, self.share),
        )
        self.buffers = [
            tuple(buffer[: part.stop - part.start] for buffer in buffers)
            for part in self.parts
        ]

    def forward(self, z: Array, label: Array) -> Any:
        self.dz = z
        if z.ndim > 2:
            z, label = z.reshape(-1, self.classes), label.reshape(-1)
        if len(self.parts) == 1:
            return self.piece(z, label, self.buffers[0])
        return sum(
            self.piece(z[part], label[part], buffers)
            for part, buffers in zip(self.parts, self.buffers, strict=True)
        )

    def piece(self, z: Array, label: Array, buffers: tuple[Array, ...]) -> Any:
        """The loss of some rows, whose logits become their gradient."""
        start, index, e, column, picked, log, shares = buffers
        total = column.reshape(-1)
        flat = z.reshape(-1)
        np.add(start, label, out=index)
        # One maximum for all rows is faster than one for each, and does as well where
        # no row is far below it.
        self.exp(z, flat[flat.argmax(), ...], index, picked, e, total)
        if not total[total.argmin()] > 1e-6:
            self.exp(z, z.max(axis=1, keepdims=True), index, picked, e, total)
        np.log(total, out=log)
        log -= picked  # -log softmax(z)[label]
        total *= self.count
        np.divide(e, column, out=z)
        flat[index] -= self.share
        return log.dot(shares)

    def exp(
        self, z: Array, top: Array, index: Array, picked: Array, e: Array, total: Array
    ) -> None:
        """e = exp(z - top) and its sums over the classes; picked is z - top at the
        labels.
        """
        np.subtract(z, top, out=e)
        e.reshape(-1).take(index, None, picked, "clip")
        np.exp(e, out=e)
        e.dot(self.ones, total)

    def backward(self) -> Array:
        return self.dz


# Numbers that are worked on together, from one operation to the next. Small enough for
# a cache, but for the L3: pieces for the L2 (16 thousand) were 2.4 times as slow on two
# threads, since calls of a few microseconds wait for the interpreter's lock.
PIECE = 1 << 17


def stretches(rows: int, size: int = 1) -> list[slice]:
    """Rows of a size in parts of about PIECE numbers; the first is the longest."""
    step = max(1, min(rows, PIECE // size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def numbers(dtype: Any, *values: float) -> list[Array]:
    """Arrays of no axes, which NumPy takes faster than numbers of Python."""
    return [np.array(value, dtype) for value in values]


class PlannedDense:
    """y = x W^T + b; dx = dy W, dW = dy^T x, db = 1^T dy, over all rows of x."""

    def __init__(
        self,
        layer: Any,
        shape: tuple[int, ...],
        n: int,
        gradients: Gradients,
        dtype: Any,
        dx: Array | None = None,
    ) -> None:
        units, self.features = layer.weight.shape
        self.weight, self.dweight = layer.weight.value, gradients(layer.weight)
        self.bias = None if layer.bias is None else layer.bias.value
        self.dbias = None if layer.bias is None else gradients(layer.bias)
        self.y = np.empty((n, *shape[:-1], units), dtype)
        self.rows = self.y.reshape(-1, units)
        self.ones = np.ones(len(self.rows), dtype)
        self.dx = None if dx is None else view(dx, (n, *shape))

    def forward(self, x: Array) -> Array:
        self.x = x if x.ndim == 2 else x.reshape(-1, self.features)
        self.x.dot(self.weight.T, self.rows)  # less to call than matmul
        if self.bias is not None:
            self.rows += self.bias
        return self.y

    def backward(self, dy: Array) -> Array | None:
        if dy.ndim != 2:
            dy = dy.reshape(self.rows.shape)
        dy.T.dot(self.x, self.dweight)
        if self.dbias is not None:
            self.ones.dot(dy, self.dbias)
        if self.dx is not None:
            dy.dot(self.weight, self.dx.reshape(self.x.shape))
        return self.dx


class PlannedAdd:
    """y = a + b, whose gradients are dy; with `in_place` in a."""

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, in_place: bool = False
    ) -> None:
        self.y = None if in_place else np.empty(shape, dtype)

    def forward(self, a: Array, b: Array) -> Array:
        y: Array = np.add(a, b, out=a if self.y is None else self.y)
        return y


def mean_forward(
    x: Array, axis: Axes, keepdims: bool = False, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = the mean of x over the axes."""
    return np.mean(x, axis=axis, keepdims=keepdims, out=out), (np.shape(x), axis)


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


def conv_norm(conv: Conv, norm: BatchNorm, x: Array, training: bool) -> Array:
    """norm(conv(x)): in evaluation, where a channel is only scaled and shifted, one
    convolution with its weight scaled and its bias shifted.
    """
    if training and not norm.frozen:
        y, _ = conv.forward(x)
        y, _ = norm.forward(y, training)
        return y
    weight, bias = norm.values()
    scale = 1.0 / np.sqrt(norm.running_var.value + norm.eps)
    scale = scale if weight is None else scale * weight
    shift = -norm.running_mean.value * scale
    shift = shift if bias is None else shift + bias
    if conv.bias is not None:
        shift = shift + conv.bias.value * scale
    scaled = conv.weight.value * scale.reshape(-1, *[1] * (x.ndim - 1))
    y, _ = conv_forward(x, scaled, shift, *conv.settings)
    return y


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
        parts = stretches(self.value.size)
        work = np.empty(parts[0].stop if parts else 0, self.value.dtype)
        vectors = self.value, self.grad, *self.vectors.values()
        self.pieces = [
            (work[: part.stop - part.start], *(vector[part] for vector in vectors))
            for part in parts
        ]

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
        """One step along the gradients."""
        self.step += 1
        factors = numbers(self.value.dtype, *self.factors(lr))
        for vectors in self.pieces:
            self.move(factors, *vectors)

    def factors(self, lr: float) -> tuple[float, ...]:
        """The numbers that a step multiplies with or adds."""
        return (lr,)

    def move(self, factors: list[Array], *vectors: Array) -> None:
        """One step of a piece of all vectors, in place: one to work in, the value, the
        gradient, the memory.
        """
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

    def factors(self, lr: float) -> tuple[float, ...]:
        return lr, self.momentum

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (lr, momentum), (work, value, grad, v) = factors, vectors
        v *= momentum
        v += grad
        if self.nesterov:
            np.multiply(v, momentum, out=work)
            work += grad
            work *= lr
        else:
            np.multiply(v, lr, out=work)
        value -= work


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


class Places:
    """A gradient of its own for each parameter, for a member of a team."""

    def __init__(self) -> None:
        self.found: dict[int, Array] = {}

    def __call__(self, parameter: Parameter) -> Array:
        if id(parameter) not in self.found:
            self.found[id(parameter)] = np.zeros_like(parameter.value)
        return self.found[id(parameter)]


KEPT = (
    3  # sizes of batches whose arrays a model keeps: a whole batch, the last one, ...
)


def shards(model: Module, make: Any, n: int, parts: int, of: Array) -> Shards:
    """The planned steps for batches of n examples, made once: anew where `of`, an array
    of the model, is a new one.
    """
    for found in model.planned:
        if found.n == n and found.of is of:
            same: Shards = found
            return same
    made = Shards(model, make, n, parts, of)
    kept = [old for old in model.planned if old.of is of]
    model.planned = (*kept[1 - KEPT :], made)
    return made


class Shards:
    """The steps of a team on a batch of n examples.

    The number of parts decides the bits of a sum, so it depends on nothing but
    `parts` and n.
    """

    def __init__(self, model: Module, make: Any, n: int, parts: int, of: Array) -> None:
        self.n = n
        count = max(1, min(parts, n))
        self.parts = [slice(n * i // count, n * (i + 1) // count) for i in range(count)]
        self.of = of
        self.team = Team(count)
        self.places = [Places() for _ in range(count - 1)]
        self.threads: ThreadPoolExecutor | None = None
        if count > 1:  # what overflows is looked at by who reads the loss
            self.threads = ThreadPoolExecutor(count - 1, "part", ignore_overflow)
        every = named_parameters(model).values()
        self.learnt = [p for p in every if p.trainable]
        where: list[Gradients] = [lambda parameter: parameter.grad, *self.places]
        self.steps = [
            make(model, p.stop - p.start, n, model.dtype, where[i], self.team, i)
            for i, p in enumerate(self.parts)
        ]

    def run(self, data: dict[str, Array], rows: Array, *rng: Any) -> Any:
        """The loss of the examples `rows`; gradients are in their places after."""
        if self.threads is None:
            return self.one(0, data, rows, *rng)
        self.team.gather()
        others = [
            self.threads.submit(self.one, member, data, rows)
            for member in range(1, len(self.steps))
        ]
        try:
            loss = self.one(0, data, rows)
        finally:
            for other in others:
                other.exception()  # waits: none is at work when this ends
        for other, places in zip(others, self.places, strict=True):
            loss = loss + other.result()
            for parameter in self.learnt:
                parameter.grad += places(parameter)
        return loss

    def one(self, member: int, data: dict[str, Array], rows: Array, *rng: Any) -> Any:
        """The part of one member."""
        part = rows[self.parts[member]]
        batch = {name: values.take(part, axis=0) for name, values in data.items()}
        try:
            return self.steps[member].run(batch, *rng)
        except BaseException:
            self.team.leave()  # nobody waits for one that does not come
            raise


def ignore_overflow() -> None:
    """For a thread of a team."""
    np.seterr(all="ignore")


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

    def forward(self, x: Array, training: bool = False) -> Array:
        z = conv_norm(self.conv1, self.bn1, x, training)
        z, _ = relu_forward(z)
        y = conv_norm(self.conv2, self.bn2, z, training)
        if self.has_downsample:
            skip = conv_norm(self.downsample["0"], self.downsample["1"], x, training)
        else:
            skip = x
        z = y + skip
        z, _ = relu_forward(z)
        return z


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

    def forward(self, image: Array, training: bool = False) -> Array:
        x = conv_norm(self.stem, self.bn, image, training)  # [8, 8, 8]
        x, _ = relu_forward(x)
        for key, key_2 in [("0", "1"), ("2", "3"), ("4", "5")]:
            y = self.stages[key].forward(x, training)
            x = self.stages[key_2].forward(y, training)
        x, _ = mean_forward(x, (2, 3))  # [32]
        logits, _ = self.head.forward(x)  # [10]
        return logits


Model = ResNet


def outputs(
    model: ResNet, batch: dict[str, Array], training: bool = False
) -> dict[str, Array]:
    """The results of the model by name."""
    logits = model.forward(batch["image"], training)
    return {"logits": logits}


def weights(model: ResNet) -> list[Parameter]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    parameters = named_parameters(model).values()
    return [p for p in parameters if len(p.shape) > 1]


def loss(
    model: ResNet, batch: dict[str, Array], step: int = 1, training: bool = False
) -> Array:
    """What training minimises, averaged over the batch."""
    logits = model.forward(batch["image"], training)
    label = batch["label"]
    x, _ = cross_entropy_forward(logits, label, mean=True)
    y, _ = l2_penalty_forward(weights(model))
    y = 0.0001 * y
    x = x + y
    return x


PARTS = 2  # of a batch, each run by a thread


class Step:
    """Loss and gradients of n examples, in arrays that are made once.

    They are the part of a batch of `total` that a member of the team has. d... is the
    gradient of what it is called after; the arrays of the pool are lent to one
    gradient after the other.
    """

    def __init__(
        self,
        model: ResNet,
        n: int,
        total: int,
        dtype: Any,
        gradients: Gradients,
        team: Team,
        member: int,
    ) -> None:
        pool = [np.empty(n * size, dtype) for size in (512, 512, 512)]
        scratch: dict[Any, Array] = {}
        self.image_to_grid = PlannedToGrid((1, 8, 8), n, dtype)
        self.stem = PlannedConv(model.stem, (1, 8, 8), n, gradients, dtype, scratch)
        self.bn = PlannedBatchNorm(
            model.bn, (8, 8, 8), n, gradients, dtype, "bn", team, member, True
        )
        self.stages_0_conv1 = PlannedConv(
            model.stages["0"].conv1, (8, 8, 8), n, gradients, dtype, scratch, dx=pool[2]
        )
        self.stages_0_bn1 = PlannedBatchNorm(
            model.stages["0"].bn1,
            (8, 8, 8),
            n,
            gradients,
            dtype,
            "stages_0_bn1",
            team,
            member,
            True,
        )
        self.stages_0_conv2 = PlannedConv(
            model.stages["0"].conv2, (8, 8, 8), n, gradients, dtype, scratch, dx=pool[1]
        )
        self.stages_0_bn2 = PlannedBatchNorm(
            model.stages["0"].bn2,
            (8, 8, 8),
            n,
            gradients,
            dtype,
            "stages_0_bn2",
            team,
            member,
            dx=pool[2],
        )
        self.add = PlannedAdd(grid_shape((8, 8, 8), n), dtype, True)
        self.relu = PlannedRelu(grid_shape((8, 8, 8), n), dtype, True)
        self.stages_1_conv1 = PlannedConv(
            model.stages["1"].conv1, (8, 8, 8), n, gradients, dtype, scratch, dx=pool[2]
        )
        self.stages_1_bn1 = PlannedBatchNorm(
            model.stages["1"].bn1,
            (8, 8, 8),
            n,
            gradients,
            dtype,
            "stages_1_bn1",
            team,
            member,
            True,
        )
        self.stages_1_conv2 = PlannedConv(
            model.stages["1"].conv2, (8, 8, 8), n, gradients, dtype, scratch, dx=pool[1]
        )
        self.stages_1_bn2 = PlannedBatchNorm(
            model.stages["1"].bn2,
            (8, 8, 8),
            n,
            gradients,
            dtype,
            "stages_1_bn2",
            team,
            member,
            dx=pool[2],
        )
        self.add_2 = PlannedAdd(grid_shape((8, 8, 8), n), dtype, True)
        self.relu_2 = PlannedRelu(grid_shape((8, 8, 8), n), dtype, True)
        self.stages_2_conv1 = PlannedConv(
            model.stages["2"].conv1, (8, 8, 8), n, gradients, dtype, scratch, dx=pool[2]
        )
        self.stages_2_bn1 = PlannedBatchNorm(
            model.stages["2"].bn1,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            "stages_2_bn1",
            team,
            member,
            True,
        )
        self.stages_2_conv2 = PlannedConv(
            model.stages["2"].conv2,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[1],
        )
        self.stages_2_bn2 = PlannedBatchNorm(
            model.stages["2"].bn2,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            "stages_2_bn2",
            team,
            member,
        )
        self.stages_2_downsample_0 = PlannedConv(
            model.stages["2"].downsample["0"],
            (8, 8, 8),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[0],
        )
        self.stages_2_downsample_1 = PlannedBatchNorm(
            model.stages["2"].downsample["1"],
            (16, 4, 4),
            n,
            gradients,
            dtype,
            "stages_2_downsample_1",
            team,
            member,
            dx=pool[1],
        )
        self.add_3 = PlannedAdd(grid_shape((16, 4, 4), n), dtype, True)
        self.relu_3 = PlannedRelu(grid_shape((16, 4, 4), n), dtype, True)
        self.stages_3_conv1 = PlannedConv(
            model.stages["3"].conv1,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[1],
        )
        self.stages_3_bn1 = PlannedBatchNorm(
            model.stages["3"].bn1,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            "stages_3_bn1",
            team,
            member,
            True,
        )
        self.stages_3_conv2 = PlannedConv(
            model.stages["3"].conv2,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[0],
        )
        self.stages_3_bn2 = PlannedBatchNorm(
            model.stages["3"].bn2,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            "stages_3_bn2",
            team,
            member,
            dx=pool[1],
        )
        self.add_4 = PlannedAdd(grid_shape((16, 4, 4), n), dtype, True)
        self.relu_4 = PlannedRelu(grid_shape((16, 4, 4), n), dtype, True)
        self.stages_4_conv1 = PlannedConv(
            model.stages["4"].conv1,
            (16, 4, 4),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[1],
        )
        self.stages_4_bn1 = PlannedBatchNorm(
            model.stages["4"].bn1,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            "stages_4_bn1",
            team,
            member,
            True,
        )
        self.stages_4_conv2 = PlannedConv(
            model.stages["4"].conv2,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[0],
        )
        self.stages_4_bn2 = PlannedBatchNorm(
            model.stages["4"].bn2,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            "stages_4_bn2",
            team,
            member,
        )
        self.stages_4_downsample_0 = PlannedConv(
            model.stages["4"].downsample["0"],
            (16, 4, 4),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[2],
        )
        self.stages_4_downsample_1 = PlannedBatchNorm(
            model.stages["4"].downsample["1"],
            (32, 2, 2),
            n,
            gradients,
            dtype,
            "stages_4_downsample_1",
            team,
            member,
            dx=pool[0],
        )
        self.add_5 = PlannedAdd(grid_shape((32, 2, 2), n), dtype, True)
        self.relu_5 = PlannedRelu(grid_shape((32, 2, 2), n), dtype, True)
        self.stages_5_conv1 = PlannedConv(
            model.stages["5"].conv1,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[0],
        )
        self.stages_5_bn1 = PlannedBatchNorm(
            model.stages["5"].bn1,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            "stages_5_bn1",
            team,
            member,
            True,
        )
        self.stages_5_conv2 = PlannedConv(
            model.stages["5"].conv2,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            scratch,
            dx=pool[2],
        )
        self.stages_5_bn2 = PlannedBatchNorm(
            model.stages["5"].bn2,
            (32, 2, 2),
            n,
            gradients,
            dtype,
            "stages_5_bn2",
            team,
            member,
            dx=pool[0],
        )
        self.add_6 = PlannedAdd(grid_shape((32, 2, 2), n), dtype, True)
        self.relu_6 = PlannedRelu(grid_shape((32, 2, 2), n), dtype, True)
        self.mean = PlannedGlobalAverage((32, 2, 2), n, dtype, dx=pool[1])
        self.head = PlannedDense(model.head, (32,), n, gradients, dtype, dx=pool[0])
        self.cross_entropy = PlannedCrossEntropy((10,), n, dtype, total)

    def run(self, batch: dict[str, Array]) -> Any:
        """Fprop and bprop: what these examples add to the loss."""
        image = batch["image"]
        label = batch["label"]
        image_grid = self.image_to_grid.forward(image)
        stem = self.stem.forward(image_grid)  # [8, 8, 8]
        bn = self.bn.forward(stem)
        stages_0_conv1 = self.stages_0_conv1.forward(bn)
        stages_0_bn1 = self.stages_0_bn1.forward(stages_0_conv1)
        stages_0_conv2 = self.stages_0_conv2.forward(stages_0_bn1)
        y = self.stages_0_bn2.forward(stages_0_conv2)
        add = self.add.forward(y, bn)
        relu = self.relu.forward(add)
        stages_1_conv1 = self.stages_1_conv1.forward(relu)
        stages_1_bn1 = self.stages_1_bn1.forward(stages_1_conv1)
        stages_1_conv2 = self.stages_1_conv2.forward(stages_1_bn1)
        y_2 = self.stages_1_bn2.forward(stages_1_conv2)
        add_2 = self.add_2.forward(y_2, relu)
        relu_2 = self.relu_2.forward(add_2)
        stages_2_conv1 = self.stages_2_conv1.forward(relu_2)  # [16, 4, 4]
        stages_2_bn1 = self.stages_2_bn1.forward(stages_2_conv1)
        stages_2_conv2 = self.stages_2_conv2.forward(stages_2_bn1)
        y_3 = self.stages_2_bn2.forward(stages_2_conv2)
        stages_2_downsample_0 = self.stages_2_downsample_0.forward(relu_2)  # [16, 4, 4]
        stages_2_downsample_1 = self.stages_2_downsample_1.forward(
            stages_2_downsample_0
        )
        add_3 = self.add_3.forward(y_3, stages_2_downsample_1)
        relu_3 = self.relu_3.forward(add_3)
        stages_3_conv1 = self.stages_3_conv1.forward(relu_3)
        stages_3_bn1 = self.stages_3_bn1.forward(stages_3_conv1)
        stages_3_conv2 = self.stages_3_conv2.forward(stages_3_bn1)
        y_4 = self.stages_3_bn2.forward(stages_3_conv2)
        add_4 = self.add_4.forward(y_4, relu_3)
        relu_4 = self.relu_4.forward(add_4)
        stages_4_conv1 = self.stages_4_conv1.forward(relu_4)  # [32, 2, 2]
        stages_4_bn1 = self.stages_4_bn1.forward(stages_4_conv1)
        stages_4_conv2 = self.stages_4_conv2.forward(stages_4_bn1)
        y_5 = self.stages_4_bn2.forward(stages_4_conv2)
        stages_4_downsample_0 = self.stages_4_downsample_0.forward(relu_4)  # [32, 2, 2]
        stages_4_downsample_1 = self.stages_4_downsample_1.forward(
            stages_4_downsample_0
        )
        add_5 = self.add_5.forward(y_5, stages_4_downsample_1)
        relu_5 = self.relu_5.forward(add_5)
        stages_5_conv1 = self.stages_5_conv1.forward(relu_5)
        stages_5_bn1 = self.stages_5_bn1.forward(stages_5_conv1)
        stages_5_conv2 = self.stages_5_conv2.forward(stages_5_bn1)
        y_6 = self.stages_5_bn2.forward(stages_5_conv2)
        add_6 = self.add_6.forward(y_6, relu_5)
        relu_6 = self.relu_6.forward(add_6)
        mean = self.mean.forward(relu_6)  # [32]
        logits = self.head.forward(mean)  # [10]
        cross_entropy = self.cross_entropy.forward(logits, label)

        dlogits = self.cross_entropy.backward()
        dmean = self.head.backward(dlogits)
        drelu_6 = self.mean.backward(dmean)
        dadd_6 = self.relu_6.backward(drelu_6)
        dstages_5_conv2 = self.stages_5_bn2.backward(dadd_6)
        dstages_5_bn1 = self.stages_5_conv2.backward(dstages_5_conv2)
        dstages_5_conv1 = self.stages_5_bn1.backward(dstages_5_bn1)
        drelu_5 = self.stages_5_conv1.backward(dstages_5_conv1)
        dadd_6 += drelu_5
        dadd_5 = self.relu_5.backward(dadd_6)
        dstages_4_downsample_0 = self.stages_4_downsample_1.backward(dadd_5)
        drelu_4 = self.stages_4_downsample_0.backward(dstages_4_downsample_0)
        dstages_4_conv2 = self.stages_4_bn2.backward(dadd_5)
        dstages_4_bn1 = self.stages_4_conv2.backward(dstages_4_conv2)
        dstages_4_conv1 = self.stages_4_bn1.backward(dstages_4_bn1)
        drelu_4_2 = self.stages_4_conv1.backward(dstages_4_conv1)
        drelu_4 += drelu_4_2
        dadd_4 = self.relu_4.backward(drelu_4)
        dstages_3_conv2 = self.stages_3_bn2.backward(dadd_4)
        dstages_3_bn1 = self.stages_3_conv2.backward(dstages_3_conv2)
        dstages_3_conv1 = self.stages_3_bn1.backward(dstages_3_bn1)
        drelu_3 = self.stages_3_conv1.backward(dstages_3_conv1)
        dadd_4 += drelu_3
        dadd_3 = self.relu_3.backward(dadd_4)
        dstages_2_downsample_0 = self.stages_2_downsample_1.backward(dadd_3)
        drelu_2 = self.stages_2_downsample_0.backward(dstages_2_downsample_0)
        dstages_2_conv2 = self.stages_2_bn2.backward(dadd_3)
        dstages_2_bn1 = self.stages_2_conv2.backward(dstages_2_conv2)
        dstages_2_conv1 = self.stages_2_bn1.backward(dstages_2_bn1)
        drelu_2_2 = self.stages_2_conv1.backward(dstages_2_conv1)
        drelu_2 += drelu_2_2
        dadd_2 = self.relu_2.backward(drelu_2)
        dstages_1_conv2 = self.stages_1_bn2.backward(dadd_2)
        dstages_1_bn1 = self.stages_1_conv2.backward(dstages_1_conv2)
        dstages_1_conv1 = self.stages_1_bn1.backward(dstages_1_bn1)
        drelu = self.stages_1_conv1.backward(dstages_1_conv1)
        dadd_2 += drelu
        dadd = self.relu.backward(dadd_2)
        dstages_0_conv2 = self.stages_0_bn2.backward(dadd)
        dstages_0_bn1 = self.stages_0_conv2.backward(dstages_0_conv2)
        dstages_0_conv1 = self.stages_0_bn1.backward(dstages_0_bn1)
        dbn = self.stages_0_conv1.backward(dstages_0_conv1)
        dadd += dbn
        dstem = self.bn.backward(dadd)
        self.stem.backward(dstem)
        return cross_entropy


def backpropagate(model: ResNet, data: dict[str, Array], rows: Array) -> Any:
    """The loss of a batch, `rows` of the data; leaves every parameter its gradient."""
    step = shards(model, Step, len(rows), PARTS, model.stem.weight.grad)
    value = step.run(data, rows)
    penalty, held = l2_penalty_forward(weights(model))
    l2_penalty_backward(0.0001, held)
    value = value + 0.0001 * penalty
    return value


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
    value = backpropagate(model, batch, np.arange(len(batch["image"])))
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
    value = backpropagate(model, batch, np.arange(len(batch["image"])))
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
    for k, (rows, rates) in enumerate(zip(order, lr.tolist())):
        losses[k] = backpropagate(model, data, rows)
        update(optimizer, rates)
    return losses


def evaluate(model: ResNet, batch: dict[str, Array]) -> tuple[float, dict[str, float]]:
    """Loss and metrics of a batch, noise layers off and running statistics in use."""
    value = loss(model, batch)
    logits = model.forward(batch["image"])
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
