"""What is known of one text of a document: tree and names at once, the rest after a check of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

from nnspec.compiler import Check, check
from nnspec.diagnostics import Diagnostic, Fix, Reporter, Span
from nnspec.fixes import fixes_of
from nnspec.loader import imported, load_program
from nnspec.lsp.facts import Facts, Step
from nnspec.lsp.memory import Memory
from nnspec.lsp.names import Names
from nnspec.lsp.paint import Painted, paint
from nnspec.passes.program import Program
from nnspec.syntax import nodes
from nnspec.syntax.lexer import normalise


class Syntax:
    """The cheap half: text, tree, names. Made anew at every keystroke.

    `unsaved` are the texts of open files by real path.
    """

    def __init__(self, path: str, text: str, memory: Memory, unsaved: Mapping[str, str]) -> None:
        self.path, self.text, self.memory = path, normalise(text), memory
        self.lines = self.text.split("\n")
        self.unsaved = unsaved

    @cached_property
    def program(self) -> Program:
        """This file and what it imports; what is wrong with them is said by the analysis."""
        parse, unsaid = self.memory.parse, Reporter()
        found = load_program(self.path, unsaid, dict[str, str](), text=self.text, parse=parse, unsaved=self.unsaved)
        return found or Program(parse(self.text, self.path, unsaid))

    @property
    def tree(self) -> nodes.File:
        return self.program.main

    @cached_property
    def names(self) -> Names:
        return Names(self.program, self.path)

    @cached_property
    def painted(self) -> list[Painted]:
        """Every token with its colour, in the order of the text."""
        return paint(self.text, self.path, self.names)

    def import_at(self, line: int, column: int) -> str:
        """The path of the file whose import stands at a place (from 1), "" where there is none or it was not found."""
        for d in self.tree.declarations:
            if isinstance(d, nodes.Import) and d.span.line == line and d.span.column <= column <= d.span.end_column:
                target = imported(self.path, d.path.value)
                return target if target in self.program.files else ""
        return ""


class Analysis:
    """The whole of it: imports read, all models elaborated as far as they go, broken ones too.

    Raises `nnspec.passes.program.Abandoned` when another thread cancels `memory`.
    """

    def __init__(self, path: str, text: str, memory: Memory, unsaved: Mapping[str, str]) -> None:
        self.path, self.text = path, normalise(text)
        self.lines = self.text.split("\n")
        self.memory, self.unsaved = memory, unsaved
        memory.begin()
        self.checked = self._check(path, text=self.text, memory=memory)
        self.tree = memory.parse(self.text, path, Reporter())
        self.facts: list[Facts] = list(memory.facts.values())
        self.fixes: dict[Diagnostic, tuple[Fix, ...]] = {}  # of the diagnostics whose fixes were tried

    def _check(self, path: str, *, text: str, memory: Memory, **settings: Any) -> Check:
        return check(path, text=text, parse=memory.parse, elaborate=memory.elaborate, unsaved=self.unsaved, **settings)

    def try_fixes(self, diagnostic: Diagnostic, memory: Memory) -> tuple[Fix, ...]:
        """The fixes of a diagnostic that work, tried once; `memory` is for the texts that are tried."""
        if diagnostic not in self.fixes:
            found = diagnostic.fixes or fixes_of(diagnostic, self.checked, check=partial(self._check, memory=memory))
            self.fixes[diagnostic] = found
        return self.fixes[diagnostic]

    @cached_property
    def uses(self) -> dict[Span, list[Step]]:
        """Every step of this file by its place, with its uses; those of the default model first."""
        found: dict[Span, list[Step]] = {}
        for facts in reversed(self.facts):
            for step in facts.steps:
                found.setdefault(step.span, []).append(step)
        return found

    @cached_property
    def fields(self) -> dict[str, str]:
        """Types of inputs, targets, outputs and named tensors by name; of the last model where several have it."""
        found: dict[str, str] = {}
        for facts in self.facts:
            found.update(facts.fields)
        return found

    def step_at(self, line: int, column: int) -> list[Step]:
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
            shapes = dict.fromkeys(step.after for step in found)
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
