"""What PyTorch makes of a row: the op called on tensors of ones, so that its real output shape can be compared.

Each entry of `TORCH` takes the tensors of a row, without a batch axis, and the canonical op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from nnspec.ops.index import Slice

DTYPES = {
    "float32": torch.float32,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


def tensor(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    return torch.ones(shape, dtype=DTYPES.get(dtype, torch.int64))


def weight(op: Any, x: torch.Tensor) -> torch.Tensor:
    from nnspec.ir.types import TensorType

    return torch.ones(op.params(TensorType("float32", tuple(x.shape)))["weight"].shape)


def by_rank(name: str, x: torch.Tensor) -> Callable[..., torch.Tensor]:
    """conv2d for [C, H, W]."""
    return getattr(F, f"{name}{x.ndim - 1}d")


def index(x: torch.Tensor, op: Any) -> torch.Tensor:
    return x[tuple(slice(i.start, i.stop, i.step) if isinstance(i, Slice) else i for i in op.items)]


def pad(x: torch.Tensor, op: Any) -> torch.Tensor:
    return F.pad(x, [n for pair in reversed(op.amount) for n in pair])


def conv(x: torch.Tensor, op: Any) -> torch.Tensor:
    w = weight(op, x)
    if any(op.extra):
        return by_rank("conv", x)(x[None], w, padding="same", dilation=op.dilation, groups=op.groups)[0]
    return by_rank("conv", x)(x[None], w, None, op.stride, op.padding, op.dilation, op.groups)[0]


def conv_transpose(x: torch.Tensor, op: Any) -> torch.Tensor:
    numbers = (op.stride, op.padding, op.output_padding, op.groups, op.dilation)
    return by_rank("conv_transpose", x)(x[None], weight(op, x), None, *numbers)[0]


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, op: Any) -> torch.Tensor:
    q, k, v = (t.unflatten(-1, (op.heads, -1)).transpose(-2, -3) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=op.causal).transpose(-2, -3).flatten(-2)


def recurrent(x: torch.Tensor, op: Any) -> torch.Tensor:
    """In float64, where torch counts the products of an LSTM too."""
    made = getattr(torch.nn, op.name.upper())
    module = made(x.shape[-1], op.units, op.layers, batch_first=True, bidirectional=op.bidirectional)
    return module.double()(x.double())[0]


def per_example(loss: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A loss of one example is a scalar in torch too."""
    return lambda y, t, op: loss(y, t.reshape(y.shape) if t.numel() == y.numel() == 1 else t)


def class_loss(y: torch.Tensor, t: torch.Tensor, op: Any) -> torch.Tensor:
    y = y.movedim(op.axis, 0)
    t = t.movedim(op.axis, 0) if t.is_floating_point() else t.reshape(y.shape[1:]).long()
    if t.is_floating_point():
        return F.cross_entropy(y[None], t[None])
    return F.cross_entropy(y[None], t[None]) if op.name == "cross_entropy" else F.nll_loss(y[None], t[None])


