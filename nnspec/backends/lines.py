"""Lines of a forward function, before they are printed: short chains of calls fold into one line."""

from __future__ import annotations

import re

from nnspec.record import Record

_ROOM = 76  # beyond this a nested call is harder to read than two lines


class Line(Record):
    """`target = source`. `dies` are variables that nobody reads after this line; `note` is a shape comment."""

    target: str
    source: str
    note: str = ""
    dies: frozenset[str] = frozenset()


def nest(lines: list[Line]) -> list[Line]:
    """Fold a value that is read once, by the next line, into that line: `relu(self.bn1(self.conv1(x)))`.

    Only steps that keep the shape are wrapped round their input, so that every change of shape keeps
    a line of its own, with its comment.
    """
    folded: list[Line] = []
    for line in lines:
        while folded and _folds(folded[-1], line):
            before = folded.pop()
            source = re.sub(rf"\b{before.target}\b", lambda _, text=before.source: text, line.source)  # type: ignore[misc]  # bound now
            line = line.replace(source=source, note=line.note or before.note, dies=line.dies | before.dies)
        folded.append(line)
    return [line for line in folded if line.target != line.source]


def _folds(before: Line, line: Line) -> bool:
    name = before.target
    if line.note or not name.isidentifier() or (name not in line.dies and name != line.target):
        return False
    if len(re.findall(rf"\b{name}\b", line.source)) != 1 or re.search(
        rf"\*{name}\b|\b{name}[.\[]|[.\"]{name}\b", line.source
    ):
        return False
    if (
        len(line.target) + len(line.source) + len(before.source) > _ROOM
        or before.source.count("(") - before.source.count("()") > 2
    ):
        return False
    return _is_call(before.source) and _is_call(line.source)


def _is_call(source: str) -> bool:
    """Whether the source is one call from its first character to its last."""
    match = re.match(r"[A-Za-z_][\w.]*(\[[^\]]*\])?\(", source)
    if not match or not source.endswith(")"):
        return False
    depth = 0
    for position, char in enumerate(source):
        depth += (char in "([{") - (char in ")]}")
        if not depth and position >= match.end() - 1:
            return position == len(source) - 1
    return False
