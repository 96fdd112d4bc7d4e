"""The words of emitted files: what each docstring says. The same on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import comment
from nnspec.ir.types import show_shape

if TYPE_CHECKING:
    from nnspec.backends.program import ClassDef, Minimized, Program
    from nnspec.ir.graph import Graph, Value


def file_doc(graph: Graph, target: str) -> str:
    """The module docstring."""
    name = graph.path.replace("\\", "/").rsplit("/", 1)[-1]
    source = f" from {comment(name)}" if name else ""
    return f"{comment(graph.name)} for {target}, compiled by nnspec{source}."


def class_doc(definition: ClassDef, program: Program) -> str:
    """One line: what goes in and comes out, for one example."""
    module = definition.module
    entering = ", ".join(_signature(v, n) for v, n in zip(module.inputs, definition.inputs, strict=True))
    if definition is program.root:
        values = [*program.graph.outputs.values(), *program.graph.taps.values()]
    else:
        values = list(module.outputs)
    leaving = ", ".join(_signature(v, n) for v, n in zip(values, definition.returns, strict=True))
    if len({tuple(v.type.shape for v in m.inputs) for m in definition.modules}) > 1:
        return f"A block over {' and '.join(definition.inputs)}, in {len(definition.modules)} places of the model."
    line = f"{entering or 'no input'} -> {leaving}, for one example."
    return line if len(line) <= 80 else f"{', '.join(definition.inputs)} -> {', '.join(definition.returns)}."


def _signature(value: Value, name: str) -> str:
    return f"{name} {show_shape(value.type.shape)}"


def loss_doc(program: Program, minimized: Minimized) -> str:
    """What the function of an objective gives."""
    if len(program.objectives) == 1:
        return "What training minimises, averaged over the batch."
    pattern = comment(minimized.objective.pattern)
    return f"What is minimised over the parameters under {pattern}, averaged over the batch."
