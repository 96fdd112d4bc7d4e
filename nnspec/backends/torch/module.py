"""One `nn.Module` a class: the constructor's members and the lines of `forward`."""

from __future__ import annotations

import re

from nnspec.backends.base import Unsupported
from nnspec.backends.containers import shared_containers
from nnspec.backends.lines import Line, nest
from nnspec.backends.marks import Part, mark, unmarked
from nnspec.backends.program import (
    Apply,
    Branch,
    ClassDef,
    Construct,
    ForEach,
    Group,
    Invoke,
    Key,
    LoopKey,
    Member,
    Statement,
)
from nnspec.backends.source import Writer, literal, negated
from nnspec.backends.torch.losses import penalty
from nnspec.backends.torch.members import (
    build,
    construct,
    member_paths,
    note,
    place,
    reference,
    refused,
    stored,
)
from nnspec.backends.torch.products import Products
from nnspec.backends.torch.rows import row
from nnspec.backends.torch.sequences import Sequentials

Path = tuple[str | LoopKey, ...]


class ModulePrinter(Sequentials):
    """Prints a ClassDef. Members come first, because only printing them settles the constructor's arguments."""

    def __init__(self, definition: ClassDef, planned: bool = True) -> None:
        super().__init__()
        self.definition = definition
        self.planned = planned
        self.fresh: Key | None = None  # what the statement before made in memory that only it holds
        self.products = Products()
        self.loops = 0
        self.ahead: list[str] = []  # lines that stand before the loop that is being printed
        self.containers: set[Path] = set()
        self.buffers: dict[Statement, str] = {}
        self.penalties: dict[tuple[str, ...], str] = {}
        # Values by which a derivative is taken.
        self.tracked = {s.inputs[1] for s in definition.statements() if isinstance(s, Apply) and derives(s)}
        self.aliases: dict[str, str] = {}  # variables that stand for an attribute, which is written instead

    def print(self, out: Writer, doc: str) -> None:
        if self.is_numbered_chain():
            self.print_sequential(out, doc)
            return
        definition = self.definition
        members = _inner(2)
        self.members(definition.body, members)
        body = ForwardWriter(2, definition)
        for index, name in enumerate(definition.inputs):
            if ("in", index) in self.tracked:
                body.line(f"{name} = tracked({name})")
        self.forward(definition.body, body, result=definition.returns[0] if len(definition.returns) == 1 else "")
        if len(definition.returns) != 1:
            body.line(f"return {', '.join(definition.returns)}")
        with out.indented(f"class {definition.name}(nn.Module):"):
            out.docstring(doc)
            out.blank()
            signature = self.signature()
            if len(signature) > 1 or members.lines:
                with out.indented(f"def __init__({', '.join(signature)}) -> None:"):
                    out.line("super().__init__()")
                    for name in body.kept():
                        out.line(f"self.{name} = {name}")
                    out.lines.extend(members.lines)
                out.blank()
            names = [
                f"{n}: {definition.annotation(n, 'Tensor', 'nn.Module')}"
                for n in (*definition.inputs, *definition.captures)
            ]
            count = len(definition.returns)
            result = "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
            if self.tracked:
                out.line("@torch.enable_grad()")
            with out.indented(f"def forward({', '.join(['self', *names])}) -> {result}:"):
                out.lines.extend(body.lines)

    def signature(self) -> list[str]:
        """The arguments of the constructor, `self` first."""
        given = self.definition.ordered_arguments()
        defaults = [f" = {literal(a.default)}" if a.default is not None else "" for a in given]
        return ["self", *(f"{a.name}: {a.annotation}{d}" for a, d in zip(given, defaults, strict=True))]

    def is_numbered_chain(self) -> bool:
        """Whether the class is a composition with a name: an `nn.Sequential` whose steps keep their numbers."""
        if self.definition.module.kind != "layer" or not self.definition.chain or not self.definition.body:
            return False
        return all(map(self.fits, self.definition.body))

    def print_sequential(self, out: Writer, doc: str) -> None:
        steps = self.sequential(self.definition.body).removeprefix("nn.Sequential")
        with out.indented(f"class {self.definition.name}(nn.Sequential):"):
            out.docstring(doc)
            out.blank()
            with out.indented(f"def __init__({', '.join(self.signature())}) -> None:"):
                out.line(f"super().__init__{steps}")

    # ---------------------------------------------------------------- members

    def members(self, body: list[Statement], out: Writer) -> None:
        for statement in body:
            start = len(out.lines)
            if isinstance(statement, Apply):
                self.applied(statement, out)
            elif isinstance(statement, Invoke) and self.first(statement.member):
                self.store(out, statement, statement.member.path, build(statement))
            elif isinstance(statement, Construct) and self.first(statement.member):
                made = construct(statement.use) if statement.use is not None else build(statement.invoke)
                self.store(out, statement, statement.member.path, made)
            elif isinstance(statement, Group):
                self.group(statement, out)
            elif isinstance(statement, ForEach):
                self.loop(statement, out)
            elif isinstance(statement, Branch):
                self.branch(statement, out)
            mark(out.lines, start, Part(statement))

    def applied(self, statement: Apply, out: Writer) -> None:
        """What `__init__` makes for one op: its layer, or the constant that it is."""
        form = row(statement.use)
        if statement.member is not None and form.construct is not None and self.first(statement.member):
            self.store(out, statement, statement.member.path, form.construct(statement.use))
        elif form.constant and statement.use.is_settled and form.call is not None:
            name = self.definition.scope.names.fresh(f"{statement.use.op.name}_{statement.targets[0]}")
            self.buffers[statement] = name
            out.line(f'self.register_buffer("{name}", {form.call(statement.use)}, persistent=False)')

    def first(self, member: Member) -> bool:
        """Whether this place constructs the member: it is the class's own, and was not made before."""
        if not member.path or member.path in self.made:
            return False
        self.made.add(member.path)
        return True

    def store(self, out: Writer, statement: Statement, path: Path, source: str) -> None:
        """`self.conv1 = ...`, or an entry of the container that holds it."""
        if refused(path):
            raise Unsupported(f"no member can be called `{refused(path)}`, which is nn.Module's own", statement.span)
        for depth in range(1, len(path)):
            self.contain(out, path[:depth])
        member = getattr(statement, "member", None)
        out.line(stored(path, source, free=member is not None and member.free))

    def contain(self, out: Writer, path: Path) -> None:
        if path and path not in self.containers:
            self.containers.add(path)
            out.line(stored(path, "nn.ModuleDict()"))

    def group(self, group: Group, out: Writer) -> None:
        if self.is_sequential(group):
            self.claim(group)
            self.store(out, group, group.name, self.sequential(group.body, group.name))
        else:
            self.members(group.body, out)

    def loop(self, loop: ForEach, out: Writer) -> None:
        if loop.name and self.is_sequential(loop):
            self.claim(loop)
            self.store(out, loop, loop.name, self.copies(loop))
            return
        for path in self.paths(loop.body):
            for depth in range(1, len(path)):
                if not any(isinstance(part, LoopKey) and part.loop is loop for part in path[:depth]):
                    self.contain(out, path[:depth])
        inner = _inner(out.depth + 1)
        self.loops += 1
        self.members(loop.body, inner)
        self.loops -= 1
        if not self.loops:
            for line in self.ahead:
                out.line(line)
            self.ahead.clear()
        if inner.lines:
            out.line(f"for {loop.header(inner.lines)}:")
            out.lines.extend(inner.lines)

    def branch(self, branch: Branch, out: Writer) -> None:
        then, otherwise = _inner(out.depth + 1), _inner(out.depth + 1)
        for path in shared_containers(branch, self.definition.body, self.paths):
            self.contain(out, path)
        for body, writer in ((branch.then, then), (branch.otherwise, otherwise)):
            containers, made = set(self.containers), set(self.made)
            self.members(body, writer)
            self.containers, self.made = containers, made
        if branch.varies:
            return  # nothing is made in it, and `forward` reads the condition
        branch.flag = f"self.{self.flag(branch)}"
        kept = f"{branch.flag} = {branch.condition}"
        if self.loops:
            self.ahead.append(kept)
        else:
            out.line(kept)
        _if_else(out, branch.flag, then, otherwise)

    def paths(self, body: list[Statement]) -> list[Path]:
        """The paths of what the constructor stores for some statements: of a Sequential its own."""
        found: list[Path] = []
        for statement in body:
            if isinstance(statement, Group | ForEach):
                whole = statement.name and self.is_sequential(statement)
                found += [statement.name] if whole else self.paths(statement.body)
            elif isinstance(statement, Branch):
                found += self.paths(statement.then) + self.paths(statement.otherwise)
            else:
                found += member_paths([statement])
        return found

    def flag(self, branch: Branch) -> str:
        """The attribute under which `forward` finds which branch was taken."""
        groups = [s for s in (*branch.then, *branch.otherwise) if isinstance(s, Group) and isinstance(s.name[0], str)]
        wanted = f"has_{groups[0].name[0]}" if groups else f"use_{branch.target or 'branch'}"
        return self.definition.scope.names.fresh(wanted)

    # ---------------------------------------------------------------- forward

    def forward(self, body: list[Statement], out: ForwardWriter, result: str = "") -> None:
        """Statements as lines; with `result`, the last one returns that variable."""
        lines: list[Line] = []
        self.fresh = None
        self.products.forget()
        for statement in body:
            arguments = self.arguments(statement) if isinstance(statement, Apply) else []
            line = self.line(statement)
            if line is not None:
                line = line.replace(of=(Part(statement, line.source),))
            if line is not None and isinstance(statement, Apply) and self.planned:
                lines.append(self.products.line(statement, line, arguments, lines))
            elif line is not None:
                self.products.forget()
                lines.append(line)
            elif not isinstance(statement, Construct):
                _flush(lines, out)
                start = len(out.lines)
                self.compound(statement, out)
                mark(out.lines, start, Part(statement))
                self.fresh = None
                self.products.forget()
            for name in self.tracked_by(statement):
                _flush(lines, out)
                start = len(out.lines)
                out.line(f"{name} = tracked({name})")
                mark(out.lines, start, Part(statement))
                self.products.forget()
        if result and lines and lines[-1].target == result:
            lines[-1] = lines[-1].replace(target="return")
        elif result:
            lines.append(Line("return", result, dies=frozenset({result})))
        _flush(lines, out)

    def tracked_by(self, statement: Statement) -> list[str]:
        """The variables of a statement by which a derivative is taken later."""
        if isinstance(statement, Apply | Invoke):
            return [name for key, name in zip(statement.outputs, statement.targets, strict=True) if key in self.tracked]
        if isinstance(statement, ForEach | Branch | Group) and statement.exit in self.tracked:
            if isinstance(statement, Group):
                return [statement.output]
            return [statement.target if isinstance(statement, Branch) else statement.carry or statement.collected]
        return []

    def line(self, statement: Statement) -> Line | None:
        """The one line of a statement, if it has one."""
        if statement.unread:
            return Line("_", "_")
        if isinstance(statement, Apply):
            source = self.in_place(statement, self.call(statement))
            if self.alias(statement, source):
                return Line("_", "_")
            named = statement.targets[0] in self.definition.given
            targets = [*statement.targets, "_"] if row(statement.use).pair else statement.targets
            return Line(", ".join(targets), source, note(statement), statement.dies, named=named)
        self.fresh = None
        if isinstance(statement, Invoke):
            passed = [reference(p) if isinstance(p, Member) else self.read(str(p)) for p in statement.passed]
            source = f"{reference(statement.member)}({', '.join([*self.arguments(statement), *passed])})"
            self.forget(statement)
            named = statement.targets[0] in self.definition.given
            return Line(", ".join(statement.targets), source, note(statement), statement.dies, named=named)
        if isinstance(statement, Group) and statement in self.sequences:
            return Line(statement.output, f"{place(statement.name)}({self.read(statement.input)})", alone=True)
        if isinstance(statement, ForEach) and statement in self.sequences:
            return Line(statement.carry, f"{place(statement.name)}({self.read(statement.initial)})", alone=True)
        return None

    def in_place(self, statement: Apply, source: str) -> str:
        """A relu overwrites what was made right before for it alone, and is not needed by a gradient: a third less
        memory for a residual network, and a pass over it saved."""
        kind, fresh = type(statement.use.op).__name__, self.fresh
        self.fresh = statement.outputs[0] if kind in ("BatchNorm", "Conv", "Add") else None
        if not self.planned or kind != "Relu" or fresh is None or statement.inputs[0] != fresh:
            return source
        last = statement.arguments[0] in (*statement.dies, *statement.targets)
        return f"{source[:-1]}, inplace=True)" if last else source

    def alias(self, statement: Apply, source: str) -> bool:
        """Whether the value is an attribute that later lines can name: then it needs no variable."""
        self.forget(statement)
        if not source.startswith("self.") or not source.replace(".", "").isidentifier():
            return False
        self.aliases[statement.targets[0]] = source
        return statement.outputs[0] not in self.definition.results

    def forget(self, statement: Apply | Invoke) -> None:
        for target in statement.targets:
            self.aliases.pop(target, None)

    def read(self, name: str) -> str:
        return self.aliases.get(name, name)

    def arguments(self, statement: Apply | Invoke) -> list[str]:
        return [self.read(name) for name in statement.arguments]

    def call(self, statement: Apply) -> str:
        form = row(statement.use)
        if statement in self.buffers:
            return f"self.{self.buffers[statement]}"
        if form.reads_member:
            assert form.call is not None
            return form.call(statement.use, reference(statement.member), *self.arguments(statement))
        if form.construct is not None and statement.member is not None:
            given = ", ".join(self.arguments(statement))
            if type(statement.use.op).__name__ == "GroupNorm" and not statement.use.inputs[0].batched:
                return f"{reference(statement.member)}({given}[None])[0]"  # its first axis would be taken for the batch
            return f"{reference(statement.member)}({given})"
        if type(statement.use.op).__name__ == "Penalty":
            return penalty(statement.use, self.penalties)
        assert form.call is not None, statement.use.op
        return form.call(statement.use, *self.arguments(statement))

    def compound(self, statement: Statement, out: ForwardWriter) -> None:
        if isinstance(statement, Group):
            self.forward(statement.body, out)
        elif isinstance(statement, ForEach):
            self.forward_loop(statement, out)
        elif isinstance(statement, Branch):
            then, otherwise = out.inner(), out.inner()
            self.forward(statement.then, then)
            self.forward(statement.otherwise, otherwise)
            _if_else(out, statement.flag or statement.condition, then, otherwise)

    def forward_loop(self, loop: ForEach, out: ForwardWriter) -> None:
        if loop.carried and loop.initial != loop.carry:
            out.line(f"{loop.carry} = {self.read(loop.initial)}")
        if not loop.carried:
            out.line(f"{loop.collected} = []")
        inner = out.inner()
        self.forward(loop.body, inner)
        if loop.carried and loop.result != loop.carry:
            inner.line(f"{loop.carry} = {loop.result}")
        if not loop.carried:
            inner.line(f"{loop.collected}.append({loop.result})")
        header, lines = _over_values(loop, inner.lines) or (loop.header(inner.lines), inner.lines)
        out.line(f"for {header}:")
        out.lines.extend(lines)


