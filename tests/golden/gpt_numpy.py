"""GPT for NumPy, compiled by nnspec from gpt.nn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Init = Callable[[np.random.Generator, tuple[int, ...]], Array]
Outs = tuple[Array | None, ...]
Numbers = Any  # a number or nested tuples of numbers


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


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, 1)."""
    return rng.standard_normal(shape)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """0 everywhere."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1 everywhere."""
    return np.ones(shape)


def normal(std: float) -> Init:
    """N(0, std^2)."""
    return lambda rng, shape: rng.normal(0.0, std, shape)


# Numerators and denominators of Cody's CALERF (see `erf`), highest power first.
ERF_SMALL = (
    (1.85777706184603153e-1, 1.0),
    (3.16112374387056560, 2.36012909523441209e1),
    (1.13864154151050156e2, 2.44024637934444173e2),
    (3.77485237685302021e2, 1.28261652607737228e3),
    (3.20937758913846947e3, 2.84423683343917062e3),
)


ERF_MIDDLE = (
    (2.15311535474403846e-8, 1.0),
    (5.64188496988670089e-1, 1.57449261107098347e1),
    (8.88314979438837594, 1.17693950891312499e2),
    (6.61191906371416295e1, 5.37181101862009858e2),
    (2.98635138197400131e2, 1.62138957456669019e3),
    (8.81952221241769090e2, 3.29079923573345963e3),
    (1.71204761263407058e3, 4.36261909014324716e3),
    (2.05107837782607147e3, 3.43936767414372164e3),
    (1.23033935479799725e3, 1.23033935480374942e3),
)


ERF_LARGE = (
    (1.63153871373020978e-2, 1.0),
    (3.05326634961232344e-1, 2.56852019228982242),
    (3.60344899949804439e-1, 1.87295284992346725),
    (1.25781726111229246e-1, 5.27905102951428412e-1),
    (1.60837851487422766e-2, 6.05183413124413191e-2),
    (6.58749161529837803e-4, 2.33520497626869185e-3),
)


def gelu_forward(x: Array) -> tuple[Array, Cache]:
    """y = x * Phi(x), Phi the standard normal distribution function (Hendrycks and
    Gimpel, 2016).
    """
    phi = 0.5 + 0.5 * erf(x * 0.7071067811865476)
    return x * phi, (x, phi)


def gelu_backward(dy: Array, cache: Cache) -> Array:
    """d/dx = Phi(x) + x * exp(-x^2 / 2) / sqrt(2 pi)."""
    x, phi = cache
    dx: Array = dy * (phi + x * np.exp(-0.5 * x * x) * 0.3989422804014327)
    return dx


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along `axis`, without overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    y: Array = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y


def erf(x: Array) -> Array:
    """The error function, within a few units in the last place.

    W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23
    (1969), with the coefficients of his CALERF: one quotient of polynomials for |x| <=
    0.46875, one up to 4, one beyond.
    """
    a = np.minimum(np.abs(x), 30.0)  # erf(6) is 1.0 already
    result = np.empty(np.shape(x), a.dtype)
    small, large = a <= 0.46875, a > 4.0
    middle = ~(small | large)

    z = np.square(a[small])
    result[small] = a[small] * quotient(z, ERF_SMALL)
    z = a[middle]
    result[middle] = 1.0 - np.exp(-z * z) * quotient(z, ERF_MIDDLE)
    z = 1.0 / np.square(a[large])
    result[large] = 1.0 - np.exp(-1.0 / z) * np.sqrt(z) * (
        0.5641895835477563 - z * quotient(z, ERF_LARGE)
    )
    return np.copysign(result, x)


def quotient(z: Array, coefficients: tuple[tuple[float, float], ...]) -> Array:
    """Two polynomials in z divided, by their pairs of coefficients from the highest
    power on.
    """
    p, q = (np.full_like(z, first) for first in coefficients[0])
    for a, b in coefficients[1:]:
        p, q = p * z + a, q * z + b
    return p / q


