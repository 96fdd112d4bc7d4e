"""Tidying the statements of a class: numbers in place, nothing unread, branches that leave their value, chains.

Each function changes a ClassDef before its variables are named; together they turn a faithful trace into what a
person would have written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.program import Apply, Branch, ClassDef, ForEach, Group, Invoke, Member, Statement, walk

if TYPE_CHECKING:
    from nnspec.backends.structure import Signature

_TAKES_NUMBERS = frozenset(
    [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Less",
        "LessEqual",
        "Greater",
        "GreaterEqual",
        "Equal",
        "NotEqual",
        "Maximum",
        "Minimum",
    ]
)


def inline_numbers(definition: ClassDef) -> None:
    """Numbers that meet tensors in arithmetic are written where they are used: `2.0 * x`.

    Such a constant has no statement; `name_variables` finds its source in `definition.numbers`.
    """
    statements = list(definition.statements())
    applied = [s for s in statements if isinstance(s, Apply)]
    numbers = {s.outputs[0]: s for s in applied if type(s.use.op).__name__ == "Constant" and not s.use.outputs[0].rank}
    for key, statement in list(numbers.items()):
        readers = [s for s in statements if _reads(s, key)]
        others = [k for s in readers if isinstance(s, Apply) for k in s.inputs if k not in numbers]
        plain = all(isinstance(s, Apply) and type(s.use.op).__name__ in _TAKES_NUMBERS for s in readers)
        if not (readers and plain and len(others) >= len(readers)) or statement.use.is_open:
            numbers.pop(key)
    ends = {k for s in statements if isinstance(s, Group | ForEach | Branch) for k in (s.exit,)}
    definition.numbers = {key: s.use for key, s in numbers.items() if key not in ends}
    _drop(definition.body, {id(numbers[k]) for k in definition.numbers})


def drop_unread(definition: ClassDef, outputs: tuple[Any, ...]) -> None:
    """Leave out steps without parameters whose values nobody reads: a name that the author gave and never used."""
    while True:
        read: set[Any] = set(outputs)
        for statement in definition.statements():
            if isinstance(statement, Apply | Invoke):
                read.update(statement.inputs)
                read.update(p for p in getattr(statement, "passed", ()) if not isinstance(p, Member))
            elif isinstance(statement, Group | ForEach):
                read.update(k for k in (statement.entry, statement.exit, getattr(statement, "last", ())) if k)
            elif isinstance(statement, Branch):
                read.add(statement.exit)
        dead = {id(s) for s in definition.statements() if isinstance(s, Apply) and not _is_needed(s, read)}
        if not dead:
            return
        _drop(definition.body, dead)


def _is_needed(statement: Apply, read: set[Any]) -> bool:
    layer = statement.use.layer
    return any(key in read for key in statement.outputs) or (layer is not None and bool(layer.parameters))


def _drop(body: list[Statement], dead: set[int]) -> None:
    body[:] = [s for s in body if id(s) not in dead]
    for statement in body:
        if isinstance(statement, Group | ForEach):
            _drop(statement.body, dead)
        elif isinstance(statement, Branch):
            _drop(statement.then, dead)
            _drop(statement.otherwise, dead)


def simplify(body: list[Statement]) -> None:
    """Let the last step of a branch leave its value where the branch is read, instead of copying it there."""
    for statement in list(walk(body)):
        if not isinstance(statement, Branch):
            continue
        for side in (statement.then, statement.otherwise):
            if len(side) < 2 or not isinstance(side[-1], Apply) or type(side[-1].use.op).__name__ != "Identity":
                continue
            copied, before = side[-1].inputs[0], side[-2]
            readers = sum(_reads(s, copied) for s in walk(side))
            if readers != 1:
                continue
            if isinstance(before, Group) and before.exit == copied:
                _rename(before, copied, statement.exit)
                side.pop()
            elif isinstance(before, Apply | Invoke) and before.outputs == (copied,):
                before.outputs = (statement.exit,)
                side.pop()


def _reads(statement: Statement, key: Any) -> int:
    if isinstance(statement, Apply | Invoke):
        passed = statement.passed if isinstance(statement, Invoke) else []
        return statement.inputs.count(key) + sum(1 for p in passed if p == key)
    return 0


def _rename(group: Group, old: Any, new: Any) -> None:
    group.exit = new
    for statement in walk(group.body):
        if isinstance(statement, Apply | Invoke):
            statement.outputs = tuple(new if k == old else k for k in statement.outputs)
        elif isinstance(statement, Group | ForEach) and statement.exit == old:
            statement.exit = new


def mark_chains(definition: ClassDef, signature: Signature) -> None:
    reads: dict[Any, int] = {}
    for key in signature.outputs:
        reads[key] = reads.get(key, 0) + 1
    for statement in walk(definition.body):
        if isinstance(statement, Apply | Invoke):
            passed = statement.passed if isinstance(statement, Invoke) else []
            for key in (*statement.inputs, *(p for p in passed if not isinstance(p, Member))):
                reads[key] = reads.get(key, 0) + 1
        elif isinstance(statement, ForEach) and statement.carried:
            reads[statement.entry] = reads.get(statement.entry, 0) + 1
    for statement in reversed(list(walk(definition.body))):
        if isinstance(statement, Group):
            statement.chain = _is_chain(statement.body, statement.entry, statement.exit, reads)
        elif isinstance(statement, ForEach) and statement.carried:
            statement.chain = _is_chain(statement.body, statement.inner, statement.last, reads)
    ends = (signature.outputs[0],) if len(signature.outputs) == 1 else ()
    if len(definition.module.inputs) == 1 and not definition.module.captures and ends:
        definition.chain = _is_chain(definition.body, ("in", 0), ends[0], reads)


def _is_chain(body: list[Statement], entry: Any, exit: Any, reads: dict[Any, int]) -> bool:
    """Whether one value runs through all statements and no statement outside reads what lies between."""
    current = entry
    for position, statement in enumerate(body):
        if isinstance(statement, Apply | Invoke):
            passed = statement.passed if isinstance(statement, Invoke) else []
            if statement.inputs != (current,) or len(statement.outputs) != 1 or passed:
                return False
            if statement.member is not None and statement.member.captured:
                return False
            following = statement.outputs[0]
        elif (isinstance(statement, Group) and statement.chain and statement.entry == current) or (
            isinstance(statement, ForEach) and statement.carried and statement.chain and statement.entry == current
        ):
            following = statement.exit
        else:
            return False
        if position and reads.get(current, 0) != 1:
            return False
        current = following
    return bool(body) and current == exit
