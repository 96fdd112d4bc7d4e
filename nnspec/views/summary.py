"""The table of a model: one line an operation, with its output, parameters, multiply-adds and memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnspec.ir.types import Size, show_shape
from nnspec.passes.cost import batch_of, node_costs, sum_sizes, totals
from nnspec.views.table import grouped, size_of, table
from nnspec.views.wording import short

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph
    from nnspec.passes.cost import NodeCost

HEADER = ("layer", "operation", "output", "parameters", "multiply-adds", "memory")


def summary(graph: Graph, receptive: bool = False) -> str:
    """The operations in the order they run, their totals, and below what a training step takes.

    A shared layer's parameters count where it is used first. Multiply-adds and memory (of the outputs, in single
    precision) are those of one example. `receptive` adds what an entry of each output sees of the inputs.
    """
    costs = [cost for cost in node_costs(graph) if not _is_meeting(cost)]
    header: tuple[str, ...] = HEADER
    rows = [_cells(cost) for cost in costs]
    parameters = f"{sum(cost.parameters for cost in costs):,}"
    macs, memory = sum_sizes(cost.macs for cost in costs), sum_sizes(cost.memory for cost in costs)
    total: tuple[str, ...] = ("total", "", "", parameters, grouped(macs) or "0", _memory(memory))
    if receptive:
        header = (*HEADER, "receptive field")
        rows = [(*row, field) for row, field in zip(rows, _fields(graph, costs), strict=True)]
        total = (*total, "")
    title = f"{graph.name}: " + ", ".join(f"{f.name} {f.value.type}" for f in graph.fields)
    return "\n".join([title, "", table(header, rows, right="<<<>>>", total=total), *_notes(graph)])


def _cells(cost: NodeCost) -> tuple[str, ...]:
    shapes = ", ".join(show_shape(v.type.shape) if v.type.shape else "scalar" for v in cost.node.outputs)
    macs, parameters = grouped(cost.macs), grouped(cost.parameters)
    return _place(cost), short(cost.node.op), shapes, parameters, macs, _memory(cost.memory)


def _fields(graph: Graph, costs: list[NodeCost]) -> Iterator[str]:
    """Of each operation the receptive field of its first output."""
    from nnspec.views.receptive import receptive_fields

    found = receptive_fields(graph)
    for cost in costs:
        yield "; ".join(map(str, found.get(cost.node.outputs[0], ())))


def _place(cost: NodeCost) -> str:
    """The path of the layer; for an operation without parameters the user's name for its result, if it has one."""
    if cost.node.layer is not None:
        return cost.path
    names = ", ".join(v.name for v in cost.node.outputs if v.name)
    return ".".join(filter(None, [cost.path, f"({names})"])) if names else ""


def _is_meeting(cost: NodeCost) -> bool:
    """The place where the branches of an `if` meet: nothing is computed there."""
    return cost.op == "identity" and cost.node.layer is None


def _notes(graph: Graph) -> Iterator[str]:
    cost = totals(graph)
    if graph.dims:
        at = ", ".join(f"{name} = {size or 1}" for name, size in graph.dims.items())
        yield f"at {at}: {cost['macs']:,} multiply-adds an example"
    if graph.training is not None:
        yield f"a training step of {batch_of(graph)} examples: {size_of(cost['memory'])}"
    frozen = [p for p in graph.root.parameters() if not p.trainable and p.role != "buffer"]
    if frozen:
        yield f"frozen: {', '.join(p.path for p in frozen)}"


def _memory(size: Size) -> str:
    return size_of(size) if isinstance(size, int) else f"{size} B"
