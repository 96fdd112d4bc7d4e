"""Expressions as documents that break where ruff's formatter breaks them.

Each function takes a `level`: OPEN where no bracket is around, INSIDE in brackets, else the key of the group that gets
parentheses if it breaks. Operators are places to break only in brackets.
"""

from __future__ import annotations

from itertools import count

from nnspec.backends.expressions import ATTRIBUTE, CONDITION, INVERT, OPERATORS, POWER, Node
from nnspec.backends.layout import Break, Choice, Doc, Group, Indent, Opens, Parens, When
from nnspec.record import Record

OPEN, INSIDE = 0, -1
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TRAILERS = ("attribute", "call", "subscript")
_LEAVES = ("name", "number", "string")
_keys = count(1)


def expression(node: Node, level: int, chained: bool | None = None) -> Doc:
    """The expression with the parentheses that it has."""
    if node.wrapped:
        return brackets("(", bare(node, INSIDE), level)
    return bare(node, level, chained)


def bare(node: Node, level: int, chained: bool | None = None) -> Doc:
    """The expression without parentheses of its own; `chained` is known within a chain of calls."""
    kind, parts = node.kind, node.parts
    if kind in _TRAILERS:
        return _trailer(node, level, chained)
    if kind == "chain":
        return only_group(_operands(parts, node.marks, level), level)
    if kind == "if":
        return only_group(_condition(node, level), level)
    if kind == "unary" and node.text != "not " and parts[0].marks:  # `-a**2` as `-(a**2)`
        return [node.text, expression(parts[0].replace(wrapped=True), level)]
    if kind in ("unary", "prefix"):
        return [node.text, expression(parts[0], level)]
    if kind == "lambda":
        return _lambda(node, level)
    if kind == "display":
        return _display(node, level)
    if kind == "comprehension":
        return brackets(node.text, comprehension(node), level) if node.text else comprehension(node)
    if kind == "tuple":
        return sequence(node) if level == INSIDE else if_breaks(sequence(node))
    if kind == "pair":
        return Group([expression(parts[0], level), ": ", expression(parts[1], level)])
    if kind == "slice":
        return _slice(node, level)
    if kind == "for":
        names = parts[0].parts if parts[0].kind == "tuple" else parts[:1]
        return ["for ", *_plain(names), " in ", expression(parts[1], level)]
    return node.text


def brackets(opening: str, content: Doc, level: int) -> Doc:
    """Brackets that open as one; they may do so without forcing the optional parentheses around them."""
    group = Group([opening, Indent([Break(), content]), Break(), _CLOSING[opening]])
    return Opens(group, level) if level > 0 else group


def if_breaks(content: Doc) -> Doc:
    """In parentheses if it does not fit on a line."""
    return if_needed(content, next(_keys))


def if_needed(content: Doc, key: int) -> Doc:
    """The same for content that was made with this key: in parentheses if its own brackets do not make room."""
    inside = Indent([Break(), content], only_if=key)
    return Group([When("("), inside, Break(), When(")")], key=key)


def only_group(content: Doc, level: int) -> Doc:
    return content if level == OPEN else Group(content, only_if=max(level, 0))


def separated(entries: list[Doc], comma: bool) -> Doc:
    """Entries with commas; the last has one if each stands on a line of its own."""
    parts: list[Doc] = []
    for number, entry in enumerate(entries):
        parts.extend([",", Break(" "), entry] if number else [entry])
    return [*parts, When(",")] if comma else parts


def sequence(node: Node) -> Doc:
    return separated([expression(part, INSIDE) for part in node.parts], comma=True)


def optional(node: Node, always: bool = False) -> Doc:
    """A value that may get parentheses. `always`: even a name does where it is too long for the line."""
    need = _need(node)
    if need == "multiline" or (need == "fit" and always):
        if not _may_omit(node):
            return if_breaks(bare(node, INSIDE))
        key = next(_keys)
        return if_needed(bare(node, key), key)
    if need == "fit":
        key = next(_keys)
        return Parens(bare(node, key), key)
    return bare(node, OPEN)


def returned(node: Node) -> Doc:
    """What `return` gives: of two values the last may open."""
    if node.kind == "tuple" and len(node.parts) == 2:
        key = next(_keys)
        return if_needed(separated([expression(part, key) for part in node.parts], comma=True), key)
    return bare(node, OPEN) if node.kind == "tuple" else optional(node)


def assigned(target: Node, value: Node) -> Doc:
    """`target = value`, where the target may have brackets that open if nothing else helps."""
    left: Doc = [expression(target, OPEN), " = "]
    if value.kind == "lambda":
        return [left, if_breaks(_lambda(value, INSIDE, opens=True))]
    opens = (target.kind == "tuple" or _own_brackets(target)) and not target.wrapped
    if not opens or value.kind not in (*_TRAILERS, *_LEAVES) or _need(value) != "fit":
        return [left, optional(value)]
    whole = bare(value, OPEN)
    inside: Doc = [left, "(", Indent([Break(hard=True), whole]), Break(hard=True), ")"]
    opened: list[Doc] = [[left, Group(whole, expand=True)]] if value.kind in _TRAILERS else []
    return Choice(([left, whole], *opened, inside, [left, whole]))


