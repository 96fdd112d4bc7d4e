"""One dataclass a class of the program: its fields, `init`, and the straight lines of `__call__`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.base import Unsupported
from nnspec.backends.jax.derivative import print_derivative
from nnspec.backends.jax.init import ClassInit, loop_variable
from nnspec.backends.jax.layout import is_image, knows
from nnspec.backends.jax.loops import is_row_of_blocks, over_layers, through_all
from nnspec.backends.jax.members import Path, Tree
from nnspec.backends.jax.rows import row
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
    LoopKey,
    Member,
    OpUse,
    Statement,
)
from nnspec.backends.source import Writer, literal, negated
from nnspec.ir.graph import Value
from nnspec.ir.types import show_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from nnspec.backends.jax.facts import Facts
    from nnspec.ir.graph import Node

# Names that fields of the emitted classes cannot have: they mean something in the class body.
RESERVED_FIELDS = frozenset({"init", "field", "classmethod", "key", "keys", "cls", "self", "new", "training"})


class Inside(OpUse):
    """A use as `__call__` sees it: what `init` is given is read from the object's fields."""

    def __init__(self, use: OpUse, printer: ClassPrinter) -> None:
        super().__init__(use.nodes, use.scope, use.coordinates)
        self.printer = printer
        layout = printer.layout
        self.layout = layout if layout is not None and knows(use, layout) else None

    def express(self, read: Callable[[Node], Any], hint: str) -> str:
        return self.printer.inside(super().express(read, hint))


