"""Text with places where it may break, and where it does break on a page of a width: after Wadler, with ruff's choices.

A group is printed on one line if that line has room up to the next place where it may end, else every break that is
directly in it ends a line. The other documents are what a formatter of Python needs beside that: parentheses that are
there only if they help, and brackets that may open without forcing those.
"""

from __future__ import annotations

import unicodedata

from nnspec.record import Record

STEP = 4


class Break(Record):
    """The end of a line in a group that breaks, else `flat`."""

    flat: str = ""
    hard: bool = False


class Group(Record):
    """What is on one line if it fits. With `only_if`, it is a group only where that group breaks."""

    content: Doc
    key: int = 0
    expand: bool = False
    only_if: int = 0


class Indent(Record):
    """Lines within are further in; with `only_if`, where that group breaks."""

    content: Doc
    only_if: int = 0


class When(Record):
    """Printed only if a group is broken (or flat): the one around it, or the one of a key."""

    content: Doc
    broken: bool = True
    key: int = 0


class Opens(Record):
    """Brackets that may open while what is around them counts as one line; with `key`, while that group is flat."""

    content: Doc
    key: int = 0


class Parens(Record):
    """In parentheses if it fits only so, else without them."""

    content: Doc
    key: int


class Choice(Record):
    """The first variant that fits with its groups on one line, but for those that expand; else the last."""

    variants: tuple[Doc, ...]


Doc = str | list["Doc"] | Break | Group | Indent | When | Opens | Parens | Choice
_FIRST, _ALL, _OVER = 0, 1, 2  # what has to fit: the first line, all lines, all lines but what is wider than the page
_Rest = tuple[Doc, int, bool, "_Rest"] | None  # what comes next: a document, its indentation, whether it is flat


def render(doc: Doc, indent: int, width: int) -> list[str]:
    """The lines of a document that starts at a column, without that indentation."""
    printer = _Printer(indent, width)
    printer.run(doc)
    return [line[indent:].rstrip() for line in printer.lines]


def columns(text: str) -> int:
    """How many columns a text takes: characters of East Asian width take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


class _Printer:
    def __init__(self, indent: int, width: int) -> None:
        self.width = width
        self.lines = [" " * indent]
        self.flat: dict[int, bool] = {}  # by key of a group, whether it is on one line
        self.measured = False  # whether the group being printed is known to fit

    def run(self, doc: Doc) -> None:
        indent = columns(self.lines[0])
        rest: _Rest = (doc, indent, False, None)
        while rest:
            doc, indent, flat, rest = rest
            if isinstance(doc, str):
                self.lines[-1] += doc
            elif isinstance(doc, list):
                for part in reversed(doc):
                    rest = (part, indent, flat, rest)
            elif isinstance(doc, Break):
                if flat and not doc.hard:
                    self.lines[-1] += doc.flat
                else:
                    self.lines.append(" " * indent)
                    self.measured = False
            elif isinstance(doc, Group):
                if not doc.only_if or not self.flat[doc.only_if]:
                    flat = self._group(doc, indent, flat, rest)
                rest = (doc.content, indent, flat, rest)
            elif isinstance(doc, Indent):
                further = STEP if not doc.only_if or not self.flat[doc.only_if] else 0
                rest = (doc.content, indent + further, flat, rest)
            elif isinstance(doc, When):
                if doc.broken != (self.flat[doc.key] if doc.key else flat):
                    rest = (doc.content, indent, flat, rest)
            elif isinstance(doc, Opens):
                if not doc.key or self.flat[doc.key]:
                    self.measured = False  # it was measured open; now whether it fits closed
                rest = (doc.content, indent, flat, rest)
            elif isinstance(doc, Parens):
                rest = self._parens(doc, indent, flat, rest)
            else:
                rest = self._choose(doc, indent, flat, rest)

    def _group(self, group: Group, indent: int, flat: bool, rest: _Rest) -> bool:
        if group.expand:
            flat = False
        elif not flat or not self.measured:
            self.measured = True
            if group.key:
                self.flat[group.key] = True
            flat = self._fits([(group.content, indent, True, _FIRST)], rest)
        if group.key:
            self.flat[group.key] = flat
        return flat

    def _parens(self, doc: Parens, indent: int, flat: bool, rest: _Rest) -> _Rest:
        self.flat[doc.key] = True
        if (flat and self.measured) or self._fits([(doc.content, indent, True, _FIRST)], rest):
            self.measured = True
            return (doc.content, indent, True, rest)
        self.flat[doc.key] = False
        inside: list[Doc] = ["(", Indent([Break(hard=True), doc.content]), Break(hard=True), ")"]
        if self._fits([(inside, indent, False, _ALL)], rest):
            return (inside, indent, False, rest)
        self.flat[doc.key] = self.measured = True
        return (doc.content, indent, True, rest)

    def _choose(self, choice: Choice, indent: int, flat: bool, rest: _Rest) -> _Rest:
        if flat and self.measured:
            return (choice.variants[0], indent, True, rest)
        self.measured = True
        for variant in choice.variants[:-1]:
            if self._fits([(variant, indent, True, _FIRST)], rest):
                return (variant, indent, True, rest)
        return (choice.variants[-1], indent, False, rest)

    def _fits(self, stack: list[tuple[Doc, int, bool, int]], rest: _Rest) -> bool:
        """Whether what is next fits on the line, up to the first end of a line after it."""
        column = columns(self.lines[-1])
        while stack or rest:
            if stack:
                doc, indent, flat, measure = stack.pop()
            elif rest:
                (doc, indent, flat, rest), measure = rest, _FIRST
            if isinstance(doc, list):
                stack.extend((part, indent, flat, measure) for part in reversed(doc))
            elif isinstance(doc, str | Break):
                if isinstance(doc, Break) and (doc.hard or not flat):
                    if measure == _FIRST:
                        return True
                    column = indent
                    continue
                column += columns(doc if isinstance(doc, str) else doc.flat)
                if column > self.width and measure != _OVER:
                    return False
            elif isinstance(doc, Group):
                if not doc.only_if or not self.flat[doc.only_if]:
                    flat = flat and not doc.expand
                    if doc.key:
                        self.flat[doc.key] = flat
                stack.append((doc.content, indent, flat, measure))
            elif isinstance(doc, Indent):
                further = STEP if not doc.only_if or not self.flat[doc.only_if] else 0
                stack.append((doc.content, indent + further, flat, measure))
            elif isinstance(doc, When):
                if doc.broken != (self.flat[doc.key] if doc.key else flat):
                    stack.append((doc.content, indent, flat, measure))
            elif isinstance(doc, Opens):
                if flat and (not doc.key or self.flat[doc.key]):
                    if column >= self.width:  # the bracket that opens has to fit
                        return False
                    flat, measure = False, _OVER
                stack.append((doc.content, indent, flat, measure))
            elif isinstance(doc, Parens):
                self.flat[doc.key] = flat
                stack.append((doc.content, indent, flat, measure))
            else:
                stack.append((doc.variants[0 if flat else -1], indent, flat, measure))
        return True
