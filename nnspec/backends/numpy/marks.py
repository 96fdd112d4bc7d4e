"""Marks: which step of the spec every printed line stands for.

Only text that is traced to find what is not finite has them (`nnspec.train.nans`): a comment `# @17` behind each
line of fprop and bprop, where 17 is the place of the statement in the list that `marking` gives.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.backends.program import Statement

SIGN = "@"
_marks: ContextVar[list[Statement] | None] = ContextVar("marks", default=None)


@contextmanager
def marking() -> Iterator[list[Statement]]:
    """While it holds, printed lines are marked; the statements that they stand for."""
    found: list[Statement] = []
    token = _marks.set(found)
    try:
        yield found
    finally:
        _marks.reset(token)


def mark(lines: list[str], start: int, statement: Statement) -> None:
    """Mark the lines from `start` on, unless a statement inside has marked them already."""
    marks = _marks.get()
    if marks is None:
        return
    note = f"\0{SIGN}{len(marks)}"
    marks.append(statement)
    for index in range(start, len(lines)):
        if f"\0{SIGN}" not in lines[index]:
            lines[index] = lines[index].partition("\0")[0] + note
