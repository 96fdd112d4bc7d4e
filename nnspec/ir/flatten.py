"""A model or objective as one straight line of operations: calls entered, formals replaced by what was passed."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.ir.graph import Graph, Module, Node, Value


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
