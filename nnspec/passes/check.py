"""Holds a finished graph to its own rules: every type derived again from the ops, every value made before it is read.

Tests call it on every graph they build; a compiler that breaks a rule fails here and not in emitted code.
"""

from __future__ import annotations

from collections.abc import Iterable

from nnspec.ir.graph import Call, Choice, Declare, Graph, Item, Layer, Loop, Module, Node, Sequence, Value
from nnspec.ir.types import TensorType
from nnspec.ops.core import ReadParameter


class GraphError(AssertionError):
    """A graph that the elaborator must never make."""


def check_graph(graph: Graph) -> None:
    """Raises GraphError at the first rule that does not hold."""
    _Checker(graph.root).module(graph.root)
    _paths(graph.root)
    for objective in graph.training.objectives if graph.training is not None else ():
        reads = [v.type for v in objective.reads]
        formals = [v.type for v in objective.module.inputs[: len(reads)]]
        _require(reads == formals, "the formals of the objective have other types than what it reads")
        captured = [c for c in objective.module.captures if isinstance(c, Value)]
        _require(not captured, f"the objective reads {captured} past its formals")
        _Checker(objective.module, graph.root).module(objective.module)
        (result,) = objective.module.outputs
        _require(result.type == TensorType("float32", (), False), f"the objective is {result}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise GraphError(message)


def _paths(root: Module) -> None:
    """Paths are unique, and those of a layer's parameters lie below it."""
    seen: set[str] = set()
    for layer in root.all_layers():
        for local, parameter in layer.parameters.items():
            _require(parameter.path not in seen, f"two parameters are called {parameter.path}")
            seen.add(parameter.path)
            wanted = f"{layer.path}.{local}" if local else layer.path
            _require(parameter.path == wanted, f"{parameter.path} is not {wanted}")
    for module in root.modules():
        prefix = f"{module.path}." if module.path else ""
        children: list[Layer | Module] = [*module.layers, *module.children]
        for owned in children:
            _require(owned.path == prefix + owned.name, f"{owned.path} is not {prefix}{owned.name}")
            _require(owned.owner is module, f"{owned.path} has another owner")


class _Checker:
    def __init__(self, root: Module, beside: Module | None = None) -> None:
        self.owned: set[Layer | Module] = set()
        for tree in (root, beside):
            if tree is not None:
                self.owned.update(tree.all_layers())
                self.owned.update(tree.modules())
        self.checked: set[Module] = set()

    def module(self, module: Module) -> None:
        if module in self.checked:
            return
        self.checked.add(module)
        known = {*module.inputs, *(c for c in module.captures if isinstance(c, Value))}
        mine: set[Layer | Module] = {*module.all_layers(), *module.modules()}
        mine.update(c for c in module.captures if not isinstance(c, Value))
        self.items(module.items, known, mine, module)
        self.reads(module.outputs, known, f"the outputs of {module.title}")

    def items(self, items: list[Item], known: set[Value], mine: set[Layer | Module], module: Module) -> None:
        for item in items:
            if isinstance(item, Node):
                self.node(item, known, mine)
            elif isinstance(item, Call):
                self.call(item, known, mine)
            elif isinstance(item, Sequence):
                self.reads((item.input,), known, f"the input of {item.name}")
                self.items(item.items, known, mine, module)
                self.reads((item.output,), known, f"the output of {item.name}")
            elif isinstance(item, Loop):
                self.loop(item, known, mine, module)
            elif isinstance(item, Choice):
                self.items(item.items, known, mine, module)
                if item.result is not None:
                    self.choice(item)
            elif isinstance(item, Declare):
                _require(item.target in mine, f"{item.target.path} is declared in another module")

    def choice(self, choice: Choice) -> None:
        last = choice.items[-1]
        ends = isinstance(last, Node) and type(last.op).__name__ == "Identity" and choice.result in last.outputs
        _require(ends, "a choice ends with the identity that gives its result")

    def loop(self, loop: Loop, known: set[Value], mine: set[Layer | Module], module: Module) -> None:
        count = len(loop.iterations)
        _require(len(loop.results) == len(loop.values) == count, "a loop has a result and values for each iteration")
        if loop.carried:
            _require(len(loop.inputs) == count, "a carried loop has an input for each iteration")
            _require(loop.inputs[1:] == loop.results[:-1], "each iteration starts where the last one ended")
        for index, items in enumerate(loop.iterations):
            if loop.carried:
                self.reads((loop.inputs[index],), known, "the input of an iteration")
            self.items(items, known, mine, module)
            self.reads((loop.results[index],), known, "the result of an iteration")

    def node(self, node: Node, known: set[Value], mine: set[Layer | Module]) -> None:
        name = type(node.op).__name__
        self.reads(node.inputs, known, name)
        if node.layer is not None:
            _require(node.layer in mine, f"{name} uses {node.layer.path}, which its module neither owns nor captures")
        types = tuple(v.type for v in node.inputs)
        found = node.op.infer(*types)
        results = found if isinstance(found, tuple) else (found,)
        given = tuple(v.type for v in node.outputs)
        _require(results == given, f"{name} gives {_types(results)}, the graph says {_types(given)}")
        if node.layer is not None and not isinstance(node.op, ReadParameter):
            shapes = {n: p.shape for n, p in node.op.params(*types).items()}
            stored = {n: p.shape for n, p in node.layer.parameters.items()}
            _require(shapes == stored, f"{name} declares {shapes}, {node.layer.path} stores {stored}")
        if node.op.elementwise and any(t.batched for t in types):
            rank = max(t.rank for t in types)
            _require(all(t.rank == rank for t in types if t.batched), f"{name} gets batched tensors of different ranks")
        known.update(node.outputs)

    def call(self, call: Call, known: set[Value], mine: set[Layer | Module]) -> None:
        module = call.module
        _require(module in mine, f"{module.path} is called by a module that neither owns nor captures it")
        self.reads(call.inputs, known, f"a call of {module.title}")
        self.reads((c for c in module.captures if isinstance(c, Value)), known, f"a capture of {module.title}")
        for captured in module.captures:
            if not isinstance(captured, Value):
                _require(captured in mine, f"{module.title} captures {captured.path}, which its caller does not have")
        given, wanted = tuple(v.type for v in call.inputs), tuple(v.type for v in module.inputs)
        _require(given == wanted, f"{module.title} takes {_types(wanted)}, a call gives {_types(given)}")
        given, wanted = tuple(v.type for v in call.outputs), tuple(v.type for v in module.outputs)
        _require(given == wanted, f"{module.title} gives {_types(wanted)}, a call says {_types(given)}")
        self.module(module)
        known.update(call.outputs)

    def reads(self, values: Iterable[Value], known: set[Value], who: str) -> None:
        for value in values:
            _require(value in known, f"{who} reads {value} before it is made")


def _types(types: Iterable[TensorType]) -> str:
    return ", ".join(f"{t}{'' if t.batched else ' of no batch'}" for t in types)
