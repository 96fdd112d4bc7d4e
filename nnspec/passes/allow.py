"""`# nnspec: allow(W0301)`: comments that silence warnings.

On the line of a statement, a step or a declaration it holds for all that begins there, a whole block for one; on a
line of its own for what begins on the next line; above the first declaration for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nnspec.diagnostics import Diagnostic, Reporter, Span
from nnspec.passes.program import Program
from nnspec.record import Record
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

_COMMENT = re.compile(r'^(?:[^"#]|"(?:\\.|[^"\\])*")*#.*?\bnnspec\s*:\s*allow\s*\(([^)]*)\)')


class Allowed(Record):
    """One code and the lines on which it is silent, both ends included."""

    code: str
    first: int
    last: int


def without_allowed(
    found: tuple[Diagnostic, ...], program: Program, sources: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """The diagnostics that no comment silences. Errors always stay."""
    if all(d.severity == "error" for d in found):
        return found
    allowed = {path: allowances(file, sources.get(path, "")) for path, file in program.files.items()}
    return tuple(
        d
        for d in found
        if d.severity == "error"
        or not any(a.code == d.code and a.first <= d.span.line <= a.last for a in allowed.get(d.span.path, ()))
    )


def check_allowed(program: Program, reporter: Reporter) -> None:
    """W0101: a comment that names no warning silences nothing."""
    for path, text in program.sources.items():
        for number, line, codes in _comments(text) if path in program.files else ():
            for code in codes:
                _check_code(code, line, Span(path, number, 1, number, 1), reporter)


def _check_code(code: str, line: str, start: Span, reporter: Reporter) -> None:
    from nnspec.codes import CODES  # few specs name a code

    warnings = [known for known in CODES if known.startswith("W")]
    if code in warnings:
        return
    column = line.find(code, line.find("allow")) + 1
    span = start.replace(column=column, end_column=column + max(1, len(code)))
    help = "errors cannot be silenced" if code in CODES else did_you_mean(code, warnings)
    message = f"there is no warning {code or 'without a code'}"
    reporter.warning("W0101", span, message, help=help or "warnings have codes such as W0301")


def allowances(file: nodes.File, text: str) -> list[Allowed]:
    """What the comments of a file allow, and where."""
    found: list[Allowed] = []
    lines = text.split("\n")
    ends = None
    start = min((d.span.line for d in file.declarations if not isinstance(d, nodes.Version)), default=len(lines) + 1)
    for number, line, codes in _comments(text):
        if number < start:
            first, last = 1, len(lines)
        else:
            ends = ends if ends is not None else _ends(file)
            first = number
            if line.lstrip().startswith("#"):  # a line of its own speaks of the next that has code
                first = next((n for n in range(number + 1, len(lines) + 1) if _has_code(lines[n - 1])), number)
            last = ends.get(first, first)
        found += [Allowed(code, first, last) for code in codes]
    return found


def _comments(text: str) -> list[tuple[int, str, list[str]]]:
    """(line number, line, codes) of every such comment."""
    if "nnspec" not in text:
        return []
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _COMMENT.match(line) if "allow" in line else None
        if match is not None:
            found.append((number, line, [part.strip() for part in match[1].split(",")]))
    return found


def _has_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _ends(file: nodes.File) -> dict[int, int]:
    """For each line the last line of the declarations, statements and entries that begin on it."""
    found: dict[int, int] = {}
    stack: list[object] = [file.declarations]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack += part
        elif isinstance(part, nodes.Node):
            if not isinstance(part, nodes.Body):
                found[part.span.line] = max(found.get(part.span.line, 0), part.span.end_line)
            stack += [getattr(part, field) for field in part._fields if field not in ("span", "name_span")]
    return found
