"""The source that emitted files carry: definitions of kernels and runtime, copied with all that they need.

Every name is defined once across these files, or with the same text each time (small helpers and aliases
stand in several kernel files, so that each reads on its own).
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from nnspec.record import Record

_PACKAGE = Path(__file__).resolve().parents[2]


class Definition(Record):
    """A function, class or constant: its source text, the names it reads, whether it is a one-line alias."""

    name: str
    text: str
    reads: frozenset[str]
    alias: bool


def carry(used: set[str], planned: bool) -> list[Definition]:
    """All definitions that these names need, in the order of the files. Other names are left out."""
    library = _library(planned)
    wanted: set[str] = set()
    waiting = [name for name in used if name in library]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(n for n in library[name].reads if n in library)
    return [definition for name, definition in library.items() if name in wanted]


def defined() -> set[str]:
    """Every name that an emitted file may carry."""
    return set(_library(False)) | set(_library(True))


def names_in(text: str) -> set[str]:
    """The names that a piece of Python reads or defines."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


@cache
def _library(planned: bool) -> dict[str, Definition]:
    """Definitions by name: aliases, modules and layers first, then kernels, optimizers, what trains them."""
    runtime = _PACKAGE / "backends" / "numpy" / "runtime"
    files = [runtime / "module.py", runtime / "initial.py"]
    files += sorted((_PACKAGE / "kernels").glob("[a-z]*.py"))
    files += [runtime / "layers.py", runtime / ("planned.py" if planned else "optimizers.py"), runtime / "training.py"]
    files += [runtime / "shards.py"]
    found: dict[str, Definition] = {}
    for file in files:
        for definition in _definitions(file.read_text(encoding="utf-8")):
            first = found.setdefault(definition.name, definition)
            if first.text != definition.text:
                raise AssertionError(f"{definition.name} is defined twice, differently: {file.name}")
    return dict(sorted(found.items(), key=lambda item: not item[1].alias))


def _definitions(text: str) -> list[Definition]:
    lines = text.split("\n")
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name, alias = node.name, False
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, alias = node.targets[0].id, node.lineno == node.end_lineno and not node.targets[0].id.isupper()
        else:
            continue
        start = node.lineno - 1 - len(getattr(node, "decorator_list", ()))
        source = "\n".join(lines[start : node.end_lineno])
        comments = _comments_above(lines, start)
        reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {name}
        found.append(Definition(name, comments + source, frozenset(reads), alias))
    return found


def _comments_above(lines: list[str], start: int) -> str:
    first = start
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return "".join(line + "\n" for line in lines[first:start])
