"""What is known of one version of a document: tree, names, diagnostics, and the steps of its models by place."""

from __future__ import annotations

from functools import cached_property

from nnspec.compiler import check
from nnspec.diagnostics import Reporter, Span
from nnspec.ir.graph import Graph
from nnspec.loader import load_program
from nnspec.lsp.names import Names
from nnspec.lsp.paint import Painted, paint
from nnspec.passes.elaborate import elaborate
from nnspec.passes.program import Program
from nnspec.passes.resolve import resolve
from nnspec.syntax import nodes, parse
from nnspec.syntax.lexer import normalise
from nnspec.views.places import Place, places


class Syntax:
    """The cheap half: text, tree, names. Made anew at every keystroke."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, normalise(text)
        self.lines = self.text.split("\n")

    @cached_property
    def tree(self) -> nodes.File:
        return parse(self.text, self.path, Reporter())

    @cached_property
    def names(self) -> Names:
        return Names({self.path: self.tree}, self.path)

    @cached_property
    def painted(self) -> list[Painted]:
        """Every token with its colour, in the order of the text."""
        return paint(self.text, self.path, self.names)


class Analysis(Syntax):
    """The whole of it: imports read, all models elaborated as far as they go, broken ones too."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(path, text)
        self.checked = check(path, text=text)
        unsaid = Reporter()  # what is wrong is in `checked`
        self.program: Program | None = load_program(path, unsaid, dict[str, str](), text=text)
        self.graphs: dict[str, Graph] = {name: spec.graph for name, spec in self.checked.specs.items()}
        if self.program is not None and not self.checked.ok:
            resolve(self.program, unsaid)
            for model in self.program.models():
                graph = elaborate(self.program, model, None, unsaid, partial=True)
                if graph is not None:
                    self.graphs[model.name.id] = graph

    @cached_property
    def tree(self) -> nodes.File:
        return self.program.main if self.program is not None else super().tree

    @cached_property
    def names(self) -> Names:
        return Names(self.program.files if self.program is not None else {self.path: self.tree}, self.path)

    @cached_property
    def uses(self) -> dict[Span, list[tuple[Graph, Place]]]:
        """Every step of this file by its place, with its uses; those of the default model first."""
        found: dict[Span, list[tuple[Graph, Place]]] = {}
        for graph in reversed(self.graphs.values()):
            for place in places(graph):
                if place.span.path == self.path:
                    found.setdefault(place.span, []).append((graph, place))
        return found

    @cached_property
    def fields(self) -> dict[str, str]:
        """Types of inputs, targets, outputs and named tensors by name; of the last model where several have it."""
        found: dict[str, str] = {}
        for graph in self.graphs.values():
            found.update({f.name: str(f.value.type) for f in graph.fields})
            for item in graph.root.flat():
                found.update({v.name: str(v.type) for v in item.outputs if v.name})
            found.update({name: str(value.type) for name, value in graph.outputs.items()})
        return found

    def step_at(self, line: int, column: int) -> list[tuple[Graph, Place]]:
        """The innermost step at a place (from 1), with its uses."""
        inside = [
            span for span in self.uses if (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)
        ]
        if not inside:
            return []
        return self.uses[min(inside, key=lambda s: (s.end_line - s.line, s.end_column - s.column))]

    @cached_property
    def hints(self) -> list[tuple[int, int, str]]:
        """(line, column, shape) behind the steps of pipelines, from 1: where a line ends or the shape changes."""
        steps = _steps(self.tree)
        ends: dict[tuple[int, int], tuple[str, bool]] = {}
        for span, found in self.uses.items():
            if (span.line, span.column, span.end_line, span.end_column) not in steps:
                continue
            shapes = dict.fromkeys(place.shapes[1] for _, place in found)
            ends[span.end_line, span.end_column] = (next(iter(shapes)), len(shapes) > 1)
        hints, order = [], sorted(ends)
        for number, (line, column) in enumerate(order):
            shape, several = ends[line, column]
            after = order[number + 1] if number + 1 < len(order) else (0, 0)
            if after[0] != line or ends[after][0] != shape:
                hints.append((line, column, shape + (", ..." if several else "")))
        return hints


def _steps(tree: nodes.File) -> set[tuple[int, int, int, int]]:
    """The places of the steps of all pipelines but their first, and of values that are a single call."""
    found: set[tuple[int, int, int, int]] = set()
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Pipeline):
            found.update(_key(step.value.span) for step in node.steps)
        elif isinstance(node, nodes.Bind | nodes.Output):
            found.add(_key(node.value.span))
        elif isinstance(node, nodes.Train):
            continue
        if isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return found


def _key(span: Span) -> tuple[int, int, int, int]:
    return span.line, span.column, span.end_line, span.end_column
