"""Which ops have a planned kernel, and how its object is made: a table for `planned.py`.

A row is given the node and answers with a `Unit`, or None where the kernel does not fit (another rank, a setting
it does not have); the op is then done by its textbook functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.backends.source import literal
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.ir.flatten import FlatNode
    from nnspec.ir.graph import Value
    from nnspec.ops.base import Op


class Unit(Record):
    """How one op stands in a planned step.

    `kind` is the class, `arguments` its constructor's (over `model`, `n`, `dtype`, `{layer}`), `keywords` come last.
    `takes` and `gives` are layouts: "rows", "grid", "any" (of the input). `in_place`: the kernel may overwrite its
    input, and is told so by an argument. `own_gradient`: dx is dy, changed. `lends`: an array for dx is lent.
    `reads_output`: backward needs y as it was given. `gradients`: the constructor is told where those of parameters
    go; `scratch`: it shares arrays with others.
    """

    kind: str
    arguments: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    takes: str = "rows"
    gives: str = "rows"
    in_place: bool = False
    own_gradient: bool = False
    lends: bool = False
    reads_output: bool = False
    gradients: bool = False
    scratch: bool = False


Make = Callable[["FlatNode"], "Unit | None"]

UNITS: dict[str, Make] = {}


def unit(*names: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        for name in names:
            UNITS[name] = make
        return make

    return add


def shape_of(value: Value) -> str:
    return literal(tuple(value.type.shape))


def batched(flat: FlatNode, *ranks: int) -> bool:
    """Whether every input has a batch axis and the first one of these ranks."""
    return all(v.type.batched and v.type.is_float for v in flat.inputs) and flat.inputs[0].type.rank in ranks


@unit("Dense")
def dense(flat: FlatNode) -> Unit | None:
    if not batched(flat, 1, 2, 3):
        return None
    return Unit("PlannedDense", ("{layer}", shape_of(flat.inputs[0]), "n"), lends=True, gradients=True)


@unit("Embedding")
def embedding(flat: FlatNode) -> Unit | None:
    if not flat.inputs[0].type.batched or flat.inputs[0].type.rank not in (0, 1, 2):
        return None
    return Unit("PlannedEmbedding", ("{layer}", shape_of(flat.inputs[0]), "n"), gradients=True)


@unit("Conv")
def conv(flat: FlatNode) -> Unit | None:
    if not batched(flat, 2, 3):
        return None
    arguments = ("{layer}", shape_of(flat.inputs[0]), "n")
    return Unit("PlannedConv", arguments, takes="grid", gives="grid", lends=True, gradients=True, scratch=True)


@unit("BatchNorm")
def batch_norm(flat: FlatNode) -> Unit | None:
    if not batched(flat, 2, 3):
        return None
    arguments = ("{layer}", shape_of(flat.inputs[0]), "n")
    return Unit("PlannedBatchNorm", arguments, takes="grid", gives="grid", own_gradient=True, gradients=True)


def _pool(op: Op, **extra: tuple[Any, Any]) -> tuple[str, ...]:
    """`2, stride=1`: size, and what is not its default."""
    pool: Any = op
    found = [literal(_one(pool.size))]
    if pool.stride != pool.size:
        found.append(f"stride={literal(_one(pool.stride))}")
    settings = {"padding": (_one(pool.padding), 0), "ceil": (pool.ceil, False), **extra}
    return (*found, *(f"{name}={literal(value)}" for name, (value, default) in settings.items() if value != default))


def _one(sizes: Any) -> Any:
    return sizes[0] if isinstance(sizes, tuple) and len(set(sizes)) == 1 else sizes


@unit("MaxPool", "AvgPool")
def pool(flat: FlatNode) -> Unit | None:
    if not batched(flat, 2, 3):
        return None
    op: Any = flat.node.op
    extra = {} if type(op).__name__ == "MaxPool" else {"count_include_pad": (op.count_include_pad, True)}
    first, *rest = _pool(op, **extra)
    return Unit(
        f"Planned{type(op).__name__}",
        (shape_of(flat.inputs[0]), "n", "dtype", first),
        tuple(rest),
        takes="grid",
        gives="grid",
        lends=True,
        reads_output=type(op).__name__ == "MaxPool",
    )


@unit("Mean")
def global_average(flat: FlatNode) -> Unit | None:
    op: Any = flat.node.op
    rank = flat.inputs[0].type.rank
    if not batched(flat, 3) or tuple(op.axis or ()) != tuple(range(1, rank)) or op.keepdims:
        return None
    arguments = (shape_of(flat.inputs[0]), "n", "dtype")
    return Unit("PlannedGlobalAverage", arguments, takes="grid", lends=True)


def _activation(name: str, kind: str, **settings: tuple[str, Any]) -> None:
    @unit(name)
    def make(flat: FlatNode) -> Unit | None:
        if not flat.inputs[0].type.batched or not flat.inputs[0].type.is_float:
            return None
        keywords = tuple(f"{k}={literal(getattr(flat.node.op, s))}" for k, (s, _) in settings.items())
        return Unit(
            kind,
            ("{array}", "dtype"),
            keywords,
            takes="any",
            gives="any",
            in_place=True,
            own_gradient=True,
            reads_output=True,
        )


for _name in ("Relu", "Tanh", "Sigmoid", "Silu"):
    _activation(_name, f"Planned{_name}")
_activation("LeakyRelu", "PlannedLeakyRelu", slope=("slope", 0.01))


@unit("Gelu")
def gelu(flat: FlatNode) -> Unit | None:
    x, op = flat.inputs[0].type, flat.node.op
    if not x.batched or not x.is_float:
        return None
    kind = "PlannedGeluTanh" if getattr(op, "approximate", "") == "tanh" else "PlannedGelu"
    return Unit(kind, ("{array}", "dtype"), takes="any", gives="any", in_place=True, own_gradient=True)


@unit("LayerNorm", "RmsNorm")
def layer_norm(flat: FlatNode) -> Unit | None:
    if not batched(flat, 1, 2, 3) or flat.node.layer is None or not flat.node.layer.parameters:
        return None
    kind = "PlannedLayerNorm" if type(flat.node.op).__name__ == "LayerNorm" else "PlannedRMSNorm"
    return Unit(kind, ("{layer}", shape_of(flat.inputs[0]), "n"), lends=True, gradients=True)


@unit("Attention")
def attention(flat: FlatNode) -> Unit | None:
    if not batched(flat, 2):
        return None
    op: Any = flat.node.op
    shapes = tuple(map(shape_of, flat.inputs))
    return Unit("PlannedAttention", (literal(op.heads), literal(op.causal), *shapes, "n", "dtype"), lends=True)


@unit("Split")
def split(flat: FlatNode) -> Unit | None:
    """On the last axis of rows, where what reads the parts can write their gradients side by side."""
    op: Any = flat.node.op
    if not batched(flat, 1, 2, 3) or op.axis != flat.inputs[0].type.rank - 1:
        return None
    return Unit("PlannedSplit", (shape_of(flat.inputs[0]), literal(tuple(op.parts)), "n", "dtype"))


@unit("Flatten")
def flatten(flat: FlatNode) -> Unit | None:
    if not batched(flat, 3):
        return None
    arguments = (shape_of(flat.inputs[0]), "n", "dtype")
    return Unit("PlannedToRows", arguments, ("flat=True",), takes="grid", lends=True)


@unit("Add")
def add(flat: FlatNode) -> Unit | None:
    a, b = (v.type for v in flat.inputs)
    if not (a.batched and b.batched and a.is_float and b.is_float) or a.shape != b.shape or not a.shape:
        return None
    return Unit("PlannedAdd", ("{array}", "dtype"), takes="any", gives="any", in_place=True)


def _entry_loss(name: str, kind: str) -> None:
    @unit(name)
    def make(flat: FlatNode) -> Unit | None:
        op: Any = flat.node.op
        y, t = flat.inputs
        plain = op.weight is None and op.reduction == "mean" and y.type.shape == t.type.shape
        if not plain or not batched(flat, *range(8)) or not t.type.is_float:
            return None
        return Unit(kind, (shape_of(y), "n", "dtype", "total"))


_entry_loss("Mse", "PlannedMSE")
_entry_loss("BinaryCrossEntropy", "PlannedBinaryCrossEntropy")


@unit("CrossEntropy")
def cross_entropy(flat: FlatNode) -> Unit | None:
    op: Any = flat.node.op
    z, label = (v.type for v in flat.inputs)
    plain = op.weight is None and op.ignore is None and not op.label_smoothing and op.reduction == "mean"
    if not plain or not (z.batched and label.batched) or label.is_float or op.axis != z.rank - 1:
        return None
    return Unit("PlannedCrossEntropy", (shape_of(flat.inputs[0]), "n", "dtype", "total"))


LOSSES = {
    "PlannedCrossEntropy",
    "PlannedMSE",
    "PlannedBinaryCrossEntropy",
}  # their forward overwrites the prediction, their backward gives its gradient there
