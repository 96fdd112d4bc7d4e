"""Why a size is what it is: followed from a value back to the operation that made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.diagnostics import Span
from nnspec.ir.graph import Graph, Layer, Node, Value
from nnspec.ir.types import Size
from nnspec.ops.reduce import Reduction
from nnspec.views.places import Makers
from nnspec.views.wording import title

Reason = tuple[str, Span | None]  # what made the size, and where, if the text does not say so itself


class Origins:
    """The origins of the sizes of one graph."""

    def __init__(self, graph: Graph, path: str) -> None:
        self.makers = Makers(graph)
        self.fields = {field.value: field for field in graph.fields}
        self.path = path  # of the file whose lines need no name

    def why(self, value: Value, axis: int) -> str:
        """`7 = floor((14 - 2)/2) + 1 from max_pool (line 10)`, `64 channels from conv2 (line 9)`."""
        text, span = self.reason(value, axis)
        return f"{text} ({self.line(span)})" if span is not None else text

    def product(self, value: Value) -> str:
        """`64 * 7 * 7: 64 channels from ..., 7 = ... from ...`: the entries of a tensor, factor by factor."""
        reasons: dict[str, None] = dict.fromkeys(self.why(value, axis) for axis in range(value.type.rank))
        return f"{' * '.join(_factor(n) for n in value.type.shape)}: {', '.join(reasons)}"

    def line(self, span: Span) -> str:
        return f"line {span.line}" if span.path == self.path else f"{span.path}:{span.line}"

    def reason(self, value: Value, axis: int) -> Reason:
        """What made this size: sizes that pass an operation unchanged are followed further back."""
        makers = self.makers
        while True:
            if value in self.fields:
                field = self.fields[value]
                return f"{self._size(value, axis)} of {field.role} {field.name}", value.span
            if value in makers.behind:
                value = makers.behind[value]
            elif value in makers.calls:
                call = makers.calls[value]
                if not call.inputs or call.inputs[0].type.shape != value.type.shape:
                    return f"{value.type.shape[axis]} from {call.module.title}", call.span
                value = call.inputs[0]
            elif (node := makers.nodes.get(value)) is None:
                return self._size(value, axis), value.span
            elif (before := _passes(node, value, axis)) is None:
                return self._made(node, value, axis)
            else:
                value, axis = before

    def _made(self, node: Node, value: Value, axis: int) -> Reason:
        kind = type(node.op).__name__
        if kind in _SUMS and (whole := _SUMS[kind](self, node, axis)):
            return whole, None
        rule = _RULES.get(kind)
        text = rule(node, axis) if rule is not None else str(value.type.shape[axis])
        return f"{text} from {called(node)}", node.span

    def _size(self, value: Value, axis: int) -> str:
        size, rank = value.type.shape[axis], value.type.rank
        return f"{size} channels" if axis == 0 and rank >= 3 else str(size)


def called(node: Node) -> str:
    """The name of the layer in its module, else the operation."""
    return node.layer.name if isinstance(node.layer, Layer) and node.layer.parameters else title(node.op)


def _factor(size: Size) -> str:
    return f"({size})" if " " in str(size) else str(size)


# ---------------------------------------------------------------- sizes that pass unchanged


def _passes(node: Node, value: Value, axis: int) -> tuple[Value, int] | None:
    """The input and axis whose size this is, where the operation leaves it as it was."""
    kind, op = type(node.op).__name__, node.op
    if not node.inputs:
        return None
    x = node.inputs[0]
    if kind == "Permute":
        axes: Any = op.axes  # type: ignore[attr-defined]  # the class is known by its name
        return x, axes[axis]
    if kind == "Transpose":
        last = x.type.rank - 1
        return x, {last: last - 1, last - 1: last}.get(axis, axis)
    if isinstance(op, Reduction) and isinstance(op.axis, tuple):
        kept = [a for a in range(x.type.rank) if op.keepdims or a not in op.axis]
        return None if kept[axis] in op.axis else (x, kept[axis])
    if kind == "Take":
        removed: Any = op.axis  # type: ignore[attr-defined]
        return x, axis + (axis >= removed)
    if kind in _OWN_AXES:
        if axis in {a % value.type.rank for a in _OWN_AXES[kind]}:
            return None
        return x, axis
    if kind in ("Conv", "MaxPool", "AvgPool"):
        same = axis > 0 or kind != "Conv"
        return (x, axis) if same and (axis == 0 or x.type.shape[axis] == value.type.shape[axis]) else None
    if kind in ("Reshape", "Flatten"):
        return (x, axis) if x.type.shape[: axis + 1] == value.type.shape[: axis + 1] else None
    if kind in ("Matmul", "MatmulCall"):
        a, b = node.inputs[:2]
        rank = value.type.rank
        if a.type.rank == b.type.rank == rank:
            return (b, axis) if axis == rank - 1 else (a, axis)
        return None
    return _broadcast(node, value, axis)


def _broadcast(node: Node, value: Value, axis: int) -> tuple[Value, int] | None:
    """An input that has this size at this place, counted from the right (elementwise operations)."""
    size, behind = value.type.shape[axis], value.type.rank - axis
    if not (node.op.elementwise or len(node.inputs) == 1 or type(node.op).__name__ in ("ExpandBatch", "Concat")):
        return None
    axis_of_join = getattr(node.op, "axis", None)
    if type(node.op).__name__ == "Concat" and axis == axis_of_join:
        return None
    for x in node.inputs:
        at = x.type.rank - behind
        if at >= 0 and x.type.shape[at] == size:
            return x, at
    return None


# Operations that make some sizes themselves (axes of the result) and pass on the others of their first input.
_OWN_AXES: dict[str, tuple[int, ...]] = {
    "Dense": (-1,),
    "Embedding": (-1,),
    "OneHot": (-1,),
    "Rnn": (-1,),
    "Lstm": (-1,),
    "Gru": (-1,),
    "BatchNorm": (),
    "Attention": (),
    "Dropout": (),
}


# ---------------------------------------------------------------- sizes with a formula


def window(n: Size, kernel: Size, stride: Size, padding: Size, dilation: Size = 1) -> str:
    """`floor((14 - 2)/2) + 1`: the lecture's formula with its numbers, what is zero or one left out."""
    padded = f"{n} + 2*{padding}" if padding else f"{n}"
    reach = f"{kernel}" if dilation == 1 else f"{dilation}*({kernel} - 1) - 1"
    if stride == 1:
        return f"{padded} - {reach} + 1"
    return f"floor(({padded} - {reach})/{stride}) + 1"


