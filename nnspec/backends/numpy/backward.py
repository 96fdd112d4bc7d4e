"""Backpropagation as text: the steps of a plan in reverse, and what of them forward has to keep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.marks import Part, mark
from nnspec.backends.numpy.members import inner_writer, print_branches
from nnspec.backends.numpy.steps import Entry, Plan, kept
from nnspec.backends.program import Apply, Branch, ForEach, Invoke, Member

if TYPE_CHECKING:
    from nnspec.backends.program import Key
    from nnspec.backends.source import Writer


class Backward:
    """Prints the reverse of a plan. `have` holds the values whose gradient has a variable, filled so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.variables: dict[str, str] = {}  # of gradients, by the variable of the value
        self.have: set[Key] = set()
        self.zeros: dict[Key, str] = {}

    def variable(self, key: Key) -> str:
        """`dx`, the gradient of x."""
        name = self.plan.names[key]
        if name not in self.variables:
            self.variables[name] = self.plan.pool.fresh(f"d{name}")
        return self.variables[name]

    # ---------------------------------------------------------------- giving gradients to values

    def give(self, keys: list[Key | None], source: str, out: Writer) -> None:
        """Assign or add a gradient to each key from source of one value, or of as many as there are keys."""
        if len(keys) == 1:
            self.give_one(keys[0], source, out)
            return
        targets, sums = [], []
        fresh: set[str] = set()
        for key in keys:
            if key is None:
                targets.append("_")
                continue
            name = self.variable(key)
            if key in self.have or name in fresh:
                part = self.plan.pool.fresh(name)
                targets.append(part)
                sums.append((name, part))
            else:
                targets.append(name)
                fresh.add(name)
            self.have.add(key)
        out.line(f"{', '.join(targets)} = {source}")
        for name, part in sums:
            out.line(f"{name} = {name} + {part}")

    def give_one(self, key: Key | None, source: str, out: Writer) -> None:
        assert key is not None
        name = self.variable(key)
        if key in self.have:
            minus = source.startswith("-")
            out.line(f"{name} = {name} {'-' if minus else '+'} {source[1:] if minus else source}")
        elif source != name:
            out.line(f"{name} = {source}")
        self.have.add(key)

    # ---------------------------------------------------------------- statements, last first

    def reverse(self, entries: list[Entry], out: Writer) -> None:
        for entry in reversed(entries):
            statement, start = entry.statement, len(out.lines)
            if isinstance(statement, Apply):
                self.apply(entry, statement, out)
            elif isinstance(statement, Invoke):
                self.invoke(entry, statement, out)
            elif isinstance(statement, ForEach):
                self.loop(entry, statement, out)
            elif isinstance(statement, Branch):
                self.branch(entry, statement, out)
            mark(out.lines, start, Part(statement))

    def apply(self, entry: Entry, statement: Apply, out: Writer) -> None:
        step, plan = entry.step, self.plan
        assert step is not None
        if not any(key in self.have for key in statement.outputs):
            return
        parts = [self.variable(key) if key in self.have else "None" for key in statement.outputs]
        self.have -= set(statement.outputs)
        wanted = []
        for places, source in step.backward:
            keys = [statement.inputs[i] if statement.inputs[i] in plan.needs else None for i in places]
            if any(k is not None for k in keys):
                wanted.append((keys, source))
        if not wanted:
            if step.own and plan.learns(statement):
                out.line(self.fill(entry, step.own, parts))
            return
        # What overwrites the gradient that the others read goes last.
        wanted.sort(key=lambda item: any(k is not None and self.variable(k) in parts for k in item[0]))
        changed = [
            k
            for keys, source in wanted
            for k in keys
            if k is not None and self.variable(k) in parts and source != "{d}"
        ]
        if len(wanted) > 1 and len(changed) > 1:
            copy = plan.pool.fresh("dresult")
            out.line(f"{copy} = {parts[0]}")
            parts = [copy]
        for keys, source in wanted:
            starred = [k for k, a in zip(keys, statement.arguments, strict=False) if a.startswith("*")]
            filled = self.fill(entry, source, parts)
            if starred and len(keys) > 1:
                self.give_starred(keys, statement, filled, out)
            else:
                self.give(keys, filled, out)

    def give_starred(self, keys: list[Key | None], statement: Apply, source: str, out: Writer) -> None:
        """`dx, *dbranches = ...`: a list among the operands."""
        targets = []
        for key, argument in zip(keys, statement.arguments, strict=True):
            name = "_" if key is None else self.variable(key)
            if key is not None and key in self.have:
                raise AssertionError("a list of branches has one reader")
            targets.append(f"*{name}" if argument.startswith("*") else name)
            if key is not None:
                self.have.add(key)
        out.line(f"{', '.join(targets)} = {source}")

    def fill(self, entry: Entry, source: str, parts: list[str]) -> str:
        if "{c}" in source:
            entry.used = True
        return source.replace("{d}", ", ".join(parts)).replace("{c}", entry.cache)

    def invoke(self, entry: Entry, statement: Invoke, out: Writer) -> None:
        plan = self.plan
        facts = plan.known[statement.definition]
        if not any(statement.outputs[i] in self.have for i in facts.outputs):
            return
        parts = [self.gradient_or_zeros(statement.outputs[i], statement.targets[i], entry) for i in facts.outputs]
        self.have -= set(statement.outputs)
        keys: list[Key | None] = [k if k in plan.needs else None for k in plan.gradient_keys(statement)]
        entry.used = True
        source = f"{plan.members.reference(statement.member)}.backward({', '.join([*parts, entry.cache])})"
        if any(k is not None for k in keys):
            self.give(keys, source, out)
        elif facts.learns or any(isinstance(p, Member) for p in statement.passed):
            out.line(source)

    def gradient_or_zeros(self, key: Key, name: str, entry: Entry) -> str:
        """The gradient of a result, or zeros of its shape where nothing depends on it."""
        if key in self.have:
            return self.variable(key)
        zeros = self.plan.pool.fresh(f"no_d{name}")
        entry.after.append((zeros, f"np.zeros_like({name})"))
        return zeros

    # ---------------------------------------------------------------- loops and branches

    def loop(self, entry: Entry, loop: ForEach, out: Writer) -> None:
        if loop.exit not in self.have:
            return
        plan = self.plan
        result, carry = self.variable(loop.last), self.variable(loop.exit)
        self.have.discard(loop.exit)
        outside = set(self.have)
        for key in self.given_by(entry, loop):  # what every iteration adds to starts from nothing
            out.line(f"{self.variable(key)} = 0.0")
            outside.add(key)
        inner = inner_writer(out.depth + 1)
        names = self.body_of_loop(entry, loop, outside, inner)
        lines = inner.lines
        if loop.carried and result != carry:
            lines.insert(0, "    " * inner.depth + f"{result} = {carry}")
        self.have = outside
        header = self.header(entry, loop, lines, names, "" if loop.carried else result)
        out.line(f"for {header[0]}:")
        out.lines.extend(header[1])
        if loop.carried and loop.entry in plan.needs:
            self.give([loop.entry], carry, out)

    def body_of_loop(self, entry: Entry, loop: ForEach, outside: set[Key], inner: Writer) -> list[str]:
        """Print one iteration in reverse; returns the names it reads of what forward kept."""
        (body,) = entry.bodies
        self.have = {*outside, loop.last}
        self.reverse(body, inner)
        if loop.carried and loop.inner in self.plan.needs and loop.inner not in self.have:
            carry = self.variable(loop.inner)
            inner.line(f"{carry} = np.zeros_like({carry})")
        return kept(body)

    def given_by(self, entry: Entry, loop: ForEach) -> list[Key]:
        """Values from outside the loop whose first gradient comes from its iterations: found by a trial."""
        plan = self.plan
        saved = set(self.have), set(plan.pool.taken), dict(self.variables)
        trial = inner_writer(0)
        self.body_of_loop(entry, loop, set(self.have), trial)
        made = _made(entry.bodies[0])
        found = sorted((k for k in self.have - saved[0] - made - {loop.inner, loop.last}), key=lambda k: plan.names[k])
        self.have, plan.pool.taken, self.variables = saved
        _forget(entry.bodies[0])
        return found

    def header(
        self, entry: Entry, loop: ForEach, lines: list[str], names: list[str], result: str
    ) -> tuple[str, list[str]]:
        """The loop over keys and caches, last first, and its lines."""
        variables: list[tuple[str, str]] = []
        over, lines = self.plan_header(loop, lines)
        if over:
            what, iterable = over.split(" in ", 1)
            variables.append((f"({what})" if "," in what else what, f"reversed({iterable})"))
        if names:
            entry.used = True
            variables.append((names[0] if len(names) == 1 else f"({', '.join(names)})", f"reversed({entry.cache})"))
        if result:
            variables.append((result, f"reversed({self.variables[loop.collected]})"))
        if not variables:
            return f"_ in range({loop.count})", lines
        if len(variables) == 1:
            return f"{variables[0][0].strip('()')} in {variables[0][1]}", lines
        targets, iterables = zip(*variables, strict=True)
        return f"{', '.join(targets)} in zip({', '.join(iterables)})", lines

    def plan_header(self, loop: ForEach, lines: list[str]) -> tuple[str, list[str]]:
        """What runs through the loop's keys: `block in self.layer1.values()`, `key in ("0", "1")`, or nothing."""
        over = over_values(self.plan, loop, lines)
        if over is not None:
            return over
        return (loop.header(lines) if loop.used(lines) else ""), lines

    def branch(self, entry: Entry, branch: Branch, out: Writer) -> None:
        if branch.exit not in self.have:
            return
        before = set(self.have)
        ends: list[set[Key]] = []
        writers = []
        for body in entry.bodies:
            inner = inner_writer(out.depth + 1)
            self.have = set(before)
            self.reverse(body, inner)
            ends.append(self.have - _made(body) - {branch.exit})
            writers.append(inner)
        together = ends[0] | ends[1]
        for end, inner in zip(ends, writers, strict=True):
            for key in sorted(together - end, key=lambda k: self.plan.names[k]):
                value = self.plan.names[key]
                zeros = self.zeros.get(key) or self.plan.pool.fresh(f"no_d{value}")
                if key not in self.zeros:
                    self.zeros[key] = zeros
                    entry.before.append((zeros, f"np.zeros_like({value})"))
                inner.line(f"{self.variable(key)} = {zeros}")
        self.have = together
        if any(kept(body) for body in entry.bodies):
            entry.used = True
        for body, inner in zip(entry.bodies, writers, strict=True):
            names = _share_cache(entry, body, inner)
            if names:
                inner.lines.insert(0, "    " * inner.depth + f"{', '.join(names)} = {entry.cache}")
        print_branches(out, branch.flag or branch.condition, *writers)


