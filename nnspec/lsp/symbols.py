"""The outline of a file: declarations, and inside models and blocks what they name."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.diagnostics import Span
from nnspec.syntax import nodes


class Symbol(NamedTuple):
    """One entry of the outline. `span` is the whole declaration, `name_span` its name."""

    name: str
    kind: str
    span: Span
    name_span: Span
    children: tuple[Symbol, ...] = ()


_FIELDS = {
    "Input": "input",
    "Target": "target",
    "Param": "param",
    "Noise": "noise",
    "Output": "output",
    "LayerDecl": "layer",
    "Let": "let",
}


def outline(tree: nodes.File) -> list[Symbol]:
    """The declarations of a file in order."""
    found: list[Symbol] = []
    for d in tree.declarations:
        if isinstance(d, nodes.Block | nodes.Model):
            kind = type(d).__name__.lower()
            found.append(Symbol(d.name.id, kind, d.span, d.name.span, tuple(_statements(d.body))))
        elif isinstance(d, nodes.Let):
            found.append(Symbol(d.name.id, "let", d.span, d.name.span))
        elif isinstance(d, nodes.Train | nodes.Data):
            word = type(d).__name__.lower()
            name = f"{word} {d.model.id}" if d.model is not None else word
            start = Span(d.span.path, d.span.line, d.span.column, d.span.line, d.span.column + len(word))
            entries = tuple(Symbol(e.key.id, "key", e.span, e.key.span) for e in d.entries)
            found.append(Symbol(name, word, d.span, start, entries))
    return found


def _statements(body: nodes.Body) -> list[Symbol]:
    found: list[Symbol] = []
    for s in body.statements:
        if isinstance(s, nodes.Bind):
            found += [Symbol(n.id, "value", s.span, n.span) for n in s.names]
        elif isinstance(
            s, nodes.Input | nodes.Target | nodes.Param | nodes.Noise | nodes.Output | nodes.LayerDecl | nodes.Let
        ):
            found.append(Symbol(s.name.id, _FIELDS[type(s).__name__], s.span, s.name.span))
    return found
