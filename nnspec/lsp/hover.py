"""What an editor shows of a word or a step: shapes, parameters, multiply-adds, the docs of the operation."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

from nnspec.lsp.analysis import Analysis
from nnspec.lsp.tables import callee_at, described, word_at
from nnspec.syntax import nodes
from nnspec.views.table import grouped


def hover(analysis: Analysis, line: int, column: int) -> str:
    """Markdown for a place (from 1), or nothing."""
    return "\n\n---\n\n".join(
        filter(None, (*_declared(analysis, line, column), _step(analysis, line, column), _docs(analysis, line, column)))
    )


def _declared(analysis: Analysis, line: int, column: int) -> Iterator[str]:
    """A name of the spec: what declares it, and its type."""
    binding = analysis.names.at(line, column)
    if binding is None:
        return
    type = analysis.fields.get(binding.name, "") if binding.kind in _TENSORS else ""
    text = f"{binding.kind} **{binding.name}**" + (f": `{type}`" if type else "")
    span = binding.span
    if span.path != analysis.path:
        text += f", from {span.path}"
    elif isinstance(binding.node, nodes.Let):
        text += f"\n\n```nn\n{analysis.lines[span.line - 1].strip()}\n```"
    yield text


_TENSORS = frozenset({"value", "input", "target", "noise", "output", "param"})


def _step(analysis: Analysis, line: int, column: int) -> str:
    """The shapes, parameters and multiply-adds of the innermost step at a place."""
    found = analysis.step_at(line, column)
    if not found:
        return ""
    _, first = found[0]
    before, after = first.shapes
    facts = [f"`{before + ' -> ' if before else ''}{after}`"]
    if first.parameters:
        facts.append(f"{first.parameters:,} parameters")
    if first.macs:
        facts.append(f"{grouped(first.macs)} multiply-adds")
    text = ", ".join(facts)
    if first.layers:
        text += f" (`{first.path}`)"
    if len(found) > 1:
        text += f"; {len(found)} uses"
    return text


def _docs(analysis: Analysis, line: int, column: int) -> str:
    """The signature and docstring of the layer, function, optimizer or initialiser named here."""
    word = word_at(analysis.lines, line, column)
    if not word or analysis.names.at(line, column) is not None:
        return ""
    known = described(word, callee_at(analysis.lines, line, column))
    if known is None:
        return ""
    text, _, _ = cleandoc(known.doc).partition("Settings:")
    settings = "\n".join(f"- `{s.name}`: {s.doc}" for s in known.signature.settings if s.doc) if known.signature else ""
    return f"```nn\n{known.call}\n```\n\n{text.strip()}\n\n{settings}".strip()
