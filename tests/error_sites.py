"""Every place of the package that reports a code, and which of them the rows of tests/errors reach."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import nnspec

PACKAGE = Path(nnspec.__file__).parent
CODE = re.compile(r"[EW]0\d{3}")
COMPOUND = (ast.If, ast.While, ast.For, ast.FunctionDef, ast.ClassDef, ast.With, ast.Try)


class Site(NamedTuple):
    """A statement that names a code: the lines it stands on."""

    file: str
    first: int
    last: int
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.first} {self.code}"


def sites() -> list[Site]:
    """All of them, in the order of files and lines; tables and comparisons of codes are none."""
    found: set[Site] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name in ("codes", "cli", "proposals", "lsp"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tables = {id(s) for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef) for s in n.body}
        for statement in ast.walk(tree):
            if isinstance(statement, ast.stmt) and not isinstance(statement, COMPOUND) and id(statement) not in tables:
                place = str(path.relative_to(PACKAGE)), statement.lineno, statement.end_lineno or statement.lineno
                found |= {Site(*place, code) for code in _codes(statement)}
    return sorted(found)


def _codes(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value
    if _plain_shape_error(statement):
        yield "E0301"


def _plain_shape_error(statement: ast.stmt) -> bool:
    """`raise ShapeError(...)` without a code is of E0301."""
    call = statement.exc if isinstance(statement, ast.Raise) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "ShapeError"
        and not any(k.arg == "code" for k in call.keywords)
    )


class Tracer:
    """Follows the lines of functions that hold sites, and only those."""

    def __init__(self, wanted: list[Site]) -> None:
        self.left: dict[str, list[Site]] = {}
        for site in wanted:
            self.left.setdefault(str(PACKAGE / site.file), []).append(site)
        self.known: dict[CodeType, bool] = {}

    def run(self, work: Callable[[], None]) -> None:
        before = sys.gettrace()
        sys.settrace(self.enter)
        try:
            work()
        finally:
            sys.settrace(before)

    def enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if (wanted := self.known.get(code)) is None:
            there = self.left.get(code.co_filename, [])
            lines = [line for _, _, line in code.co_lines() if line]
            wanted = any(min(lines, default=0) <= site.last and site.first <= max(lines, default=0) for site in there)
            self.known[code] = wanted
        return self.line if wanted else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        code, there = frame.f_code, self.left[frame.f_code.co_filename]
        if hit := [site for site in there if site.first <= frame.f_lineno <= site.last]:
            for site in hit:
                there.remove(site)
            self.known.pop(code, None)  # perhaps nothing is left to see in it
        return self.line