def reduction(function: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    return lambda x, op: function(x, dim=op.axis, keepdim=op.keepdims) if op.axis else x


def keeps_shape(x: torch.Tensor, op: Any) -> torch.Tensor:
    return x


TORCH: dict[str, Callable[..., Any]] = {
    "dense": lambda x, op: F.linear(x, weight(op, x)),
    "conv": conv,
    "conv_transpose": conv_transpose,
    "embedding": lambda x, op: F.embedding(x.long(), torch.ones(op.vocab, op.features)),
    "matmul": lambda a, b, op: torch.matmul(a, b),
    "max_pool": lambda x, op: by_rank("max_pool", x)(x[None], op.size, op.stride, op.padding, 1, op.ceil)[0],
    "avg_pool": lambda x, op: by_rank("avg_pool", x)(x[None], op.size, op.stride, op.padding, op.ceil)[0],
    "adaptive_avg_pool": lambda x, op: by_rank("adaptive_avg_pool", x)(x[None], op.size)[0],
    "global_avg_pool": lambda x, op: x.flatten(1).mean(1),
    "global_max_pool": lambda x, op: x.flatten(1).amax(1),
    "rnn": recurrent,
    "lstm": recurrent,
    "gru": recurrent,
    "rotary": keeps_shape,
    "attention": attention,
    "flatten": lambda x, op: x.flatten(),
    "reshape": lambda x, op: x.reshape(op.shape),
    "permute": lambda x, op: x.permute(op.axes),
    "transpose": lambda x, op: x.mT,
    "concat": lambda *a: torch.cat(a[:-1], a[-1].axis),
    "stack": lambda *a: torch.stack(a[:-1], a[-1].axis),
    "split": lambda x, op: torch.split(x, op.parts, op.axis),
    "take": lambda x, op: x.select(op.axis, op.i),
    "[]": index,
    "pad": pad,
    "flip": lambda x, op: torch.flip(x, op.axis),
    "roll": lambda x, op: torch.roll(x, op.shift, op.axis),
    "upsample": lambda x, op: F.interpolate(x[None], scale_factor=op.factor)[0],
    "shuffle_channels": keeps_shape,
    "+": lambda a, b, op: a + b,
    "-": lambda a, b, op: a - b,
    "*": lambda a, b, op: a * b,
    "/": lambda a, b, op: a / b,
    "^": lambda a, b, op: a.float() ** b.float(),
    "<": lambda a, b, op: a < b,
    "<=": lambda a, b, op: a <= b,
    ">": lambda a, b, op: a > b,
    ">=": lambda a, b, op: a >= b,
    "==": lambda a, b, op: a == b,
    "!=": lambda a, b, op: a != b,
    "and": lambda a, b, op: a & b,
    "or": lambda a, b, op: a | b,
    "not": lambda x, op: ~x,
    "neg": lambda x, op: -x,
    "maximum": lambda *a: torch.maximum(*a[:2]) if len(a) == 3 else torch.maximum(torch.maximum(*a[:2]), a[2]),
    "minimum": lambda *a: torch.minimum(*a[:2]) if len(a) == 3 else torch.minimum(torch.minimum(*a[:2]), a[2]),
    "where": lambda c, a, b, op: torch.where(c, a, b),
    "sum": reduction(torch.sum),
    "mean": reduction(lambda x, **kw: torch.mean(x.float(), **kw)),
    "max": reduction(torch.amax),
    "min": reduction(torch.amin),
    "norm": reduction(torch.linalg.vector_norm),
    "argmax": lambda x, op: x.argmax(op.axis).int(),
    "cast": lambda x, op: x.to(DTYPES[op.dtype]),
    "one_hot": lambda x, op: torch.ones((*x.shape, op.classes)),
    "constant": lambda op: torch.tensor(op.value, dtype=DTYPES[op.dtype]),
    "zeros": lambda op: torch.zeros(op.shape),
    "ones": lambda op: torch.ones(op.shape),
    "eye": lambda op: torch.eye(op.n),
    "arange": lambda op: torch.arange(op.n, dtype=DTYPES[op.dtype]),
    "squared_error": per_example(F.mse_loss),
    "mse": per_example(F.mse_loss),
    "mae": per_example(F.l1_loss),
    "huber": per_example(F.huber_loss),
    "binary_cross_entropy": per_example(lambda y, t: F.binary_cross_entropy_with_logits(y, t.float())),
    "hinge": per_example(lambda y, t: torch.relu(1 - y * t).mean()),
    "perceptron_loss": per_example(lambda y, t: torch.relu(-y * t).mean()),
    "cross_entropy": class_loss,
    "nll": class_loss,
    "kl_divergence": lambda y, t, op: F.kl_div(y, t, reduction="sum"),
}

# Ops of one number, and noise: the output has the shape of the input.
KEEP = (
    *("identity", "sigmoid", "tanh", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus"),
    *("hard_sigmoid", "hard_swish", "sign", "step", "prelu", "softmax", "log_softmax", "batch_norm", "layer_norm"),
    *("rms_norm", "group_norm", "instance_norm", "local_response_norm", "dropout", "drop_path", "gaussian_noise"),
    *("bernoulli", "sinusoidal", "abs", "square", "stop_gradient"),
)
FLOATS = {name: (lambda x, op: x.float()) for name in ("exp", "log", "sqrt", "sin", "cos", "clip")}
TORCH = {**TORCH, **dict.fromkeys(KEEP, keeps_shape), **FLOATS}