def _conv(node: Node, axis: int) -> str:
    op: Any = node.op
    if not axis:
        return f"{op.channels} channels"
    n, out = node.inputs[0].type.shape[axis], node.outputs[0].type.shape[axis]
    at = axis - 1
    return f"{out} = {window(n, op.kernel[at], op.stride[at], op.padding[at], op.dilation[at])}"


def _transposed(node: Node, axis: int) -> str:
    op: Any = node.op
    if not axis:
        return f"{op.channels} channels"
    n, out = node.inputs[0].type.shape[axis], node.outputs[0].type.shape[axis]
    k, s, p, more, d = (getattr(op, f)[axis - 1] for f in ("kernel", "stride", "padding", "output_padding", "dilation"))
    reach = f"{k - 1}" if d == 1 else f"{d}*({k} - 1)"
    parts = [f"({n} - 1)*{s}", *([f"- 2*{p}"] if p else []), f"+ {reach}", *([f"+ {more}"] if more else []), "+ 1"]
    return f"{out} = {' '.join(parts)}"


def _pool(node: Node, axis: int) -> str:
    op: Any = node.op
    n, out = node.inputs[0].type.shape[axis], node.outputs[0].type.shape[axis]
    formula = window(n, op.size[axis - 1], op.stride[axis - 1], op.padding[axis - 1])
    return f"{out} = {formula.replace('floor', 'ceil') if op.ceil else formula}"


def _flat(origins: Origins, node: Node, axis: int) -> str:
    """`3136 = 64 * 7 * 7: ...`, of a tensor that becomes a vector."""
    y = node.outputs[0].type
    return f"{y.shape[0]} = {origins.product(node.inputs[0])}" if y.rank == 1 else ""


def _joined(origins: Origins, node: Node, axis: int) -> str:
    sizes = [x.type.shape[axis] for x in node.inputs]
    reasons = dict.fromkeys(origins.why(x, axis) for x in node.inputs)
    return f"{node.outputs[0].type.shape[axis]} = {' + '.join(map(str, sizes))}: {', '.join(reasons)}"


def _shaped(node: Node, axis: int) -> str:
    """`16 = 48 * 4 * 4 / 48`: the entries that the other axes leave."""
    x, y = node.inputs[0].type.shape, node.outputs[0].type.shape
    others = [_factor(n) for i, n in enumerate(y) if i != axis and n != 1]
    divisor = f" / ({' * '.join(others)})" if len(others) > 1 else f" / {others[0]}" if others else ""
    return f"{y[axis]} = {' * '.join(map(_factor, x)) or 1}{divisor}"


def _upsampled(node: Node, axis: int) -> str:
    op: Any = node.op
    n, out = node.inputs[0].type.shape[axis], node.outputs[0].type.shape[axis]
    return f"{out} = {n} * {op.factor[axis - 1]}" if axis else f"{out} channels"


def _padded(node: Node, axis: int) -> str:
    op: Any = node.op
    before, after = op.amount[axis]
    return f"{node.outputs[0].type.shape[axis]} = {before} + {node.inputs[0].type.shape[axis]} + {after}"


def _recurrent(node: Node, axis: int) -> str:
    op: Any = node.op
    out = node.outputs[0].type.shape[axis]
    return f"{out} = 2 directions * {op.units} units" if op.bidirectional else f"{out} units"


def _features(node: Node, axis: int) -> str:
    return f"{node.outputs[0].type.shape[axis]} features"


def _unit(node: Node, axis: int) -> str:
    return f"{node.outputs[0].type.shape[axis]} units"


_RULES: dict[str, Callable[[Node, int], str]] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _pool,
    "AvgPool": _pool,
    "Flatten": _shaped,
    "Reshape": _shaped,
    "Upsample": _upsampled,
    "Pad": _padded,
    "Rnn": _recurrent,
    "Lstm": _recurrent,
    "Gru": _recurrent,
    "Dense": _unit,
    "Embedding": _features,
}

# Sizes made of several others, each with its own place.
_SUMS: dict[str, Callable[[Origins, Node, int], str]] = {"Flatten": _flat, "Reshape": _flat, "Concat": _joined}