def _share_cache(branch: Entry, body: list[Entry], inner: Writer) -> list[str]:
    """The names that a side of a branch keeps; a single cache takes the name of the branch's own."""
    names = kept(body)
    for entry in body:
        if names == [entry.cache] and entry.used:
            inner.lines = [re.sub(rf"\b{entry.cache}\b", branch.cache, line) for line in inner.lines]
            entry.cache = branch.cache
            return []
    return names


def over_values(plan: Plan, loop: ForEach, lines: list[str]) -> tuple[str, list[str]] | None:
    """`block in self.layer1.values()` where the loop's members are the container's only ones."""
    used = loop.used(lines)
    if not loop.name or len(used) != 1 or not all(isinstance(p, str) for p in loop.name):
        return None
    container = plan.members.place(loop.name)
    element = f"{container}[{used[0]}]"
    replaced = [line.replace(element, "block") for line in lines]
    if loop.used(replaced) or not any(element in line for line in lines):
        return None
    if any(re.search(r"\bblock\b", line) for line in lines):
        return None
    return f"block in {container}.values()", replaced


def _made(entries: list[Entry]) -> set[Key]:
    """The values that statements make."""
    found: set[Key] = set()
    for entry in entries:
        if isinstance(entry.statement, Apply | Invoke):
            found |= set(entry.statement.outputs)
        elif isinstance(entry.statement, ForEach | Branch):
            found |= {entry.statement.exit}
            if isinstance(entry.statement, ForEach):
                found |= {entry.statement.inner, entry.statement.last}
            for body in entry.bodies:
                found |= _made(body)
    return found


def _forget(entries: list[Entry]) -> None:
    """Take back what a trial noted."""
    for entry in entries:
        entry.used = False
        entry.before.clear()
        entry.after.clear()
        for body in entry.bodies:
            _forget(body)
