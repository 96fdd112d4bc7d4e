"""What an output stands for: the target it is compared with, and the class its numbers name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.ir.graph import Node
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph, Objective, Training, Value

    Array = np.ndarray[Any, Any]


class Pair(Record):
    """An output and the target that a loss or a metric compares it with.

    `classes` is the C of a `class(C)` target, else 0. `axis` is where an example of the output has its
    classes, None where it has one number for both classes (a logit, or a margin around 0).
    """

    output: str
    target: str
    classes: int
    axis: int | None


def pairs(graph: Graph) -> list[Pair]:
    """Outputs with their targets: those of the metrics, then those of the losses in the objective."""
    training = graph.training
    if training is None:
        return []
    compared = [(m.prediction, m.target) for m in training.metrics] + list(_losses(training))
    names = {value: name for name, value in graph.outputs.items()}
    targets = {field.value: field for field in graph.fields if field.role == "target"}
    found: dict[tuple[str, str], Pair] = {}
    for prediction, target in compared:
        if prediction in names and target in targets:
            pair = _pair(names[prediction], targets[target].name, prediction, target)
            found.setdefault((pair.output, pair.target), pair)
    return list(found.values())


def _pair(output: str, name: str, prediction: Value, target: Value) -> Pair:
    classes = target.type.classes
    shape, rank = prediction.type.shape, prediction.type.rank
    axis = (rank - 1 if rank <= 2 else 0) if rank else None  # as cross_entropy and accuracy read it
    if not classes or axis is None or shape[axis] != classes or rank != target.type.rank + 1:
        axis = None
    return Pair(output, name, classes, axis)


def _losses(training: Training) -> list[tuple[Value, Value]]:
    """Prediction and target of every loss in the objectives, as values of the model."""
    return [pair for objective in training.objectives for pair in _losses_of(objective)]


def _losses_of(objective: Objective) -> list[tuple[Value, Value]]:
    module = objective.module
    origin = dict(zip(module.inputs, objective.reads, strict=False))
    made = {value: node for node in module.flat() if isinstance(node, Node) for value in node.outputs}

    def root(value: Value) -> Value | None:
        while value not in origin:
            node = made.get(value)
            if node is None or len(node.inputs) != 1:
                return None
            value = node.inputs[0]
        return origin[value]

    found = []
    for node in made.values():
        if node.op.family == "loss" and len(node.inputs) == 2:
            prediction, target = (root(value) for value in node.inputs)
            if prediction is not None and target is not None:
                found.append((prediction, target))
    return found


def class_of(pair: Pair, output: Array) -> Array | None:
    """The number of the class that each example's output names; None where it names none.

    The largest of the classes' numbers, or, of one number for two classes, whether it is above 0.
    """
    if not pair.classes:
        return None
    if pair.axis is not None:
        return np.asarray(np.argmax(output, axis=pair.axis + 1))
    if pair.classes == 2:
        flat = output.reshape(len(output), -1)
        return (flat[:, 0] > 0).astype(np.int64) if flat.shape[1] == 1 else (output > 0).astype(np.int64)
    return None
