"""Variable names of emitted functions: the user's where there is one, else a few letters, reused when free."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from nnspec.backends.program import Apply, Branch, ClassDef, ForEach, Group, Invoke, Member, OpUse, Statement, has_open
from nnspec.backends.source import Names

if TYPE_CHECKING:
    from nnspec.backends.structure import Signature
    from nnspec.ir.graph import Node

_LETTERS = ("x", "y", "z", "u", "v", "w")
_RESERVED = [
    "self",
    "torch",
    "nn",
    "F",
    "np",
    "jnp",
    "jax",
    "lax",
    "optax",
    "math",
    "model",
    "loss",
    "training",
    "key",
    "keys",
    "new",
    "rng",
    "cache",
    "grad",
    "data",
    "batch",
]


def name_variables(
    definition: ClassDef, signature: Signature, captured: list[str], reserved: frozenset[str] = frozenset()
) -> None:
    """Settle every variable of a class's forward, in place."""
    _Namer(definition, signature, captured, reserved).run()


class _Namer:
    def __init__(
        self, definition: ClassDef, signature: Signature, captured: list[str], reserved: frozenset[str]
    ) -> None:
        self.reserved = reserved
        self.definition = definition
        self.signature = signature
        self.captured = captured
        self.user: dict[Any, str] = {}  # names the author gave, by key
        self.names: dict[Any, str] = {}
        self.last: dict[Any, int] = {}
        self.free: list[str] = []
        self.alive: list[Any] = []  # keys that were read later when last asked, among the first `seen` of `names`
        self.seen = 0
        self.clock = 0

    def run(self) -> None:
        module = self.definition.module
        for value, key in self.signature._keys.items():
            if value.name and key not in self.user:
                self.user[key] = value.name
        # A derivative reads what led to it again, so that no variable may hold something else by then.
        derives = any(_derives(statement) for statement in self.definition.statements())
        self.letters = (
            []
            if derives
            else [n for n in _LETTERS if all(key[0] == "in" for key, name in self.user.items() if name == n)]
        )
        self.pool = Names(
            (*_RESERVED, *self.reserved, *self.letters, *module.settings, *self.definition.scope.names.taken)
        )
        for index, value in enumerate(module.inputs):
            plain = value.name in self.letters
            self.names["in", index] = (
                value.name if plain else self.pool.fresh(value.name) if value.name else self._letter()
            )
        self.definition.inputs = [self.names["in", i] for i in range(len(module.inputs))]
        for index, name in enumerate(self.captured):
            self.names["capture", index] = self.pool.fresh(name)
        self.definition.captures = [self.names["capture", i] for i in range(len(self.captured))]
        for key, use in self.definition.numbers.items():
            self.names[key] = number(use)
        while self._find_unread():
            pass
        self.clock = 0
        self._assign(self.definition.body)
        self.definition.returns = [self.names[k] for k in self.signature.outputs]
        self.definition.results = frozenset(self.signature.outputs)
        given = {self.names[key] for key in self.user if key in self.names}
        self.definition.given = frozenset(given - {"_", *self.letters})
        self.definition.scope.names.taken.update(n for n in self.names.values() if n.isidentifier())

    # ------------------------------------------------ when each value is read last

    def _find_unread(self) -> bool:
        """Measure; mark what gives a value that nobody reads and does nothing else. Says whether there was any."""
        self.last, self.clock = {}, 0
        self._measure(self.definition.body)
        for key in self.signature.outputs:
            self.last[key] = self.clock + 1
        found = False
        for statement in self.definition.statements():
            if isinstance(statement, Apply | Invoke) and not (statement.unread or _acts(statement)):
                statement.unread = not any(k in self.last for k in statement.outputs)
                found |= statement.unread
        return found

    def _measure(self, body: list[Statement]) -> None:
        for statement in body:
            self.clock += 1
            if isinstance(statement, Apply | Invoke):
                for key in [*_inputs(statement), *self._measured(statement)] if not statement.unread else ():
                    self.last[key] = self.clock
            elif isinstance(statement, Group):
                self._measure(statement.body)
            elif isinstance(statement, Branch):
                self._measure(statement.then)
                self._measure(statement.otherwise)
            elif isinstance(statement, ForEach):
                self._measure_loop(statement)

    def _measured(self, statement: Apply | Invoke) -> list[Any]:
        """The inputs whose shapes a statement may read: those of open sizes, where it has an open size to say."""
        ops = [self.definition.numbers[key].op for key in statement.inputs if key in self.definition.numbers]
        if isinstance(statement, Apply):
            ops.append(statement.use.op)
        if not any(has_open(tuple(getattr(op, name) for name in op._fields)) for op in ops):
            return []
        inputs = self.definition.module.inputs
        return [("in", index) for index, value in enumerate(inputs) if has_open(tuple(value.type.shape))]

    def _measure_loop(self, loop: ForEach) -> None:
        if loop.carried:
            self.last[loop.entry] = self.clock
        before, start = dict(self.last), self.clock
        self._measure(loop.body)
        self.clock += 1
        self.last[loop.last] = self.clock
        made = {key for statement in loop.body for key in _defined(statement)}
        for key, when in list(self.last.items()):  # what an iteration reads from outside lives to the loop's end
            if when > start and key not in made and before.get(key, 0) != when and key != loop.inner:
                self.last[key] = self.clock

    # ------------------------------------------------ names, in order

    def _assign(self, body: list[Statement]) -> None:
        for statement in body:
            self.clock += 1
            if isinstance(statement, Apply | Invoke):
                statement.arguments = tuple(self._read(k) for k in statement.inputs)
                self._name_members(statement)
                read = _inputs(statement)
                self._release(read)
                statement.dies = self._dying(read)
                if isinstance(statement, Invoke):
                    statement.passed = [p if isinstance(p, Member) else self.names[p] for p in statement.passed]
                self.names.update({k: "_" for k in statement.outputs if k not in self.last})
                statement.targets = tuple(self._name(k) for k in statement.outputs)
            elif isinstance(statement, Group):
                statement.input = self.names[statement.entry]
                self._assign(statement.body)
                statement.output = self.names[statement.exit]
            elif isinstance(statement, Branch):
                self._assign_branch(statement)
            elif isinstance(statement, ForEach):
                self._assign_loop(statement)

    def _assign_branch(self, branch: Branch) -> None:
        if branch.exit:
            branch.target = self._name(branch.exit)
        free = list(self.free)
        self._assign(branch.then)
        self.free = [n for n in free if n in self.free]
        self._assign(branch.otherwise)
        self.free = [n for n in free if n in self.free]

    def _assign_loop(self, loop: ForEach) -> None:
        if not loop.carried:
            loop.collected = self._name(loop.exit, plural=True)
            self._assign(loop.body)
            self.clock += 1
            loop.result = self.names[loop.last]
            self._release([loop.last])
            return
        loop.initial = self.names[loop.entry]
        reuse = (
            self.last.get(loop.entry, 0) <= self.clock and loop.initial in self.letters and loop.exit not in self.user
        )
        loop.carry = loop.initial if reuse else self._name(loop.exit)
        self.names[loop.inner] = self.names[loop.exit] = loop.carry
        if self._may_overwrite(loop):
            self.names[loop.last] = loop.carry
        self._assign(loop.body)
        self.clock += 1
        loop.result = self.names[loop.last]
        if loop.result != loop.carry:
            self._release([loop.last])

    def _may_overwrite(self, loop: ForEach) -> bool:
        """Whether the iteration's result can take the carried variable: it is made by the last statement."""
        final = loop.body[-1]
        return loop.last in _defined(final) and loop.last != loop.inner

    def _read(self, key: Any) -> str:
        return f"*{self.names[key]}" if key[-1] == "each" else self.names[key]

    def _name(self, key: Any, plural: bool = False) -> str:
        if key in self.names:
            return self.names[key]
        wanted = self.user.get(key)
        if wanted is not None:
            self.names[key] = self.pool.fresh(wanted)
        elif plural:
            self.names[key] = self.pool.fresh("branches")
        else:
            self.names[key] = self._letter()
        return self.names[key]

    def _letter(self) -> str:
        for name in self.letters:
            if name in self.free:
                self.free.remove(name)
                return name
        used = set(self.names.values())
        for name in self.letters:
            if name not in used:
                return name
        return self.pool.fresh("x")

    def _release(self, keys: list[Any]) -> None:
        """Give back the letters of values that nobody reads after this statement."""
        for key in keys:
            name = self.names.get(key, "")
            shared = name in self._living()
            if name in self.letters and not shared and name not in self.free and self.last.get(key, 0) <= self.clock:
                self.free.append(name)
        self.free.sort(key=_LETTERS.index)

    def _dying(self, keys: list[Any]) -> frozenset[str]:
        """Names of values that are read here for the last time."""
        return frozenset(self.names[k] for k in keys) - self._living()

    def _living(self) -> set[str]:
        """Names of values that are read later. What is dead stays dead, so each key is looked at while it lives."""
        new = islice(reversed(self.names), len(self.names) - self.seen)
        self.alive = [key for key in (*self.alive, *new) if self.last.get(key, 0) > self.clock]
        self.seen = len(self.names)
        return {self.names[key] for key in self.alive}

    def _name_members(self, statement: Apply | Invoke) -> None:
        members = [
            statement.member,
            *([p for p in statement.passed if isinstance(p, Member)] if isinstance(statement, Invoke) else []),
        ]
        for member in members:
            if member is not None and member.captured.startswith("#"):
                member.captured = self.names["capture", int(member.captured[1:])]


