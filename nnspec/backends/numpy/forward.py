"""The forward lines of a plan, with what backward asked to be kept; and a class printed from both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.marks import Part, mark
from nnspec.backends.numpy.backward import Backward, over_values
from nnspec.backends.numpy.members import Lines, Members, inner_writer, print_branches
from nnspec.backends.numpy.steps import Entry, Facts, Plan, kept
from nnspec.backends.program import Apply, Branch, ClassDef, ForEach, Invoke, Member, Statement
from nnspec.backends.source import Writer, literal
from nnspec.ir.types import show_shape

if TYPE_CHECKING:
    from nnspec.backends.numpy.rows import Step


WIDTH = 88  # beyond this ruff folds a line


def print_forward(plan: Plan, entries: list[Entry], out: Writer) -> None:
    folded: Entry | None = None  # a batch norm that was printed with the convolution before it
    for entry, following in zip(entries, [*entries[1:], None], strict=False):
        statement, start = entry.statement, len(out.lines)
        if entry.dead or entry is folded:
            continue
        if plan.facts.bare and following is not None and _folds(entry.statement, following.statement):
            folded = following
            _fold(plan, entry.statement, following.statement, out)
            mark(out.lines, start, Part(entry.statement))
            continue
        for name, source in entry.before:
            out.line(f"{name} = {source}")
        if isinstance(statement, Apply) and entry.step is not None:
            _apply(entry, statement, entry.step, out)
        elif isinstance(statement, Invoke):
            _invoke(plan, entry, statement, out)
        elif isinstance(statement, ForEach):
            _loop(plan, entry, statement, out)
        elif isinstance(statement, Branch):
            _branch(plan, entry, statement, out)
        for name, source in entry.after:
            out.line(f"{name} = {source}")
        mark(out.lines, start, Part(statement))


def _folds(first: Statement, second: Statement) -> bool:
    """Whether a batch norm alone reads what the convolution before it gives."""
    if not isinstance(first, Apply) or not isinstance(second, Apply):
        return False
    if [type(s.use.op).__name__ for s in (first, second)] != ["Conv", "BatchNorm"] or not first.use.inputs[0].batched:
        return False
    target = first.targets[0]
    return second.arguments == (target,) and target in (*second.dies, *second.targets)


def _fold(plan: Plan, conv: Statement, norm: Statement, out: Writer) -> None:
    assert isinstance(conv, Apply) and isinstance(norm, Apply)
    members = ", ".join(plan.members.reference(s.member) for s in (conv, norm))
    out.line(f"{norm.targets[0]} = conv_norm({members}, {conv.arguments[0]}, training)", _note(conv))


def _apply(entry: Entry, statement: Apply, step: Step, out: Writer) -> None:
    targets = ", ".join(statement.targets)
    source = step.forward
    if not step.cache:
        if source != targets:
            out.line(f"{targets} = {source}", _note(statement))
        return
    if len(statement.targets) > 1 or type(statement.use.op).__name__ == "Split":
        targets = f"({targets}{',' if len(statement.targets) == 1 else ''})"
    out.line(f"{targets}, {entry.cache if entry.used else '_'} = {source}", _note(statement))


def _invoke(plan: Plan, entry: Entry, statement: Invoke, out: Writer) -> None:
    facts = plan.known[statement.definition]
    passed = [plan.members.reference(p) if isinstance(p, Member) else str(p) for p in statement.passed]
    run = [name for name, needed in (("training", facts.training), ("rng", facts.rng)) if needed]
    source = f"{plan.members.reference(statement.member)}.forward({', '.join([*statement.arguments, *passed, *run])})"
    cache = [] if facts.bare else [entry.cache if entry.used else "_"]
    out.line(f"{', '.join([*statement.targets, *cache])} = {source}", _note(statement))


def _loop(plan: Plan, entry: Entry, loop: ForEach, out: Writer) -> None:
    if loop.carried and loop.initial != loop.carry:
        out.line(f"{loop.carry} = {loop.initial}")
    if not loop.carried:
        out.line(f"{loop.collected} = []")
    if entry.used:
        out.line(f"{entry.cache} = []")
    inner = inner_writer(out.depth + 1)
    (body,) = entry.bodies
    print_forward(plan, body, inner)
    if loop.carried and loop.result != loop.carry:
        inner.line(f"{loop.carry} = {loop.result}")
    if not loop.carried:
        inner.line(f"{loop.collected}.append({loop.result})")
    if entry.used:
        names = kept(body)
        inner.line(f"{entry.cache}.append({names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'})")
    header, lines = over_values(plan, loop, inner.lines) or (loop.header(inner.lines), inner.lines)
    out.line(f"for {header}:")
    out.lines.extend(lines)


def _branch(plan: Plan, entry: Entry, branch: Branch, out: Writer) -> None:
    writers = []
    for body in entry.bodies:
        inner = inner_writer(out.depth + 1)
        print_forward(plan, body, inner)
        if entry.used:
            names = kept(body)
            if names != [entry.cache]:
                inner.line(f"{entry.cache} = {', '.join(names) or 'None'}")
        writers.append(inner)
    print_branches(out, branch.flag or branch.condition, *writers)


def _note(statement: Apply | Invoke) -> str:
    """The shape of the result where it is not that of the input and the same in every use."""
    items = statement.use.nodes if isinstance(statement, Apply) else statement.calls
    shapes = {item.outputs[0].type.shape for item in items}
    before = {item.inputs[0].type.shape for item in items if item.inputs}
    if len(shapes) != 1 or shapes in (before, {()}) or len(items[0].outputs) != 1:
        return ""
    return show_shape(shapes.pop())


def cache_source(names: list[str]) -> str:
    """What stands for the kept names in `return y, ...`."""
    if len(names) < 2:
        return names[0] if names else "None"
    return f"({', '.join(names)})"


def print_return(results: list[str], names: list[str], out: Writer) -> None:
    """`return y, (conv1_cache, tanh_cache)`; many names stand in lines of their own."""
    source = f"return {', '.join([*results, cache_source(names)])}"
    if 4 * out.depth + len(source) <= WIDTH:
        out.line(source)
        return
    out.line("cache = (")
    for name in names:
        out.block(f"    {name},")
    out.block(")")
    out.line(f"return {', '.join([*results, 'cache'])}")


def print_unpack(names: list[str], out: Writer) -> None:
    """`conv1_cache, tanh_cache = cache`."""
    if names in ([], ["cache"]):
        return
    source = f"{', '.join(names)} = cache"
    if 4 * out.depth + len(source) <= WIDTH:
        out.line(source)
        return
    out.line("(")
    for name in names:
        out.block(f"    {name},")
    out.block(") = cache")


class ClassPrinter:
    """One emitted class. `plan` it first: what it returns gradients of is asked before it is printed.

    `known` and `members` are what was found of the classes before it.
    """

    def __init__(
        self, definition: ClassDef, known: dict[ClassDef, Facts], members: dict[ClassDef, Members], is_root: bool
    ) -> None:
        self.definition = definition
        self.members = Members(definition, members)
        self.constructor = inner_writer(2)
        self.members.print(definition.body, self.constructor)
        self.plan = Plan(definition, self.members, known).walk(gradients=set() if is_root else None)
        known[definition] = self.plan.facts
        self.is_root = is_root

    def print(self, out: Writer, doc: str) -> None:
        definition, facts = self.definition, self.plan.facts
        forward, backward = inner_writer(2), inner_writer(2)
        names, results = ([], []) if facts.bare else self.reverse(backward)
        print_forward(self.plan, self.plan.entries, forward)
        head = [f"{name} = {source}" for name, source in self.plan.head if name != source]
        forward.lines[:0] = ["        " + line for line in head]
        if facts.bare:
            forward.line(f"return {', '.join(definition.returns)}")
        else:
            print_return(definition.returns, names, forward)
        arguments = keep_arguments(definition, [forward, backward], set(self.members.attributes.values()))
        with out.indented(f"class {definition.name}(Module):"):
            out.docstring(doc)
            out.blank()
            if self.members.renamed:
                entries = ", ".join(f"{literal(a)}: {literal(n)}" for a, n in self.members.renamed.items())
                out.line(f"renamed: ClassVar[dict[str, str]] = {{{entries}}}")
                out.blank()
            self.print_constructor(arguments, out)
            given = [
                f"{n}: {definition.annotation(n, 'Array', 'Module')}"
                for n in (*definition.inputs, *definition.captures)
            ]
            given += ["training: bool = False"] if facts.training else []
            given += ["rng: Any = None"] if facts.rng else []
            count = len(definition.returns)
            kind = f"tuple[{'Array, ' * count}Cache]"
            if facts.bare:
                kind = "Array" if count == 1 else f"tuple[{', '.join(['Array'] * count)}]"
            with out.indented(f"def forward({', '.join(['self', *given])}) -> {kind}:"):
                forward.flush(out)
            if not facts.outputs or facts.bare:
                return
            out.blank()
            taken = [f"{n}: Array" for n in self.arriving]
            kind = (
                "None"
                if not results
                else "Array"
                if len(results) == 1
                else f"tuple[{', '.join(['Array'] * len(results))}]"
            )
            with out.indented(f"def backward({', '.join(['self', *taken, 'cache: Cache'])}) -> {kind}:"):
                if not backward.lines:
                    backward.line("pass")
                backward.flush(out)

    def print_constructor(self, arguments: dict[str, str], out: Writer) -> None:
        signature = [
            f"{a.name}: {a.annotation}" + (f" = {literal(a.default)}" if a.default is not None else "")
            for a in self.definition.ordered_arguments()
        ]
        if not self.constructor.lines and not arguments and not signature:
            return
        with out.indented(f"def __init__({', '.join(['self', *signature])}) -> None:"):
            for name, attribute in arguments.items():
                out.line(f"self.{attribute} = {name}")
            if not self.constructor.lines and not arguments:
                out.line("pass")
            self.constructor.flush(out)
        out.blank()

    def reverse(self, out: Writer) -> tuple[list[str], list[str]]:
        """Print the body of backward; returns the names that forward keeps, and the gradients returned."""
        plan = self.plan
        self.arriving: list[str] = []
        if not plan.facts.outputs:
            return [], []
        reverse = Backward(plan)
        first = inner_writer(2)
        for index in plan.facts.outputs:
            key = plan.returned[index]
            name = reverse.variable(key)
            if key in reverse.have:
                other = plan.pool.fresh(name)
                first.line(f"{name} = {name} + {other}")
                name = other
            self.arriving.append(name)
            reverse.have.add(key)
        body = inner_writer(2)
        reverse.reverse(plan.entries, body)
        results = []
        for key in [("in", i) for i in plan.facts.inputs] + [("capture", i) for i in plan.facts.captures]:
            if key in reverse.have:
                results.append(reverse.variable(key))
            else:
                zeros = plan.pool.fresh(f"no_d{plan.names[key]}")
                plan.head.append((zeros, f"np.zeros_like({plan.names[key]})"))
                results.append(zeros)
        self.hold_captured(body)
        names = [n for n, _ in plan.head] + kept(plan.entries)
        print_unpack(names, out)
        if len(names) == 1:
            body.lines = [re.sub(rf"\b{names[0]}\b", "cache", line) for line in body.lines]
            out.lines.clear()
            results = ["cache" if r == names[0] else r for r in results]
        out.lines.extend([*first.lines, *body.lines])
        if results:
            out.line(f"return {', '.join(results)}")
        return names, results

    def hold_captured(self, body: Writer) -> None:
        """Layers of an enclosing class that backward reads are kept like values."""
        for name in self.definition.captures:
            if self.definition.annotation(name, "", "Module") and any(
                re.search(rf"\b{name}\.", line) for line in body.lines
            ):
                self.plan.head.append((name, name))


def keep_arguments(definition: ClassDef, writers: list[Lines], taken: set[str]) -> dict[str, str]:
    """Constructor arguments that the functions read: they become attributes, and the lines say so."""
    names = [a.name for a in definition.ordered_arguments()]
    lines = [line for writer in writers for line in writer.lines]
    used = [n for n in names if any(re.search(rf"(?<![.\w]){n}\b(?!=[^=])", line) for line in lines)]
    found = {name: f"{name}_" if name in taken else name for name in used}
    for name, attribute in found.items():
        for writer in writers:
            writer.lines = [re.sub(rf"(?<![.\w]){name}\b(?!=[^=])", f"self.{attribute}", line) for line in writer.lines]
    return found
