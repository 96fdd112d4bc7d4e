"""A model or objective as one straight line of operations: calls entered, formals replaced by what was passed."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.ir.graph import Graph, Module, Node, Training, Value


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


class FlatObjective(NamedTuple):
    """The objective over values of the model's line: what it computes, and the scalar that is minimised."""

    line: list[FlatNode]
    result: Value


def flatten_objective(training: Training) -> FlatObjective:
    """What `minimize` adds to the line of the model; it reads the values in `training.reads`."""
    module = training.objective
    known = dict(zip(module.inputs, training.reads, strict=False))  # the step, if it is read, stays a formal
    line: list[FlatNode] = []
    _inline(module, known, line)
    result = module.outputs[0]
    return FlatObjective(line, known.get(result, result))