def _over_values(loop: ForEach, lines: list[str]) -> tuple[str, list[str]] | None:
    """`block in self.layer1.values()` where the loop's members are the container's only ones."""
    used = loop.used(lines)
    if not loop.name or len(used) != 1 or not all(isinstance(p, str) for p in loop.name):
        return None
    element = f"{place(loop.name)}[{used[0]}]"
    replaced = [line.replace(element, "block") for line in lines]
    if loop.used(replaced) or not any(element in line for line in lines):
        return None
    return f"block in {place(loop.name)}.values()", replaced


def _flush(lines: list[Line], out: Writer) -> None:
    for line in nest(lines):
        start = len(out.lines)
        out.line(f"return {line.source}" if line.target == "return" else f"{line.target} = {line.source}", line.note)
        mark(out.lines, start, *line.of)
    lines.clear()


class ForwardWriter(Writer):
    """Lines of `forward`: the constructor's arguments that it reads become attributes, and the lines say so."""

    def __init__(self, depth: int, definition: ClassDef, read: set[str] | None = None) -> None:
        super().__init__()
        self.depth = depth
        self.definition = definition
        self.read: set[str] = set() if read is None else read

    def line(self, text: str = "", note: str = "") -> None:
        for name in self.arguments():
            text, count = re.subn(rf"(?<![.\w]){name}\b(?!=[^=])", f"self.{name}", text)
            if count:
                self.read.add(name)
        super().line(text, note)

    def inner(self) -> ForwardWriter:
        """For the body of a loop or a branch."""
        return ForwardWriter(self.depth + 1, self.definition, self.read)

    def arguments(self) -> list[str]:
        """Those settled so far: what only `forward` reads becomes one when its line is made."""
        return [a.name for a in self.definition.ordered_arguments()]

    def kept(self) -> list[str]:
        """The arguments that are read, in the constructor's order."""
        return [name for name in self.arguments() if name in self.read]


