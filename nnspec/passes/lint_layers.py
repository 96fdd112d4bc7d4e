"""Lints of layers: entries that no window sees, biases that are taken away, two layers that are one, equal weights."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label
from nnspec.ir.flatten import FlatNode
from nnspec.ir.graph import Parameter, Value
from nnspec.ir.types import product, show_shape
from nnspec.passes.lint_flow import Flow

_WINDOWS = ("conv", "max_pool", "avg_pool")
_WITH_WEIGHTS = ("dense", "conv", "conv_transpose")
_LINEAR = ("dense", "conv")
_STRAIGHT = ("identity", "flatten", "reshape", "dropout")  # between two linear layers they leave one linear map
_BENDING = (
    "tanh", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "sigmoid",
    "hard_sigmoid", "hard_swish",
)  # fmt: skip
_EQUAL = ("zeros", "ones", "constant")
_AXES = {1: ("entry",), 2: ("row", "column"), 3: ("slice", "row", "column")}
_PLURAL = {"entry": "entries"}


def lint_layers(flow: Flow) -> None:
    """Looks at every layer of the model, and at what its outputs come from."""
    leads_on = _before_weights(flow)
    for item in flow.line:
        name = item.node.op.name
        if name in _WINDOWS:
            _unseen(flow, item)
        if name == "batch_norm":
            _cancelled_bias(flow, item)
        if name in _LINEAR:
            _one_map(flow, item)
        if name in _WITH_WEIGHTS or name == "matmul":
            _equal_weights(flow, item, leads_on)
    for name, value in flow.graph.outputs.items():
        maker = flow.maker(value)
        if maker is not None and maker.node.op.name == "dropout" and maker.node.op.p > 0:  # type: ignore[attr-defined]
            message = f"dropout right before the output {name}: in training its entries are zeroed at random"
            flow.warn("W0304", maker.node.span, message, help="dropout stands before the last layer, not behind it")


# ---------------------------------------------------------------- windows


def _unseen(flow: Flow, item: FlatNode) -> None:
    """Entries at the end of an axis that the last window does not reach, padding not counted.

    Windows with gaps between them (stride > kernel) pick entries on purpose.
    """
    op: Any = item.node.op
    sizes, counts = item.inputs[0].type.shape[1:], item.outputs[0].type.shape[1:]
    window = op.kernel if op.name == "conv" else op.size
    dilation = getattr(op, "dilation", (1,) * len(sizes))
    lost: list[int] = []
    for n, m, k, s, p, d in zip(sizes, counts, window, op.stride, op.padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        if not isinstance(n, int) or not isinstance(m, int) or s > reach:
            lost.append(0)
            continue
        lost.append(max(0, n + p - ((m - 1) * s + reach)))
    if not any(lost):
        return
    words = [_count(n, axis) for n, axis in zip(lost, _AXES[len(lost)], strict=True) if n]
    first = next(axis for axis, n in enumerate(lost) if n)
    n, k, s, p = sizes[first], dilation[first] * (window[first] - 1) + 1, op.stride[first], op.padding[first]
    text = f"({n} + 2*{p} - {k})/{s} is not whole: {counts[first]} windows of {k} end {_ago(lost[first])} early"
    message = f"{op.name} never sees the last {' and the last '.join(words)} of {show_shape(item.inputs[0].type.shape)}"
    flow.warn("W0301", item.node.span, message, (Label(item.node.span, text),), _remedy(op, sizes, window, dilation))


def _count(n: int, axis: str) -> str:
    return axis if n == 1 else f"{n} {_PLURAL.get(axis, axis + 's')}"


def _ago(n: int) -> str:
    return "one entry" if n == 1 else f"{n} entries"


def _remedy(op: Any, sizes: Any, window: Any, dilation: Any) -> str:
    """For pools `ceil`, which always reaches the end; for convolutions the least padding that does."""
    if op.name != "conv":
        return "ceil = true adds a last window that reaches over the end"
    for p in range(max(op.padding) + 1, max(op.padding) + max(op.stride) + 1):
        rest = [
            (n + 2 * p - d * (k - 1) - 1) % s - p
            for n, k, s, d in zip(sizes, window, op.stride, dilation, strict=True)
            if isinstance(n, int)
        ]
        if all(r <= 0 for r in rest):
            return f"padding = {p} lets the windows reach the end"
    return ""


# ---------------------------------------------------------------- biases and linear maps


def _cancelled_bias(flow: Flow, item: FlatNode) -> None:
    """batch_norm subtracts the mean of each channel, and with it a bias that was added just before."""
    before = flow.makers.get(item.inputs[0])
    if before is None or before.node.op.name not in _WITH_WEIGHTS or flow.only_reader(item.inputs[0]) is None:
        return
    op: Any = before.node.op
    if not op.bias or (op.name == "dense" and item.inputs[0].type.rank != 1):
        return
    message = f"batch_norm takes the bias of this {op.name} away again"
    label = Label(item.node.span, "it subtracts the mean of every channel here")
    flow.warn(
        "W0302", before.node.span, message, (label,), f"bias = false in {op.name}: batch_norm has a bias of its own"
    )


def _one_map(flow: Flow, second: FlatNode) -> None:
    """A linear layer of a linear layer is one linear layer, unless the first is a bottleneck (a factorised matrix)."""
    value: Value = second.inputs[0]
    first = flow.makers.get(value)
    while flow.only_reader(value) is not None and first is not None and first.node.op.name in _STRAIGHT:
        value = first.inputs[0]
        first = flow.makers.get(value)
    if first is None or first.node.op.name not in _LINEAR or flow.only_reader(value) is None:
        return
    if not (_whole_map(first) and _whole_map(second)) or first.node.span.path != second.node.span.path:
        return
    names = first.node.op.name, second.node.op.name
    if names == ("dense", "conv") or (names == ("conv", "dense") and second.inputs[0].type.rank != 1):
        return
    narrow, inner, outer = _widths(first, second)
    if not all(isinstance(size, int) for size in (narrow, inner, outer)) or narrow < min(inner, outer):
        return
    message = f"two linear layers with no activation between them are one: {names[0]}, then {names[1]}"
    label = Label(first.node.span, f"this {names[0]} goes straight into it")
    flow.warn("W0303", second.node.span, message, (label,), "an activation between them, as in -> relu")


def _whole_map(item: FlatNode) -> bool:
    """Whether a convolution mixes all channels over a square window: others are factors of one on purpose."""
    op: Any = item.node.op
    if op.name == "dense":
        return True
    return op.groups == 1 and len(set(op.kernel)) == 1 and op.kernel[0] > 1


def _widths(first: FlatNode, second: FlatNode) -> Any:
    """Numbers between the two layers, before the first and after the second; channels where both are convolutions."""
    if first.node.op.name == "dense" == second.node.op.name:
        return first.outputs[0].type.shape[-1], first.inputs[0].type.shape[-1], second.outputs[0].type.shape[-1]
    if second.node.op.name == "conv":
        return first.outputs[0].type.shape[0], first.inputs[0].type.shape[0], second.outputs[0].type.shape[0]
    return tuple(product(v.type.shape) for v in (first.outputs[0], first.inputs[0], second.outputs[0]))


# ---------------------------------------------------------------- initial weights


def _before_weights(flow: Flow) -> set[Value]:
    """Values from which the model computes what a later layer with weights reads."""
    found: set[Value] = set()
    for item in reversed(flow.line):
        weighs = item.node.layer is not None and any(p.role == "weight" for p in item.node.layer.parameters.values())
        if weighs or item.node.op.name == "matmul" or any(value in found for value in item.outputs):
            found.update(item.inputs)
    return found


def _equal_weights(flow: Flow, item: FlatNode, leads_on: set[Value]) -> None:
    """Units that start equal, behind an activation: their gradients are equal too, so they stay one unit."""
    weight = _weight(flow, item)
    if flow.graph.training is None or weight is None or not weight.trainable or weight.init.name not in _EQUAL:
        return
    value = item.outputs[0]
    if weight.shape[0] == 1 or value.type.rank == 0:
        return
    activation = flow.only_reader(value)
    if activation is not None and activation.node.op.name in ("+", "batch_norm"):
        activation = flow.only_reader(activation.outputs[0])
    if activation is None or activation.node.op.name not in _BENDING or activation.outputs[0] not in leads_on:
        return
    name = activation.node.op.name
    message = f"every unit of {weight.path or item.node.op.name} starts with the same weights, so all learn the same"
    label = Label(activation.node.span, f"{name} of equal numbers: equal gradients")
    init = "he_normal" if "relu" in name else "glorot_uniform"
    flow.warn("W0305", item.node.span, message, (label,), f"random weights tell the units apart: weight_init = {init}")


def _weight(flow: Flow, item: FlatNode) -> Parameter | None:
    """The matrix of a layer, or the free parameter that a matmul reads."""
    if item.node.layer is not None:
        return next((p for p in item.node.layer.parameters.values() if p.role == "weight"), None)
    for value in item.inputs:
        maker = flow.makers.get(value)
        layer = maker.node.layer if maker is not None and type(maker.node.op).__name__ == "FreeParameter" else None
        if layer is not None and value.type.rank == 2 and all(s != 1 for s in value.type.shape):
            return next(iter(layer.parameters.values()))
    return None
