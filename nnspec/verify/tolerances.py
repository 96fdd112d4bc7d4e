"""How much two backends may differ. One table; an exception is a row with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.ir.flatten import flatten
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph, Value


class Tolerance(Record):
    """Two numbers agree when |a - b| <= atol + rtol * |b|. Never scaled by the size of a tensor."""

    rtol: float
    atol: float


TOLERANCES: dict[str, Tolerance] = {
    "float64": Tolerance(1e-10, 1e-12),
    "float32": Tolerance(2e-5, 2e-6),
    "differences": Tolerance(1e-7, 1e-9),  # central differences with h = 1e-6 against bprop, in float64
}

# (optimizer, dtype) -> tolerance of its updates, with the reason.
UPDATES: dict[tuple[str, str], tuple[Tolerance, str]] = {}


# Batch norms one after another -> tolerance in float64. In training each divides by a deviation that holds the rounding
# of all before it, and gradients grow on the way back. Against the same step in 80-bit floats every backend is equally
# far from the truth: ResNet-50 over 8 images of 32 pixels uses up to 27 of the ordinary tolerance in NumPy (-O0 and
# -O1) and PyTorch alike, where gradients reach 350; between backends ResNet-101 uses 500 of it, ResNet-152 5,900.
DEEP: tuple[tuple[int, Tolerance], ...] = ((81, Tolerance(1e-10, 1e-8)), (41, Tolerance(1e-10, 1e-9)))
TOO_DEEP = 81  # so many that a step of 1e-6 along a direction crosses kinks: finite differences say nothing


def tolerance(dtype: str, graph: Graph | None = None) -> Tolerance:
    """What a model may use; wider where many batch norms follow each other."""
    if dtype == "float64" and graph is not None:
        depth = depth_of_norms(graph)
        return next((allowed for norms, allowed in DEEP if depth >= norms), TOLERANCES[dtype])
    return TOLERANCES[dtype]


def depth_of_norms(graph: Graph) -> int:
    """How many batch norms lie on the longest way through a model."""
    depths: dict[Value, int] = {}
    for step in flatten(graph):
        before = max((depths.get(value, 0) for value in step.inputs), default=0)
        here = before + (type(step.node.op).__name__ == "BatchNorm")
        depths.update(dict.fromkeys(step.outputs, here))
    return max(depths.values(), default=0)
