"""Marks: which step of the spec every printed line stands for.

An emitter marks each line that it prints for a statement, if someone asked for that with `marking`. A mark is a
comment that no spec can write (it holds a control character), so it survives folding, joining and indenting;
`split` takes the marks off again. What is left is the very text that is emitted without them, so the map also fits
a file that was written before, by this version: nothing has to be kept with it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.backends.program import Statement
    from nnspec.ir.graph import Node

SIGN = "  #\x01"


class Part(Record):
    """What a line, or a part of one, stands for; `source` is that part, as it was before steps were nested."""

    item: Statement | Node
    source: str = ""


Parts = tuple[Part, ...]  # of one line, in the order in which they are computed
_marks: ContextVar[list[Parts] | None] = ContextVar("marks", default=None)


@contextmanager
def marking() -> Iterator[list[Parts]]:
    """While it holds, printed lines are marked; what the marks stand for, by their numbers."""
    found: list[Parts] = []
    token = _marks.set(found)
    try:
        yield found
    finally:
        _marks.reset(token)


def mark(lines: list[str], start: int, *parts: Part) -> None:
    """Mark the lines from `start` on, unless a statement inside has marked them already."""
    marks = _marks.get()
    if marks is None or not parts:
        return
    note = f"{SIGN}{len(marks)}"
    marks.append(parts)
    for index in range(start, len(lines)):
        if lines[index] and SIGN not in lines[index]:
            lines[index] += note


def unmarked(line: str) -> tuple[str, Parts]:
    """A line that is about to be written anew, and what it stands for."""
    marks = _marks.get()
    text, _, number = line.partition(SIGN)
    return text, marks[int(number)] if marks is not None and number else ()


def split(text: str, marks: list[Parts]) -> tuple[str, dict[int, Parts]]:
    """Marked text without its marks, and what its lines, counted from 1, stand for."""
    lines, found = text.split("\n"), {}
    for index, line in enumerate(lines):
        lines[index], _, number = line.partition(SIGN)
        if number:
            found[index + 1] = marks[int(number)]
    return "\n".join(lines), found
