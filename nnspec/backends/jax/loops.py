"""Loops over layers: `for block in self.layer1` where an index would only find the layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.program import Apply, ClassDef, ForEach, Invoke, LoopKey

if TYPE_CHECKING:
    from nnspec.backends.jax.members import Tree
    from nnspec.backends.jax.module import ClassPrinter


def over_layers(printer: ClassPrinter, loop: ForEach, lines: list[str]) -> tuple[str, list[str]] | None:
    """`block in self.layer1`, where a loop does nothing with its index but find a layer of one list."""
    used = loop.used(lines)
    if len(used) != 1:
        return None
    text = "\n".join(lines)
    found = set(re.findall(rf"(self\.[\w.\[\]\"]*)\[{used[0]}\]", text))
    if len(found) != 1 or len(re.findall(rf"\b{used[0]}\b", text)) != text.count(f"{next(iter(found))}[{used[0]}]"):
        return None
    (container,) = found
    variable = next(v for v in loop.scope.variables if v.name == used[0])  # type: ignore[union-attr]  # settled by now
    cells = [variable.row(k) for k in range(loop.count)]
    if not cells[0].isdigit() or cells != [str(int(cells[0]) + k) for k in range(len(cells))]:
        return None
    block = any(isinstance(s, Invoke) for s in loop.body) and len(loop.body) == 1
    name = _fresh(printer.definition, "block" if block else "layer")
    replaced = [line.replace(f"{container}[{used[0]}]", name) for line in lines]
    return f"{name} in {container}{_slice_of(printer, container, cells)}", replaced


def _slice_of(printer: ClassPrinter, container: str, cells: list[str]) -> str:
    """`[1:]` where a loop runs over a part of a list."""
    size = next((len(t.keys()) for t in _containers(printer) if printer.place(t.path) == container), None)
    start, stop = int(cells[0]), int(cells[-1]) + 1
    if start == 0 and stop == size:
        return ""
    return f"[{start or ''}:{'' if stop == size else stop}]"


def _containers(printer: ClassPrinter) -> list[Tree]:
    found: list[Tree] = []
    queue = [c for c in printer.init.tree.children.values() if c.children]
    while queue:
        tree = queue.pop(0)
        found.append(tree)
        queue.extend(c for c in tree.children.values() if c.children)
    return [t for t in found if not any(isinstance(p, LoopKey) for p in t.path)]


def _fresh(definition: ClassDef, wanted: str) -> str:
    """A variable that no statement of the class uses."""
    used = {*definition.inputs, *definition.captures}
    for statement in definition.statements():
        if isinstance(statement, Apply | Invoke):
            used.update(statement.targets)
        elif isinstance(statement, ForEach):
            used.update((statement.carry, statement.collected))
    return wanted if wanted not in used else f"{wanted}_"
