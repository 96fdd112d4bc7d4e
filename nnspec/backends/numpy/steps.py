"""What a function of emitted NumPy does, before it is printed: its steps, and which values need a gradient.

A `Plan` walks the statements of a class once, forward, and asks each op's row for its `Step`. `backward.py`
then walks the plan in reverse and notes what it needs to be kept; only then the forward lines are printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.losses import penalty
from nnspec.backends.numpy.rows import Step, row
from nnspec.backends.program import Apply, Branch, ClassDef, Construct, ForEach, Group, Invoke, Member, Statement
from nnspec.backends.source import Names
from nnspec.ir.graph import Value

if TYPE_CHECKING:
    from nnspec.backends.numpy.members import Members
    from nnspec.backends.program import Key


class Entry:
    """One statement in a plan. `step` says how an Apply stands; `cache` is what keeps its values for backward.

    `used` is set when backward reads the cache. `before` and `after` are further values to keep, as (name, source),
    computed around the statement. `bodies` are the plans of a loop's body or of the branches. `dead`: nobody reads
    its value, and nothing else comes of it.
    """

    def __init__(self, statement: Statement, cache: str = "", step: Step | None = None) -> None:
        self.statement = statement
        self.step = step
        self.cache = cache
        self.used = False
        self.dead = False
        self.before: list[tuple[str, str]] = []
        self.after: list[tuple[str, str]] = []
        self.bodies: list[list[Entry]] = []

    def kept(self) -> list[str]:
        """The names that the function around keeps for this entry."""
        return [n for n, _ in self.before] + ([self.cache] if self.used else []) + [n for n, _ in self.after]


def kept(entries: list[Entry]) -> list[str]:
    return [name for entry in entries for name in entry.kept()]


class Facts:
    """What others must know of a class: the order of what `backward` returns, and what `forward` is handed.

    `inputs` and `captures` are the places of the forward arguments that get a gradient; `outputs` of the results
    that bring one; `learns` says whether there is anything to train inside. `bare`: there is
    no `backward` (the planned step does without it), so `forward` returns no cache.
    """

    def __init__(self) -> None:
        self.inputs: list[int] = []
        self.captures: list[int] = []
        self.outputs: list[int] = []
        self.training = False
        self.rng = False
        self.learns = False
        self.bare = False


class Plan:
    """The steps of one class (or of the objective), its variables, and which of them need a gradient.

    `owner` is how the function reads members ("self", or "model" in the objective); `selectors` names the
    functions that select the weights under each penalty.
    """

    def __init__(
        self,
        definition: ClassDef,
        members: Members,
        known: dict[ClassDef, Facts],
        owner: str = "self",
        selectors: dict[tuple[str, ...], str] | None = None,
    ) -> None:
        self.definition = definition
        self.members = members
        self.known = known
        self.owner = owner
        self.selectors = selectors or {}
        self.facts = Facts()
        self.names: dict[Key, str] = {}
        self.keys: dict[str, Key] = {}  # the value that each variable holds, at the place reached
        self.needs: set[Key] = set()
        self.pool = Names(("self", "model", "cache", "training", "rng", "np", *_variables(definition)))
        self.handed: dict[tuple[int, int], Key] = {}
        self.head: list[tuple[str, str]] = []  # kept from the very start

    def walk(self, gradients: set[int] | None = None) -> Plan:
        """Make the plan. `gradients` are the inputs that need one; None stands for all that are floats."""
        definition, module = self.definition, self.definition.module
        for index, (name, value) in enumerate(zip(definition.inputs, module.inputs, strict=True)):
            self.bind(("in", index), name)
            if index in gradients if gradients is not None else value.type.is_float:
                self.needs.add(("in", index))
                self.facts.inputs.append(index)
        for index, (name, captured) in enumerate(zip(definition.captures, module.captures, strict=True)):
            self.bind(("capture", index), name)
            if isinstance(captured, Value) and captured.type.is_float:
                self.needs.add(("capture", index))
                self.facts.captures.append(index)
        self.entries = self.plan(definition.body)
        self.returned = [self.keys[name] for name in definition.returns]
        self.mark_dead(self.entries, set(self.returned))
        self.facts.outputs = [index for index, key in enumerate(self.returned) if key in self.needs]
        return self

    def bind(self, key: Key, name: str) -> None:
        self.names[key] = name
        self.keys[name] = key

    # ---------------------------------------------------------------- statements

    def plan(self, body: list[Statement]) -> list[Entry]:
        entries: list[Entry] = []
        for statement in body:
            if isinstance(statement, Apply):
                entries.append(self.apply(statement))
            elif isinstance(statement, Invoke):
                entries.append(self.invoke(statement))
            elif isinstance(statement, Group):
                entries.extend(self.plan(statement.body))
            elif isinstance(statement, ForEach):
                entries.append(self.loop(statement))
            elif isinstance(statement, Branch):
                entries.append(self.branch(statement))
            elif not isinstance(statement, Construct):
                raise AssertionError(f"no plan for {type(statement).__name__}")
        return entries

    def apply(self, statement: Apply) -> Entry:
        step = self.step(statement)
        self.facts.training |= "training" in step.rest
        self.facts.rng |= "rng" in step.rest
        learns = bool(step.own) and self.learns(statement)
        self.facts.learns |= learns
        places = {place for found, _ in step.backward for place in found}
        needed = learns or any(k in self.needs for i, k in enumerate(statement.inputs) if i in places)
        for key, target, type in zip(statement.outputs, statement.targets, statement.use.outputs, strict=True):
            self.bind(key, target)
            if needed and type.is_float:
                self.needs.add(key)
        wanted = self.members.label(statement.member) if step.cache == "member" else step.cache
        return Entry(statement, self.pool.fresh(f"{wanted}_cache") if step.cache else "", step)

    def step(self, statement: Apply) -> Step:
        use = statement.use
        if type(use.op).__name__ == "Penalty" and self.selectors:
            step = penalty(use, self.selectors)
        else:
            form = row(use)
            assert form.step is not None
            member = [self.members.reference(statement.member) if statement.member else ""] if form.reads_member else []
            step = form.step(use, *member, *statement.arguments)
        return step if self.owner == "self" else step.replace(forward=step.forward.replace("self.", f"{self.owner}."))

    def learns(self, statement: Apply) -> bool:
        """Whether an op adds to the gradient of some parameter."""
        layer = statement.use.layer
        return layer is None or any(p.role != "buffer" for p in layer.parameters.values())

    def invoke(self, statement: Invoke) -> Entry:
        facts = self.known[statement.definition]
        for index, passed in enumerate(statement.passed):
            if not isinstance(passed, Member):
                self.handed[id(statement), index] = self.keys[passed]
        self.facts.training |= facts.training
        self.facts.rng |= facts.rng
        self.facts.learns |= facts.learns
        learns = facts.learns or any(isinstance(p, Member) for p in statement.passed)
        needed = learns or any(key in self.needs for key in self.gradient_keys(statement))
        for index, (key, target) in enumerate(zip(statement.outputs, statement.targets, strict=True)):
            self.bind(key, target)
            if needed and index in facts.outputs:
                self.needs.add(key)
        return Entry(statement, self.pool.fresh(f"{self.members.label(statement.member)}_cache"))

    def gradient_keys(self, statement: Invoke) -> list[Key]:
        """The values whose gradients the member's `backward` returns, in order."""
        facts = self.known[statement.definition]
        return [statement.inputs[i] for i in facts.inputs] + [self.handed[id(statement), i] for i in facts.captures]

    def loop(self, statement: ForEach) -> Entry:
        entry = Entry(statement, self.pool.fresh(f"{self.members.loop_label(statement)}_caches"))
        if not statement.carried:
            entry.bodies = [self.plan(statement.body)]
            self.bind(statement.exit, statement.collected)
            if statement.last in self.needs:
                self.needs.add(statement.exit)
            return entry
        self.bind(statement.inner, statement.carry)
        taken = set(self.pool.taken)
        for key in (statement.entry, statement.last):  # twice: the end of an iteration is the start of the next
            if key in self.needs and statement.inner not in self.needs:
                self.needs.add(statement.inner)
            self.pool.taken = set(taken)
            self.bind(statement.inner, statement.carry)
            entry.bodies = [self.plan(statement.body)]
        self.bind(statement.exit, statement.carry)
        if statement.last in self.needs or statement.inner in self.needs:
            self.needs.add(statement.exit)
        return entry

    def branch(self, statement: Branch) -> Entry:
        entry = Entry(statement, self.pool.fresh(f"{statement.target or 'branch'}_cache"))
        before = dict(self.keys)
        for body in (statement.then, statement.otherwise):
            self.keys = dict(before)
            entry.bodies.append(self.plan(body))
        self.keys = before
        if statement.exit:
            self.bind(statement.exit, statement.target)
        return entry

    def mark_dead(self, entries: list[Entry], live: set[Key]) -> None:
        """Find what computes a value that nobody reads. `live` are the keys read after these entries, then before."""
        for entry in reversed(entries):
            statement = entry.statement
            if isinstance(statement, Apply):
                acts = entry.step is not None and bool(entry.step.rest)
                entry.dead = not acts and not any(key in live for key in statement.outputs)
                if not entry.dead:
                    live.update(statement.inputs)
            elif isinstance(statement, Invoke):
                entry.dead = statement.unread
                passed = [key for (who, _), key in self.handed.items() if who == id(statement)]
                live.update([] if entry.dead else [*statement.inputs, *passed])
            elif isinstance(statement, ForEach):
                live.update([statement.last, statement.entry])
                self.mark_dead(entry.bodies[0], live)
            elif isinstance(statement, Branch):
                live.add(statement.exit)
                for body in entry.bodies:
                    self.mark_dead(body, live)


def _variables(definition: ClassDef) -> list[str]:
    """Every variable of the forward function, so that what backward adds has other names."""
    found = [*definition.inputs, *definition.captures, *definition.returns]
    for statement in definition.statements():
        if isinstance(statement, Apply | Invoke):
            found += statement.targets
        elif isinstance(statement, ForEach):
            found += [statement.carry, statement.collected, statement.result]
        elif isinstance(statement, Branch):
            found.append(statement.target)
    return [name for name in found if name]
