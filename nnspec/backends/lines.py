"""Lines of a forward function, before they are printed: values read once, by the next line, fold into it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.marks import Parts

_ROOM = 72  # beyond this a nested expression is harder to read than two lines
_OPERATORS = re.compile(r" (\*\*|[-+*/@<>&|]|<=|>=|==|!=|if|else|for) ")


class Line(Record):
    """`target = source`. `dies` are variables that nobody reads after this line; `note` is a shape comment.

    `alone` lines keep a line of their own. `named` says that the target is the author's name, which stays. `of` is
    what the line stands for in the spec.
    """

    target: str
    source: str
    note: str = ""
    dies: frozenset[str] = frozenset()
    alone: bool = False
    named: bool = False
    of: Parts = ()


def nest(lines: list[Line]) -> list[Line]:
    """Fold short steps: `F.relu(self.bn1(self.conv1(x)))`, `pattern * (1.0 - x)`, `return F.relu(y + skip)`.

    Only steps that keep the shape are wrapped round their input, so that every change of shape keeps
    a line of its own, with its comment.
    """
    folded: list[Line] = []
    for line in lines:
        while folded and _folds(folded[-1], line):
            before = folded.pop()
            source = _substitute(before, line)
            note, dies = line.note or before.note, line.dies | before.dies
            line = line.replace(source=source, note=note, dies=dies, of=(*before.of, *line.of))
        folded.append(line)
    return [line for line in folded if line.target != line.source]


def _folds(before: Line, line: Line) -> bool:
    name = before.target
    if before.alone or line.alone or before.named or not name.isidentifier():
        return False
    if name not in line.dies and name != line.target:
        return False
    if line.note and not _is_infix(line.source) and (line.target != "return" or before.note):
        return False
    if len(re.findall(rf"\b{name}\b", line.source)) != 1 or re.search(
        rf"\*{name}\b|\b{name}[.\[]|[.\"]{name}\b", line.source
    ):
        return False
    if line.target == "return":
        return len(before.source) <= _ROOM
    depth = before.source.count("(") - before.source.count("()")
    if len(line.target) + len(_substitute(before, line)) > _ROOM or depth > 2:
        return False
    if "=" in before.source and _is_infix(line.source):
        return False
    return _is_call(before.source) or _is_infix(before.source)


def _substitute(before: Line, line: Line) -> str:
    inside = before.source
    place = re.search(rf"\b{before.target}\b", line.source)
    assert place is not None
    left, right = line.source[: place.start()], line.source[place.end() :]
    if _is_infix(inside) and not _stands_alone(inside, left, right):
        inside = f"({inside})"
    return left + inside + right


def _operators(source: str) -> list[str]:
    """The infix operators outside all brackets and strings."""
    depth, flat = 0, ""
    for char in source:
        depth += (char in "([{") - (char in ")]}")
        flat += char if not depth else "_"
    return _OPERATORS.findall(flat.replace("  ", " "))


def _is_infix(source: str) -> bool:
    found = _operators(source)
    return bool(found) and not any(op in ("if", "else", "for") for op in found)


# How tightly operators bind, from the loosest; what compares or chooses has parentheses always.
_BINDING = {"|": 1, "^": 2, "&": 3, "+": 4, "-": 4, "*": 5, "/": 5, "@": 5, "**": 6}


def _stands_alone(inside: str, left: str, right: str) -> bool:
    """Whether an infix expression between two texts means the same without parentheses of its own."""
    if (not left or left[-1] == "(" or left.endswith(", ")) and (not right or right[0] in "),"):
        return True
    before, after = re.search(r" (\*\*|[-+*/@<>&|^]) $", left), re.match(r" (\*\*|[-+*/@<>&|^]) ", right)
    if (left and not before) or (right and not after):
        return False
    binding = min(_BINDING.get(op, 0) for op in _operators(inside))
    tighter_than_left = before is None or binding > _BINDING.get(before[1], 9)
    return binding > 0 and tighter_than_left and (after is None or binding >= _BINDING.get(after[1], 9) < 6)


def _is_call(source: str) -> bool:
    """Whether the source is one name, attribute, call or chain of calls."""
    return (
        bool(re.match(r"[A-Za-z_(]", source)) and not _operators(source) and not source.startswith(("-", "~", "not "))
    )
