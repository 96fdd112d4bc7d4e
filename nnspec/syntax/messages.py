"""Syntax errors in human words: what was expected, what stands there, and a repair that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.diagnostics import Span
from nnspec.syntax.tokens import RESERVED, Token

if TYPE_CHECKING:
    from nnspec.syntax.parser import Parser
    from nnspec.syntax.recovery import Repair

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_WORDS = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a string", "_NEWLINE": "the end of the line",
    "$END": "the end of the file",
}  # fmt: skip
_HIDDEN = frozenset({"POISON", "LABEL_TEXT", "_LABEL_OPEN", "_LABEL_CLOSE", "ATTRIBUTE"})
_FOLLOW = (",", ")", "]", "=", ":", "in", "{", "_NEWLINE")
"""What may follow a value, in the order in which a message names it."""
_OPERAND = frozenset({"NAME", "NUMBER", "STRING", "true", "false", "(", "[", "{", "if", "for", "LABEL_TEXT", "_LABEL_OPEN"})


def report(parser: Parser, token: Token, expected: set[str], repair: Repair | None) -> None:
    """Report that `token` cannot stand where it does."""
    before = parser.last if parser.position else None
    code, message, help = _special(parser, token, expected, repair) or (
        "E0101",
        f"expected {_wanted(expected, before)}{_after(before)}, found {_found(token)}",
        _help(token, before, expected, repair),
    )
    parser.problems.error(code, _place(parser, token, before), message, help)


def _place(parser: Parser, token: Token, before: Token | None) -> Span:
    """The token itself, or the end of the line before it when something is missing there."""
    if before is not None and (token.line > before.line or token.type in ("_NEWLINE", "$END")):
        return Span(parser.path, before.line, before.end, before.line, before.end + 1)
    return Span(parser.path, token.line, token.column, token.line, max(token.end, token.column + 1))


def _special(parser: Parser, token: Token, expected: set[str], repair: Repair | None) -> tuple[str, str, str] | None:
    """Errors with a reason of their own: code, message, help."""
    kind = token.type
    value_due = "NUMBER" in expected and "[" in expected
    if kind == "+" and value_due:
        return "E0119", "there is no unary plus", "leave out `+`"
    if kind in _COMPARISONS and any(isinstance(v, Token) and v.type in _COMPARISONS for v, *_ in parser.stack[-3:]):
        return "E0113", "comparisons do not chain", f"compare twice: `a < b and b {kind} c`"
    if kind == "(" and "+" in expected:
        return "E0114", "only a name can be called", "pipe into it: `x -> ...`"
    if kind in RESERVED and "NAME" in expected and not value_due:
        return "E0116", f"`{kind}` is a reserved word, not a name", f"write another name, such as `{kind}_`"
    if kind == "else":
        return "E0101", "`else` has no `if` before it", "write `if c { ... } else { ... }`"
    if "input" in expected and kind in (":", "->", "."):
        return "E0101", f"a line may not start with `{token.text}` here", "write what it belongs to before it"
    if expected & {"(", "{"} and _header(parser) == "block" and "{" not in expected:
        return "E0101", f"expected `(` after `{parser.last.text}`, found {_found(token)}", "name the tensors that the block takes, as in `block Name(x; width = 1) {`"
    return None


def _header(parser: Parser) -> str:
    """The declaration whose name was read last."""
    previous = parser.stack[-2][0] if len(parser.stack) > 1 else None
    return previous.type if isinstance(previous, Token) else ""


# ---------------------------------------------------------------- expected, found


def _wanted(expected: set[str], before: Token | None) -> str:
    if "input" in expected:
        return "a declaration or a statement"
    if "NUMBER" in expected and "[" in expected:
        closers = [c for c in (")", "]", "}") if c in expected]
        value = "a layer or function" if before is not None and before.type == "->" else "a value"
        return _either([value, *(f"`{c}`" for c in closers)])
    if "+" in expected:
        follow = [_show(k) for k in _FOLLOW if k in expected][:3]
        operator = [] if {",", ")", "]"} & expected and "_NEWLINE" not in expected else ["an operator"]
        return _either(follow + operator)
    if before is not None and before.type == ":" and "NAME" in expected:
        return "a type such as `float32[3]`"
    shown = sorted(expected - _HIDDEN - {"$END", ";"}, key=lambda k: (k not in _WORDS, k))
    if "_NEWLINE" in shown:
        shown = [k for k in shown if k not in ("}", "_NEWLINE")] + ["_NEWLINE"]
    return _either([_show(k) for k in shown]) or "the end of the file"


def _show(kind: str) -> str:
    return _WORDS.get(kind, f"`{kind}`")


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _after(before: Token | None) -> str:
    if before is None or before.type == "_NEWLINE":
        return ""
    return f" after {_found(before)}"


def _found(token: Token) -> str:
    if token.type in ("_NEWLINE", "$END"):
        return _WORDS[token.type]
    text = f'"{token.text}"' if token.type == "STRING" else token.text
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


# ---------------------------------------------------------------- help


def _help(token: Token, before: Token | None, expected: set[str], repair: Repair | None) -> str:
    if repair is None:
        return _juxtaposed(token, expected)
    how, kinds = repair
    if how == "delete":
        return f"leave out {_found(token)}"
    if how == "replace":
        return _replacement(token, kinds[0], before)
    if kinds[0] in ("POISON", "NAME", "STRING"):
        what = {"NAME": "a name", "STRING": "a string"}.get(kinds[0]) or _wanted({"NUMBER", "["}, before)
        return f"write {what}{_after(before)}"
    more = " and a type" if kinds[0] == ":" else " and a value"
    return f"write {_show(kinds[0])}{more if len(kinds) > 1 else ''}{_after(before)}"


def _replacement(token: Token, kind: str, before: Token | None) -> str:
    if kind == "STRING":
        return f'write a string between double quotes: `"{token.text}"`'
    if kind == "NAME":
        return "write a name: a letter or `_`, then letters, digits and `_`"
    if kind == "POISON":
        return f"write {_wanted({'NAME'} if before and before.type == ':' else {'NUMBER', '['}, before)} in its place"
    return f"write `{kind}` in place of `{token.text}`"


def _juxtaposed(token: Token, expected: set[str]) -> str:
    """Two values side by side."""
    if token.type not in _OPERAND or "+" not in expected:
        return ""
    if "_NEWLINE" in expected:
        return f"write `->` or an operator before {_found(token)}, or put it on a line of its own"
    return f"write `,` or an operator before {_found(token)}"
