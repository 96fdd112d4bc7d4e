"""The text of a spec, and the place in it that a diagnostic points at."""

from __future__ import annotations

import re

from nnspec.diagnostics import Span


class Source:
    """The text, and the place that a diagnostic points at."""

    def __init__(self, text: str, span: Span) -> None:
        self.lines, self.span = text.split("\n"), span

    @property
    def shown(self) -> str:
        """What stands at the place, the first line of it."""
        line = self.lines[self.span.line - 1] if self.span.line <= len(self.lines) else ""
        return line[self.span.column - 1 : self.span.end_column - 1 if self.span.end_line == self.span.line else None]

    def at(self, start: int, end: int) -> Span:
        """A part of what stands at the place, by offsets in it."""
        span = self.span
        return Span(span.path, span.line, span.column + start, span.line, span.column + end)

    def before(self) -> Span:
        return Span(self.span.path, self.span.line, self.span.column, self.span.line, self.span.column)

    def after(self) -> Span:
        span = self.span
        return Span(span.path, span.end_line, span.end_column, span.end_line, span.end_column)

    def word(self, name: str, message: str) -> Span | None:
        """The word that `name` is meant for: the one of the place that the message names."""
        spoken = set(re.findall(r"[\w.-]+", message))
        for match in re.finditer(r'(?<=")[^"]+(?=")|[A-Za-z_]\w*', self.shown):
            if match.group() in spoken and match.group() != name:
                return self.at(*match.span())
        return None

    def end_of_line(self, number: int) -> Span:
        """Behind the code of a line, before its comment."""
        match = re.match(r'(?:[^"#]|"(?:\\.|[^"\\])*")*', self.lines[number - 1])
        column = len((match.group() if match else "").rstrip()) + 1
        return Span(self.span.path, number, column, number, column)

    def line_above(self) -> int:
        """The nearest line above that has code, 0 where there is none."""
        numbers = range(self.span.line - 1, 0, -1)
        return next((n for n in numbers if self.lines[n - 1].partition("#")[0].strip()), 0)