def number(use: OpUse) -> str:
    """Source of a scalar constant: a float where it is one, whatever the spec wrote; formulas in parentheses."""

    def value(node: Node) -> Any:
        written: Any = getattr(node.op, "value", None)
        return float(written) if isinstance(written, int) and node.outputs[0].type.is_float else written

    source = use.express(value, "value")
    return f"({source})" if " " in source else source


def _derives(statement: Statement) -> bool:
    return isinstance(statement, Apply) and type(statement.use.op).__name__ == "Gradient"


def _acts(statement: Apply | Invoke) -> bool:
    """Whether a step does more than give a value: it draws, or moves running statistics on."""
    if isinstance(statement, Invoke):
        return statement.definition.noisy or statement.definition.stateful
    layer = statement.use.layer
    return statement.use.op.noisy or (layer is not None and any(p.role == "buffer" for p in layer.parameters.values()))


def _inputs(statement: Apply | Invoke) -> list[Any]:
    passed = [p for p in statement.passed if not isinstance(p, Member)] if isinstance(statement, Invoke) else []
    return [*statement.inputs, *passed]


def _defined(statement: Statement) -> list[Any]:
    """The keys that a statement leaves behind."""
    if isinstance(statement, Apply | Invoke):
        return list(statement.outputs)
    if isinstance(statement, Group):
        return [key for inner in statement.body for key in _defined(inner)]
    if isinstance(statement, ForEach | Branch):
        return [statement.exit]
    return []
