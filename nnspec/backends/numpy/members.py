"""The constructor of an emitted class: which members it makes, and how the class's functions reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.containers import shared_containers
from nnspec.backends.marks import SIGN, Part, mark
from nnspec.backends.numpy.rows import row
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
    Statement,
    walk,
)
from nnspec.backends.source import Names, Writer, identifier, literal, negated

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

Path = tuple[str | LoopKey, ...]

_OWN = ("renamed", "frozen", "dtype", "forward", "backward", "backward_parameters", "planned")


class Members:
    """The members of one class.

    Attributes are named after the first part of a path; further parts are keys of dicts. What a path calls
    otherwise than the attribute stands in `renamed`.
    """

    def __init__(self, definition: ClassDef, others: dict[ClassDef, Members]) -> None:
        self.definition = definition
        self.others = others  # of the classes before this one
        others[definition] = self
        self.made: set[Path] = set()
        self.loops = 0
        self.ahead: list[str] = []  # lines that stand before the loop that is being printed
        self.containers: set[Path] = set()
        self.attributes: dict[str, str] = {}
        self.steps = ""  # the attribute of a dict whose keys are first parts of paths
        self.names = Names(_OWN)
        self.renamed: dict[str, str] = {}

    # ---------------------------------------------------------------- how members are reached

    def attribute(self, part: str) -> str:
        if part not in self.attributes:
            self.attributes[part] = self.names.fresh(part)
            if self.attributes[part] != part:
                self.renamed[self.attributes[part]] = part
        return self.attributes[part]

    def place(self, path: Path, owner: str = "self") -> str:
        """`self.features["0"]`; inside a loop the varying part is the loop's key variable."""
        source = owner
        for position, part in enumerate(path):
            if isinstance(part, LoopKey):
                if not position:
                    source += f".{self.container()}"
                source += f"[{part.source()}]"
            else:
                source += f"[{literal(part)}]" if position else f".{self.attribute(part)}"
        return source

    def container(self) -> str:
        """The attribute that holds members whose very names differ by iteration."""
        if not self.steps:
            self.steps = self.names.fresh("steps")
            self.renamed[self.steps] = ""
        return self.steps

    def locate(self, name: str) -> str:
        """What stands after the owner for a member by its name in the class: `.features["0"]`."""
        first, *keys = name.split(".")
        if first not in self.attributes:
            return f".{self.container()}[{literal(first)}]" + "".join(f"[{literal(k)}]" for k in keys)
        return f".{self.attributes[first]}" + "".join(f"[{literal(k)}]" for k in keys)

    def reference(self, member: Member | None) -> str:
        assert member is not None
        if member.deep:
            return "self" + "".join(self.others[owner].locate(name) for owner, name in member.deep)
        return member.captured or self.place(member.path)

    def label(self, member: Member | None) -> str:
        """A word for the cache of a member: `conv1`, `features_0`, or what the loop calls its step."""
        if member is None or not member.path:
            return identifier(member.captured) if member is not None and member.captured else "step"
        parts = [part for part in member.path if isinstance(part, str)]
        if isinstance(member.path[-1], LoopKey):
            return "block" if not parts else f"{identifier(parts[0])}_step"
        return identifier("_".join(parts if parts[-1].isdigit() else parts[-1:]))

    def loop_label(self, loop: ForEach) -> str:
        parts = [part for part in loop.name if isinstance(part, str)]
        return identifier(parts[-1]) if parts else "loop"

    # ---------------------------------------------------------------- what the constructor makes

    def print(self, body: list[Statement], out: Writer) -> None:
        for statement in body:
            start = len(out.lines)
            if isinstance(statement, Apply):
                form = row(statement.use)
                if statement.member is not None and form.construct is not None and self.first(statement.member):
                    self.store(out, statement.member.path, form.construct(statement.use))
            elif isinstance(statement, Invoke) and self.first(statement.member):
                self.store(out, statement.member.path, build(statement))
            elif isinstance(statement, Construct) and self.first(statement.member):
                made = construct(statement.use) if statement.use is not None else build(statement.invoke)
                self.store(out, statement.member.path, made)
            elif isinstance(statement, Group):
                self.print(statement.body, out)
            elif isinstance(statement, ForEach):
                self.loop(statement, out)
            elif isinstance(statement, Branch):
                self.branch(statement, out)
            mark(out.lines, start, Part(statement))

    def first(self, member: Member) -> bool:
        """Whether this place constructs the member: it is the class's own, and was not made before."""
        if not member.path or member.path in self.made:
            return False
        self.made.add(member.path)
        return True

    def store(self, out: Writer, path: Path, source: str) -> None:
        """`self.conv1 = ...`, or an entry of the dict that holds it."""
        for depth in range(0 if isinstance(path[0], LoopKey) else 1, len(path)):
            self.contain(out, path[:depth])
        out.line(f"{self.place(path)} = {source}")

    def contain(self, out: Writer, path: Path) -> None:
        if path not in self.containers:
            self.containers.add(path)
            place = self.place(path) if path else f"self.{self.container()}"
            out.line(f"{place}: dict[str, Any] = {{}}" if len(path) <= 1 and "[" not in place else f"{place} = {{}}")

    def loop(self, loop: ForEach, out: Writer) -> None:
        for path in _paths(loop.body):
            for depth in range(0 if isinstance(path[0], LoopKey) else 1, len(path)):
                if not any(isinstance(part, LoopKey) and part.loop is loop for part in path[:depth]):
                    self.contain(out, path[:depth])
        inner = inner_writer(out.depth + 1)
        self.loops += 1
        self.print(loop.body, inner)
        self.loops -= 1
        if not self.loops:
            for line in self.ahead:
                out.line(line)
            self.ahead.clear()
        if inner.lines:
            out.line(f"for {loop.header(inner.lines)}:")
            out.lines.extend(inner.lines)

    def branch(self, branch: Branch, out: Writer) -> None:
        then, otherwise = inner_writer(out.depth + 1), inner_writer(out.depth + 1)
        for path in shared_containers(branch, self.definition.body, _paths):
            self.contain(out, path)
        for body, writer in ((branch.then, then), (branch.otherwise, otherwise)):
            containers, made = set(self.containers), set(self.made)
            self.print(body, writer)
            self.containers, self.made = containers, made
        if branch.varies:
            return  # nothing is made in it, and `forward` reads the condition
        branch.flag = f"self.{self.flag(branch)}"
        kept = f"{branch.flag} = {branch.condition}"
        if self.loops:
            self.ahead.append(kept)
        else:
            out.line(kept)
        print_branches(out, branch.flag, then, otherwise)

    def flag(self, branch: Branch) -> str:
        """The attribute under which `forward` finds which branch was taken."""
        groups = [s for s in (*branch.then, *branch.otherwise) if isinstance(s, Group) and isinstance(s.name[0], str)]
        wanted = f"has_{groups[0].name[0]}" if groups else f"use_{branch.target or 'branch'}"
        return self.names.fresh(wanted)


