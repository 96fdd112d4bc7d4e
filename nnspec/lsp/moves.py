"""Where a place of an earlier text stands now: what lies before and behind the change keeps its meaning."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from nnspec.diagnostics import Diagnostic, Span
from nnspec.record import Record
from nnspec.syntax import nodes

Place = tuple[int, int]  # line and column, from 1


class Moves:
    """The one stretch in which two texts differ: from `start` to `before` in the old one, to `after` in the new one.

    Several edits far apart count as one long stretch. Both texts come as their lines.
    """

    def __init__(self, old: list[str], new: list[str]) -> None:
        shorter = min(len(old), len(new))
        head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
        tail = next((n for n in range(shorter - head) if old[-1 - n] != new[-1 - n]), shorter - head)
        above, below = ("".join(f"{line}\n" for line in lines[head : len(lines) - tail]) for lines in (old, new))
        shorter = min(len(above), len(below))
        first = next((n for n in range(shorter) if above[n] != below[n]), shorter)
        last = next((n for n in range(shorter - first) if above[-1 - n] != below[-1 - n]), shorter - first)
        self.start = _place(above[:first], head)
        self.before = _place(above[: len(above) - last], head)
        self.after = _place(below[: len(below) - last], head)

    def __call__(self, line: int, column: int) -> Place | None:
        """The place in the new text; None where what stood there has changed."""
        if (line, column) <= self.start:
            return line, column
        if (line, column) < self.before:
            return None
        shift = self.after[1] - self.before[1] if line == self.before[0] else 0
        return line + self.after[0] - self.before[0], column + shift


def _place(before: str, above: int) -> Place:
    return above + before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class Shift:
    """Blocks of lines of one file that now stand elsewhere: `blocks` are (first line, last line, first line now)."""

    def __init__(self, path: str, blocks: Iterable[tuple[int, int, int]]) -> None:
        self.path = path
        self.blocks = sorted(blocks)
        self.firsts = [first for first, _, _ in self.blocks]
        self.still = all(first == now for first, _, now in self.blocks)

    def holds(self, span: Span) -> bool:
        """Whether the place is known to have stayed or moved: one of another file, or inside a block."""
        return span.path != self.path or self._by(span.line) is not None

    def span(self, span: Span) -> Span:
        by = self._by(span.line) if span.path == self.path else 0
        return Span(span.path, span.line + by, span.column, span.end_line + by, span.end_column) if by else span

    def diagnostic(self, d: Diagnostic) -> Diagnostic:
        labels = tuple(label.replace(span=self.span(label.span)) for label in d.labels)
        return d.replace(span=self.span(d.span), labels=labels)

    def _by(self, line: int) -> int | None:
        at = bisect_right(self.firsts, line) - 1
        if at < 0 or line > self.blocks[at][1]:
            return None
        return self.blocks[at][2] - self.blocks[at][0]


def lowered(node: Any, lines: int) -> Any:
    """A tree (or a tuple of trees) whose text now stands that many lines further down."""
    if not lines:
        return node
    return _Lowering(lines).of(node)


class _Lowering:
    def __init__(self, lines: int) -> None:
        self.lines = lines

    def of(self, part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(self.of, part))
        if isinstance(part, Span):
            return Span(part.path, part.line + self.lines, part.column, part.end_line + self.lines, part.end_column)
        if isinstance(part, nodes.Node):
            of: Callable[[Any], Any] = self.of
            return type(part)(*[of(getattr(part, name)) for name in part._fields])
        assert not isinstance(part, Record | list | dict), "a tree holds nodes, tuples, words and numbers"
        return part
