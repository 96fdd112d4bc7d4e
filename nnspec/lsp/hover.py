"""What an editor shows of a word or a step: shapes, parameters, multiply-adds, the docs of the operation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from inspect import cleandoc

from nnspec.lsp.analysis import Analysis, Syntax
from nnspec.lsp.documents import Document
from nnspec.lsp.tables import callee_at, described, word_at
from nnspec.syntax import nodes


def hover(document: Document, line: int, column: int) -> str:
    """Markdown for a place (from 1), or nothing. Shapes are those of the last analysis, where the step has stayed."""
    syntax, analysis = document.syntax(), document.known
    step, fields = "", dict[str, str]()
    if analysis is not None:
        place = (line, column) if document.current else document.moves(back=True)(line, column)
        step, fields = _step(analysis, *place) if place is not None else "", analysis.fields
    parts = (*_declared(syntax, fields, line, column), step, _docs(syntax, line, column))
    return "\n\n---\n\n".join(filter(None, parts))


def _declared(syntax: Syntax, fields: Mapping[str, str], line: int, column: int) -> Iterator[str]:
    """A name of the spec: what declares it, and its type."""
    binding = syntax.names.at(line, column)
    if binding is None:
        return
    type = fields.get(binding.name, "") if binding.kind in _TENSORS else ""
    text = f"{binding.kind} **{binding.name}**" + (f": `{type}`" if type else "")
    span = binding.span
    if span.path != syntax.path:
        text += f", from {span.path}"
    elif isinstance(binding.node, nodes.Let):
        text += f"\n\n```nn\n{syntax.lines[span.line - 1].strip()}\n```"
    yield text


_TENSORS = frozenset({"value", "input", "target", "noise", "output", "param"})


def _step(analysis: Analysis, line: int, column: int) -> str:
    """The shapes, parameters and multiply-adds of the innermost step at a place."""
    found = analysis.step_at(line, column)
    if not found:
        return ""
    first = found[0]
    facts = [f"`{first.before + ' -> ' if first.before else ''}{first.after}`"]
    if first.parameters:
        facts.append(f"{first.parameters:,} parameters")
    if first.macs:
        facts.append(f"{first.macs} multiply-adds")
    text = ", ".join(facts)
    if first.path:
        text += f" (`{first.path}`)"
    if len(found) > 1:
        text += f"; {len(found)} uses"
    return text + (f"\n\nreceptive field: {first.field}" if first.field else "")


def _docs(syntax: Syntax, line: int, column: int) -> str:
    """The signature and docstring of the layer, function, optimizer or initialiser named here."""
    word = word_at(syntax.lines, line, column)
    if not word or syntax.names.at(line, column) is not None:
        return ""
    known = described(word, callee_at(syntax.lines, line, column))
    if known is None:
        return ""
    text, _, _ = cleandoc(known.doc).partition("Settings:")
    settings = [f"- `{s.name}`: {_plain(s.doc)}" for s in known.signature.settings if s.doc] if known.signature else []
    return "\n\n".join(filter(None, (f"```nn\n{known.call}\n```", _markdown(text), "\n".join(settings))))


def _markdown(doc: str) -> str:
    """A docstring: its rules (`C1: ...`) as a list, its shapes on a line of their own."""
    return _RULE.sub(r"\n- \1", _SHAPES.sub(r"\n\n\1", _plain(doc.strip())))


def _plain(text: str) -> str:
    """Text in which nothing but its `code` means anything to Markdown."""
    return "`".join(part if odd % 2 else _MARKUP.sub(r"\\\g<0>", part) for odd, part in enumerate(text.split("`")))


_MARKUP = re.compile(r"\*|<(?=[a-z/!])")
_RULE = re.compile(r"\n(C\d+(?:, C\d+)*:)")
_SHAPES = re.compile(r"\n((?:Shapes|Canonical|Default initialiser):)")