class Lines(Writer):
    """Lines of a function before they are folded, so that names in them can still change."""

    def line(self, text: str = "", note: str = "") -> None:
        self.lines.append("    " * self.depth + text + (f"\0{note}" if note else ""))

    def flush(self, out: Writer) -> None:
        """Print them, folded where they are too long."""
        before = out.depth
        for raw in self.lines:
            text, sign, number = raw.lstrip(" ").partition(SIGN)
            out.depth, start = (len(raw) - len(raw.lstrip(" "))) // 4, len(out.lines)
            source, _, note = text.partition("\0")
            out.line(source, note)
            out.lines[start:] = [line + sign + number for line in out.lines[start:]]
        out.depth = before


def inner_writer(depth: int) -> Lines:
    writer = Lines()
    writer.depth = depth
    return writer


def print_branches(out: Writer, condition: str, then: Writer, otherwise: Writer) -> None:
    """`if` and `else` of two printed bodies, either of which may be empty."""
    if then.lines:
        out.line(f"if {condition}:")
        out.lines.extend(then.lines)
        if otherwise.lines:
            out.line("else:")
            out.lines.extend(otherwise.lines)
    elif otherwise.lines:
        out.line(f"if {negated(condition)}:")
        out.lines.extend(otherwise.lines)


def _paths(body: list[Statement]) -> list[Path]:
    """The paths of all members that statements (and those inside them) use and this class owns."""
    return [s.member.path for s in walk(body) if isinstance(s, Apply | Invoke) and s.member and s.member.path]


def construct(use: OpUse) -> str:
    make = row(use).construct
    assert make is not None
    return make(use)


def build(invoke: Invoke | None) -> str:
    """`Bottleneck(in_channels, 64, stride=2)`: arguments with defaults by name, left out where they hold."""
    assert invoke is not None
    parts = []
    for argument, source in invoke.constructor:
        if argument.default is None:
            parts.append(source)
        elif source != literal(argument.default):
            parts.append(f"{argument.name}={source}")
    return f"{invoke.definition.name}({', '.join(parts)})"