def derives(statement: Apply) -> bool:
    """Whether it takes the derivative of one value by another."""
    return type(statement.use.op).__name__ == "Gradient"


def _inner(depth: int) -> Writer:
    writer = Writer()
    writer.depth = depth
    return writer


def _if_else(out: Writer, condition: str, then: Writer, otherwise: Writer) -> None:
    sides = [[unmarked(line) for line in body.lines] for body in (then, otherwise)]
    short = _ternary(condition, *([text for text, _ in side] for side in sides))
    if short:
        start = len(out.lines)
        out.line(short)
        mark(out.lines, start, *(part for side in sides for _, parts in side for part in parts))
    elif then.lines:
        out.line(f"if {condition}:")
        out.lines.extend(then.lines)
        if otherwise.lines:
            out.line("else:")
            out.lines.extend(otherwise.lines)
    elif otherwise.lines:
        out.line(f"if {negated(condition)}:")
        out.lines.extend(otherwise.lines)


def _ternary(condition: str, then: list[str], otherwise: list[str]) -> str:
    """`skip = self.downsample(x) if self.has_downsample else x`, where both branches are as short as that."""
    if not (len(then) == len(otherwise) == 1 and condition.startswith("self.")) or "#" in then[0] + otherwise[0]:
        return ""
    (target, _, one), (other, _, two) = (line.strip().partition(" = ") for line in (then[0], otherwise[0]))
    simple = target == other and target.isidentifier() and not re.search(r" (?:if|for|lambda) ", one + two)
    if simple and one == two:
        return f"{target} = {one}"
    line = f"{target} = {one} if {condition} else {two}"
    return line if simple and len(line) <= 72 else ""
