"""How images lie in memory: which form of convolution wants which layout, and which ops know it.

A layout holds for every batched tensor of rank 3, so nothing has to be followed through blocks. What comes into the
model and what it returns stand channels first, as everywhere; an op that does not know the layout is given
channels first and what it gives is put back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.ir.graph import Value
from nnspec.passes.cost import executed
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse
    from nnspec.ir.graph import Graph, Node
    from nnspec.ir.types import TensorType


class Layout(Record):
    """`name` is the file of helpers, and the function that makes it; `axes` those of an array for (C, H, W)."""

    name: str
    axes: tuple[int, int, int]


# The form of convolution -> the layout it wants; None is channels first, the layout of the language.
LAYOUTS: dict[str, Layout | None] = {
    "dot": Layout("batch_last", (0, 1, 2)),
    "chunks": Layout("channels_last", (3, 1, 2)),
    "lax": None,
}

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_WINDOWED = ("Conv", "MaxPool", "AvgPool")
_CHANNELS_FIRST = (*_WINDOWED, "ConvTranspose", "AdaptiveAvgPool", "GlobalMaxPool", "GroupNorm", "InstanceNorm")
_ENTRYWISE = frozenset({"Unary", "Activation", "Dropout", "GaussianNoise", "Bernoulli", "Cast", "Identity"})
_MIXING = frozenset({"Prelu", "AlongAxis"})  # activations that tell channels apart
_REDUCTIONS = frozenset({"Sum", "Mean", "Max", "Min"})


def is_image(type: TensorType) -> bool:
    """Whether a tensor has the layout of images."""
    return type.batched and type.rank == 3


def convolutions(graph: Graph) -> list[Node]:
    """Every convolution, as often as it runs."""
    return [node for _, node in executed(graph.root) if type(node.op).__name__ in _CONVOLUTIONS]


def obstacle(graph: Graph) -> str:
    """Why a model can only have channels first; empty where any layout will do."""
    for _, node in executed(graph.root):
        kind, x = type(node.op).__name__, node.inputs[0].type if node.inputs else None
        if x is None:
            continue
        if kind in _WINDOWED and x.rank != 3:
            return f"{node.op.name} over {x.rank - 1} spatial axes"
        if kind == "Gradient":
            return "a derivative by a tensor"
        if kind == "Conv" and node.op.groups != 1:  # type: ignore[attr-defined]  # a Conv
            return "a convolution with groups"
        if kind == "BatchNorm" and x.rank not in (1, 3):
            return "batch_norm over one or three spatial axes"
        if kind in (*_CHANNELS_FIRST, "BatchNorm") and not x.batched:
            return f"{node.op.name} of a tensor that is the same for all examples"
    objectives = graph.training.objectives if graph.training is not None else ()
    if any(not isinstance(captured, Value) for o in objectives for captured in o.module.captures):
        return "an objective that calls layers of the model"
    return ""


def knows(use: OpUse, layout: Layout) -> bool:
    """Whether the row of an op computes on images as they lie."""
    kind = type(use.op).__name__
    if kind in (*_WINDOWED, "BatchNorm", "Flatten", "Concat", "Split"):
        return all(map(is_image, use.inputs))
    if kind in _REDUCTIONS:
        over, kept = use.value("axis"), use.value("keepdims")
        return kept is True or (layout.axes[0] == 3 and over == (1, 2))
    if use.op.elementwise:
        return all(is_image(t) or (not t.batched and not t.rank) for t in use.inputs)
    bases = {base.__name__ for base in type(use.op).__mro__}
    return bool(bases & _ENTRYWISE) and not bases & _MIXING