def unbroadcast(d: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an operand of `shape` that NumPy broadcast: `d` summed over the
    axes that were stretched.
    """
    extra = np.ndim(d) - len(shape)
    axes = tuple(
        k
        for k in range(np.ndim(d))
        if k < extra or (shape[k - extra] == 1 and d.shape[k] != 1)
    )
    return np.sum(d, axis=axes, keepdims=True).reshape(shape) if axes else d


def add_forward(a: Array, b: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = a + b."""
    return np.add(a, b, out=out), (np.shape(a), np.shape(b))


def add_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    a, b = cache
    return unbroadcast(dy, a), unbroadcast(dy, b)


def attention_forward(
    query: Array, key: Array, value: Array, heads: int = 1, causal: bool = False
) -> tuple[Array, Cache]:
    """y = softmax(q k^T / sqrt(d)) v in each head (Vaswani et al., 2017): (N, T, E),
    (N, S, E), (N, S, V) -> (N, T, V).

    Heads are consecutive blocks of features, d = E / heads. With `causal`, position t
    sees positions 0 to t.
    """
    q, k, v = (
        split_heads(query, heads),
        split_heads(key, heads),
        split_heads(value, heads),
    )  # (N, heads, T, d)
    scale = float(q.shape[-1]) ** -0.5
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))  # (N, heads, T, S)
    if causal:
        seen = np.tri(scores.shape[-2], scores.shape[-1], dtype=bool)
        scores = np.where(seen, scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return merge_heads(np.matmul(p, v)), (q, k, v, p, scale, heads)


def attention_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dquery, dkey, dvalue: through the average, the softmax and the scores."""
    q, k, v, p, scale, heads = cache
    d = split_heads(dy, heads)
    dv = np.matmul(np.swapaxes(p, -1, -2), d)
    dp = np.matmul(d, np.swapaxes(v, -1, -2))
    dscores = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
    dq = np.matmul(dscores, k) * scale
    dk = np.matmul(np.swapaxes(dscores, -1, -2), q) * scale
    return merge_heads(dq), merge_heads(dk), merge_heads(dv)


def split_heads(x: Array, heads: int) -> Array:
    """(N, T, E) as (N, heads, T, E / heads)."""
    return np.swapaxes(x.reshape(*x.shape[:-1], heads, -1), -2, -3)


def merge_heads(x: Array) -> Array:
    """(N, heads, T, d) as (N, T, heads * d)."""
    y: Array = np.swapaxes(x, -2, -3)
    return y.reshape(*y.shape[:-2], -1)


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


def matmul_forward(a: Array, b: Array, out: Array | None = None) -> tuple[Array, Cache]:
    """y = a b over the last two axes: a (..., M, K), b (..., K, N) -> y (..., M, N);
    leading axes broadcast.
    """
    return np.matmul(a, b, out=out), (a, b)


def matmul_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """da = dy b^T, db = a^T dy, summed over the axes that were broadcast."""
    a, b = cache
    da = unbroadcast(np.matmul(dy, np.swapaxes(b, -1, -2)), a.shape)
    db = unbroadcast(np.matmul(np.swapaxes(a, -1, -2), dy), b.shape)
    return da, db


def embedding_forward(
    index: Array, weight: Array, out: Array | None = None
) -> tuple[Array, Cache]:
    """y = weight[index]: index (...) of whole numbers in [0, V), weight (V, E) -> y
    (..., E).
    """
    return np.take(weight, index, axis=0, out=out), (index, weight)


def embedding_backward(dy: Array, cache: Cache, out: Array | None = None) -> Array:
    """dweight (V, E): every row of dy added to the row of its index, in order of the
    index.
    """
    index, weight = cache
    dweight = np.zeros(weight.shape, dy.dtype) if out is None else out
    dweight[...] = 0.0
    if not index.size:
        return dweight
    rows = index.reshape(-1)
    order = np.argsort(rows, kind="stable")
    used, first = np.unique(rows[order], return_index=True)
    dweight[used] = np.add.reduceat(
        dy.reshape(-1, weight.shape[1])[order], first, axis=0
    )
    return dweight


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


def layer_norm_forward(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    axes: int = 1,
) -> tuple[Array, Cache]:
    """y = weight * (x - mean) / sqrt(var + eps) + bias over the last `axes` axes (Ba et
    al., 2016).
    """
    over = tuple(range(-axes, 0))
    centred = x - x.mean(axis=over, keepdims=True)
    scale = 1.0 / np.sqrt(np.mean(centred * centred, axis=over, keepdims=True) + eps)
    normal = centred * scale
    y = normal if weight is None else normal * weight
    return y if bias is None else y + bias, (normal, scale, weight, over)


def layer_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias."""
    normal, scale, weight, over = cache
    lead = tuple(range(dy.ndim - len(over)))
    dweight, dbias = np.sum(dy * normal, axis=lead), dy.sum(axis=lead)
    d = dy if weight is None else dy * weight
    dx = (
        d
        - d.mean(axis=over, keepdims=True)
        - normal * np.mean(d * normal, axis=over, keepdims=True)
    )
    return dx * scale, dweight, dbias


def split_forward(
    x: Array, sizes: tuple[int, ...], axis: int
) -> tuple[list[Array], Cache]:
    """Consecutive pieces of these sizes along an axis."""
    return np.split(x, np.cumsum(sizes)[:-1], axis=axis), (x.shape, sizes, axis)


def split_backward(dys: list[Array | None], cache: Cache) -> Array:
    """Takes one gradient for each piece; None where nothing depends on the piece."""
    shape, sizes, axis = cache
    dtype = next(dy.dtype for dy in dys if dy is not None)
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    parts = zip(dys, shapes, strict=True)
    return np.concatenate(
        [np.zeros(n, dtype) if dy is None else dy for dy, n in parts], axis=axis
    )


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


class Embedding(Module):
    """Row x of a table, for every entry of x."""

    def __init__(
        self, vocab: int, features: int, weight_init: Init = standard_normal
    ) -> None:
        self.weight = Parameter((vocab, features), weight_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return embedding_forward(x, self.weight.value)

    def backward(self, dy: Array, cache: Cache) -> None:
        self.weight.grad += embedding_backward(dy, cache)


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


class LayerNorm(Normalisation):
    """Each row normalised over the last axis."""

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        weight_init: Init = ones,
        bias_init: Init = zeros,
    ) -> None:
        super().__init__(features, eps, affine, bias, weight_init, bias_init)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        return layer_norm_forward(x, *self.values(), self.eps)

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx, dweight, dbias = layer_norm_backward(dy, cache)
        self.add(dweight, dbias)
        return dx


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


def root(s: Array, eps: float, eps_inside: bool) -> Array:
    """sqrt(s) + eps, or sqrt(s + eps)."""
    return np.sqrt(s + eps) if eps_inside else np.sqrt(s) + eps


class Adam(Optimizer):
    """w -= lr * m' / (sqrt(v') + eps), the moments m' and v' without their bias to 0.

    m = b1 * m + (1 - b1) * g and v = b2 * v + (1 - b2) * g^2; m' = m / (1 - b1^t) and
    v' = v / (1 - b2^t) at step t (Kingma and Ba, 2015).
    """

    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        parameters: dict[str, Parameter],
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.eps_inside = eps_inside

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        m, v = memory
        m[...] = self.beta1 * m + (1.0 - self.beta1) * parameter.grad
        v[...] = self.beta2 * v + (1.0 - self.beta2) * parameter.grad**2
        unbiased_m = m / (1.0 - self.beta1**self.step)
        unbiased_v = v / (1.0 - self.beta2**self.step)
        return lr * unbiased_m / root(unbiased_v, self.eps, self.eps_inside)


class AdamW(Adam):
    """Adam, and apart from it w -= lr * decay * w (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        parameters: dict[str, Parameter],
        decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters, beta1, beta2, eps, eps_inside)
        self.decay = decay

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        decayed = lr * self.decay * parameter.value
        return decayed + super().change(parameter, lr, *memory)


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


class Positional(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        self.weight = Parameter((32, 64), normal(0.02))

    def forward(self, x: Array) -> tuple[Array, Cache]:
        weight = self.weight.value  # [32, 64]
        y = weight
        x, add_cache = add_forward(x, y)
        return x, add_cache

    def backward(self, dx: Array, cache: Cache) -> Array:
        dx, dy = add_backward(dx, cache)
        dweight = dy
        self.weight.grad += dweight
        return dx


class SelfAttention(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        self.in_proj_weight = Parameter((192, 64), glorot_uniform)
        self.in_proj_bias = Parameter((192,), zeros)
        self.out_proj = Dense(64, 64)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        in_proj_weight = self.in_proj_weight.value  # [192, 64]
        y = np.swapaxes(in_proj_weight, -1, -2)  # [64, 192]
        projected, matmul_cache = matmul_forward(x, y)  # [32, 192]
        in_proj_bias = self.in_proj_bias.value  # [192]
        x, add_cache = add_forward(projected, in_proj_bias)
        rows = x
        (q, k, v), split_cache = split_forward(rows, (64, 64, 64), 2)
        x, attention_cache = attention_forward(q, k, v, heads=4, causal=True)
        x, out_proj_cache = self.out_proj.forward(x)
        cache = (
            matmul_cache,
            add_cache,
            split_cache,
            attention_cache,
            out_proj_cache,
        )
        return x, cache

    def backward(self, dx: Array, cache: Cache) -> Array:
        matmul_cache, add_cache, split_cache, attention_cache, out_proj_cache = cache
        dx = self.out_proj.backward(dx, out_proj_cache)
        dq, dk, dv = attention_backward(dx, attention_cache)
        drows = split_backward([dq, dk, dv], split_cache)
        dx = drows
        dprojected, din_proj_bias = add_backward(dx, add_cache)
        self.in_proj_bias.grad += din_proj_bias
        dx, dy = matmul_backward(dprojected, matmul_cache)
        din_proj_weight = np.swapaxes(dy, -1, -2)
        self.in_proj_weight.grad += din_proj_weight
        return dx


class Block(Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        self.ln_1 = LayerNorm(64)
        self.attn = SelfAttention()
        self.ln_2 = LayerNorm(64)
        self.fc = Dense(64, 256)
        self.proj = Dense(256, 64)

    def forward(self, x: Array) -> tuple[Array, Cache]:
        y, ln_1_cache = self.ln_1.forward(x)
        y, attn_cache = self.attn.forward(y)
        h = x + y
        x, ln_2_cache = self.ln_2.forward(h)
        x, fc_cache = self.fc.forward(x)  # [32, 256]
        x, gelu_cache = gelu_forward(x)
        x, proj_cache = self.proj.forward(x)  # [32, 64]
        x = h + x
        return x, (ln_1_cache, attn_cache, ln_2_cache, fc_cache, gelu_cache, proj_cache)

    def backward(self, dx: Array, cache: Cache) -> Array:
        ln_1_cache, attn_cache, ln_2_cache, fc_cache, gelu_cache, proj_cache = cache
        dh = dx
        dx = self.proj.backward(dx, proj_cache)
        dx = gelu_backward(dx, gelu_cache)
        dx = self.fc.backward(dx, fc_cache)
        dh = dh + self.ln_2.backward(dx, ln_2_cache)
        dx = dh
        dy = dh
        dy = self.attn.backward(dy, attn_cache)
        dx = dx + self.ln_1.backward(dy, ln_1_cache)
        return dx


class GPT(Module):
    """tokens [32] -> logits [32, 75], for one example."""

    def __init__(self) -> None:
        self.wte = Embedding(75, 64)
        self.wpe = Positional()
        self.h: dict[str, Any] = {}
        for key in ("0", "1"):
            self.h[key] = Block()
        self.ln_f = LayerNorm(64)
        self.head = Dense(64, 75, bias=False)

    def forward(self, tokens: Array) -> tuple[Array, Cache]:
        x, wte_cache = self.wte.forward(tokens)  # [32, 64]
        x, wpe_cache = self.wpe.forward(x)
        h_caches = []
        for block in self.h.values():
            x, h_step_cache = block.forward(x)
            h_caches.append(h_step_cache)
        x, ln_f_cache = self.ln_f.forward(x)
        logits, head_cache = self.head.forward(x)  # [32, 75]
        return logits, (wte_cache, wpe_cache, h_caches, ln_f_cache, head_cache)

    def backward(self, dlogits: Array, cache: Cache) -> None:
        wte_cache, wpe_cache, h_caches, ln_f_cache, head_cache = cache
        dx = self.head.backward(dlogits, head_cache)
        dx = self.ln_f.backward(dx, ln_f_cache)
        for block, h_step_cache in zip(reversed(self.h.values()), reversed(h_caches)):
            dx = block.backward(dx, h_step_cache)
        dx = self.wpe.backward(dx, wpe_cache)
        self.wte.backward(dx, wte_cache)


Model = GPT


def outputs(
    model: GPT, batch: dict[str, Array], training: bool = False
) -> dict[str, Array]:
    """The results of the model by name."""
    logits, _ = model.forward(batch["tokens"])
    return {"logits": logits}


def loss(
    model: GPT, batch: dict[str, Array], step: int = 1, training: bool = False
) -> tuple[Array, Cache]:
    """What training minimises, averaged over the batch, and a cache for `backward`."""
    logits, model_cache = model.forward(batch["tokens"])
    next_ = batch["next"]
    x, cross_entropy_cache = cross_entropy_forward(logits, next_, mean=True)
    return x, (model_cache, cross_entropy_cache)


def backward(model: GPT, dx: Array, cache: Cache) -> None:
    """Backpropagation: adds to the gradient of every parameter."""
    model_cache, cross_entropy_cache = cache
    dlogits = cross_entropy_backward(dx, cross_entropy_cache)
    model.backward(dlogits, model_cache)


def make_optimizer(model: GPT) -> list[Optimizer]:
    """An optimizer for each group of parameters; rates are handed to every update."""
    groups = parameter_groups(model, ("*",))
    return [AdamW(groups[0])]


def update(optimizer: list[Optimizer], lr: Sequence[float]) -> None:
    """One update from the gradients that the parameters hold."""
    for one, rate in zip(optimizer, lr):
        one.update(float(rate))


def gradients(
    model: GPT, batch: dict[str, Array], step: int = 1
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
    model: GPT,
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
    model: GPT,
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


def evaluate(model: GPT, batch: dict[str, Array]) -> tuple[float, dict[str, float]]:
    """Loss and metrics of a batch, noise layers off and running statistics in use."""
    value, _ = loss(model, batch)
    logits, _ = model.forward(batch["tokens"])
    return float(value), {
        "accuracy": float(np.mean(logits.argmax(axis=2) == batch["next"]))
    }


if __name__ == "__main__":
    model = initialise(GPT())
    random = np.random.default_rng(0)
    batch = {
        "tokens": random.integers(75, size=(4, 32)),
        "next": random.integers(75, size=(4, 32)),
    }
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.0002], step)
        print(f"step {step}: loss {value:.4f}")
