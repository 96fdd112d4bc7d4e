"""A model or objective as one straight line of operations: calls entered, formals replaced by what was passed."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.ir.graph import Call, Graph, Item, Module, Node, Objective, Value


class FlatNode(NamedTuple):
    """One execution of a node. A node of a shared module stands here once for every call, with values of its own."""

    node: Node
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def flatten(graph: Graph) -> list[FlatNode]:
    """The model of `graph` in the order in which it computes."""
    return flatten_module(graph.root)


def flatten_module(module: Module) -> list[FlatNode]:
    """`module` with the modules that it calls; its own values keep their identity."""
    line: list[FlatNode] = []
    _inline(module, {}, line, outermost=True)
    return line


def _inline(module: Module, known: dict[Value, Value], line: list[FlatNode], outermost: bool = False) -> None:
    """`known` maps values of the modules around, and the formals, to values of the line."""
    for item in module.flat():
        inputs = tuple(known.get(v, v) for v in item.inputs)
        if isinstance(item, Node):
            outputs = item.outputs
            if not outermost:
                outputs = tuple(Value(v.type, v.span, v.name) for v in item.outputs)
                known.update(zip(item.outputs, outputs, strict=True))
            line.append(FlatNode(item, inputs, outputs))
            continue
        inner = {**known, **dict(zip(item.module.inputs, inputs, strict=True))}
        _inline(item.module, inner, line)
        for actual, formal in zip(item.outputs, item.module.outputs, strict=True):
            known[actual] = inner.get(formal, formal)


def write_out(module: Module) -> None:
    """Replaces the calls of what `module` owns by their nodes. For an objective: a function has no members."""
    own = {*module.modules()}
    if not any(isinstance(item, Call) and item.module in own for item in module.flat()):
        return
    known: dict[Value, Value] = {}
    module.items = _written_out(module, own, known)
    module.outputs = [known.get(value, value) for value in module.outputs]


def _written_out(module: Module, own: set[Module], known: dict[Value, Value]) -> list[Item]:
    """`known` maps formals, results of calls and values of the modules entered to those of the outermost."""
    items: list[Item] = []
    for item in module.flat():
        inputs = tuple(known.get(v, v) for v in item.inputs)
        if isinstance(item, Call) and item.module in own:
            inner = {**known, **dict(zip(item.module.inputs, inputs, strict=True))}
            items += _written_out(item.module, own, inner)
            for actual, formal in zip(item.outputs, item.module.outputs, strict=True):
                known[actual] = inner.get(formal, formal)
            continue
        outputs = tuple(Value(v.type, v.span, v.name) for v in item.outputs)
        known.update(zip(item.outputs, outputs, strict=True))
        if isinstance(item, Node):
            items.append(Node(item.op, inputs, outputs, item.span, item.layer, written=item.written))
        else:
            items.append(Call(item.module, inputs, outputs, item.span))
    return items


def flatten_with(graph: Graph, objectives: tuple[Objective, ...]) -> tuple[list[FlatNode], list[list[FlatNode]]]:
    """The model of `graph`, and each objective as a line of its own that reads the values of the model's."""
    line: list[FlatNode] = []
    known: dict[Value, Value] = {}  # also of what calls return, which an objective may read
    _inline(graph.root, known, line, outermost=True)
    lines: list[list[FlatNode]] = []
    for objective in objectives:
        own = dict(known)
        reads = zip(objective.module.inputs, objective.reads, strict=False)  # the step, if it is read, stays a formal
        own.update({formal: known.get(value, value) for formal, value in reads})
        lines.append([])
        _inline(objective.module, own, lines[-1])
    return line, lines


class FlatTraining(NamedTuple):
    """A model and its objective as one line, and the scalar that is minimised."""

    line: list[FlatNode]
    result: Value


def flatten_training(graph: Graph) -> FlatTraining:
    """The model of `graph`, then what `minimize` adds to it. There is a train block."""
    assert graph.training is not None
    line: list[FlatNode] = []
    known: dict[Value, Value] = {}  # also of what calls return, which the objective may read
    _inline(graph.root, known, line, outermost=True)
    module = graph.training.objective
    reads = zip(module.inputs, graph.training.reads, strict=False)  # the step, if it is read, stays a formal
    known.update({formal: known.get(value, value) for formal, value in reads})
    _inline(module, known, line)
    result = module.outputs[0]
    return FlatTraining(line, known.get(result, result))
