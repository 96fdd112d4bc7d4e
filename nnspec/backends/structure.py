"""Merging: every use of a block is reduced to its structure, and uses of equal structure share a class.

A `Signature` names each value by its place (item 3 of the body, output 0) instead of by identity, so that
two uses of a block are alike exactly when their signatures are equal, whatever their numbers. The two
branches of an `if` are kept apart from the rest: uses that take different ones still share a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.ir.graph import Call, Choice, Declare, Item, Layer, Loop, Module, Node, Sequence, Value
from nnspec.ops.base import Op

if TYPE_CHECKING:
    from nnspec.backends.program import ClassDef
    from nnspec.ir.types import TensorType

Key = tuple[Any, ...]

# Settings of these kinds, and all that are not numbers, decide the structure; the others may vary within a class.
_STRUCTURAL = frozenset({"Axis", "Axes", "Axis | None", "Axes | None", "Numbers"})


class Signature:
    """The structure of one traced module. Two modules share a class if `fits` says so."""

    def __init__(self, module: Module, classes: dict[Module, ClassDef], outputs: list[Value]) -> None:
        self.module = module
        self.classes = classes
        self.wires: dict[Item, tuple[tuple[Key, ...], tuple[Key, ...]]] = {}
        self.members: dict[Layer | Module, Key] = {}
        self.branches: dict[tuple[Key, int], tuple[Any, ...]] = {}
        self.rolled: set[Loop] = set()
        self._keys: dict[Value, Key] = {}
        self._uses = _uses(module, outputs)
        for index, value in enumerate(module.inputs):
            self._keys[value] = ("in", index)
        for index, captured in enumerate(module.captures):
            if isinstance(captured, Value):
                self._keys[captured] = ("capture", index)
            else:
                self.members[captured] = ("capture", index)
        interface = (tuple(_kind(v.type) for v in module.inputs), len(module.captures))
        body = self._items(module.items, (), named=True)
        self.outputs = tuple(self._keys[v] for v in outputs)
        self.main = (interface, body, self.outputs)

    def fits(self, other: Signature) -> bool:
        """Whether both can be one class: equal outside of `if`s, and inside wherever both take a branch."""
        if self.main != other.main:
            return False
        return all(other.branches.get(key, branch) == branch for key, branch in self.branches.items())

    def key(self, value: Value) -> Key:
        return self._keys[value]

    def _items(self, items: list[Item], path: Key, named: bool) -> tuple[Any, ...]:
        return tuple(self._item(item, (*path, index), named) for index, item in enumerate(items))

    def _item(self, item: Item, path: Key, named: bool) -> Any:
        if isinstance(item, Node):
            return self._node(item, path, named)
        if isinstance(item, Call):
            inputs, outputs = tuple(self._keys[v] for v in item.inputs), self._define(item.outputs, path)
            self.wires[item] = inputs, outputs
            passed = tuple(self._reference(c) for c in item.module.captures)
            return "call", id(self.classes[item.module]), inputs, passed, self._member(item.module, path, named)
        if isinstance(item, Sequence):
            entry = self._keys[item.input]
            body = self._items(item.items, path, named)
            self.wires[item] = (entry,), (self._keys[item.output],)
            return "sequence", item.name if named else "", entry, body
        if isinstance(item, Choice):
            body = self._items(item.items, (*path, item.taken), named)
            if item.result is not None:
                self._keys[item.result] = (*path, "result")
                self._rewire_result(item, (*path, "result"))
            self.branches[path, item.taken] = body
            self.wires[item] = (), ((*path, "result"),)
            return "choice", id(item.syntax)
        if isinstance(item, Declare):
            self.members[item.target] = ("declared", *path)
            return "declare", item.target.name if named else "", type(item.target).__name__
        return self._loop(item, path, named)

    def _node(self, node: Node, path: Key, named: bool) -> Any:
        inputs, outputs = self._inputs(node), self._define(node.outputs, path)
        self.wires[node] = inputs, outputs
        kinds = tuple(_kind(v.type) for v in (*node.inputs, *node.outputs))
        member = self._member(node.layer, path, named) if node.layer is not None else ()
        return "node", type(node.op).__name__, _structure(node.op), inputs, kinds, member

    def _inputs(self, node: Node) -> tuple[Key, ...]:
        """The places of a node's inputs; the results of a rolled `for` over tensors are one starred place."""
        keys = [self._keys[v] for v in node.inputs]
        merged: list[Key] = []
        for key in keys:
            if key[-1] == "each" and merged and merged[-1] == key:
                continue
            merged.append(key)
        return tuple(merged)

    def _define(self, values: tuple[Value, ...], path: Key) -> tuple[Key, ...]:
        for index, value in enumerate(values):
            self._keys[value] = (*path, "out", index)
        return tuple(self._keys[v] for v in values)

    def _rewire_result(self, choice: Choice, key: Key) -> None:
        last = choice.items[-1]
        inputs, _ = self.wires[last]
        self.wires[last] = inputs, (key,)

    def _reference(self, captured: Value | Layer | Module) -> Key:
        return self._keys[captured] if isinstance(captured, Value) else self.members.get(captured, ("unmade",))

    def _member(self, owned: Layer | Module, path: Key, named: bool) -> Key:
        first = owned not in self.members
        if first:
            self.members[owned] = ("at", *path)
        return (*self.members[owned], owned.name if first and named else "")

    def _loop(self, loop: Loop, path: Key, named: bool) -> Any:
        if self._rolls(loop):
            attempt = self._rolled(loop, path)
            if attempt is not None:
                self.rolled.add(loop)
                names = tuple(tuple(_names(items)) for items in loop.iterations) if named else ()
                return "loop", loop.carried, len(loop.iterations), attempt, names
        self.wires[loop] = (), ()
        return "unrolled", tuple(self._items(items, (*path, k), named) for k, items in enumerate(loop.iterations))

    def _rolled(self, loop: Loop, path: Key) -> Any:
        """The one body of all iterations, or None when they differ in structure."""
        entry = self._keys[loop.inputs[0]] if loop.carried else ()
        before = self._snapshot()
        body: Any = None
        found: dict[tuple[Key, int], tuple[Any, ...]] = {}
        for index, items in enumerate(loop.iterations):
            outside = self._keys.get(loop.inputs[index]) if loop.carried else None
            if loop.carried:
                self._keys[loop.inputs[index]] = (*path, "carry")
            self.branches = {}
            one = self._items(items, (*path, "body"), named=False), self._keys[loop.results[index]]
            if loop.carried and outside is not None:
                self._keys[loop.inputs[index]] = outside
            if (body is not None and one != body) or any(found.get(k, b) != b for k, b in self.branches.items()):
                self._restore(before)
                return None
            body = one
            found.update(self.branches)
        if not self._names_follow_one_loop(loop) or _members_differ(found):
            self._restore(before)
            return None
        self.branches = {**before[3], **found}
        last = self._keys[loop.results[-1]]
        out = (*path, "out") if loop.carried else (*path, "each")
        for result in loop.results[-1:] if loop.carried else loop.results:
            self._keys[result] = out
        self.wires[loop] = (entry, last), (out,)
        return entry, body

    def _names_follow_one_loop(self, loop: Loop) -> bool:
        """Whether no part of a name runs through copies of this loop and of one inside it at once.

        That is how `for w in [4, 8] { dense(w) -> repeat(2, dense(w)) }` is numbered in a composition.
        """
        inner = [[n for n in _loops(items) if n in self.rolled] for items in loop.iterations]
        for copies in zip(*inner, strict=False):
            table = [[tuple(_names(items)) for items in each.iterations] for each in copies]
            for column in zip(*(zip(*rows, strict=True) for rows in table), strict=True):
                parts = [[name.split(".") for name in row] for row in column]
                if any(not _follows_one(cells) for cells in _by_part(parts)):
                    return False
        return True

    def _snapshot(self) -> tuple[Any, ...]:
        return dict(self._keys), dict(self.wires), dict(self.members), dict(self.branches), set(self.rolled)

    def _restore(self, saved: tuple[Any, ...]) -> None:
        self._keys, self.wires, self.members, self.branches, self.rolled = map(_copy, saved)

    def _rolls(self, loop: Loop) -> bool:
        """Whether nothing outside an iteration reads what is made inside, but for what a loop hands on."""
        if len(loop.iterations) < 2:
            return False
        if not loop.carried and len(loop.results) != len(set(loop.results)):
            return False
        for index, items in enumerate(loop.iterations):
            inside = set(_consumers(items))
            for value in _produced(items):
                readers = [u for u in self._uses.get(value, ()) if id(u) not in inside]
                if value is loop.results[index]:
                    if loop.carried and index + 1 < len(loop.iterations):
                        allowed = set(_consumers(loop.iterations[index + 1]))
                        readers = [u for u in readers if id(u) not in allowed]
                    elif loop.carried:
                        readers = []
                    else:
                        readers = [u for u in readers if not _takes_all(u, loop)]
                if readers:
                    return False
        return all(r in set(_produced(items)) for r, items in zip(loop.results, loop.iterations, strict=True))


