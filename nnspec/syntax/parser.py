"""Tokens to tree: a table-driven LALR parser with error recovery, linear in the text, without recursion."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Reporter, Span
from nnspec.syntax import _tables, nodes
from nnspec.syntax.build import Builder
from nnspec.syntax.layout import arrange
from nnspec.syntax.lexer import normalise, scan
from nnspec.syntax.tokens import MAX_BYTES, MAX_HEIGHT, Problems, Token, TooManyErrors


def parse_file(text: str, path: str, reporter: Reporter) -> nodes.File:
    """See `nnspec.syntax.parse`."""
    empty = nodes.File(Span(path, 1, 1, 1, 1), path, ())
    tree = _parse(text, path, reporter, "file")
    return tree if isinstance(tree, nodes.File) else empty


def parse_expression(text: str, path: str, reporter: Reporter) -> nodes.Expr:
    """See `nnspec.syntax.parse_value`."""
    tree = _parse(text, path, reporter, "value")
    return tree if isinstance(tree, nodes.Expr) else nodes.Poison(Span(path, 1, 1, 1, 1))


def _parse(text: str, path: str, reporter: Reporter, start: str) -> Any:
    problems = Problems(path, reporter)
    size = len(text) if len(text) > MAX_BYTES else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the source is larger than {MAX_BYTES >> 20} MiB"
        problems.error("E0110", Span(path, 1, 1, 1, 1), message, "weights and data belong in files of their own")
        return None
    parser = None
    try:
        parser = Parser(arrange(scan(normalise(text), problems), problems), path, problems, start)
        return parser.run()
    except TooManyErrors:
        return parser.so_far() if parser else None


_GROWING = frozenset({"binary", "unary", "range", "attribute", "index", "call", "list", "paren", "if", "for"})
"""Rules whose nodes hold each other without end."""

_STEP = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Parser:
    """The automaton. Each entry of its stack has a state, a value, the tokens it spans and a height."""

    def __init__(self, tokens: list[Token], path: str, problems: Problems, start: str) -> None:
        self.tokens, self.path, self.problems = tokens, path, problems
        self.builder = Builder(path, problems)
        self.position = 0
        self.states = [_tables.START[start]]
        self.values: list[Any] = [None]
        self.firsts = [tokens[0]]
        self.lasts = [tokens[0]]
        self.heights = [0]
        self.last = tokens[0]  # the last token that was read
        self.depths: list[int] = []  # of each token, once an error asks
        self.high_line = 0  # the line of the last expression that was nested too deep
        self.calm = 2  # tokens read since the last repair: too few, and an error is its echo

    def run(self) -> Any:
        from nnspec.syntax.recovery import recover

        while True:
            token = self.tokens[self.position]
            if not self.feed(token):
                recover(self)
            elif token.type == "$END":
                return self.values[-2]
            else:
                self.position += 1

    def so_far(self) -> nodes.File:
        """The declarations read before the parser gave up."""
        found: list[nodes.Declaration] = []
        for value in self.values:
            if isinstance(value, Token) and value.type == "{":
                break
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, nodes.Declaration)]
        return nodes.File(self.tokens[0].span(self.path), self.path, tuple(found))

    def feed(self, token: Token) -> bool:
        """Shift `token`, after whatever it reduces; False where it cannot stand here (the stack keeps its meaning)."""
        states, values, firsts, lasts, heights = self.states, self.values, self.firsts, self.lasts, self.heights
        actions, gotos, rules = _tables.ACTIONS, _tables.GOTO, _tables.RULES
        kind = token.type
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                values.append(token)
                firsts.append(token)
                lasts.append(token)
                heights.append(0)
                self.last = token
                self.calm += 1
                return True
            left, length, builder, flags = rules[~action]
            if builder == "=":
                states[-1] = gotos[states[-2]][left]
                continue
            if length:
                self._reduce(length, builder, flags)
            else:
                values.append(self.builder.rules[builder](token.span(self.path), []))
                firsts.append(token)
                lasts.append(token)
                heights.append(0)
            states.append(gotos[states[-1]][left])

    def _reduce(self, length: int, builder: str, flags: str) -> None:
        """Replace the last `length` entries by one (its state is pushed by the caller)."""
        values, firsts, lasts, heights = self.values, self.firsts, self.lasts, self.heights
        if length == 1:
            kids = [values[-1]] if flags == "k" else values[-1] if flags == "s" else []
        elif flags[0] == "s":  # a growing collection: append, so that long ones take linear time
            kids = values[-length]
            kids.extend(v for flag, v in zip(flags[1:], values[1 - length :], strict=True) if flag == "k")
        else:
            kids = []
            for flag, value in zip(flags, values[-length:], strict=True):
                if flag == "k":
                    kids.append(value)
                elif flag == "s":
                    kids.extend(value)
        first, last = firsts[-length], lasts[-1]
        height = heights[-1]
        if length > 1:
            height = max(heights[-length:]) + (1 if builder else 0)
            del values[-length:], lasts[-length:], firsts[-length:], heights[-length:], self.states[-length:]
        else:
            self.pop()
        if builder:
            span = Span(self.path, first.line, first.column, last.line, last.end)
            if height > MAX_HEIGHT and builder in _GROWING:
                value, height = self._too_high(span), 0
            else:
                value = self.builder.rules[builder](span, kids)
        else:
            value = kids
        values.append(value)
        firsts.append(first)
        lasts.append(last)
        heights.append(height)

    def _too_high(self, span: Span) -> nodes.Poison:
        """An expression that holds expressions that hold expressions ... : said once a line."""
        if span.line != self.high_line:
            self.high_line = span.line
            message = f"the expression is nested more than {MAX_HEIGHT} deep"
            self.problems.error("E0109", span, message, "name parts of it on lines of their own")
        return nodes.Poison(span)

    # ------------------------------------------------------------ for recovery

    def pop(self) -> Any:
        """Take the last entry off the stack."""
        if len(self.states) == 1:
            raise AssertionError("any tokens at all can stand between the start and the end of a file as POISON")
        self.states.pop()
        self.lasts.pop()
        self.heights.pop()
        self.firsts.pop()
        return self.values.pop()

    def depth(self) -> int:
        """How many brackets stand open before the current token."""
        if not self.depths:
            depth = 0
            for token in self.tokens:
                self.depths.append(depth)
                depth += _STEP.get(token.type, 0)
        return self.depths[self.position]
