"""Semantic tokens: what each word is, which a grammar of patterns cannot know."""

from __future__ import annotations

from collections.abc import Iterator

from nnspec.diagnostics import Reporter
from nnspec.ir.types import DTYPES
from nnspec.lsp.names import Names
from nnspec.lsp.tables import CALLS, layer, other
from nnspec.passes.keys import DATA_KEYS, TRAIN_KEYS
from nnspec.syntax.layout import arrange
from nnspec.syntax.lexer import comments, scan
from nnspec.syntax.tokens import KEYWORDS, RESERVED, Problems, Token

TYPES = (
    "comment",
    "keyword",
    "string",
    "number",
    "operator",
    "type",
    "class",
    "function",
    "parameter",
    "variable",
    "property",
)
MODIFIERS = ("declaration", "defaultLibrary")
Painted = tuple[int, int, int, str, int]  # line, column (from 1), length in code points, type, modifiers as bits

_TYPES = frozenset({*DTYPES, "float64", "bfloat16"})
_KEYS = frozenset({*TRAIN_KEYS, *DATA_KEYS})
_OPERATORS = frozenset({"->", "+", "-", "*", "/", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=", ".."})
_KINDS = {"block": "class", "model": "class", "layer": "function", "setting": "parameter"}


def paint(text: str, path: str, names: Names) -> list[Painted]:
    """Every token worth a colour, in the order of the text."""
    found = [(c.span.line, c.span.column, len(c.text), "comment", 0) for c in comments(text, path)]
    problems = Problems(path, Reporter())
    tokens = [t for t in arrange(scan(text, problems), problems, "file") if not t.quiet]
    meanings = {
        (span.line, span.column): (_KINDS.get(b.kind, "variable"), int(span == b.span))
        for b in names.bindings
        for span in b.uses
        if span.path == path
    }
    found += _tokens(tokens, meanings)
    return sorted(found)


def _tokens(tokens: list[Token], meanings: dict[tuple[int, int], tuple[str, int]]) -> Iterator[Painted]:
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        place = token.line, token.column, token.end - token.column
        if token.type in KEYWORDS or token.type in RESERVED:
            yield (*place, "number" if token.type in ("true", "false") else "keyword", 0)
        elif token.type in ("STRING", "NUMBER"):
            yield (*place, token.type.lower(), 0)
        elif token.type in ("ATTRIBUTE", "LABEL_TEXT"):
            yield (*place, "property", 0)
        elif token.type in _OPERATORS:
            yield (*place, "operator", 0)
        elif token.type == "NAME" and token.text:
            kind, bits = _name(before, token, after, meanings)
            yield (*place, kind, bits)


def _name(
    before: Token | None, token: Token, after: Token | None, meanings: dict[tuple[int, int], tuple[str, int]]
) -> tuple[str, int]:
    ahead = after.type if after is not None else ""
    if (token.line, token.column) in meanings:
        return meanings[token.line, token.column]
    if ahead == ":" or (token.text in _KEYS and (before is None or before.type in ("{", "_NEWLINE"))):
        return "property", 0
    if before is not None and before.type == ":" and token.text in _TYPES:
        return "type", 0b10
    if ahead == "=":
        return "parameter", 0
    if layer(token.text) is not None or other(token.text) is not None or token.text in CALLS or ahead == "(":
        return "function", 0b10
    return "variable", 0
