"""Compositions as `nn.Sequential`: which ones can be said so, and how their steps are written."""

from __future__ import annotations

from nnspec.backends.program import Apply, ForEach, Group, Invoke, LoopKey, Statement
from nnspec.backends.source import literal
from nnspec.backends.torch.members import build, copy_labels, is_numbered, labels_of
from nnspec.backends.torch.rows import row

Path = tuple[str | LoopKey, ...]


class Sequentials:
    """The part of a class's printer that knows Sequentials.

    `made` are the members that something has constructed already, `sequences` the statements that became Sequentials.
    """

    def __init__(self) -> None:
        self.made: set[Path] = set()
        self.sequences: set[Statement] = set()

    def is_sequential(self, statement: Group | ForEach) -> bool:
        """Whether `nn.Sequential` says it: a chain of steps made here, each of which has a module form."""
        if not statement.name or not self.fits(statement) or not all(isinstance(p, str) for p in statement.name):
            return False
        if isinstance(statement, Group) and not all(_stands_in(s, statement.name) for s in statement.body):
            return False
        steps = [statement] if isinstance(statement, ForEach) else statement.body
        nested = any(isinstance(s, ForEach) and any(isinstance(i, ForEach) for i in s.body) for s in steps)
        labels = copy_labels(statement) if isinstance(statement, ForEach) else [k for s in steps for k in labels_of(s)]
        return not nested or is_numbered(labels)

    def fits(self, statement: Statement) -> bool:
        if isinstance(statement, Apply):
            form = row(statement.use)
            if statement.member is None or form.construct is None:
                return form.module is not None
            return (
                not form.reads_member
                and not form.pair
                and not statement.member.captured
                and statement.member.path not in self.made
            )
        if isinstance(statement, Invoke):
            return not statement.member.captured and statement.member.path not in self.made
        return isinstance(statement, Group | ForEach) and statement.chain and all(map(self.fits, statement.body))

    def claim(self, statement: Group | ForEach) -> None:
        """Note that a Sequential constructs all that stands in it."""
        self.sequences.add(statement)
        for inner in statement.body:
            if isinstance(inner, Apply | Invoke) and inner.member is not None:
                self.made.add(inner.member.path)
            elif isinstance(inner, Group | ForEach):
                self.claim(inner)

    def sequential(self, body: list[Statement]) -> str:
        """`nn.Sequential(...)`; steps keep their numbers, or their labels where they have some."""
        labels = [label for statement in body for label in labels_of(statement)]
        if is_numbered(labels):
            return f"nn.Sequential({', '.join(self.step(s) for s in body)})"
        return f"nn.Sequential(OrderedDict([{', '.join(self.labelled(s) for s in body)}]))"

    def step(self, statement: Statement) -> str:
        if isinstance(statement, Apply):
            form = row(statement.use)
            if form.construct is not None and statement.member is not None:
                return form.construct(statement.use)
            assert form.module is not None
            return form.module(statement.use)
        if isinstance(statement, Invoke):
            return build(statement)
        if isinstance(statement, Group):
            return self.sequential(statement.body)
        assert isinstance(statement, ForEach)
        return self.copies(statement) if statement.name else self.starred(statement)

    def starred(self, statement: ForEach) -> str:
        """`*[Bottleneck(256, 64) for _ in range(3)]`."""
        steps = [self.step(s) for s in statement.body]
        if len(steps) == 1:
            return f"*[{steps[0]} for {statement.header(steps)}]"
        return f"*[step for {statement.header(steps)} for step in ({', '.join(steps)})]"

    def copies(self, loop: ForEach) -> str:
        """The Sequential that a loop with a name of its own is."""
        if is_numbered(copy_labels(loop)):
            return f"nn.Sequential({self.starred(loop)})"
        return f"nn.Sequential(OrderedDict({self.starred_pairs(loop).removeprefix('*')}))"

    def labelled(self, statement: Statement) -> str:
        """`("conv1", nn.Conv2d(...))`, or a starred list of such pairs for copies."""
        if isinstance(statement, ForEach) and not statement.name:
            return self.starred_pairs(statement)
        return f"({literal(labels_of(statement)[0])}, {self.step(statement)})"

    def starred_pairs(self, statement: ForEach) -> str:
        steps = [self.step(s) for s in statement.body]
        keys = copy_labels(statement)
        rows = [keys[k * len(steps) : (k + 1) * len(steps)] for k in range(statement.count)]
        names = [statement.key([r[j] for r in rows]) for j in range(len(steps))]
        pairs = [f"({name}, {step})" for name, step in zip(names, steps, strict=True)]
        if len(pairs) == 1:
            return f"*[{pairs[0]} for {statement.header(pairs)}]"
        return f"*[pair for {statement.header(pairs)} for pair in ({', '.join(pairs)})]"


def _stands_in(statement: Statement, scope: Path) -> bool:
    """Whether a step is named directly under a scope, not under another one that was written out inside it."""
    if isinstance(statement, Apply | Invoke):
        return statement.member is None or statement.member.path[:-1] == scope
    return not isinstance(statement, ForEach | Group) or not statement.name or statement.name[:-1] == scope
