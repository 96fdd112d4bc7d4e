"""Expressions of Python as a tree that keeps the author's parentheses: what a formatter has to know of a line."""

from __future__ import annotations

import re

from nnspec.record import Record

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>[rbfuRBFU]{0,2}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
  | (?P<number>0[xXbBoO][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?j?)
  | (?P<name>[^\W\d]\w*)
  | (?P<mark>\*\*=|//=|>>=|<<=|\.\.\.|[-+*/%@&|^=!<>:]=|->|\*\*|//|<<|>>|[-+*/%@&|^~<>=()\[\]{}.,:])
  )""",
    re.VERBOSE,
)
# How loosely operators bind: a line is split at the loosest first.
ATTRIBUTE, POWER, INVERT, TIMES, PLUS, SHIFT, AND, XOR, OR, COMPARE, BOOLEAN, CONDITION = range(1, 13)
OPERATORS = {
    **dict.fromkeys(["and", "or"], BOOLEAN),
    **dict.fromkeys(["==", "!=", "<", ">", "<=", ">=", "in", "not in", "is", "is not"], COMPARE),
    "|": OR,
    "^": XOR,
    "&": AND,
    "<<": SHIFT,
    ">>": SHIFT,
    "+": PLUS,
    "-": PLUS,
    "**": POWER,
    **dict.fromkeys(["*", "/", "@", "%", "//"], TIMES),
}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = frozenset(["if", "else", "for", "in", "and", "or", "not", "is", "lambda", "async"])


class Node(Record):
    """An expression. `text` is its name, mark or opening bracket; `parts` are what it is made of.

    `name`, `number`, `string`: leaves. `attribute`: parts are (value,). `call` and `subscript`: the value, then
    what is in the brackets. `display` (a list, dict, set or tuple in brackets), `tuple` (one without): the entries.
    `comprehension`: the element, then each `for` and `if`. `chain`: operands, with `marks` between them.
    `if`: (then, condition, else). `unary`, `prefix` (`for x in `, `name=`, `*`, `lambda x: `): the operand after the
    text. `pair`: (key, value). `slice`: bounds, None where one is left out.
    """

    kind: str
    text: str = ""
    parts: tuple[Node, ...] = ()
    marks: tuple[str, ...] = ()
    wrapped: bool = False  # in parentheses of its own


def tokens(text: str) -> list[str]:
    """The tokens of a line. Raises ValueError where there is none."""
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise ValueError(f"no token of Python at {text[place:]!r}")
        found.append(match[0].strip())
        place = match.end()
    return found


class Parser:
    """Reads expressions from tokens. Raises ValueError where they make none."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        self.place = 0

    def peek(self) -> str:
        return self.found[self.place] if self.place < len(self.found) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f"{wanted or 'an expression'} expected, not {token!r}, in {' '.join(self.found)}")
        self.place += 1
        return token

    def accept(self, wanted: str) -> bool:
        if self.peek() == wanted:
            self.place += 1
            return True
        return False

    def sequence(self, stops: tuple[str, ...] = ("",)) -> Node:
        """An expression, or a tuple without brackets."""
        entries = [self._item()]
        if self.peek() != ",":
            return entries[0]
        while self.accept(",") and self.peek() not in stops:
            entries.append(self._item())
        return Node("tuple", parts=tuple(entries))

    def _item(self) -> Node:
        return Node("prefix", self.take(), (self._item(),)) if self.peek() in ("*", "**") else self.expression()

    def entry(self) -> Node:
        """An argument, an entry of a display or a part of a subscript."""
        if self.peek() == ":":
            return self._slice(None)
        if self.place + 1 < len(self.found) and self.found[self.place + 1] == "=" and self.peek().isidentifier():
            name = self.take() + self.take()
            return Node("prefix", name, (self.expression(),))
        return self._item()

    def expression(self) -> Node:
        if self.peek() == "lambda":
            return self._lambda()
        then = self.chain(BOOLEAN)
        if not self.accept("if"):
            return then
        condition = self.chain(BOOLEAN)
        self.take("else")
        return Node("if", parts=(then, condition, self.expression()))

    def chain(self, loosest: int) -> Node:
        """Operands with operators that bind at least as tightly as `loosest`."""
        operands, marks = [self._operand()], []
        while (mark := self._operator()) and OPERATORS[mark] <= loosest:
            self.place += 2 if " " in mark else 1
            marks.append(mark)
            operands.append(self._operand())
        return operands[0] if not marks else Node("chain", parts=tuple(operands), marks=tuple(marks))

    def _operator(self) -> str:
        following = self.found[self.place : self.place + 2]
        if following in (["not", "in"], ["is", "not"]):
            return " ".join(following)
        return self.peek() if self.peek() in OPERATORS else ""

    def _operand(self) -> Node:
        token = self.peek()
        if token == "not":
            return Node("unary", self.take() + " ", (self.chain(COMPARE),))
        if token in ("-", "+", "~"):
            return Node("unary", self.take(), (self.chain(POWER),))
        return self._trailers(self._atom())

    def _lambda(self) -> Node:
        self.take("lambda")
        names: list[Node] = []
        while not self.accept(":"):
            names.append(self.entry())
            self.accept(",")
        return Node("lambda", parts=(self.expression(), *names))

    def _atom(self) -> Node:
        token = self.take()
        if token in _CLOSING:
            return self._display(token)
        if token[-1] in "\"'":
            return Node("string", token)
        if token[0].isdigit() or (token[0] == "." and token != "..."):
            return Node("number", token)
        if token == "..." or (token.isidentifier() and token not in _WORDS):
            return Node("name", token)
        raise ValueError(f"an expression expected, not {token!r}, in {' '.join(self.found)}")

    def _trailers(self, node: Node) -> Node:
        while True:
            if self.accept("."):
                node = Node("attribute", self.take(), (node,))
            elif self.peek() in ("(", "["):
                opening = self.take()
                entries = self._entries(opening)
                if opening == "[" and len(entries) > 1:
                    entries = [Node("tuple", parts=tuple(entries))]
                node = Node("call" if opening == "(" else "subscript", parts=(node, *entries))
            else:
                return node

    def _display(self, opening: str) -> Node:
        start = self.place
        entries = self._entries(opening)
        comma = self.found[self.place - 2] == "," and self.place - 2 >= start
        if len(entries) == 1 and entries[0].kind == "comprehension" and not entries[0].text:
            return entries[0].replace(text=opening)
        if opening == "(" and len(entries) == 1 and not comma:
            return entries[0].replace(wrapped=True)
        return Node("display", opening, tuple(entries))

    def _entries(self, opening: str) -> list[Node]:
        """What stands up to the closing bracket."""
        closing = _CLOSING[opening]
        entries: list[Node] = []
        while not self.accept(closing):
            entry = self.entry()
            if self.peek() == ":":
                entry = self._slice(entry) if opening == "[" else self._pair(entry)
            if self.peek() == "for":
                entry = self._comprehension(entry)
            entries.append(entry)
            if self.peek() != closing:
                self.take(",")
        return entries

    def _pair(self, key: Node) -> Node:
        self.take(":")
        return Node("pair", parts=(key, self.expression()))

    def _slice(self, lower: Node | None) -> Node:
        bounds = [lower]
        while self.accept(":"):
            bounds.append(self.expression() if self.peek() not in (":", ",", "]") else None)
        return Node("slice", parts=tuple(b or Node("name") for b in bounds))

    def _comprehension(self, element: Node) -> Node:
        clauses = []
        while self.peek() in ("for", "if"):
            if self.accept("if"):
                clauses.append(Node("prefix", "if ", (self.chain(BOOLEAN),)))
                continue
            self.take("for")
            target = self.target()
            self.take("in")
            clauses.append(Node("for", parts=(target, self.chain(BOOLEAN))))
        return Node("comprehension", parts=(element, *clauses))

    def target(self) -> Node:
        """What stands between `for` and `in`."""
        entries = [self.chain(OR)]
        while self.accept(","):
            entries.append(self.chain(OR))
        return entries[0] if len(entries) == 1 else Node("tuple", parts=tuple(entries))