class ClassPrinter:
    """Prints a ClassDef. `printed` holds the classes before it."""

    def __init__(
        self, definition: ClassDef, facts: Facts, printed: dict[ClassDef, ClassInit], attributes: dict[str, str]
    ) -> None:
        self.definition = definition
        self.facts = facts
        self.needs = facts.needs[definition]
        self.layout = facts.layout if definition in facts.program.classes else None  # how images lie in memory
        definition.scope.names.taken.update(RESERVED_FIELDS)
        self.init = ClassInit(definition, facts, printed, attributes)
        printed[definition] = self.init
        self.kept: dict[str, str] = {}  # constructor arguments that `__call__` reads, by their annotation
        self.inlined: dict[str, tuple[str, bool]] = {}  # variable -> source, whether it is a bare number
        self.key_uses = 0
        self.key_in_loop = False
        self.loops = 0
        self.weights: dict[tuple[str, ...], str] = {}  # of the objective: paths under a penalty -> their function

    # ---------------------------------------------------------------- the whole class

    def print(self, out: Writer, doc: str) -> None:
        definition, init = self.definition, self.init
        init.run()
        body = self.body()
        with out.indented(f"class {definition.name}(Module):"):
            out.docstring(doc)
            out.blank()
            for name, annotation in init.fields.items():
                out.line(f"{name}: {annotation}")
            for name, annotation in self.kept.items():
                out.line(f'{name}: {annotation} = field(metadata={{"static": True}})')
            if init.fields or self.kept:
                out.blank()
            self.print_init(out)
            out.blank()
            self.print_call(out, body)

    def print_init(self, out: Writer) -> None:
        init = self.init
        signature = [
            f"{a.name}: {a.annotation}" + (f" = {literal(a.default)}" if a.default is not None else "")
            for a in self.definition.ordered_arguments()
        ]
        if init.needs_key:
            signature.insert(0, "key: Array")
        out.line("@classmethod")
        with out.indented(f"def init({', '.join(['cls', *signature])}) -> Self:"):
            init.print(list(self.kept), out)

    def body(self) -> Writer:
        body = Writer()
        body.depth = 2
        self.forward(self.definition.body, body, last=True)
        self.take_images(body)
        self.settle_keys(body)
        if self.needs.own:
            body.lines.insert(0, "        new = copy_tree(self)")
        return body

    def take_images(self, body: Writer) -> None:
        """The model is given images channels first, and lays them out as its layers want them."""
        layout, definition = self.layout, self.definition
        if layout is None or definition is not self.facts.program.root:
            return
        images = zip(definition.inputs, definition.module.inputs, strict=False)
        lines = [f"        {name} = {layout.name}({name})" for name, value in images if is_image(value.type)]
        body.lines[:0] = lines

    def settle_keys(self, body: Writer) -> None:
        """One draw takes the key as it is; several share it out."""
        if self.key_uses == 1 and not self.key_in_loop:
            body.lines = [line.replace("next(keys)", "key") for line in body.lines]
        elif self.key_uses:
            body.lines.insert(0, "    " * body.depth + "keys = key_stream(key)")

    def print_call(self, out: Writer, body: Writer) -> None:
        definition, needs = self.definition, self.needs
        arguments = [f"{name}: Array" for name in definition.inputs]
        arguments += [f"{name}: {self.captured_kind(k)}" for k, name in enumerate(definition.captures)]
        if needs.training:
            arguments.append("training: bool = False")
        if needs.key:
            arguments.append("key: Array | None = None")
        results = ["Array"] * len(definition.returns) + ["Self"] * needs.own
        results += [self.captured_kind(definition.captures.index(name)) for name in needs.captured]
        result = results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
        with out.indented(f"def __call__({', '.join(['self', *arguments])}) -> {result}:"):
            out.lines.extend(body.lines)

    def captured_kind(self, index: int) -> str:
        """The annotation of a layer, a block or a tensor of an enclosing class that is passed in."""
        captured = self.definition.module.captures[index]
        if isinstance(captured, Value):
            return "Array"
        for definition in self.facts.program.classes:
            if captured in definition.modules:
                return definition.name
        return row_kind(type(captured.op).__name__) if hasattr(captured, "op") else "Any"

    # ---------------------------------------------------------------- places

    def inside(self, source: str) -> str:
        """Source over constructor arguments as `__call__` reads it; the arguments become static fields."""
        for argument in self.definition.arguments:
            pattern = rf"(?<![\w.\"]){argument.name}(?![\w\"])"
            if re.search(pattern, source):
                self.kept[argument.name] = argument.annotation
                source = re.sub(pattern, f"self.{argument.name}", source)
        return source

    def place(self, path: Path, base: str = "self") -> str:
        """`self.features["0"]`; inside a loop the part that varies is a variable of the loop."""
        source, tree = base, self.init.tree
        for depth, part in enumerate(path):
            if not depth and isinstance(part, LoopKey):
                source = f"getattr({base}, {loop_variable(part.loop, self.init.cells((part,)), 'name')})"
            elif not depth:
                source += f".{self.init.attributes.get(part, part)}"  # type: ignore[arg-type]  # a name
            elif isinstance(part, LoopKey):
                cells = list(part.keys) if tree.is_list else [literal(k) for k in part.keys]
                source += f"[{loop_variable(part.loop, cells, 'i' if tree.is_list else 'name')}]"
            else:
                source += f"[{part if tree.is_list else literal(part)}]"
            tree = tree.children.get(part, Tree(()))
        return source

    def reference(self, member: Member | None, base: str = "self") -> str:
        assert member is not None
        if member.deep:
            return base + "".join(self.init.printed[owner].locate(name) for owner, name in member.deep)
        return member.captured or self.place(member.path, base)

    # ---------------------------------------------------------------- lines

    def forward(self, body: list[Statement], out: Writer, last: bool = False) -> None:
        """The lines of some statements; `last` ends the function with its `return`."""
        lines: list[Line] = []
        opened = list(self.opened(body))
        for position, statement in enumerate(opened):
            if isinstance(statement, Apply) and type(statement.use.op).__name__ == "Gradient":
                flush(lines, out)
                start = len(out.lines)
                print_derivative(self, statement, opened[:position], out)
                mark(out.lines, start, Part(statement))
            elif isinstance(statement, Apply | Invoke):
                line = self.line(statement)
                if line is not None:
                    lines.append(line.replace(of=(Part(statement, line.source),)))
            elif not isinstance(statement, Construct):
                flush(lines, out)
                start = len(out.lines)
                self.compound(statement, out)
                mark(out.lines, start, Part(statement))
        if last:
            result = self.returned()
            first, comma, rest = result.source.partition(", ")
            if lines and self.definition.returns == [first] == [lines[-1].target]:
                source = f"{lines[-1].source}{comma}{rest}"
                lines[-1] = lines[-1].replace(target="return", source=source, named=False)
            else:
                lines.append(result)
        flush(lines, out)

    def returned(self) -> Line:
        """What the class returns: its values, itself with new statistics, layers of others that it moved on."""
        values = [self.argument(name) for name in self.definition.returns]
        if self.layout is not None and self.definition is self.facts.program.root:
            graph = self.facts.program.graph
            outputs = [*graph.outputs.values(), *graph.taps.values()]
            values = [f"channels_first({v})" if is_image(o.type) else v for v, o in zip(values, outputs, strict=True)]
        values += ["new"] * self.needs.own + list(self.needs.captured)
        return Line("return", ", ".join(values), dies=frozenset(self.definition.returns))

    def line(self, statement: Apply | Invoke) -> Line | None:
        if statement.unread:
            return None
        source = self.call(statement) if isinstance(statement, Apply) else self.invoke(statement)
        kind = type(statement.use.op).__name__ if isinstance(statement, Apply) else ""
        if kind in ("FreeParameter", "ReadParameter") or (kind == "Constant" and not statement.use.outputs[0].rank):  # type: ignore[union-attr]
            self.inlined[statement.targets[0]] = source, kind == "Constant"
            return None
        for name in statement.targets:
            self.inlined.pop(name, None)
        updated = [self.reference(m, "new") for m in self.facts.updated(statement)]
        targets = (*statement.targets, *updated)
        if any(t.startswith("getattr(") for t in updated):
            raise Unsupported("running statistics of copies with names of their own have no JAX form", statement.span)
        named = statement.targets[0] in self.definition.given
        dies = statement.dies | set(statement.targets)
        return Line(", ".join(targets), source, note(statement), dies, named=named)

    def argument(self, name: str, bare: bool = False) -> str:
        """A variable, or what stands for it; numbers stand bare only where an array is beside them."""
        star = "*" if name.startswith("*") else ""
        if name.removeprefix("*") not in self.inlined:
            return name
        source, number = self.inlined[name.removeprefix("*")]
        if not number:
            return star + source
        simple = re.fullmatch(r"[\w.]+", source)
        return (source if simple else f"({source})") if bare else f"jnp.array({source})"

    def call(self, statement: Apply) -> str:
        use, form = Inside(statement.use, self), row(statement.use)
        bare = use.op.elementwise
        arguments = [self.argument(a, bare) for a in statement.arguments]
        if bare and arguments and not any(a in statement.arguments or "." in a or "[" in a for a in arguments):
            arguments = [self.argument(statement.arguments[0]), *arguments[1:]]
        if type(use.op).__name__ == "Penalty":
            arguments = [f"{self.weights[tuple(use.op.paths)]}(model)"]  # type: ignore[attr-defined]  # a Penalty
        member = statement.member
        foreign = self.layout is not None and use.layout is None
        if foreign:
            arguments = _channels_first(use, arguments)
        alone = form.channels_first and not use.inputs[0].batched
        if alone:
            arguments[0] += "[None]"
        if form.noisy:
            source = self.noise(statement, use, arguments)
        elif form.reads_member:
            assert form.call is not None
            source = form.call(use, self.reference(member))
        elif member is not None and statement.use.layer is not None and statement.use.layer.parameters:
            source = self.call_layer(statement, use, arguments)
        elif form.call is None:
            raise Unsupported(f"{use.op.name} has no JAX form without parameters", use.span)
        else:
            source = form.call(use, *arguments)
        if foreign and any(map(is_image, use.outputs)):
            assert self.layout is not None
            several = len(statement.targets) > 1
            return f"map({self.layout.name}, {source})" if several else f"{self.layout.name}({source})"
        return f"{source}[0]" if alone else source

    def call_layer(self, statement: Apply, use: Inside, arguments: list[str]) -> str:
        if type(use.op).__name__ != "BatchNorm":
            return f"{self.reference(statement.member)}({', '.join(arguments)})"
        if not self.facts.is_statistic(statement):
            return f"{self.reference(statement.member)}({', '.join(arguments)}, training=False)[0]"
        return f"{self.reference(statement.member, 'new')}({', '.join(arguments)}, {self.training(use)})"

    def noise(self, statement: Apply, use: Inside, arguments: list[str]) -> str:
        always = bool(getattr(use.op, "always", False))
        if not self.facts.draws(statement):
            return f"jnp.where({arguments[0]} >= 0.5, 1.0, 0.0)" if always else arguments[0]
        call = row(use).call
        assert call is not None
        return call(use, *arguments, self.key(), "" if always else self.training(use))

    def training(self, use: Inside) -> str:
        """Whether a layer runs as in training: not where the spec freezes it."""
        frozen = use.express(self.facts.is_frozen, "frozen")
        return "training" if frozen == "False" else f"training and not {frozen}"

    def key(self) -> str:
        self.key_uses += 1
        self.key_in_loop |= self.loops > 0
        return "next(keys)"

    def invoke(self, statement: Invoke) -> str:
        needs = self.facts.needs[statement.definition]
        passed = [self.reference(p, "new") if isinstance(p, Member) and self.is_new(p) else p for p in statement.passed]
        given = [self.argument(a) for a in statement.arguments]
        given += [self.reference(p) if isinstance(p, Member) else self.argument(p) for p in passed]
        if needs.training:
            given.append("training")
        if needs.key:
            given.append(self.key() if needs.training else f"key={self.key()}")
        return f"{self.reference(statement.member, 'new' if needs.own else 'self')}({', '.join(given)})"

    def is_new(self, member: Member) -> bool:
        """Whether a member that is passed on may have statistics that were moved on here."""
        return self.needs.own and not member.captured

    # ---------------------------------------------------------------- compound statements

    def compound(self, statement: Statement, out: Writer) -> None:
        if isinstance(statement, ForEach):
            self.loop(statement, out)
        elif isinstance(statement, Branch):
            self.branch(statement, out)
        elif isinstance(statement, Group):
            through_all(self, statement, out)

    def opened(self, body: list[Statement]) -> Iterator[Statement]:
        """Statements with the compositions among them opened, unless a loop over all their layers says the same."""
        for statement in body:
            if isinstance(statement, Group) and not is_row_of_blocks(self, statement):
                yield from self.opened(statement.body)
            else:
                yield statement

    def branch(self, branch: Branch, out: Writer) -> None:
        then, otherwise = inner(out), inner(out)
        known = dict(self.inlined)
        self.forward(branch.then, then)
        self.inlined = dict(known)
        self.forward(branch.otherwise, otherwise)
        self.inlined = {n: s for n, s in known.items() if n != branch.target}
        condition, opposite = self.condition(branch)
        lines = "\n".join(unmarked(line)[0] for line in otherwise.lines)
        kept = re.fullmatch(rf" *({branch.target} = \w+)", lines) if branch.target else None
        if then.lines:
            if kept:  # what stays as it is stands before
                out.line(kept[1])
                otherwise.lines.clear()
            out.line(f"if {condition}:")
            out.lines.extend(then.lines)
            if otherwise.lines:
                out.line("else:")
                out.lines.extend(otherwise.lines)
        elif otherwise.lines:
            out.line(f"if {opposite}:")
            out.lines.extend(otherwise.lines)

    def condition(self, branch: Branch) -> tuple[str, str]:
        """How `__call__` tells which branch was taken: by a field that is None, else by the condition itself."""
        if branch in self.init.guards:
            path, side = self.init.guards[branch]
            tests = f"{self.place(path)} is not None", f"{self.place(path)} is None"
            return tests if side == 0 else (tests[1], tests[0])
        condition = self.inside(branch.condition)
        return condition, negated(condition)

    def loop(self, loop: ForEach, out: Writer) -> None:
        if loop.carried and self.argument(loop.initial) != loop.carry:
            out.line(f"{loop.carry} = {self.argument(loop.initial)}")
        self.inlined.pop(loop.carry, None)
        if not loop.carried:
            out.line(f"{loop.collected} = []")
        body = inner(out)
        self.loops += 1
        self.forward(loop.body, body)
        self.loops -= 1
        result = self.argument(loop.result)
        if loop.carried and result != loop.carry:
            body.line(f"{loop.carry} = {result}")
        if not loop.carried:
            body.line(f"{loop.collected}.append({result})")
        header, lines = over_layers(self, loop, body.lines) or (loop.header(body.lines), body.lines)
        target, rows = header.split(" in ", 1)
        out.line(f"for {target} in {self.inside(rows)}:")
        out.lines.extend(lines)


