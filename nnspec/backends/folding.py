"""Long lines of Python split as ruff's formatter splits them."""

from __future__ import annotations

import re

from nnspec.backends.documents import (
    OPEN,
    arguments,
    assigned,
    expression,
    if_breaks,
    looped,
    optional,
    returned,
    separated,
)
from nnspec.backends.expressions import OR, Node, Parser, tokens
from nnspec.backends.layout import Break, Doc, Group, Indent, When, columns, render

WIDTH = 88  # ruff's default, so that a user's formatter leaves emitted files alone

_AUGMENTED = frozenset(["+=", "-=", "*=", "/=", "//=", "%=", "@=", "&=", "|=", "^=", ">>=", "<<=", "**="])


def fold(text: str, indent: int) -> list[str]:
    """The lines of one logical line at an indentation of `indent`. Raises ValueError for what is no line of Python."""
    if indent + columns(text) <= WIDTH and " ** " not in text:
        return [text]
    if text.startswith("#"):
        return [text]
    return render(_statement(text), indent, WIDTH)


def _statement(text: str) -> Doc:
    found = tokens(text)
    word = found[0]
    if word == "@":
        return ["@", expression(Parser(found[1:]).sequence(), OPEN)]
    if word in ("def", "class"):
        return _definition(found)
    if word in ("if", "elif", "while"):
        return [word + " ", optional(_whole(found[1:-1])), ":"]
    if word == "for":
        parser = Parser(found[1:-1])
        target = parser.target()
        parser.take("in")
        return ["for ", looped(target, _all(parser)), ":"]
    if word == "with":
        return _with(found)
    if word == "assert":
        return _assertion(found)
    if word in ("return", "yield", "raise", "del"):
        return [word + " ", returned(_whole(found[1:]))]
    if word in ("from", "import"):
        return _import(text)
    return _assignment(found)


def _all(parser: Parser) -> Node:
    node = parser.sequence()
    if parser.peek():
        raise ValueError(f"{parser.peek()!r} is left over in {' '.join(parser.found)}")
    return node


def _whole(found: list[str]) -> Node:
    return _all(Parser(found))


def _assignment(found: list[str]) -> Doc:
    """An assignment of any kind, or an expression that stands alone."""
    parser = Parser(found)
    target = parser.sequence(("", "="))
    mark = parser.peek()
    if not mark:
        return optional(target) if target.kind == "chain" else expression(target, OPEN)
    parser.take()
    if mark == ":":
        annotation = parser.expression()
        if not parser.peek():
            return [expression(target, OPEN), ": ", optional(annotation)]
        parser.take("=")
        return [expression(target, OPEN), ": ", assigned(annotation, _all(parser))]
    if mark in _AUGMENTED:
        return [expression(target, OPEN), f" {mark} ", optional(_all(parser))]
    value = parser.sequence(("", "="))
    targets: list[Doc] = []
    while parser.accept("="):
        targets.extend([expression(target, OPEN), " = "])
        target, value = value, parser.sequence(("", "="))
    if mark != "=" or parser.peek():
        raise ValueError(f"{parser.peek() or mark!r} is left over in {' '.join(found)}")
    return [*targets, assigned(target, value)]


def _definition(found: list[str]) -> Doc:
    """`def name(parameters) -> type:` or `class Name(bases):`: parameters on a line of their own, else one a line."""
    word, name, *rest = found
    parser = Parser(rest)
    if not parser.accept("("):
        return f"{word} {name}" + "".join(rest)
    if word == "class":
        entries = []
        while not parser.accept(")"):
            entries.append(parser.entry())
            parser.accept(",")
        return ["class ", name, arguments(tuple(entries), OPEN), ":"]
    parameters: list[Doc] = []
    while not parser.accept(")"):
        parameters.append(_parameter(parser))
        parser.accept(",")
    result: list[Doc] = []
    crowded = False
    if parser.accept("->"):
        found_type = parser.expression()
        # Parameters make room for a result type; one that fills a line of its own breaks as well, and they with it.
        kept = _flat(found_type)
        crowded = columns(kept) > WIDTH - len("    ) -> :")
        result = [" -> ", expression(found_type, OPEN) if crowded or not parameters else kept]
    doc: list[Doc] = ["def ", name, "()"]
    if parameters:
        inside = Group(separated(parameters, comma=True))
        doc = ["def ", name, Group(["(", Indent([Break(), inside]), Break(), ")"], expand=crowded)]
    doc.extend(result)
    parser.take(":")
    return [*doc, ":"]


def _flat(node: Node) -> str:
    """A result type, which breaks only if the parameters cannot make room for it."""
    return render(expression(node, OPEN), 0, 10**6)[0]


def _parameter(parser: Parser) -> Doc:
    mark = parser.take() if parser.peek() in ("*", "**", "/") else ""
    if mark in ("*", "/") and parser.peek() in (",", ")"):
        return mark
    doc: list[Doc] = [mark, parser.take()]
    annotated = parser.accept(":")
    if annotated:
        doc.extend([": ", expression(parser.expression(), OPEN)])
    if parser.accept("="):
        doc.extend([" = " if annotated else "=", expression(parser.expression(), OPEN)])
    return doc


def _with(found: list[str]) -> Doc:
    parser = Parser(found[1:-1])
    items: list[Doc] = []
    while True:
        node = parser.expression()
        name: Doc = [" as ", expression(parser.chain(OR), OPEN)] if parser.accept("as") else ""
        items.append([expression(node, OPEN), name])
        if not parser.accept(","):
            break
    return ["with ", if_breaks(separated(items, comma=True)) if len(items) > 1 else items[0], ":"]


def _assertion(found: list[str]) -> Doc:
    parser = Parser(found[1:])
    doc: list[Doc] = ["assert ", optional(parser.expression(), always=True)]
    if parser.accept(","):
        doc.extend([", ", optional(parser.expression(), always=True)])
    return doc


def _import(text: str) -> Doc:
    """`from module import names`: in parentheses, one a line, if they do not fit."""
    start, _, names = text.partition(" import ")
    entries: list[Doc] = [name.strip() for name in names.strip("()").split(",") if name.strip()]
    inside = Indent([Break(), separated(entries, comma=True)])
    return [start, " import ", Group([When("("), inside, Break(), When(")")])]


def split_commas(body: str) -> list[str]:
    """The parts between top-level commas, trailing comma dropped."""
    parts, depth, start = [], 0, 0
    for match in re.finditer(r"""[([{]|[)\]}]|,|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", body):
        mark = match[0]
        depth += (mark in "([{") - (mark in ")]}")
        if mark == "," and not depth:
            parts.append(body[start : match.start()].strip())
            start = match.end()
    return [*parts, last] if (last := body[start:].strip()) else parts
