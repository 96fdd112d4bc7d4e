"""What a model costs: parameters, multiply-adds, memory; in all and layer by layer (decision 12)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.graph import Call, Graph, Module, Node
from nnspec.ir.types import Size, TensorType, product
from nnspec.record import Record

BYTES = {"float32": 4, "int32": 4, "int64": 8, "class": 8, "uint8": 1, "bool": 1}
DEFAULT_BATCH = 32


class NodeCost(Record):
    """One executed operation: where it stands, what it gives, what it costs an example.

    `path` is that of its layer, or of the module it stands in. `parameters` counts a shared layer at its first
    use only. `memory` is the bytes of its outputs for one example.
    """

    path: str
    op: str
    node: Node
    output: TensorType
    parameters: int
    macs: Size
    memory: Size


def totals(graph: Graph, batch: int | None = None) -> dict[str, int]:
    """`parameters` (shared once, frozen too, no buffers), `macs` and `flops` of an example, `memory` in bytes.

    Open sizes count with their defaults, or 1. `memory` is that of one training step: parameters, their
    gradients and the optimizer's state, buffers, and for `batch` examples (default: `train.batch`) every
    input and every output of an operation once, since the backward pass reads them.
    """
    sizes = {name: size or 1 for name, size in graph.dims.items()}
    macs: Size = 0
    kept: Size = sum_sizes(bytes_of(f.value.type) for f in graph.fields)
    fixed: Size = 0
    for path, node in executed(graph.root):
        del path
        macs = macs + node.op.macs(*(v.type for v in node.inputs))
        for output in node.outputs:
            if output.type.batched:
                kept = kept + bytes_of(output.type)
            elif node.layer is None:
                fixed = fixed + bytes_of(output.type)
    every = list(graph.root.parameters())
    weights = sum(prod(p.shape) for p in every if p.role != "buffer")
    buffers = sum(prod(p.shape) for p in every if p.role == "buffer")
    state = 4 * (weights * (2 + slots_of(graph)) + buffers)
    examples = batch if batch is not None else batch_of(graph)
    memory = state + evaluate(fixed, sizes) + examples * evaluate(kept, sizes)
    count = evaluate(macs, sizes)
    return {"parameters": weights, "macs": count, "flops": 2 * count, "memory": memory}


def node_costs(graph: Graph) -> list[NodeCost]:
    """Every operation in the order of execution, for tables."""
    counted: set[str] = set()
    rows: list[NodeCost] = []
    for path, node in executed(graph.root):
        parameters = 0
        if node.layer is not None:
            path = node.layer.path
            if path not in counted:
                parameters = sum(prod(p.shape) for p in node.layer.parameters.values() if p.role != "buffer")
            counted.add(path)
        types = tuple(v.type for v in node.inputs)
        name = node.op.name or type(node.op).__name__
        memory = sum_sizes(bytes_of(v.type) for v in node.outputs)
        rows.append(NodeCost(path, name, node, node.outputs[0].type, parameters, node.op.macs(*types), memory))
    return rows


def executed(module: Module) -> Iterator[tuple[str, Node]]:
    """Every node as often as it runs, with the path of the module it stands in."""
    for item in module.flat():
        if isinstance(item, Call):
            yield from executed(item.module)
        else:
            yield module.path, item


def batch_of(graph: Graph) -> int:
    """`train.batch` where it is a number."""
    found = graph.training.settings.get("batch") if graph.training is not None else None
    return found if isinstance(found, int) and not isinstance(found, bool) else DEFAULT_BATCH


def bytes_of(type: TensorType) -> Size:
    return product(type.shape) * BYTES[type.dtype]


def sum_sizes(sizes: Iterator[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


def slots_of(graph: Graph) -> int:
    """State tensors that the optimizer keeps for a parameter."""
    if graph.training is None:
        return 0
    return max((len(g.optimizer.state_names()) for g in graph.training.groups if g.optimizer is not None), default=0)


def show_size(size: Size) -> str:
    return f"{size:,}" if not isinstance(size, Dim) else str(size)
