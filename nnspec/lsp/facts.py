"""What is known of one model by place: plain values, which stay true where its text moves to other lines."""

from __future__ import annotations

from nnspec.diagnostics import Span
from nnspec.ir.graph import Graph
from nnspec.lsp.moves import Shift
from nnspec.record import Record
from nnspec.views.places import Place, places
from nnspec.views.receptive import Field, View
from nnspec.views.table import grouped


class Step(Record):
    """One use of a step: shapes before and after, what it owns and costs an example, the path of its layer."""

    span: Span
    before: str
    after: str
    parameters: int
    macs: str  # "" for none
    path: str  # "" without a layer of its own
    field: str  # its receptive field, "" where that is not known, and but for the first use


class Facts(Record):
    """One model: its steps in this file in the order of execution, and the types of its named tensors."""

    steps: tuple[Step, ...]
    fields: dict[str, str]

    def shifted(self, shift: Shift) -> Facts:
        if shift.still:
            return self
        return self.replace(steps=tuple(step.replace(span=shift.span(step.span)) for step in self.steps))


def facts_of(graph: Graph, path: str) -> Facts:
    """The facts of a model, those of steps in the file at `path` alone."""
    fields = {f.name: str(f.value.type) for f in graph.fields}
    for item in graph.root.flat():
        fields.update({v.name: str(v.type) for v in item.outputs if v.name})
    fields.update({name: str(value.type) for name, value in graph.outputs.items()})
    view, told, steps = View(graph), set[Span](), list[Step]()
    for place in places(graph):
        if place.span.path == path:
            first = place.span not in told  # the one that is shown
            told.add(place.span)
            steps.append(_step(place, view.fields(place.outputs[0]) if first else ()))
    return Facts(tuple(steps), fields)


def _step(place: Place, fields: tuple[Field, ...]) -> Step:
    before, after = place.shapes
    macs = grouped(place.macs) if place.macs else ""
    path = place.path if place.layers else ""
    return Step(place.span, before, after, place.parameters, macs, path, "; ".join(map(str, fields)))
