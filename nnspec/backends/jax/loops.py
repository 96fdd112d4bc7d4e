"""Loops over layers: `for block in self.layer1` where an index would only find the layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.program import Apply, ClassDef, ForEach, Group, Invoke, LoopKey, Statement

if TYPE_CHECKING:
    from nnspec.backends.jax.members import Tree
    from nnspec.backends.jax.module import ClassPrinter
    from nnspec.backends.source import Writer


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


def is_row_of_blocks(printer: ClassPrinter, group: Group) -> bool:
    """Whether a composition is blocks in a row that are called alike, so that a loop over its list says it."""
    if len(group.body) < 2 or not group.chain or not all(isinstance(part, str) for part in group.name):
        return False
    steps = [_only_call(statement) for statement in group.body]
    calls = [step for step in steps if step is not None]
    if len(calls) < len(steps) or len(calls[0].targets) != 1 or len(calls[0].arguments) != 1:
        return False
    needs, (variable,), (given,) = printer.facts.needs[calls[0].definition], calls[0].targets, calls[0].arguments
    if needs.key or needs.captured or (given != variable and _copies(group) < 3):
        return False  # a line for the variable would be as many as a loop spares
    for call, argument in zip(calls, [given, *[variable] * len(calls)], strict=False):
        same = tuple(call.targets) == (variable,) and tuple(call.arguments) == (argument,)
        if not same or call.passed or call.unread or printer.facts.needs[call.definition] != needs:
            return False
    tree = printer.init.tree
    for part in group.name:
        if part not in tree.children:
            return False
        tree = tree.children[part]
    return tree.is_list and [(*group.name, part) for part in tree.children] == [c.member.path for c in calls]


def _copies(group: Group) -> int:
    return sum(s.count if isinstance(s, ForEach) else 1 for s in group.body)


def _only_call(statement: Statement) -> Invoke | None:
    """The use of a block that a step is, or that a loop repeats."""
    if isinstance(statement, ForEach):
        alone = statement.carried and len(statement.body) == 1 and statement.carry == statement.result
        inner = statement.body[0] if alone else None
        carries = isinstance(inner, Invoke) and statement.initial == statement.carry
        return inner if carries else None  # type: ignore[return-value]  # an Invoke where it carries
    return statement if isinstance(statement, Invoke) else None


def through_all(printer: ClassPrinter, group: Group, out: Writer) -> None:
    """`for block in self.h: x = block(x)`, or by index where calls give layers back with new statistics."""
    from nnspec.backends.jax.module import note

    first = group.body[0] if isinstance(group.body[0], Invoke) else _only_call(group.body[0])
    assert first is not None
    (variable,), given = first.targets, printer.argument(first.arguments[0])
    if given != variable:
        out.line(f"{variable} = {given}")
    needs = printer.facts.needs[first.definition]
    arguments = ", ".join([variable, *["training"] * needs.training])
    container = printer.place(group.name)
    shapes = {note(call) for call in map(_only_call, group.body) if call is not None} - {""}
    shape = shapes.pop() if len(shapes) == 1 else ""
    for name in (variable, group.output):
        printer.inlined.pop(name, None)
    if needs.own:
        index, updated = _fresh(printer.definition, "i"), container.replace("self", "new", 1)
        with out.indented(f"for {index} in range({_copies(group)}):"):
            out.line(f"{variable}, {updated}[{index}] = {updated}[{index}]({arguments})", shape)
        return
    block = _fresh(printer.definition, "block")
    with out.indented(f"for {block} in {container}:"):
        out.line(f"{variable} = {block}({arguments})", shape)


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
