"""The `init` of a class: one line a member, loops where the spec has them, `None` for what a branch leaves out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.express import Scope, Variable
from nnspec.backends.folding import WIDTH
from nnspec.backends.jax.library import IMPORTED, definitions
from nnspec.backends.jax.members import Path, Tree, member_tree
from nnspec.backends.jax.rows import row
from nnspec.backends.jax.written import trimmed
from nnspec.backends.program import Apply, Branch, ClassDef, Construct, ForEach, Invoke, LoopKey, Statement
from nnspec.backends.source import SHADOWED, Names, Writer, literal, negated

if TYPE_CHECKING:
    from nnspec.backends.jax.facts import Facts
    from nnspec.backends.program import OpUse

NEXT_KEY = "next(keys)"


class ClassInit:
    """Fields of a class and the lines that make them. Printing it settles most constructor arguments."""

    def __init__(
        self, definition: ClassDef, facts: Facts, printed: dict[ClassDef, ClassInit], attributes: dict[str, str]
    ) -> None:
        self.definition = definition
        self.printed = printed
        self.tree = member_tree(definition)
        self.attributes = attributes  # what a first part of a path is called as a field, where that is another word
        self.names = Names(("key", "keys", "cls", *attributes.values()))
        self.facts = facts
        self.direct: dict[str, str] = {}  # field name -> its expression, where it is one
        self.guards: dict[Branch, tuple[Path, int]] = {}  # a field that tells which branch was taken
        self.keys = 0  # how many are drawn, at most
        self.times = 1  # how often the loops around run what is printed
        self.lines = Writer()
        self.lines.depth = 2
        self.fields: dict[str, str] = {}  # field name -> annotation
        self.sources: dict[str, str] = {}  # field name -> the variable that `cls(...)` is given
        self.forbidden = {"key", "keys", "cls", "uniform", *IMPORTED, *SHADOWED, *definition.module.settings}
        self.forbidden.update(name for name in definitions(facts.form) if name[0].isupper())
        self.forbidden.update(d.name for d in facts.program.classes)

    def locate(self, name: str) -> str:
        """What stands after an object of the class for a member by its name in it: `.features[0]`."""
        first, *rest = name.split(".")
        source, tree = f".{self.attributes.get(first, first)}", self.tree.child(first)
        for part in rest:
            source += f"[{part if tree.is_list else literal(part)}]"
            tree = tree.child(part)
        return source

    @property
    def needs_key(self) -> bool:
        return self.keys > 0

    def run(self) -> None:
        fields = {self.attributes.get(key, key) for key in self.tree.keys()}  # noqa: SIM118  # of copies too
        self.names.taken.update(fields)
        # What is named from here on, arguments and variables of loops, is called otherwise.
        self.definition.scope.names.taken.update(fields - set(self.definition.module.settings))
        for part, child in self.tree.children.items():
            if isinstance(part, LoopKey):
                self.spread_loop(part, child)
                continue
            name = self.attributes.get(part, part)
            self.sources[name] = self.local(name)
            self.field(name, child)
            self.fields[name] = self.annotation(child, frozenset())

    def print(self, kept: list[str], out: Writer) -> None:
        """The body of `init`: a line a field, or all in one; `kept` are arguments that are fields themselves."""
        given = [*self.sources.values(), *kept]
        lines = self.lines.lines
        if all(name in self.direct for name in self.sources):
            whole = f"        return cls({', '.join([*self.direct.values(), *kept])})"
            if len(whole) <= WIDTH and whole.count(".init(") <= 1:
                lines, given = [], [*self.direct.values(), *kept]
        if any(name.startswith("**") for name in self.sources):
            named = [f"{name}={source}" for name, source in self.sources.items() if not name.startswith("**")]
            given = [*named, *(f"{k}={k}" for k in kept), *(name for name in self.sources if name.startswith("**"))]
        if len(", ".join(given)) > WIDTH - 12 and set(self.direct) == set(self.sources):  # too many to be said twice
            lines, given = [], [*(f"{k}={source}" for k, source in self.direct.items()), *(f"{k}={k}" for k in kept)]
        last = Writer()
        last.depth = out.depth
        last.line(f"return cls({', '.join(given)})")
        lines = [*lines, *last.lines]
        if self.keys == 1:
            lines = [line.replace(NEXT_KEY, "key") for line in lines]
        elif self.keys:
            out.line(f"keys = iter(jax.random.split(key, {self.keys}))")
        out.lines.extend(lines)

    def local(self, name: str) -> str:
        """The variable of a field: its name, unless that means something else here."""
        if name in self.forbidden:
            name = Names(self.forbidden | set(self.fields) | set(self.attributes.values())).fresh(f"{name}_")
        self.forbidden.add(name)
        return name

    def spread_loop(self, part: LoopKey, child: Tree) -> None:
        """Copies that are fields of the class themselves: a dict that `cls` unpacks."""
        name = self.names.fresh("copies")
        self.lines.line(f"{name} = {{}}")
        self.loop(f"{name}", [(part, child)], as_list=False, applied=frozenset())
        self.sources[f"**{name}"] = name
        for key in part.keys:
            self.fields[self.attributes.get(key, key)] = self.annotation(child, frozenset())

    # ---------------------------------------------------------------- one field

    def field(self, name: str, tree: Tree) -> None:
        """The statements that make a field: one, where an expression says it."""
        side = tree.only_side(frozenset())
        if side is None and not (tree.made and len(tree.made) > 1):
            found = self.simple(tree)
            if found:
                self.direct[name] = found
                self.lines.line(_short_loop(f"{self.sources[name]} = {found}", 8))
                return
        self.fill(self.sources[name], tree, self.lines, frozenset())

    def simple(self, tree: Tree, applied: frozenset[Branch] = frozenset()) -> str:
        """The expression of a tree without further branches, and with no loop but over all of a list."""
        if tree.made and tree.children:
            return ""
        if not tree.children:
            if len(tree.made) > 1 or any(branch not in applied for branch, _ in tree.made[0].sides):
                return ""
            return self.make(tree.made[0].statement)
        parts = []
        keys = self.keys
        for part, child in tree.children.items():
            if not isinstance(part, LoopKey):
                inside = self.simple(child, applied)
            else:
                alone = tree.is_list and len(tree.children) == 1
                inside = self.simple_loop(part, child, applied) if alone else ""
            if not inside:
                self.keys = keys
                return ""
            parts.append((part, inside))
        if isinstance(parts[0][0], LoopKey):
            return parts[0][1]
        if tree.is_list:
            return f"[{', '.join(source for _, source in parts)}]"
        return "{" + ", ".join(f"{literal(part)}: {source}" for part, source in parts if isinstance(part, str)) + "}"

    def simple_loop(self, part: LoopKey, child: Tree, applied: frozenset[Branch]) -> str:
        """`[Block.init(next(keys), width) for width in (4, 8)]`."""
        self.times *= max(1, part.loop.count)
        inside = self.simple(child, applied)
        self.times //= max(1, part.loop.count)
        return f"[{inside} for {part.loop.header([inside])}]" if inside else ""

    # ---------------------------------------------------------------- statements

    def fill(self, place: str, tree: Tree, out: Writer, applied: frozenset[Branch]) -> None:
        """Statements that leave the value of a tree in `place`."""
        side = tree.only_side(applied)
        if side is not None:
            branch, taken = side
            if tree.only_side(applied | {branch}) is None:  # no further `if` decides whether it is there
                self.guards.setdefault(branch, (tree.path, taken))
            out.line(f"{place} = None")
            inner = self.inner(out)
            self.fill(place, tree, inner, applied | {branch})
            self.print_if(branch, taken, inner, None, out)
        elif tree.made:
            self.fill_made(place, tree, out, applied)
        else:
            self.fill_container(place, tree, out, applied)

    def fill_made(self, place: str, tree: Tree, out: Writer, applied: frozenset[Branch]) -> None:
        """A member that has a form of its own in each branch, or is made unconditionally."""
        rest = [side for side in tree.made[0].sides if side[0] not in applied]
        if not rest:
            out.line(f"{place} = {self.make(tree.made[0].statement)}")
            return
        branch = rest[0][0]
        sides = []
        for side in (0, 1):
            half, inner = tree.within((branch, side)), self.inner(out)
            if half.made or half.children:
                self.fill(place, half, inner, applied | {branch})
            sides.append(inner)
        self.print_if(branch, 0, sides[0], sides[1], out)

    def fill_container(self, place: str, tree: Tree, out: Writer, applied: frozenset[Branch]) -> None:
        children = list(tree.children.items())
        first: list[str] = []
        while children and not isinstance(children[0][0], LoopKey):
            child = children[0][1]
            found = self.simple(child, applied) if child.only_side(applied) is None else ""
            if not found:
                break
            first.append(found if tree.is_list else f"{literal(children[0][0])}: {found}")
            children.pop(0)
        out.line(f"{place} = [{', '.join(first)}]" if tree.is_list else f"{place} = {{{', '.join(first)}}}")
        while children:
            part, child = children.pop(0)
            if isinstance(part, LoopKey):
                together = [(part, child)]
                while children and isinstance(children[0][0], LoopKey) and children[0][0].loop is part.loop:
                    together.append(children.pop(0))  # type: ignore[arg-type]  # checked to be a LoopKey
                self.loop(place, together, tree.is_list, applied, out)
            else:
                self.entry(place, literal(part), child, tree.is_list, out, applied)

    def entry(self, place: str, key: str, child: Tree, as_list: bool, out: Writer, applied: frozenset[Branch]) -> None:
        """One more entry of the container at `place`."""
        found = self.simple(child, applied) if child.only_side(applied) is None else ""
        if found and as_list:
            out.line(f"{place}.append({found})")
        elif found:
            out.line(f"{place}[{key}] = {found}")
        elif as_list:
            name = self.names.fresh("layer")
            self.fill(name, child, out, applied)
            out.line(f"{place}.append({name})")
        else:
            self.fill(f"{place}[{key}]", child, out, applied)

    def loop(
        self,
        place: str,
        together: list[tuple[LoopKey, Tree]],
        as_list: bool,
        applied: frozenset[Branch],
        out: Writer | None = None,
    ) -> None:
        """The copies that one loop makes, an iteration after the other."""
        out = out or self.lines
        if as_list and len(together) == 1:
            part, child = together[0]
            found = self.simple_loop(part, child, applied) if child.only_side(applied) is None else ""
            if found:
                out.line(_short_loop(f"{place} += {found}", 4 * out.depth))
                return
        loop, inner = together[0][0].loop, self.inner(out)
        self.times *= max(1, loop.count)
        for _, child in together:
            key = "" if as_list else loop_variable(loop, self.cells(child.path), "name")
            self.entry(place, key, child, as_list, inner, applied)
        self.times //= max(1, loop.count)
        out.line(f"for {loop.header(inner.lines)}:")
        out.lines.extend(inner.lines)

    def cells(self, path: Path) -> list[str]:
        """Source for the last part of a path in each iteration; a first part is the name of a field."""
        keys = path[-1].keys if isinstance(path[-1], LoopKey) else ()
        return [literal(self.attributes.get(k, k) if len(path) == 1 else k) for k in keys]

    def print_if(self, branch: Branch, taken: int, then: Writer, otherwise: Writer | None, out: Writer) -> None:
        out.line(f"if {branch.condition if taken == 0 else negated(branch.condition)}:")
        out.lines.extend(then.lines)
        if otherwise is not None and otherwise.lines:
            out.line("else:")
            out.lines.extend(otherwise.lines)

    def inner(self, out: Writer) -> Writer:
        writer = Writer()
        writer.depth = out.depth + 1
        return writer

    # ---------------------------------------------------------------- members

    def make(self, statement: Statement) -> str:
        """`Conv.init(next(keys), (8, 1, 3, 3))`, or the `init` of another class."""
        if isinstance(statement, Apply):
            return self.make_layer(statement.use)
        if isinstance(statement, Invoke):
            return self.make_block(statement)
        assert isinstance(statement, Construct)
        if statement.use is not None:
            return self.make_layer(statement.use)
        assert statement.invoke is not None
        return self.make_block(statement.invoke)

    def make_layer(self, use: OpUse) -> str:
        construct = row(use).construct
        assert construct is not None, type(use.op).__name__
        return trimmed(construct(use, self.key), self.facts.written)

    def make_block(self, invoke: Invoke) -> str:
        made = self.printed[invoke.definition]
        parts = [self.key()] if made.needs_key else []
        for argument, source in invoke.constructor:
            if argument.default is None:
                parts.append(source)
            elif source != literal(argument.default):
                parts.append(f"{argument.name}={source}")
        return f"{invoke.definition.name}.init({', '.join(parts)})"

    def key(self) -> str:
        self.keys += self.times
        return NEXT_KEY

    # ---------------------------------------------------------------- annotations

    def annotation(self, tree: Tree, applied: frozenset[Branch]) -> str:
        return " | ".join(self.kinds(tree, applied))

    def kinds(self, tree: Tree, applied: frozenset[Branch]) -> list[str]:
        """What a tree may be, each once."""
        side = tree.only_side(applied)
        if side is not None:
            return list(dict.fromkeys([*self.kinds(tree, applied | {side[0]}), "None"]))
        found = list(dict.fromkeys(self.kind(made.statement) for made in tree.made))
        if tree.children:
            inside = dict.fromkeys(k for child in tree.children.values() for k in self.kinds(child, applied))
            listed = " | ".join(sorted(inside, key=lambda kind: kind == "None"))
            found.append(f"list[{listed}]" if tree.is_list else f"dict[str, {listed}]")
        return found

    def kind(self, statement: Statement) -> str:
        if isinstance(statement, Construct):
            return row(statement.use).kind if statement.use is not None else statement.invoke.definition.name  # type: ignore[union-attr]
        if isinstance(statement, Apply):
            return row(statement.use).kind
        assert isinstance(statement, Invoke)
        return statement.definition.name


def _short_loop(text: str, indent: int) -> str:
    """`[Block.init(key, n, 64) for n in (64, 256)]`: a short variable, where that makes it one line."""
    found = re.fullmatch(r"\w+ \+?= \[.* for (\w+) in .*\]", text)
    if indent + len(text) <= WIDTH or found is None or text.count(" for ") > 1 or re.search(r"\bn\b", text):
        return text
    short = re.sub(rf"(?<![.\w\"]){found[1]}\b(?!=)", "n", text)
    return short if indent + len(short) <= WIDTH else text


def loop_variable(loop: ForEach, cells: list[str], hint: str) -> str:
    """The loop variable whose value in each iteration has this source; made on first need."""
    assert loop.scope is not None
    marked = [f"{hint}:{cell}" for cell in cells]
    for variable in loop.scope.variables:
        if variable.keys == marked:
            return variable.name
    variable = Variable(_loop_name(loop, hint), {}, lambda k: cells[k], marked)
    loop.scope.variables.insert(0, variable)
    return variable.name


def _loop_name(loop: ForEach, hint: str) -> str:
    """A name for a loop variable; loops side by side may share one."""
    assert loop.scope is not None
    definition = loop.scope.definition
    used = {*definition.scope.names.taken, *definition.module.settings} - shared_names(definition)
    scope: Scope | None = loop.scope
    while scope is not None:
        used.update(v.name for v in scope.variables)
        scope = scope.parent
    name = Names(used).fresh(hint)
    definition.scope.names.taken.add(name)
    return name


def shared_names(definition: ClassDef) -> set[str]:
    """Names of the loop variables that stand for places in containers."""
    loops = [s for s in definition.statements() if isinstance(s, ForEach) and s.scope is not None]
    return {v.name for s in loops for v in s.scope.variables if v.keys}  # type: ignore[union-attr]  # checked above