def _channels_first(use: OpUse, arguments: list[str]) -> list[str]:
    """What an op is given that does not know how images lie; a list of tensors stands for all of one kind."""
    given = []
    for k, source in enumerate(arguments):
        if k < len(use.inputs) and is_image(use.inputs[k]):
            listed = source.startswith("*")
            source = f"*[channels_first(x) for x in {source[1:]}]" if listed else f"channels_first({source})"
        given.append(source)
    return given


def row_kind(op: str) -> str:
    from nnspec.backends.jax.rows import TABLE

    return TABLE[op].kind if op in TABLE else "Any"


def flush(lines: list[Line], out: Writer) -> None:
    for line in nest(_activated(lines)):
        start = len(out.lines)
        out.line(f"return {line.source}" if line.target == "return" else f"{line.target} = {line.source}", line.note)
        mark(out.lines, start, *line.of)
    lines.clear()


def _activated(lines: list[Line]) -> list[Line]:
    """The activation of what a layer gave beside its statistics stands inside the next line, if it fits."""
    found: list[Line] = []
    for line in lines:
        moved = len(found) > 1 and "," in found[-2].target and line.target != line.source
        if moved and re.fullmatch(r"(?:jax\.nn|jnp)\.\w+\(\w+\)", found[-1].source) and not found[-1].note:
            joined = nest([found[-1], line.replace(note="")])
            if len(joined) == 1:
                line = joined[0].replace(note=line.note)
                found.pop()
        found.append(line)
    return found


def inner(out: Writer) -> Writer:
    writer = Writer()
    writer.depth = out.depth + 1
    return writer


def note(statement: Apply | Invoke) -> str:
    """The shape of the result where it is that of no input and the same in every use."""
    items = statement.use.nodes if isinstance(statement, Apply) else statement.calls
    shapes = {item.outputs[0].type.shape for item in items}
    shape = shapes.pop()
    known = all(shape in [value.type.shape for value in item.inputs] for item in items)
    if shapes or known or not shape or len(items[0].outputs) != 1:
        return ""
    return show_shape(shape)
