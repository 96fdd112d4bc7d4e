"""The members of a class as a tree of containers, shaped so that a leaf's place spells its PyTorch path.

`features.0.weight` is `model.features["0"].weight`: containers whose keys count 0, 1, 2, ... are lists,
others dicts, so the paths of a pytree are the names of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
)

Part = str | LoopKey
Path = tuple[Part, ...]
Side = tuple[Branch, int]


class Made:
    """One way in which a member comes to be: under which branches, by which statement."""

    def __init__(self, sides: tuple[Side, ...], statement: Statement) -> None:
        self.sides = sides
        self.statement = statement


class Tree:
    """A member (it has `made`) or a container of members (it has `children`); both where an `if` decides it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.children: dict[Part, Tree] = {}
        self.made: list[Made] = []

    def leaves(self) -> Iterator[Tree]:
        if self.made or not self.children:
            yield self
        for child in self.children.values():
            yield from child.leaves()

    def child(self, key: str) -> Tree:
        """What stands under a key, also where a loop makes it."""
        return next(c for p, c in self.children.items() if key in (p.keys if isinstance(p, LoopKey) else (p,)))

    def keys(self) -> list[str]:
        return [key for part in self.children for key in (part.keys if isinstance(part, LoopKey) else (part,))]

    @property
    def is_list(self) -> bool:
        """Whether the keys are 0, 1, 2, ... in the order in which the members are made."""
        return self.keys() == [str(k) for k in range(len(self.keys()))]

    def within(self, side: Side) -> Tree:
        """The part that is made on one side of an `if`."""
        part = Tree(self.path)
        part.made = [made for made in self.made if side in made.sides]
        for key, child in self.children.items():
            found = child.within(side)
            if found.made or found.children:
                part.children[key] = found
        return part

    def only_side(self, applied: frozenset[Branch]) -> Side | None:
        """The branch that all members below stand in, if there is one beyond those `applied`."""
        found: set[Side | None] = set()
        for leaf in self.leaves():
            for made in leaf.made:
                rest = [side for side in made.sides if side[0] not in applied]
                found.add(rest[0] if rest else None)
        return found.pop() if len(found) == 1 else None


def member_tree(definition: ClassDef) -> Tree:
    """All members that a class owns, in the order in which they are first made or used."""
    root = Tree(())
    seen: set[tuple[Path, tuple[Side, ...]]] = set()

    def add(member: Member | None, sides: tuple[Side, ...], statement: Statement) -> None:
        if member is None or member.captured or not member.path:
            return
        if any((member.path, sides[:k]) in seen for k in range(len(sides) + 1)):
            return
        seen.add((member.path, sides))
        place = root
        for depth, part in enumerate(member.path, 1):
            place = place.children.setdefault(part, Tree(member.path[:depth]))
        place.made.append(Made(sides, statement))

    _visit(definition.body, (), add)
    return root


def _visit(body: list[Statement], sides: tuple[Side, ...], add: Callable[..., None]) -> None:
    for statement in body:
        if isinstance(statement, Apply):
            layer = statement.use.layer
            if layer is not None and layer.parameters:
                add(statement.member, sides, statement)
        elif isinstance(statement, Invoke | Construct):
            add(statement.member, sides, statement)
        elif isinstance(statement, Group | ForEach):
            _visit(statement.body, sides, add)
        elif isinstance(statement, Branch):
            _visit(statement.then, (*sides, (statement, 0)), add)
            _visit(statement.otherwise, (*sides, (statement, 1)), add)
