"""Which step of the spec stands behind a line of an emitted file, or behind a part of that line.

Several steps may share a line: `x = F.relu(self.bn1(self.conv1(x)))`. Python knows which columns of the line an
exception came from; the part there is found by its form, since what was put in for its variables is all that differs.
"""

from __future__ import annotations

import ast
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

from nnspec.backends.marks import marking, split
from nnspec.backends.program import Apply, Construct, Group, Invoke, Statement
from nnspec.ir.graph import Call, Node
from nnspec.ops.registry import prelude_path
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from nnspec.backends.base import Options
    from nnspec.backends.marks import Part, Parts
    from nnspec.diagnostics import Span
    from nnspec.ir.graph import Graph

Item = Statement | Node
Use = Node | Call


class Traced(Record):
    """An emitted file and what its lines, counted from 1, stand for."""

    text: str
    lines: dict[int, Parts]


class Place(Record):
    """A step of the spec, and the variables that it reads where it stands in the file."""

    item: Item
    reads: tuple[str, ...] = ()


def traced(graph: Graph, backend: str, options: Options) -> Traced:
    """What `emit` gives for these options, with its map."""
    with marking() as marks:
        marked = import_module(f"nnspec.backends.{backend}.emit").emit(graph, options)
    text, lines = split(marked, marks)
    return Traced(text, lines)


def place_of(file: Traced, step: TracebackType) -> Place | None:
    """The step that a frame of the emitted file was at."""
    line, end_line, column, end_column = _position(step)
    if line is None or end_line is None or column is None or end_column is None:
        return place_at(file, step.tb_lineno, None)
    return place_at(file, step.tb_lineno, (line, end_line, column, end_column))


def place_at(file: Traced, number: int, position: tuple[int, int, int, int] | None) -> Place | None:
    """The step on a line; `position` are the first and last line and column of the part of it that is meant."""
    parts, statement = file.lines.get(number), _statement_at(file.text, number)
    if not parts:
        return None
    if position is None or statement is None:
        return Place(parts[-1].item)
    line, end_line, column, end_column = position
    stretch = (line, column), (end_line, end_column)
    found = [(node, part) for node, part in _matched(statement, parts) if _covers(node, stretch)]
    if not found:
        return Place(parts[-1].item, _names(statement))
    node, part = min(found, key=lambda pair: sum(1 for _ in ast.walk(pair[0])))
    return Place(part.item, _names(node))


def span_of(item: Item) -> Span:
    return item.span


def uses_of(item: Item) -> list[Use]:
    """The nodes or calls of the graph that a step stands for: one for every use of the class that it is in."""
    if isinstance(item, Node):
        return [item]
    if isinstance(item, Invoke):
        return [*item.calls]
    return [*item.use.nodes] if isinstance(item, Apply | Construct) and item.use is not None else []


def words_of(item: Item, uses: list[Use] | None = None) -> str:
    """The op or block, and the layer or member where it is the same one in all uses: `conv (features.0)`."""
    uses = uses or uses_of(item)
    if not uses:
        return item.label if isinstance(item, Group) and item.label else "this step"
    (name,), paths = {_name_of(use) for use in uses[:1]}, {_path_of(use) for use in uses}
    (path,) = paths if len(paths) == 1 else ("",)
    return f"{name} ({path})" if path else name


def _name_of(use: Use) -> str:
    if isinstance(use, Call):
        return use.module.title
    return "the slice" if use.op.name == "[]" else use.op.name or type(use.op).__name__.lower()


def _path_of(use: Use) -> str:
    if isinstance(use, Call):
        return use.module.path
    return use.layer.path if use.layer is not None else ""


def callers(graph: Graph) -> dict[int, Call]:
    """By the id of a node or call inside a module, the first use of that module."""
    found: dict[int, Call] = {}
    for module in graph.root.modules():
        for call in (item for item in module.flat() if isinstance(item, Call)):
            for inner in call.module.flat():
                found.setdefault(id(inner), call)
    return found


def in_files(use: Use, callers: dict[int, Call]) -> Use:
    """What stands for a step in the user's own files: of a step inside a block of the prelude, the use of the block."""
    prelude = str(prelude_path())
    while use.span.path == prelude and id(use) in callers:
        use = callers[id(use)]
    return use


def _position(step: TracebackType) -> tuple[int | None, int | None, int | None, int | None]:
    """Lines and columns (in UTF-8 bytes, as those of ast) of the instruction that raised."""
    return next(islice(step.tb_frame.f_code.co_positions(), step.tb_lasti // 2, None), (None,) * 4)


def _statement_at(text: str, line: int) -> ast.stmt | None:
    """The simple statement of the file that stands on a line."""
    simple = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, simple))
    return next((s for s in statements if s.lineno <= line <= (s.end_lineno or s.lineno)), None)


def _matched(statement: ast.stmt, parts: Parts) -> Iterator[tuple[ast.expr, Part]]:
    """The parts of a line with their expressions. What is computed first stands first in both."""
    every = list(_computed(statement))
    for part in parts:
        pattern = _parsed(part.source)
        if pattern is not None and not isinstance(pattern, ast.Name):
            found = next((node for node in every if _alike(pattern, node)), None)
            if found is not None:
                every.remove(found)
                yield found, part


def _computed(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a node, each after those inside it."""
    for child in ast.iter_child_nodes(node):
        yield from _computed(child)
    if isinstance(node, ast.expr):
        yield node


def _parsed(source: str) -> ast.expr | None:
    try:
        return ast.parse(source, mode="eval").body if source else None
    except SyntaxError:  # a starred argument: it is no expression, and has no place of its own
        return None


def _alike(pattern: Any, node: Any) -> bool:
    """Whether a node is a pattern with expressions in place of names."""
    if isinstance(pattern, ast.Name):
        return isinstance(node, ast.expr)
    if isinstance(pattern, list):
        return len(pattern) == len(node) and all(map(_alike, pattern, node))
    if not isinstance(pattern, ast.AST):
        return bool(pattern == node)
    return type(pattern) is type(node) and all(
        _alike(getattr(pattern, field), getattr(node, field)) for field in pattern._fields
    )


def _covers(node: ast.expr, stretch: Any) -> bool:
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    return bool(start <= stretch[0] and stretch[1] <= end)


def _names(node: ast.AST) -> tuple[str, ...]:
    """The variables that are read, in order."""
    found = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return tuple(dict.fromkeys(found))
