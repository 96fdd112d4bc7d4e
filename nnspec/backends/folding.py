"""Long lines of Python split as ruff's formatter splits them: at parameters, at the last bracket, at operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

WIDTH = 88  # ruff's default, so that a user's formatter leaves emitted files alone

# Operators from the loosest; a line too long for its brackets is split at the loosest level that it has.
_LEVELS = (
    r"(?:\bif\b|\belse\b)",
    r"\bor\b",
    r"\band\b",
    r"\bnot\b(?! in)",
    r"(?:==|!=|<=|>=|<|>|\bnot in\b|\bin\b|\bis not\b|\bis\b)",
    r"\|",
    r"\^",
    r"&",
    r"[+-]",
    r"(?://|[/@%]|\*(?!\*))",
)
_HEAD = re.compile(r"(?:return|assert|yield) |[\w.\[\]\"', *]+ (?:[-+*/@|&]|//)?= ")


_SIMPLE = r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\d+(?:\.\d+)?(?:e-?\d+)?)"
_POWER = re.compile(rf"(?<![\w.\])\"])({_SIMPLE}) \*\* (-?{_SIMPLE})(?![\w.(\[])")


def fold(text: str, indent: int) -> list[str]:
    """The lines of one logical line at an indentation of `indent`."""
    if " ** " in text:
        text = _POWER.sub(r"\1**\2", text)
    if indent + len(text) <= WIDTH:
        return [text]
    if text.startswith(("def ", "class ")):
        return _at_parameters(text, indent)
    if re.match(r"(?:if|elif|for|while|with) ", text):
        return _at_bracket(text, indent) or [text]
    head = _HEAD.match(text)
    start = head.end() if head and _is_outside(text, head.end()) else 0
    targets = split_commas(text[: start - 3]) if text[:start].endswith(" = ") else []
    if len(targets) > 1 and indent + start + 1 > WIDTH:
        first, *others = _expression("_ = ", text[start:], "", indent)  # what closes the targets is as long as a name
        return ["(", *(f"    {target}," for target in targets), ")" + first[1:], *others]
    entries = split_commas(text[start:])
    last = entries[-1] if entries else ""
    hangs = not _operators(last) and last.endswith((")", "]", "}")) and indent + len(text) - len(last) < WIDTH // 2
    if start and len(entries) > 1 and not hangs:
        lines = [line for entry in entries for line in _item(entry, ",", indent + 4)]
        return [f"{text[:start]}(", *("    " + line for line in lines), ")"]
    return _expression(text[:start], text[start:], "", indent)


def _expression(head: str, body: str, tail: str, indent: int) -> list[str]:
    """`head`, an expression, `tail`: at its last bracket if that is enough, else in parentheses at its operators."""
    operators = _operators(body)
    if len(operators) == 1 and body.endswith((")", "]", "}")):
        found = _at_bracket(head + body + tail, indent)
        if found and indent + len(found[0]) <= WIDTH:
            return found
    if operators:
        return [f"{head}(", *("    " + line for line in _terms(body, operators, indent + 4)), f"){tail}"]
    links = _links(body) if head and not tail else []
    if len(links) > 2:
        return [f"{head}(", *("    " + line for link in links for line in _at_bracket(link, indent + 4) or [link]), ")"]
    found = _at_bracket(head + body + tail, indent) or [head + body + tail]
    if head and not tail and indent + len(found[0]) > WIDTH:
        return [f"{head}(", *("    " + line for line in _at_bracket(body, indent + 4) or [body]), ")"]
    return found


def _links(body: str) -> list[str]:
    """A chain of calls cut before each attribute of a call or an entry: `a.b["c"]`, `.d["e"]`, `.f(x)`."""
    cuts = [0, *(b + 1 for a, b in _brackets(body) if body.startswith(".", b + 1)), len(body)]
    return [body[a:b] for a, b in pairwise(cuts)]


def _terms(body: str, operators: list[tuple[int, int]], indent: int) -> list[str]:
    """One operand a line, each behind its operator; on one line if all fit."""
    if indent + len(body) <= WIDTH:
        return [body]
    cuts = [0, *(start for start, _ in operators), len(body)]
    terms = [body[a:b].strip() for a, b in pairwise(cuts)]
    lines: list[str] = []
    for term in terms:
        inner = _operators(term) if indent + len(term) > WIDTH else []
        lines.extend(_terms(term, inner, indent) if inner else _at_bracket(term, indent) or [term])
    return lines


def _at_parameters(text: str, indent: int) -> list[str]:
    """A definition: at its parameters, each on a line with a trailing comma unless all fit on one."""
    for start, stop in _brackets(text):
        items = split_commas(text[start + 1 : stop])
        joined = ", ".join(items)
        result = _at_bracket(text[stop + 1 :], indent + 1) or [text[stop + 1 :]]
        head, tail = text[: start + 1], [f"){result[0]}", *result[1:]]
        if indent + 4 + len(joined) <= WIDTH:
            return [head, "    " + joined, *tail]
        return [head, *(f"    {item}," for item in items), *tail]
    return [text]


def _at_bracket(text: str, indent: int) -> list[str]:
    """At the last outermost pair of brackets that holds something and has a head that fits; [] without one."""
    found = [(a, b) for a, b in _brackets(text) if b > a + 1]
    if indent + len(text) <= WIDTH or not found:
        return [text] if indent + len(text) <= WIDTH else []
    fitting = [(a, b) for a, b in found if indent + a < WIDTH and indent + len(text) - b <= WIDTH]
    start, stop = (fitting or found)[-1]
    head, body, tail = text[: start + 1], text[start + 1 : stop], text[stop:]
    items = split_commas(body)
    joined = ", ".join(items)
    display = len(items) > 1 and re.search(r"(?:^|[\s(\[{*=])[(\[{]$", head) and not _comprehension(body)
    if indent + 4 + len(joined) <= WIDTH and not body.endswith(",") and not display:  # a display: an entry a line
        return [head, "    " + joined, tail]
    if _comprehension(body):
        return [head, *("    " + line for line in _clauses(body, indent + 4)), tail]
    called = head.endswith("(") and len(items) == 1  # one argument, or a parenthesis round an expression
    lines = [head]
    for item in items:
        lines.extend("    " + line for line in _item(item, "" if called else ",", indent + 4))
    return [*lines, tail]


def _item(item: str, comma: str, indent: int) -> list[str]:
    """An argument or entry, folded with its comma."""
    if indent + len(item) + len(comma) <= WIDTH:
        return [item + comma]
    named = re.match(r"(?:\w+=(?!=)|\"[^\"]*\": |\*\*?)", item)
    head = named.group() if named else ""
    operators = _operators(item[len(head) :])
    if operators and head and not head.startswith("*"):
        return _expression(head, item[len(head) :], comma, indent)
    if operators:
        lines = _terms(item, operators, indent)
        return [*lines[:-1], lines[-1] + comma]
    return _at_bracket(item + comma, indent) or [item + comma]


def _comprehension(body: str) -> bool:
    return any(_is_outside(body, m.start()) for m in re.finditer(r"\bfor\b", body))


def _clauses(body: str, indent: int) -> list[str]:
    """A comprehension: its element, then each `for` and `if` on a line."""
    cuts = [0, *(m.start() for m in re.finditer(r"\b(?:for|if)\b", body) if _is_outside(body, m.start())), len(body)]
    clauses = [body[a:b].strip() for a, b in pairwise(cuts)]
    return [line for clause in clauses for line in (_at_bracket(clause, indent) or [clause])]


def _operators(text: str) -> list[tuple[int, int]]:
    """Places of the loosest binary operators outside brackets and strings."""
    for level in _LEVELS:
        found = [m.span() for m in re.finditer(level, text) if _is_outside(text, m.start()) and _is_binary(text, m)]
        if found:
            return found
    return []


def _is_binary(text: str, match: re.Match[str]) -> bool:
    return text[: match.start()].endswith(" ") and text[match.end() :].startswith(" ") and match.start() > 0


def _is_outside(text: str, place: int) -> bool:
    """Whether a place of a line is in no bracket and no string."""
    return not any(start < place <= stop for start, stop in _spans(text))


def _brackets(text: str) -> list[tuple[int, int]]:
    """Outermost pairs of brackets."""
    return [(a, b) for a, b in _spans(text) if text[a] in "([{"]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Outermost pairs of brackets and strings outside them."""
    stack: list[int] = []
    quote, opened, position = "", 0, 0
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
                if not stack:
                    yield opened, position
        elif char in "\"'":
            quote, opened = char, position
        elif char in "([{":
            stack.append(position)
        elif char in ")]}":
            start = stack.pop()
            if not stack:
                yield start, position
        position += 1


def split_commas(body: str) -> list[str]:
    """The parts between top-level commas, trailing comma dropped."""
    gaps = [0, *(place for a, b in _spans(body) for place in (a, b)), len(body)]
    cuts = [k for a, b in zip(gaps[::2], gaps[1::2], strict=True) for k in range(a, b) if body[k] == ","]
    parts = [body[a:b].strip() for a, b in zip([0, *(c + 1 for c in cuts)], [*cuts, len(body)], strict=True)]
    return parts if parts[-1] else parts[:-1]
