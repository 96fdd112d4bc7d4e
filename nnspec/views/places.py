"""What is computed where in the text: every step of a model by its span, with shapes and costs."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from nnspec.diagnostics import Span
from nnspec.ir.graph import Call, Declare, Graph, Item, Layer, Loop, Module, Node, Value
from nnspec.ir.types import Size, show_shape
from nnspec.ops.registry import prelude_path
from nnspec.record import Record
from nnspec.syntax import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(Record):
    """One execution of a step: what goes in and out, what it owns, what it costs an example.

    `items` are the operations that the step became, in order (one, or those of its lowering), or one call of a block.
    `parameters` counts a shared layer at its first use only. `path` is that of its layer or block, or of the module
    around it.
    """

    span: Span
    path: str
    items: tuple[Node | Call, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: int
    macs: Size

    @property
    def shapes(self) -> tuple[str, str]:
        """The shapes before and after, as the language writes them."""
        return shapes_of(self.inputs), shapes_of(self.outputs)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers whose parameters the step itself reads."""
        return tuple(item.layer for item in self.items if isinstance(item, Node) and item.layer is not None)


def shapes_of(values: tuple[Value, ...]) -> str:
    return ", ".join(show_shape(v.type.shape) if v.type.rank else "scalar" for v in values)


def places(graph: Graph) -> list[Place]:
    """Every step of the model, then of what is minimised, in the order of execution; those of blocks once a use."""
    found: list[Place] = []
    counted: set[int] = set()
    _walk(graph.root, graph.root.items, found, counted)
    for objective in graph.training.objectives if graph.training is not None else ():
        _walk(objective.module, objective.module.items, found, counted)
    return found


class Makers:
    """Which operation made a value, and which value stands behind a block's input or a call's result.

    A call of a block of the prelude counts as one operation: what is inside is not in the user's files.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[Value, Node] = {}
        self.calls: dict[Value, Call] = {}
        self.behind: dict[Value, Value] = {}
        self.prelude = str(prelude_path())
        self._link(graph.root)
        for objective in graph.training.objectives if graph.training is not None else ():
            self.behind.update(zip(objective.module.inputs, objective.reads, strict=False))
            self._link(objective.module)

    def _link(self, module: Module) -> None:
        for item in module.flat():
            if isinstance(item, Node):
                self.nodes.update((value, item) for value in item.outputs)
                continue
            definition = item.module.definition
            if isinstance(definition, nodes.Node) and definition.span.path == self.prelude:
                self.calls.update((value, item) for value in item.outputs)
            else:
                self.behind.update(zip(item.outputs, item.module.outputs, strict=False))
            for inner, outer in zip(item.module.inputs, item.inputs, strict=False):
                self.behind.setdefault(inner, outer)
            self._link(item.module)


def _walk(module: Module, items: list[Item], found: list[Place], counted: set[int]) -> tuple[int, Size]:
    """Adds the places of some items of a module; their parameters and multiply-adds in all."""
    parameters, macs = 0, 0
    total: Size = macs
    for run in _runs(items):
        place: list[Node | Call] = []
        own, cost = 0, 0
        spent: Size = cost
        at = len(found)
        for item in run:
            if isinstance(item, Call):
                inside, more = _walk(item.module, item.module.items, found, counted)
                own, spent = own + inside, spent + more
            elif isinstance(item, Node):
                own += _parameters(item.layer, counted)
                spent = spent + item.op.macs(*(v.type for v in item.inputs))
            elif isinstance(item, Loop):
                for iteration in item.iterations:
                    inside, more = _walk(module, iteration, found, counted)
                    parameters, total = parameters + inside, total + more
                continue
            elif not isinstance(item, Declare):
                inside, more = _walk(module, item.items, found, counted)
                parameters, total = parameters + inside, total + more
                continue
            if isinstance(item, Node | Call):
                place.append(item)
        if place:
            found.insert(at, _place(module, place, own, spent))
            parameters, total = parameters + own, total + spent
    return parameters, total


def _runs(items: list[Item]) -> Iterator[list[Item]]:
    """Neighbours that one step became: operations at one place of the text, each reading the one before."""
    run: list[Item] = []
    for item in items:
        last = run[-1] if run else None
        joins = (
            isinstance(item, Node)
            and isinstance(last, Node)
            and item.span == last.span
            and not (item.layer is not None and last.layer is not None)
        )
        if not joins and run:
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _place(module: Module, items: list[Node | Call], parameters: int, macs: Size) -> Place:
    made = {value for item in items for value in item.outputs}
    inputs = tuple(dict.fromkeys(v for item in items for v in item.inputs if v not in made))
    last = items[-1]
    owner = next((i.layer.path for i in items if isinstance(i, Node) and i.layer is not None), module.path)
    path = last.module.path if isinstance(last, Call) else owner
    return Place(items[0].span, path, tuple(items), inputs, last.outputs, parameters, macs)


def _parameters(layer: Layer | None, counted: set[int]) -> int:
    """Those of a layer that was not met before."""
    if layer is None or id(layer) in counted:
        return 0
    counted.add(id(layer))
    return sum(prod(p.shape) for p in layer.parameters.values() if p.role != "buffer")