def looped(target: Node, values: Node) -> Doc:
    return [_target(target), " in ", optional(values)]


def _target(node: Node) -> Doc:
    if node.kind != "tuple":
        return expression(node, OPEN)
    key = next(_keys)
    return if_needed(separated([expression(part, key) for part in node.parts], comma=True), key)


def arguments(entries: tuple[Node, ...], level: int) -> Doc:
    """The arguments of a call: on one line of their own if they fit, else one a line."""
    if not entries:
        return "()"
    inside = separated([expression(entry, INSIDE) for entry in entries], comma=len(entries) > 1)
    return brackets("(", Group(inside), level)


def comprehension(node: Node) -> Doc:
    element, *clauses = node.parts
    rest: list[Doc] = []
    for clause in clauses:
        rest.extend([Break(" "), expression(clause, INSIDE)])
    return Group([Group(expression(element, INSIDE)), *rest])


def _display(node: Node, level: int) -> Doc:
    if not node.parts:
        return node.text + _CLOSING[node.text]
    if node.text == "(" and len(node.parts) == 1:
        return brackets("(", [expression(node.parts[0], INSIDE), ","], level)
    comma = len(node.parts) > 1
    return brackets(node.text, separated([expression(p, INSIDE) for p in node.parts], comma), level)


def _trailer(node: Node, level: int, chained: bool | None) -> Doc:
    value, *rest = node.parts
    root = chained is None
    fluent = (level != OPEN and _is_chain(node)) if chained is None else chained
    inner: Doc
    if fluent and value.kind in _TRAILERS and not value.wrapped:
        inner = bare(value, level, chained=True)
    elif value.kind == "number" and node.kind == "attribute":
        inner = expression(value.replace(wrapped=True), level)
    else:
        inner = expression(value, level)
    if node.kind == "attribute":
        ends = fluent and (value.wrapped or value.kind in ("call", "subscript"))
        parts: list[Doc] = [inner, Break() if ends else "", "." + node.text]
    elif node.kind == "call":
        parts = [inner, arguments(tuple(rest), level)]
    else:
        inside = expression(rest[0], INSIDE)
        parts = [inner, brackets("[", Group(inside) if rest[0].kind == "tuple" else inside, level)]
    return Group(parts) if fluent and root else parts


def _is_chain(node: Node) -> bool:
    """Whether a chain breaks before its dots: two of them behind brackets."""
    dots = 0
    while node.kind in _TRAILERS:
        value = node.parts[0]
        if node.kind == "attribute":
            dots += value.wrapped or value.kind in ("call", "subscript")
        if value.wrapped:
            break
        node = value
    return dots >= 2


def _operands(parts: tuple[Node, ...], marks: tuple[str, ...], level: int) -> Doc:
    """Operands of a chain, each loosest operator first on a line; what binds more tightly is a group."""
    if not marks:
        return expression(parts[0], level)
    loosest = max(OPERATORS[mark] for mark in marks)
    cuts = [k for k, mark in enumerate(marks) if OPERATORS[mark] == loosest]
    docs: list[Doc] = []
    start = 0
    for cut in [*cuts, len(marks)]:
        inner = _operands(parts[start : cut + 1], marks[start:cut], level)
        docs.append(inner if start == cut else only_group(inner, level))
        if cut < len(marks):
            hugs = loosest == POWER and _is_simple(parts[cut]) and _is_simple(parts[cut + 1])
            after: Doc = When(" ", key=max(level, 0)) if hugs else " "
            docs.extend([_soft("" if hugs else " ", level), marks[cut], after if level != OPEN or not hugs else ""])
        start = cut + 1
    return docs


def _is_simple(node: Node) -> bool:
    """Whether `**` hugs it: a name, a number, an attribute of a name, and their signs."""
    if node.wrapped or (node.kind == "unary" and node.text == "not "):
        return False
    return node.kind in ("name", "number") or (node.kind in ("unary", "attribute") and _is_simple(node.parts[0]))


def _soft(flat: str, level: int) -> Doc:
    if level == OPEN:
        return flat
    if level == INSIDE:
        return Break(flat)
    return [When(Break(flat), key=level), When(flat, broken=False, key=level)]


def _condition(node: Node, level: int) -> Doc:
    then, condition, other = node.parts
    start: list[Doc] = [expression(then, level), _soft(" ", level), "if ", expression(condition, level)]
    nested = other.kind == "if" and not other.wrapped
    last = _condition(other, level) if nested else only_group(expression(other, level), level)
    return [*start, _soft(" ", level), "else ", last]


