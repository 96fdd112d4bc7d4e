"""Names as the static checker sees them: what kind of thing each is, where it was made, which braces hold it."""

from __future__ import annotations

from collections.abc import Iterator

from nnspec.diagnostics import Span
from nnspec.record import Record

# Kinds of expressions that are known before shapes. ANY is the honest answer "cannot be told from here": whatever
# has it is left to the elaborator.
NUMBER, BOOL, STRING, LIST, TENSOR, LAYER, INSTANCE, ANY = (
    "number", "bool", "string", "list", "tensor", "layer", "instance", "any",
)  # fmt: skip
LAYERS = frozenset({LAYER, INSTANCE})
PLAIN = frozenset({NUMBER, BOOL, STRING, LIST})

A_KIND = {
    NUMBER: "a number",
    BOOL: "true or false",
    STRING: "a string",
    LIST: "a list",
    TENSOR: "a tensor",
    LAYER: "a layer",
    INSTANCE: "a layer",
}


class Known(Record):
    """One name: its kind, and the place that made it. `items` is the kind of what a list holds."""

    kind: str
    span: Span | None = None
    items: str = ANY


class Names:
    """The names of one pair of braces.

    `later` are names that statements further down will make, `gone` those of braces that are closed: both
    only serve to say what is wrong with a name that is not found. `repeated` marks the braces of a loop.
    """

    __slots__ = ("gone", "known", "labels", "later", "parent", "repeated")

    def __init__(self, parent: Names | None = None, *, repeated: bool = False) -> None:
        self.parent = parent
        self.repeated = repeated
        self.known: dict[str, Known] = {}
        self.later: dict[str, Span] = {}
        self.gone: dict[str, Span] = {}
        self.labels: dict[str, Span] = {}

    def outwards(self) -> Iterator[Names]:
        scope: Names | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def find(self, name: str) -> Known | None:
        return next((s.known[name] for s in self.outwards() if name in s.known), None)

    def made_later(self, name: str) -> Span | None:
        return next((s.later[name] for s in self.outwards() if name in s.later), None)

    def left_behind(self, name: str) -> Span | None:
        return next((s.gone[name] for s in self.outwards() if name in s.gone), None)

    def close(self) -> None:
        """The braces end: the enclosing scope remembers which names they held."""
        if self.parent is not None:
            for name, known in self.known.items():
                if known.span is not None:
                    self.parent.gone.setdefault(name, known.span)
            for name, span in self.gone.items():
                self.parent.gone.setdefault(name, span)

    def all_names(self, *kinds: str) -> list[str]:
        """Every name that can be seen, nearest first; only those of the given kinds, if any are."""
        return [n for s in self.outwards() for n, k in s.known.items() if not kinds or k.kind in kinds]
