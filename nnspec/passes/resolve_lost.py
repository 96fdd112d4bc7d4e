"""What an error reported earlier may have taken away: no second report comes from a line that could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnspec.diagnostics import Diagnostic, Reporter, Span
from nnspec.passes.program import Program
from nnspec.syntax import nodes


class Lost:
    """Names that an error reported earlier may have taken away: being unknown is then no second mistake.

    `lines` have a syntax error, by file, `words` are the words in them that a file sees; `blind` files have an
    import that failed, `unsettled` ones see a declaration that may have been lost whole.
    """

    def __init__(
        self,
        lines: dict[str, set[int]],
        words: dict[str, frozenset[str]],
        blind: frozenset[str],
        unsettled: frozenset[str],
    ) -> None:
        self.lines, self.words, self.blind, self.unsettled = lines, words, blind, unsettled
        self.unknown: set[str] = set()  # names that were reported in a model or block
        self.blamed: set[int] = set()  # by id: `let`s whose value was reported where one was read

    def may_hold(self, path: str, name: str) -> bool:
        return not name or path in self.blind or self.word(path, name)

    def broken(self, span: Span) -> bool:
        """Whether a line of the span could not be read: what is said about it would be an echo."""
        return any(span.line <= n <= span.end_line for n in self.lines.get(span.path, ()))

    def cut(self, declared: nodes.Block | nodes.Model) -> bool:
        """Whether the end of a body could not be read: what is missing may have stood there."""
        lines = self.lines.get(declared.span.path, set())
        return declared.body.span.end_line in lines

    def head(self, declared: nodes.Block | nodes.Model) -> bool:
        """Whether the head of a block or model, its tensors and settings, could not be read."""
        body = declared.body.span
        return self.broken(declared.span.replace(end_line=body.line, end_column=body.column))

    def word(self, path: str, word: str) -> bool:
        """Whether a word stands in a line that could not be read."""
        return word in self.words.get(path, ())


def lost_by(program: Program, reporter: Reporter) -> Lost:
    """Reads it off the syntax errors and the imports that failed."""
    words: dict[str, set[str]] = {}
    lines: dict[str, set[int]] = {}
    for found in reporter.diagnostics:
        if found.code.startswith("E01"):
            path = found.span.path
            text = program.sources.get(path, "").split("\n")
            lines.setdefault(path, set()).update(_lines(found, text))
            for line in text[found.span.line - 1 : found.span.end_line]:
                words.setdefault(path, set()).update(re.findall(r"[A-Za-z_]\w*", line))
    failed = {path for path, file in program.files.items() if _imports(file) > _loaded(program, path)}
    unsettled = {path for path, file in program.files.items() if _between(file, lines.get(path, set()))}
    seen_by = {path: {f.path for f in program.visible(path)} for path in program.files}
    return Lost(
        lines,
        {path: frozenset[str]().union(*(words.get(p, ()) for p in seen)) for path, seen in seen_by.items()},
        frozenset(path for path, seen in seen_by.items() if seen & failed),
        frozenset(path for path, seen in seen_by.items() if seen & unsettled),
    )


def _lines(found: Diagnostic, text: list[str]) -> Iterator[int]:
    """The lines of the report; for an expression that stands alone also the line above, which it may go on."""
    yield from range(found.span.line, found.span.end_line + 1)
    if found.code == "E0112":
        before = (n for n in range(found.span.line - 1, 0, -1) if text[n - 1].partition("#")[0].strip())
        yield from (n for n in (next(before, None),) if n is not None)


def _between(file: nodes.File, lines: set[int]) -> bool:
    """Whether one of the lines lies in no declaration: a whole one may have been lost."""
    spans = [d.span for d in file.declarations]
    return any(not any(span.line <= n <= span.end_line for span in spans) for n in lines)


def _imports(file: nodes.File) -> int:
    return sum(isinstance(d, nodes.Import) for d in file.declarations)


def _loaded(program: Program, path: str) -> int:
    return sum(p in program.files for p in program.imports.get(path, ()))


def poison_broken(program: Program, lost: Lost) -> None:
    """Statements with a syntax error: what was made of them may not be meant, so no shape follows from them."""
    for path in lost.lines:
        for node in parts(program.files.get(path)):
            if isinstance(node, nodes.Statement | nodes.Entry | nodes.Setting) and lost.broken(node.span):
                if not _bodies(node):
                    poison(program, node)
                elif (value := getattr(node, "value", None)) is not None:
                    program.poisoned.add(id(value))
            elif isinstance(node, nodes.Body) and node.result is not None and lost.broken(node.result.span):
                program.poisoned.add(id(node.result))


def poison(program: Program, node: nodes.Node) -> None:
    """The node with all that it holds."""
    program.poisoned.update(id(part) for part in parts(node))


def parts(start: object) -> Iterator[nodes.Node]:
    """A node and all nodes in it."""
    stack = [start]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack += part
        elif isinstance(part, nodes.Node):
            yield part
            stack += [getattr(part, field) for field in part._fields if field not in ("span", "name_span")]


def _bodies(node: nodes.Node) -> bool:
    """Whether it holds statements of its own, which may be in order."""
    return any(isinstance(part, nodes.Body) for part in parts(node))
