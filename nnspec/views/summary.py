"""The table of a model: one line an operation, with its output, parameters, multiply-adds and memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnspec.ir.dims import Dim
from nnspec.ir.graph import Call, Graph, Layer, Module, Node
from nnspec.ir.types import Size, TensorType, product, show_shape
from nnspec.record import Record
from nnspec.views.table import grouped, size_of, table
from nnspec.views.wording import short

if TYPE_CHECKING:
    from nnspec.ir.graph import Item

HEADER = ("layer", "operation", "output", "parameters", "multiply-adds", "memory")
FLOAT_BYTES, INDEX_BYTES = 4, 8


class Row(Record):
    """One operation. `memory` is the bytes of its output for one example, in single precision."""

    path: str
    operation: str
    output: str
    parameters: int
    macs: Size
    memory: Size


def rows(graph: Graph) -> Iterator[Row]:
    """Operations in the order they run; a shared layer's parameters are counted where it is used first."""
    counted: set[Layer] = set()
    for module, node in _nodes(graph.root):
        if type(node.op).__name__ == "Identity" and node.layer is None:
            continue  # the place where the branches of an `if` meet
        layer = node.layer
        parameters = 0
        if layer is not None and layer not in counted:
            counted.add(layer)
            parameters = sum(_count(p.shape) for p in layer.parameters.values() if p.role != "buffer")
        yield Row(
            layer.path if layer is not None else _place(module, node),
            short(node.op),
            ", ".join(show_shape(v.type.shape) if v.type.shape else "scalar" for v in node.outputs),
            parameters,
            node.op.macs(*(v.type for v in node.inputs)),
            sum((_bytes(v.type) for v in node.outputs), start=0),
        )


def summary(graph: Graph) -> str:
    """The table with a line of totals, and what stays open or is frozen in a sentence below."""
    found = list(rows(graph))
    cells = [(r.path, r.operation, r.output, grouped(r.parameters), grouped(r.macs), _memory(r.memory)) for r in found]
    parameters = sum(r.parameters for r in found)
    macs = sum((r.macs for r in found), start=0)
    memory = sum((r.memory for r in found), start=0)
    total = ("total", "", "", f"{parameters:,}", grouped(macs) or "0", _memory(memory))
    title = f"{graph.name}: " + ", ".join(f"{f.name} {f.value.type}" for f in graph.fields)
    return "\n".join([title, "", table(HEADER, cells, right="<<<>>>", total=total), *_notes(graph, macs, memory)])


def _notes(graph: Graph, macs: Size, memory: Size) -> Iterator[str]:
    frozen = sum(_count(p.shape) for p in graph.root.parameters() if not p.trainable and p.role != "buffer")
    if frozen:
        yield f"frozen: {frozen:,} parameters"
    known = {name: size for name, size in graph.dims.items() if size is not None}
    if known and len(known) == len(graph.dims) and any(isinstance(n, Dim) for n in (macs, memory)):
        at = ", ".join(f"{name} = {size}" for name, size in known.items())
        yield f"at {at}: {_at(macs, known):,} multiply-adds, {size_of(_at(memory, known))}"


def _nodes(module: Module) -> Iterator[tuple[Module, Node]]:
    for item in module.flat():
        if isinstance(item, Call):
            yield from _nodes(item.module)
        else:
            yield module, item


def _place(module: Module, item: Item) -> str:
    """Where an operation without parameters stands: the user's name for its result, if it has one."""
    names = [v.name for v in item.outputs if v.name] if isinstance(item, Node) else []
    return ".".join(filter(None, [module.path, f"({', '.join(names)})" if names else ""])) if names else ""


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _bytes(type: TensorType) -> Size:
    width = FLOAT_BYTES if type.is_float else 1 if type.dtype in ("bool", "uint8") else INDEX_BYTES
    return product(type.shape) * width


def _memory(size: Size) -> str:
    return size_of(size) if isinstance(size, int) else f"{size} B"


def _at(size: Size, sizes: dict[str, int]) -> int:
    return size if isinstance(size, int) else size.evaluate(sizes)
