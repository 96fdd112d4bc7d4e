"""From graph to `Program`: classes from merged modules, statements from their items, names for all variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nnspec.backends.express import Scope, express
from nnspec.backends.naming import name_variables
from nnspec.backends.program import (
    Apply,
    Branch,
    ClassDef,
    Construct,
    ForEach,
    Group,
    Invoke,
    LoopKey,
    Member,
    Minimized,
    OpUse,
    Program,
    Statement,
)
from nnspec.backends.source import Names, camel, identifier
from nnspec.backends.structure import Signature
from nnspec.backends.tidy import drop_unread, inline_numbers, mark_chains, simplify
from nnspec.backends.values import is_frozen
from nnspec.ir.graph import (
    Call,
    Choice,
    Declare,
    Graph,
    Item,
    Layer,
    Loop,
    Module,
    Node,
    Objective,
    Sequence,
    Value,
)
from nnspec.ops.core import FreeParameter, ReadParameter

if TYPE_CHECKING:
    from nnspec.backends.express import Coordinate

Column = tuple["Coordinate", list[Item]]  # the items of one use, and where it stands


def build(graph: Graph, deterministic: bool = False, reserved: frozenset[str] = frozenset()) -> Program:
    """The classes and statements that say the same as the graph, for any emitter.

    `deterministic` marks every op use so that rows of noise ops print what draws nothing. `reserved` are names that
    mean something else in the emitted file: no class and no variable is called so.
    """
    program = Program(graph, deterministic)
    builder = _Builder(graph, program, reserved)
    builder.module(graph.root)
    builder.finish()
    if graph.training is not None:
        objectives = graph.training.objectives
        for objective, suffix in zip(objectives, _suffixes(objectives), strict=True):
            program.objectives.append(Minimized(objective, builder.objective(objective.module), suffix))
    return program


def _suffixes(objectives: tuple[Objective, ...]) -> list[str]:
    """`""` for an only objective, else `_d` for that of the pattern "D", unique."""
    if len(objectives) == 1:
        return [""]
    names = Names(())
    words = ["rest" if o.pattern == "*" else re.sub(r"\W+", "_", o.pattern).strip("_") for o in objectives]
    return [f"_{names.fresh(identifier(word.lower() or 'part').rstrip('_'))}" for word in words]


class _Builder:
    def __init__(self, graph: Graph, program: Program, reserved: frozenset[str]) -> None:
        self.graph = graph
        self.reserved = reserved
        self.program = program
        self.classes: dict[Module, ClassDef] = {}
        self.signatures: dict[Module, Signature] = {}
        self.names = Names((*_RESERVED_CLASSES, *reserved))

    def module(self, module: Module) -> None:
        """Find or make the class of a module, those it uses first."""
        if module in self.classes:
            return
        for item in module.flat():
            if isinstance(item, Call):
                self.module(item.module)
        for child in module.children:
            self.module(child)
        signature = self.signatures[module] = Signature(module, self.classes, self.outputs(module))
        for definition in self.program.classes:
            if definition.module.definition is not module.definition or module.kind == "model":
                continue
            if all(signature.fits(self.signatures[m]) for m in definition.modules):
                definition.modules.append(module)
                self.classes[module] = definition
                return
        definition = ClassDef("", [module])
        self.classes[module] = definition
        self.program.classes.append(definition)

    def outputs(self, module: Module) -> list[Value]:
        if module is self.graph.root:
            return [*self.graph.outputs.values(), *self.graph.taps.values()]
        return list(module.outputs)

    def finish(self) -> None:
        root = self.classes[self.graph.root]
        root.name = self.names.fresh(camel(identifier(self.graph.name)))
        for definition in self.program.classes:
            if definition is not root:
                name = camel(identifier(definition.module.title))
                definition.name = self.names.fresh(f"{name}Block" if name in self.reserved else name)
        for definition in self.program.classes:
            self.fill(definition)

    def fill(self, definition: ClassDef) -> None:
        columns: list[Column] = [((index,), module.items) for index, module in enumerate(definition.modules)]
        definition.body = _Body(self, definition).statements(columns, definition.scope, [])
        simplify(definition.body)
        inline_numbers(definition)
        drop_unread(definition, self.signatures[definition.module].outputs)
        mark_chains(definition, self.signatures[definition.module])
        signature, captured = self.signatures[definition.module], self.captured_names(definition)
        name_variables(definition, signature, captured, self.reserved)
        self.describe(definition)

    def captured_names(self, definition: ClassDef) -> list[str]:
        return [identifier(c.name.split(".")[-1] or "value") for c in definition.module.captures]

    def describe(self, definition: ClassDef) -> None:
        for statement in definition.statements():
            if isinstance(statement, Apply):
                op = statement.use.op
                stateful = (
                    any(p.role == "buffer" for p in statement.use.layer.parameters.values())
                    if statement.use.layer
                    else False
                )
                definition.noisy |= op.noisy
                definition.stateful |= stateful
                definition.training |= op.noisy or stateful
            elif isinstance(statement, Invoke):
                definition.noisy |= statement.definition.noisy
                definition.stateful |= statement.definition.stateful
                definition.training |= statement.definition.training

    def objective(self, module: Module) -> ClassDef:
        """The function to minimise, as a class without members of its own."""
        for item in module.flat():
            if isinstance(item, Call):
                self.module(item.module)
        self.signatures[module] = Signature(module, self.classes, list(module.outputs))
        definition = ClassDef("loss", [module])
        self.fill(definition)
        return definition


_RESERVED_CLASSES = [
    "Model",
    "Tensor",
    "Array",
    "Any",
    "Callable",
    "Optimizer",
    "State",
    "None",
    "True",
    "False",
]


class _Body:
    """The statements of one class."""

    def __init__(self, builder: _Builder, definition: ClassDef) -> None:
        self.builder = builder
        self.definition = definition
        self.signatures = [builder.signatures[m] for m in definition.modules]
        self.captures: dict[Layer | Module | Value, int] = {}
        for module in definition.modules:
            self.captures.update({c: i for i, c in enumerate(module.captures)})

    def statements(self, columns: list[Column], scope: Scope, loops: list[ForEach]) -> list[Statement]:
        found: list[Statement] = []
        for position in range(len(columns[0][1])):
            row = [(coordinate, items[position]) for coordinate, items in columns]
            found.extend(self.statement(row, scope, loops))
        return found

    def statement(self, row: list[tuple[Coordinate, Any]], scope: Scope, loops: list[ForEach]) -> list[Statement]:
        first = row[0][1]
        if isinstance(first, Node):
            return [self.apply(row, scope, loops)]
        if isinstance(first, Call):
            return [self.invoke(row, scope, loops)]
        if isinstance(first, Sequence):
            return [self.group(row, scope, loops)]
        if isinstance(first, Choice):
            return self.choice(row, scope, loops)
        if isinstance(first, Declare):
            return self.construct(row, scope, loops)
        return self.loop(row, scope, loops)

    def wires(self, row: list[tuple[Coordinate, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        coordinate, item = row[0]
        return self.signatures[coordinate[0]].wires[item]

    def apply(self, row: list[tuple[Coordinate, Node]], scope: Scope, loops: list[ForEach]) -> Apply:
        inputs, outputs = self.wires(row)
        member = self.member([(c, n.layer) for c, n in row], loops) if row[0][1].layer is not None else None
        return Apply(self.use([n for _, n in row], scope, [c for c, _ in row]), member, inputs, outputs)

    def use(self, nodes: list[Node], scope: Scope, coordinates: list[Coordinate]) -> OpUse:
        use = OpUse(nodes, scope, coordinates, self.builder.program.deterministic)
        use.frozen = all(n.layer is not None and is_frozen(self.builder.graph, n.layer.path) for n in nodes)
        return use

    def invoke(self, row: list[tuple[Coordinate, Call]], scope: Scope, loops: list[ForEach]) -> Invoke:
        inputs, outputs = self.wires(row)
        member = self.member([(c, call.module) for c, call in row], loops)
        target = self.builder.classes[row[0][1].module]
        invoke = Invoke([call for _, call in row], target, member, inputs, outputs)
        invoke.scope, invoke.coordinates = scope, [c for c, _ in row]
        signature = self.signatures[row[0][0][0]]
        for index, captured in enumerate(row[0][1].module.captures):
            if isinstance(captured, Value):
                invoke.passed.append(signature.key(captured))
            else:
                invoke.passed.append(self.member([(c, call.module.captures[index]) for c, call in row], loops))
        return invoke

    def member(self, row: list[tuple[Coordinate, Any]], loops: list[ForEach]) -> Member:
        owned = row[0][1]
        free = isinstance(owned, Layer) and isinstance(owned.op, FreeParameter)
        if owned in self.captures:
            return Member((), owned.path, captured=f"#{self.captures[owned]}", free=free)
        if owned.owner is not self.definition.modules[row[0][0][0]]:
            return Member((), owned.path, deep=self.way(owned, self.definition.modules[row[0][0][0]]), free=free)
        return Member(_path([(c, o.name) for c, o in row], loops), owned.path, free=free)

    def way(self, owned: Layer | Module, module: Module) -> tuple[tuple[ClassDef, str], ...]:
        """From a module inwards to what one of its members owns."""
        steps: list[tuple[ClassDef, str]] = []
        current: Layer | Module | None = owned
        while current is not None and current is not module and current.owner is not None:
            steps.insert(0, (self.builder.classes[current.owner], current.name))
            current = current.owner
        return tuple(steps)

    def group(self, row: list[tuple[Coordinate, Sequence]], scope: Scope, loops: list[ForEach]) -> Statement:
        first = row[0][1]
        group = Group(_path([(c, s.name) for c, s in row], loops), first.label, first)
        group.body = self.statements([(c, s.items) for c, s in row], scope, loops)
        (group.entry,), (group.exit,) = self.wires(row)
        return group

    def loop(self, row: list[tuple[Coordinate, Loop]], scope: Scope, loops: list[ForEach]) -> list[Statement]:
        first = row[0][1]
        if first not in self.signatures[row[0][0][0]].rolled:
            flat: list[Statement] = []
            for index in range(len(first.iterations)):
                flat.extend(self.statements([(c, loop.iterations[index]) for c, loop in row], scope, loops))
            return flat
        names = [(c, loop.name) for c, loop in row]
        each = ForEach(first, _path(names, loops) if first.name else (), len(first.iterations))
        each.scope = Scope(self.definition, scope, dict(row))
        columns = [((*c, k), items) for c, loop in row for k, items in enumerate(loop.iterations)]
        each.body = self.statements(columns, each.scope, [*loops, each])
        (each.entry, each.last), (each.exit,) = self.wires(row)
        each.inner = (*each.exit[:-1], "carry") if first.carried else ()
        return [each]

    def choice(self, row: list[tuple[Coordinate, Choice]], scope: Scope, loops: list[ForEach]) -> list[Statement]:
        sides = [[(c, choice) for c, choice in row if choice.taken == side] for side in (0, 1)]
        if not all(sides):
            (taken,) = (side for side in sides if side)
            return self.statements([(c, choice.items) for c, choice in taken], scope, loops)
        _, (exit,) = self.wires(row)
        branch = Branch(row[0][1], exit if row[0][1].result is not None else ())
        condition = getattr(row[0][1].syntax, "condition", None)
        taken_by = {c[:1]: choice.taken == 0 for c, choice in row}
        branch.varies = any(taken_by[c[:1]] != (choice.taken == 0) for c, choice in row)
        if branch.varies:
            taken_by = {c: choice.taken == 0 for c, choice in row}
        where = scope if branch.varies else self.definition.scope
        branch.condition = express(where, list(taken_by), list(taken_by.values()), _flag(row), condition)
        branch.then = self.statements([(c, choice.items) for c, choice in sides[0]], scope, loops)
        branch.otherwise = self.statements([(c, choice.items) for c, choice in sides[1]], scope, loops)
        return [branch]

    def construct(self, row: list[tuple[Coordinate, Declare]], scope: Scope, loops: list[ForEach]) -> list[Statement]:
        first = row[0][1]
        coordinates, member = [c for c, _ in row], self.member([(c, d.target) for c, d in row], loops)
        targets = [d.target for _, d in row]
        if isinstance(first.target, Module):
            calls = [Call(t, (), (), first.span) for t in targets if isinstance(t, Module)]
            if first.target not in self.builder.classes:
                return []  # declared and never used: it has no shapes, so nothing can be made
            invoke = Invoke(calls, self.builder.classes[first.target], member, (), ())
            invoke.scope, invoke.coordinates = scope, coordinates
            return [Construct(None, invoke, member, first.span)]
        nodes = [self.first_use(t) for t in targets if isinstance(t, Layer)]
        uses = [n for n in nodes if n is not None]
        if not uses:
            return []
        return [Construct(self.use(uses, scope, coordinates[: len(uses)]), None, member, first.span)]

    def first_use(self, layer: Layer) -> Node | None:
        """The node whose input types settled the layer's shapes, wherever in the model it stands."""
        for module in self.builder.graph.root.modules():
            for item in module.flat():
                if isinstance(item, Node) and item.layer is layer and not isinstance(item.op, ReadParameter):
                    return item
        return None