def _lambda(node: Node, level: int, opens: bool = False) -> Doc:
    """`opens`: its body gets parentheses before it does."""
    body, *names = node.parts
    inside: Doc
    if body.kind in ("call", "subscript") and not _is_chain(body):
        whole = bare(body, level)
        wrapped: Doc = ["(", Indent([Break(hard=True), bare(body, INSIDE)]), Break(hard=True), ")"]
        inside = Choice((whole, Group(whole, expand=True), wrapped))
    elif _own_brackets(body) and body.kind not in _TRAILERS:
        inside = expression(body, level)
    else:
        inside = if_breaks(bare(body, INSIDE))
    return [f"lambda{' ' if names else ''}", *_plain(tuple(names)), ": ", Opens(inside) if opens else inside]


def _plain(names: tuple[Node, ...]) -> list[Doc]:
    """Names with commas, on one line."""
    return [doc for name in names for doc in (", ", expression(name, OPEN))][1:]


def _slice(node: Node, level: int) -> Doc:
    simple = all(_is_bound(bound) for bound in node.parts)
    docs: list[Doc] = []
    for number, bound in enumerate(node.parts):
        present = bound.kind != "name" or bool(bound.text)
        if number:
            spaced = not simple
            before = spaced and (node.parts[number - 1].kind != "name" or bool(node.parts[number - 1].text))
            docs.append((" " if before else "") + ":" + (" " if spaced and present else ""))
        docs.append(expression(bound, level))
    return docs


def _is_bound(node: Node) -> bool:
    if node.kind == "unary":
        return node.text != "not " and _is_bound(node.parts[0])
    return node.kind in _LEAVES and not node.wrapped


# ---------------------------------------------------------------- parentheses that may be left out


def _need(node: Node) -> str:
    """`multiline`: parentheses if it breaks; `fit`: if they help; `never`."""
    if node.kind in _TRAILERS:
        if _is_chain(node):
            return "multiline"
        return "never" if node.parts[0].wrapped else _need(node.parts[0])
    if node.kind in _LEAVES:
        return "fit"
    if node.kind == "unary":
        return "never" if node.parts[0].wrapped else _need(node.parts[0])
    return "multiline" if node.kind in ("chain", "if", "lambda") else "never"


def _own_brackets(node: Node) -> bool:
    return node.kind in ("display", "subscript", "call") or (node.kind == "comprehension" and bool(node.text))


def _holds(node: Node | None) -> bool:
    """Whether a node has brackets with something in them, other than those of a subscript."""
    if node is None or node.kind == "subscript":
        return False
    own = len(node.parts) > 1 if node.kind == "call" else _own_brackets(node) and bool(node.parts)
    return node.wrapped or own


class _Seen(Record):
    """What decides whether parentheses may be left out, gathered from left to right."""

    loosest: int = 0
    times: int = 0
    any_brackets: bool = False
    first: Node | None = None
    started: bool = False
    last: Node | None = None


def _may_omit(node: Node) -> bool:
    """Whether it reads well broken in its own brackets: at the end or the start, of one operator at most."""
    seen = _walk(node, _Seen())
    if not seen.any_brackets or seen.times > 1:
        return False
    return seen.loosest <= ATTRIBUTE or _holds(seen.last) or _holds(seen.first)


def _visit(node: Node, seen: _Seen) -> _Seen:
    seen = seen.replace(last=node)
    seen = seen.replace(any_brackets=True) if node.wrapped else _walk(node, seen)
    return seen if seen.started else seen.replace(started=True, first=node)


def _binds(seen: _Seen, level: int, times: int = 1) -> _Seen:
    if level < seen.loosest:
        return seen
    return seen.replace(loosest=level, times=times + (seen.times if level == seen.loosest else 0))


def _walk(node: Node, seen: _Seen) -> _Seen:
    kind = node.kind
    if kind == "display" or (kind == "comprehension" and node.text):
        return seen.replace(any_brackets=True)
    if kind in ("call", "subscript"):
        return _visit(node.parts[0], seen.replace(any_brackets=True)).replace(last=node)
    if kind == "attribute":
        value = node.parts[0]
        seen = _visit(value, seen)
        if value.wrapped or _own_brackets(value):
            seen = _binds(seen, ATTRIBUTE)
        return seen.replace(last=node)
    if kind in (*_LEAVES, "slice"):
        return seen
    for mark in node.marks:
        seen = _binds(seen, OPERATORS[mark])
    if kind == "if":
        seen = _binds(seen, CONDITION, 2)
    if kind in ("unary", "lambda", "prefix"):
        seen = seen if seen.started else seen.replace(started=True)
        if node.text == "~":
            seen = _binds(seen, INVERT)
    for part in (*node.parts[1:], node.parts[0]) if kind == "lambda" else node.parts:
        seen = _visit(part, seen)
    return seen