def _copy(value: Any) -> Any:
    return value.copy()


def _takes_all(reader: object, loop: Loop) -> bool:
    if not isinstance(reader, Node) or not reader.op.variadic:
        return False
    inputs = list(reader.inputs)
    for start in range(len(inputs) - len(loop.results) + 1):
        if inputs[start : start + len(loop.results)] == loop.results:
            return all(v not in loop.results for v in inputs[:start] + inputs[start + len(loop.results) :])
    return False


def _uses(module: Module, outputs: list[Value]) -> dict[Value, list[object]]:
    """Who reads each value: nodes, calls (captures included), or the module's end."""
    found: dict[Value, list[object]] = {}
    for item in module.flat():
        read = list(item.inputs)
        if isinstance(item, Call):
            read += [c for c in item.module.captures if isinstance(c, Value)]
        for value in read:
            found.setdefault(value, []).append(item)
    for value in outputs:
        found.setdefault(value, []).append(module)
    return found


def _leaves(items: list[Item]) -> list[Node | Call]:
    found: list[Node | Call] = []
    for item in items:
        if isinstance(item, Node | Call):
            found.append(item)
        elif isinstance(item, Loop):
            for iteration in item.iterations:
                found.extend(_leaves(iteration))
        elif not isinstance(item, Declare):
            found.extend(_leaves(item.items))
    return found