def _flag(row: list[tuple[Coordinate, Choice]]) -> str:
    """A name for a condition that cannot be said in terms of the constructor's arguments."""
    result = row[0][1].result
    return f"use_{identifier(result.name)}" if result is not None and result.name else "first_branch"


def _path(row: list[tuple[Coordinate, str]], loops: list[ForEach]) -> tuple[str | LoopKey, ...]:
    """The path of a member in parts, those that differ by iteration as `LoopKey`s."""
    split = [(coordinate, name.split(".") if name else []) for coordinate, name in row]
    parts: list[str | LoopKey] = []
    for position in range(len(split[0][1])):
        texts = [names[position] for _, names in split]
        if len(set(texts)) == 1 and not loops:
            parts.append(texts[0])
            continue
        parts.append(_part([(c, names[position]) for c, names in split], loops))
    return tuple(parts)


def _part(row: list[tuple[Coordinate, str]], loops: list[ForEach]) -> str | LoopKey:
    if len({text for _, text in row}) == 1:
        return row[0][1]
    for depth, loop in enumerate(loops, 1):
        keys: dict[int, str] = {}
        if all(keys.setdefault(c[depth], text) == text for c, text in row):
            return LoopKey(loop, tuple(keys.get(k, "") for k in range(loop.count)))
    raise AssertionError(f"the name {row[0][1]!r} follows no single loop")
