"""Compositions as `nn.Sequential`: which ones can be said so, and how their steps are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.program import Apply, ForEach, Group, Invoke, LoopKey, Statement
from nnspec.backends.source import literal
from nnspec.backends.torch.members import build, copy_labels, is_numbered, labels_of, written
from nnspec.backends.torch.rows import row
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

Path = tuple[str | LoopKey, ...]


class Nested(Record):
    """Steps under a scope that no statement stands for."""

    scope: Path
    body: list[Statement]


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
        if isinstance(statement, Group) and not _is_in_place(statement.body, statement.name):
            return False
        steps = [statement] if isinstance(statement, ForEach) else written(statement.body)
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

    def sequential(self, body: list[Statement], scope: Path = ()) -> str:
        """`nn.Sequential(...)`; steps keep their numbers, or their labels where they have some."""
        steps = _steps(body, scope)
        if is_numbered(_labels(steps)):
            return f"nn.Sequential({', '.join(self.step(s) for s in steps)})"
        return f"nn.Sequential(OrderedDict([{', '.join(self.labelled(s) for s in written(body))}]))"

    def step(self, statement: Statement | Nested) -> str:
        if isinstance(statement, Nested):
            return self.sequential(statement.body, statement.scope)
        if isinstance(statement, Apply):
            form = row(statement.use)
            if form.construct is not None and statement.member is not None:
                return form.construct(statement.use)
            assert form.module is not None
            return form.module(statement.use)
        if isinstance(statement, Invoke):
            return build(statement)
        if isinstance(statement, Group):
            return self.sequential(statement.body, statement.name)
        assert isinstance(statement, ForEach)
        return self.copies(statement) if statement.name else self.starred(statement)

    def starred(self, statement: ForEach) -> str:
        """`*[Bottleneck(256, 64) for _ in range(3)]`."""
        steps = [self.step(s) for s in written(statement.body)]
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
        steps = [self.step(s) for s in written(statement.body)]
        keys = copy_labels(statement)
        rows = [keys[k * len(steps) : (k + 1) * len(steps)] for k in range(statement.count)]
        names = [statement.key([r[j] for r in rows]) for j in range(len(steps))]
        pairs = [f"({name}, {step})" for name, step in zip(names, steps, strict=True)]
        if len(pairs) == 1:
            return f"*[{pairs[0]} for {statement.header(pairs)}]"
        return f"*[pair for {statement.header(pairs)} for pair in ({', '.join(pairs)})]"


def stepped_into(item: Statement, frames: Iterable[FrameType]) -> Statement:
    """The step of a composition at which the frames of `nn.Sequential` are, those outside first."""
    found: Statement | Nested = item
    for frame in frames:
        children = getattr(frame.f_locals.get("self"), "_modules", None)
        if frame.f_code.co_name != "forward" or "module" not in frame.f_locals or not children:
            continue
        index = next((k for k, child in enumerate(children.values()) if child is frame.f_locals["module"]), -1)
        inside = _children(found)
        if not 0 <= index < len(inside):
            break
        found = inside[index]
    return found if isinstance(found, Statement) else found.body[0]


def _children(statement: Statement | Nested) -> list[Statement | Nested]:
    """What stands for each module of the Sequential that a statement is, in order."""
    if isinstance(statement, Invoke):
        steps = _steps(statement.definition.body, ())
    elif isinstance(statement, Group):
        steps = _steps(statement.body, statement.name)
    elif isinstance(statement, Nested):
        steps = _steps(statement.body, statement.scope)
    elif isinstance(statement, ForEach):
        return [*written(statement.body)] * statement.count
    else:
        return []
    copies = [written(s.body) * s.count if isinstance(s, ForEach) and not s.name else [s] for s in steps]
    return [step for several in copies for step in several]


def _path(statement: Statement) -> Path:
    """Where a step stands in its class; () for one without a name."""
    if isinstance(statement, Apply | Invoke):
        return statement.member.path if statement.member is not None else ()
    return statement.name if isinstance(statement, ForEach | Group) else ()


def _steps(body: list[Statement], scope: Path) -> list[Statement | Nested]:
    """The steps of a composition; those below a further part of a path are a composition of their own.

    `features.1.0` under `features`: the copies of a loop that runs once are a composition of one step.
    """
    found: list[Statement | Nested] = []
    for statement in written(body):
        inner = _path(statement)[: len(scope) + 1] if len(_path(statement)) > len(scope) + 1 else ()
        last = found[-1] if found else None
        if not inner or not scope:
            found.append(statement)
        elif isinstance(last, Nested) and last.scope == inner:
            last.body.append(statement)
        else:
            found.append(Nested(inner, [statement]))
    return found


def _labels(steps: list[Statement | Nested]) -> list[str]:
    return [label for s in steps for label in ([str(s.scope[-1])] if isinstance(s, Nested) else labels_of(s))]


def _is_in_place(body: list[Statement], scope: Path) -> bool:
    """Whether Sequentials inside each other give every step the path that it has."""
    steps = _steps(body, scope)
    named = all(path[: len(scope)] == scope for path in map(_path, body) if path)
    inner = [(s.body, s.scope) for s in steps if isinstance(s, Nested)]
    plain = all(isinstance(part, str) for _, path in inner for part in path[len(scope) :])
    numbered = not (inner and scope) or is_numbered(_labels(steps))
    groups = [(s.body, s.name) for s in steps if isinstance(s, Group) and s.name]
    nested = all(is_numbered(_labels(_steps(*found))) for found in inner)
    return named and plain and numbered and nested and all(_is_in_place(*found) for found in (*inner, *groups))