def _consumers(items: list[Item]) -> list[int]:
    return [id(item) for item in _leaves(items)]


def _produced(items: list[Item]) -> list[Value]:
    return [value for item in _leaves(items) for value in item.outputs]


def _names(items: list[Item]) -> list[str]:
    """The names of the members that items use, in order."""
    found = []
    for item in _leaves(items):
        if isinstance(item, Call):
            found.append(item.module.name)
        elif item.layer is not None:
            found.append(item.layer.name)
    return found


def _members_differ(branches: dict[tuple[Key, int], tuple[Any, ...]]) -> bool:
    """Whether copies of a loop take different branches of an `if` in which there are members."""
    varying = {path for path, taken in branches if (path, 1 - taken) in branches}
    return any(
        path[: len(outer)] == outer and _has_members(body) for (path, _), body in branches.items() for outer in varying
    )


def _has_members(body: tuple[Any, ...]) -> bool:
    """Whether the structure of some items, as `Signature` writes it, has a layer or a module in it."""
    if body[:1] == ("call",) or (body[:1] == ("node",) and body[-1] != ()):
        return True
    return any(_has_members(part) for part in body if isinstance(part, tuple))


def _loops(items: list[Item]) -> list[Loop]:
    """The loops inside items, outermost first, calls not entered."""
    found: list[Loop] = []
    for item in items:
        if isinstance(item, Loop):
            found.append(item)
            for iteration in item.iterations:
                found.extend(_loops(iteration))
        elif isinstance(item, Sequence | Choice):
            found.extend(_loops(item.items))
    return found


def _by_part(names: list[list[list[str]]]) -> list[list[list[str]]]:
    """Names in parts, by outer and inner copy, as one table for each part."""
    return [[[name[p] for name in row] for row in names] for p in range(len(names[0][0]))]


def _follows_one(table: list[list[str]]) -> bool:
    """Whether a table of texts, outer copies by inner ones, depends on the row alone or on the column alone."""
    return all(len(set(row)) == 1 for row in table) or all(row == table[0] for row in table)


def _kind(type: TensorType) -> tuple[int, str, bool]:
    return type.rank, type.dtype, type.batched


def _structure(op: Op) -> tuple[Any, ...]:
    """What of an op's settings decides its structure: everything but numbers and tuples of numbers."""
    kinds = setting_kinds(type(op))
    found: list[Any] = []
    for name in op._fields:
        value = getattr(op, name)
        if kinds.get(name, "") not in _STRUCTURAL and _is_number(value):
            found.append("number")
        elif (
            kinds.get(name, "") not in _STRUCTURAL
            and isinstance(value, tuple)
            and value
            and all(map(_is_number, value))
        ):
            found.append(("numbers", len(value)))
        else:
            found.append(value)
    return tuple(found)


def _is_number(value: object) -> bool:
    from nnspec.ir.dims import Dim

    return isinstance(value, int | float | Dim) and not isinstance(value, bool)


def setting_kinds(op: type[Op]) -> dict[str, str]:
    """The annotation of every setting of an op class, as text."""
    found: dict[str, str] = {}
    for base in reversed(op.__mro__):
        found.update({n: str(a) for n, a in vars(base).get("__annotations__", {}).items()})
    return found
