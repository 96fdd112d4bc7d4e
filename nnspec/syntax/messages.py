"""Syntax errors in human words: what was expected, what stands there, and a repair that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.diagnostics import Span
from nnspec.syntax.tokens import RESERVED, STEP, Token

if TYPE_CHECKING:
    from nnspec.syntax.parser import Parser
    from nnspec.syntax.recovery import Repair

_PUNCTUATION = frozenset({",", ":", "=", "==", "in", "->"})
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_WORDS = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a string", "_NEWLINE": "the end of the line",
    "$END": "the end of the file",
}  # fmt: skip
_HIDDEN = frozenset({"POISON", "LABEL_TEXT", "_LABEL_OPEN", "_LABEL_CLOSE", "ATTRIBUTE"})
_FOLLOW = (",", ")", "]", "=", ":", "in", "{", "_NEWLINE")
"""What may follow a value, in the order in which a message names it."""
_OPERAND = frozenset({"NAME", "NUMBER", "STRING", "true", "false", "(", "[", "{", "if", "for", "LABEL_TEXT"})
FOREIGN_WORDS = {
    "lambda": "a pipeline without its tensor is a layer: `let f = dense(3) -> relu`",
    "while": "`for i in 1..4 { layer }` and `repeat(4, layer)` go round a fixed number of times",
    "elif": "write `else { if c { ... } else { ... } }`",
    "elseif": "write `else { if c { ... } else { ... } }`",
    "with": "a spec has no contexts: leave it out",
    "try": "a spec has no exceptions: leave it out",
    "assert": "write `require`, as in `require parameters < 1_000_000`, or `-> : [16, 5, 5]` for a shape",
    "pass": "a body holds at least its value: leave the braces and what opens them out",
    "print": "`nnspec check -v` shows every shape",
    "from": 'a spec holds no Python; another spec is brought in as in `import "blocks.nn"`',
    "var": "a value of the file is written `let name = value`",
    "const": "a value of the file is written `let name = value`",
}
"""Words that open something in other languages, and what is written in place of them."""
_MODULES = frozenset(
    {"nn", "F", "torch", "tf", "keras", "layers", "np", "numpy", "jnp", "jax", "optim", "math", "flax"}
)
_DECLARING = frozenset({"input", "target", "param", "noise"})


def report(parser: Parser, token: Token, expected: set[str], repair: Repair | None) -> None:
    """Report that `token` cannot stand where it does."""
    before = parser.last if parser.position else None
    code, message, help = _special(parser, token, expected, repair) or (
        "E0101",
        f"expected {_wanted(expected, before)}{_after(before)}, found {_found(token)}",
        _help(token, before, expected, repair),
    )
    place = _place(parser, token, before) if code == "E0101" else token
    parser.problems.error(code, place, message, help)


def _place(parser: Parser, token: Token, before: Token | None) -> Span:
    """The token itself, or the end of the line before it when something is missing there."""
    opens = before is None or before.type in ("_NEWLINE", "{")
    if before is not None and (token.type in ("_NEWLINE", "$END") or (token.line > before.line and not opens)):
        return Span(parser.path, before.line, before.end, before.line, before.end + 1)
    return Span(parser.path, token.line, token.column, token.line, max(token.end, token.column + 1))


def _special(parser: Parser, token: Token, expected: set[str], repair: Repair | None) -> tuple[str, str, str] | None:
    """Errors with a reason of their own: code, message, help."""
    kind = token.type
    value_due = "NUMBER" in expected and "[" in expected
    if kind == "+" and value_due:
        return "E0119", "there is no unary plus", "leave out `+`"
    if kind in _COMPARISONS and (call := _angled(parser, token)):
        return "E0101", f"`<` compares, it holds no arguments: `{call}<`", f"write `{call}(...)`"
    if kind in _COMPARISONS and any(isinstance(v, Token) and v.type in _COMPARISONS for v, *_ in parser.stack[-3:]):
        return "E0113", "comparisons do not chain", f"compare twice: `a < b and b {kind} c`"
    if kind == "(" and "+" in expected:
        return _called(parser)
    if kind == "=" and parser.last.type == "ATTRIBUTE":
        message = f"`{_dotted(parser)}` is no name that a value can be given"
        return "E0101", message, f"write `{parser.last.text[1:]} = ...`"
    if kind == ":" and in_head(parser):
        message = f"`{parser.last.text}` has a type, and what a block takes has none"
        return "E0101", message, "leave it out: the type comes with the tensor that a call gives"
    if kind == "for" and _inside(parser, "["):
        help = "`for w in [32, 16] { dense(w) }` chains layers; a list is written out"
        return "E0101", "no list is made by `for`", help
    if kind == "=" and _inside(parser, "["):
        return "E0101", "a list holds values, not settings", "leave the names out: `[0.8, 0.1, 0.1]`"
    if kind == "*" and value_due and _inside(parser, "["):
        return "E0101", "`*` is no size", "an open size has a name: `dim H`, then float32[3, H, H]"
    if kind == "=" and (name := _typed_name(parser)):
        return "E0101", f"`{name}` has no type of its own: its value gives it", f"write `{name} = ...`"
    if kind == "," and (special := _comma(parser, token, expected)):
        return special
    if kind == "{" and value_due:
        return (
            "E0101",
            f"expected a value{_after(parser.last)}, found `{{`",
            "a list is written `[...]`, a setting `name = value`",
        )
    if kind == "STRING" and parser.last.type in ("{", "_NEWLINE") and parser.depth():
        help = f"a key has no quotes: `{token.text} = ...`"
        return "E0101", f"expected a name or `}}`{_after(parser.last)}, found {_found(token)}", help
    if kind == "-" and header(parser) and "=" in expected and "+" not in expected:
        after = parser.tokens[parser.position + 1]
        message = f"a name holds no `-`: `{parser.last.text}-{after.text}`"
        return "E0101", message, f"write `{parser.last.text}_{after.text}`"
    if parser.last.type == "import" and kind == "NAME":
        return "E0101", f"expected a path in quotes after `import`, found `{token.text}`", _import_help(parser, token)
    if kind == "=" and parser.last.type in RESERVED:
        word = parser.last.type
        return "E0116", f"`{word}` is a reserved word, not a name", f"write another name, such as `{word}_`"
    if kind == "NAME" and token.text == "as" and header(parser) == "import":
        help = "leave it out: what a file declares keeps its names"
        return "E0101", f"expected the end of the line{_after(parser.last)}, found `as`", help
    if word := _foreign_word(parser, token):
        return "E0101", f"there is no `{word}`", FOREIGN_WORDS[word]
    if kind == "=" and parser.last.text in ("+", "-", "*", "/"):
        return "E0101", f"there is no `{parser.last.text}=`: a name stands for one thing", "give the result a new name"
    if parser.last.text == "%" and kind in (",", "]", ")", "_NEWLINE", "$END"):
        return "E0101", *_share(parser)
    if kind == "//":
        return "E0104", "`//` begins no comment", "a comment begins with `#`"
    if kind == ":" and header(parser) == "output":
        return (
            "E0101",
            "an output has no type of its own: its value gives it",
            "leave it out; `-> : [5]` asserts a shape",
        )
    if kind in RESERVED and "NAME" in expected and not value_due:
        return "E0116", f"`{kind}` is a reserved word, not a name", f"write another name, such as `{kind}_`"
    if kind == "else":
        return "E0101", "`else` has no `if` before it", "write `if c { ... } else { ... }`"
    if "input" in expected and kind in (":", "->", "."):
        return "E0101", f"a line may not start with `{token.text}` here", "write what it belongs to before it"
    if "(" in expected and header(parser) == "block":
        message = f"expected `(` after `{parser.last.text}`, found {_found(token)}"
        return "E0101", message, "name the tensors that the block takes, as in `block Name(x; width = 1) {`"
    if kind in ("NAME", "{") and len(parser.stack) > 1 and _opens_statement(parser):
        return "E0101", f"no statement begins with `{parser.last.text}` and {_found(token)}", _statements(parser)
    if kind == "," and header(parser) in _DECLARING:
        message = f"expected `:` after `{parser.last.text}`, found `,`"
        return "E0101", message, f"give each name a line of its own: `{header(parser)} {parser.last.text}: ...`"
    if parser.last.type == ":" and "[" in expected and "NUMBER" not in expected and "NAME" not in expected:
        help = "a shape is asserted as in `-> : [16, 5, 5]`; a label has its name before `:`"
        return "E0101", f"expected `[` after `:`, found {_found(token)}", help
    return None


def same_below(parser: Parser, token: Token) -> bool:
    """Whether the rest of the line is likely to hold the same mistake, or what comes of it."""
    return token.type in ("for", "=", "*") and _inside(parser, "[")


def _inside(parser: Parser, bracket: str) -> bool:
    """Whether the innermost bracket that stands open on the stack is `bracket`."""
    closed = 0
    for value, *_ in reversed(parser.stack):
        step = STEP.get(value.type, 0) if isinstance(value, Token) else 0
        if step == 1 and not closed:
            return bool(value.type == bracket)
        closed -= step
    return False


def in_head(parser: Parser) -> bool:
    """Whether the parser stands among the tensors and settings of a block or model."""
    words = [value.type for value, *_ in parser.stack if isinstance(value, Token)]
    opened = [k for k, word in enumerate(words) if word in ("block", "model")]
    return bool(opened) and "(" in words[opened[-1] :] and "{" not in words[opened[-1] :]


def _typed_name(parser: Parser) -> str:
    """The name of `name: type = ...`, as Python annotates it; "" elsewhere."""
    line: list[Token] = []
    for token in reversed(parser.tokens[: parser.position]):
        if token.type in ("_NEWLINE", "{", "}") or len(line) > 12:
            break
        line.append(token)
    first = line[::-1][:3]
    return first[0].text if [t.type for t in first] == ["NAME", ":", "NAME"] else ""


def _angled(parser: Parser, token: Token) -> str:
    """The name before `<` in `dense<1>`, "" for a comparison."""
    if token.type != ">":
        return ""
    for k in range(parser.position - 1, max(0, parser.position - 8), -1):
        name, sign = parser.tokens[k - 1], parser.tokens[k]
        if sign.type == "<" and name.type == "NAME" and name.end == sign.column:
            return name.text
    return ""


def _share(parser: Parser) -> tuple[str, str]:
    """Message and help for `80%`."""
    number = parser.tokens[parser.position - 2]
    if number.type != "NUMBER":
        return "`%` is the remainder of a division, not a percentage", "write a share as in `0.8`"
    message = f"`{number.text}%` is no share: `%` is the remainder of a division"
    return message, f"write `{float(number.text) / 100:g}` in place of `{number.text}%`"


def _dotted(parser: Parser) -> str:
    """The name with its points that was read last: `nn.Conv2d`."""
    parts: list[str] = []
    for token in reversed(parser.tokens[: parser.position]):
        parts.append(token.text)
        if token.type != "ATTRIBUTE":
            return "".join(reversed(parts)) if token.type == "NAME" else "".join(reversed(parts[:-1]))
    return parser.last.text


def _called(parser: Parser) -> tuple[str, str, str]:
    """Something else than a name stands before `(`."""
    if parser.last.type != "ATTRIBUTE":
        return "E0114", "only a name can be called", "pipe into it: `x -> ...`"
    from nnspec.suggest import meant_by

    dotted, name = _dotted(parser), parser.last.text.lstrip(".")
    known = meant_by(name)
    start = dotted.partition(".")[0]
    if start in _MODULES or start[:1].isupper():
        return "E0114", f"there is no `{dotted}`: layers have plain names", f"write `{known}(...)`"
    if not start:
        return "E0114", "only a name can be called", f"layers have plain names, tensors are piped: `x -> {name}(...)`"
    message = f"`{dotted}` cannot be called: layers are no methods of tensors"
    return "E0114", message, f"write `{dotted.removesuffix('.' + name)} -> {known}(...)`"


def _comma(parser: Parser, token: Token, expected: set[str]) -> tuple[str, str, str] | None:
    """A comma where none can stand: in a number, or between the parts of a list without its brackets."""
    last, after = parser.last, parser.tokens[parser.position + 1]
    if last.type == after.type == "NUMBER" and last.end == token.column and token.end == after.column:
        message = f"`{last.text},{after.text}` is not a number"
        return "E0101", message, f"a fraction has a point: `{last.text}.{after.text}`"
    if after.type in ("_NEWLINE", "$END", "}") or not {")", "_NEWLINE"} & expected or header(parser) in _DECLARING:
        return None
    help = "a list stands in brackets: `[a, b]`"
    if after.text.isidentifier() and parser.tokens[parser.position + 2].text == "=":
        help = f"`{after.text} =` begins a statement: write `;` or a new line for the comma"
    return "E0101", f"expected {_wanted(expected, last)}{_after(last)}, found `,`", help


def _import_help(parser: Parser, token: Token) -> str:
    after = parser.tokens[parser.position + 1]
    if after.text == ".nn":
        return f'write `import "{token.text}.nn"`'
    return 'a spec holds no Python; another spec is brought in as in `import "blocks.nn"`'


def _foreign_word(parser: Parser, token: Token) -> str:
    """The word of another language at which the parser stands, or which it has just read, "" for none."""
    value = token.type in _OPERAND or token.type == ":"
    if parser.last.type == "NAME" and parser.last.text in FOREIGN_WORDS and value:
        return parser.last.text
    return token.text if token.type == "NAME" and token.text in ("elif", "elseif") else ""


def _statements(parser: Parser) -> str:
    """How statements begin here."""
    if parser.depth():
        return "write `name = ...`, or begin with a word such as `input`, `param`, `layer` or `output`"
    return "a file holds `let`, `import`, `block`, `model`, `data` and `train`"


def _opens_statement(parser: Parser) -> bool:
    """Whether the last token read is the first of its statement."""
    before = parser.stack[-2][0]
    return parser.last.type == "NAME" and (before is None or (isinstance(before, Token) and before.type == "_NEWLINE"))


def header(parser: Parser) -> str:
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
        hidden = {"=", ":"} if "]" not in expected else {"="}  # a label or setting may always have been meant
        follow = [_show(k) for k in _FOLLOW if k in expected - hidden][:3]
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
    if token.type == ">" and before is not None and before.type == "-":
        return "write `->` without a space"
    if token.type == "==" and "=" in expected:
        return "write `=` in place of `==`"
    if repair is None:
        return _juxtaposed(token, before, expected)
    how, kinds = repair
    if how == "delete":
        return f"leave out {_found(token)}"
    if how == "replace" and kinds[0] in _PUNCTUATION:
        return f"write `{kinds[0]}` in place of `{token.text}`"
    if kinds[0] in _PUNCTUATION:
        more = {":": " and a type", "=": " and a value"}[kinds[0]] if len(kinds) > 1 else ""
        return f"write `{kinds[0]}`{more}{_after(before)}"
    place = " in its place" if how == "replace" else _after(before)
    return f"write {_made_up(kinds[0], token, before, expected)}{place}"


def _made_up(kind: str, token: Token, before: Token | None, expected: set[str]) -> str:
    """What the user has to think of."""
    if kind == "STRING":
        return f'a string, as in `"{token.text if token.type == "NAME" else "..."}"`,'
    if "NUMBER" in expected and "[" in expected:
        return "a layer or function" if before is not None and before.type == "->" else "a value"
    if "{" in expected:
        return "`{ ... }`"
    if before is not None and before.type == ":":
        return "a type such as `float32[3]`"
    return "a name"


def _juxtaposed(token: Token, before: Token | None, expected: set[str]) -> str:
    """Help where no repair was found: mostly two values side by side."""
    if "STRING" in expected and "NUMBER" not in expected:
        return "write it between double quotes"
    if before is not None and before.text == "class" and token.type in ("NUMBER", "NAME"):
        return f"write `class({token.text})`"
    if expected == {"NUMBER"}:
        return "write `nnspec 1`"
    if "{" in expected:
        return "write it between braces: `{ ... }`"
    if token.type not in _OPERAND or "+" not in expected:
        return ""
    if token.type == "NUMBER" and before is not None and before.type == "NAME":
        return f"write `{before.text}({token.text})`"
    if "_NEWLINE" in expected:
        return f"write `->` or an operator before {_found(token)}, or put it on a line of its own"
    return f"write `,` or an operator before {_found(token)}"
