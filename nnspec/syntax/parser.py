"""Tokens to tree: a table-driven LALR parser with error recovery, linear in the text, without recursion."""

from __future__ import annotations

from typing import Any

from nnspec.collecting import paused
from nnspec.diagnostics import Reporter, Span
from nnspec.syntax import nodes, tables
from nnspec.syntax.build import Builder
from nnspec.syntax.layout import arrange
from nnspec.syntax.lexer import normalise, scan
from nnspec.syntax.tokens import MAX_BYTES, MAX_HEIGHT, STEP, Problems, Token, TooManyErrors


def parse_file(text: str, path: str, reporter: Reporter) -> nodes.File:
    """See `nnspec.syntax.parse`."""
    empty = nodes.File(Span(path, 1, 1, 1, 1), path, ())
    found = Reporter()
    tree = _parse(text, path, found, "file")
    if found.failed and (kind := _foreign(text, tree)):
        message = f"this is no spec: {kind}"
        help = "a spec begins like model Net { input x: float32[4]; output y = x -> dense(1) }"
        reporter.error("E0121", _first_line(text, path), message, help=help)
        return empty
    for diagnostic in found.diagnostics:
        reporter.add(diagnostic)
    return tree if isinstance(tree, nodes.File) else empty


def _foreign(text: str, tree: Any) -> str:
    """What a text with errors is instead of a spec, "" where it is one."""
    from nnspec.syntax.foreign import foreign  # a text without errors does without it

    declared = tree.declarations if isinstance(tree, nodes.File) else ()
    held = (nodes.Block, nodes.Model, nodes.Data, nodes.Train)
    return foreign(text, any(isinstance(d, held) for d in declared)) if len(text) <= MAX_BYTES else ""


def _first_line(text: str, path: str) -> Span:
    """The first line that holds anything."""
    lines = normalise(text).split("\n")
    number = next((n for n, line in enumerate(lines, 1) if line.strip()), 1)
    line = lines[number - 1]
    start = len(line) - len(line.lstrip()) + 1
    return Span(path, number, start, number, max(start + 1, len(line.rstrip()) + 1))


def parse_expression(text: str, path: str, reporter: Reporter) -> nodes.Expr:
    """See `nnspec.syntax.parse_value`."""
    tree = _parse(text, path, reporter, "value")
    return tree if isinstance(tree, nodes.Expr) else nodes.Poison(Span(path, 1, 1, 1, 1))


def _parse(text: str, path: str, reporter: Reporter, start: str) -> Any:
    problems = Problems(path, reporter)
    size = len(text) if len(text) > MAX_BYTES else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"{path} is larger than {MAX_BYTES >> 20} MiB"
        problems.error("E0514", Span(path, 1, 1, 1, 1), message, "weights and data belong in files of their own")
        return None
    parser = None
    try:
        with paused():
            parser = Parser(arrange(scan(normalise(text), problems), problems, start), path, problems, start)
            return parser.run()
    except TooManyErrors:
        return parser.so_far() if parser else None


_GROWING = frozenset({"binary", "unary", "range", "attribute", "index", "call", "list", "paren", "if", "for"})
"""Rules whose nodes hold each other without end."""

Entry = tuple[Any, Token, Token, int]


class Parser:
    """The automaton: a stack of states, and beside it (value, first token, last token, height) of each symbol."""

    def __init__(self, tokens: list[Token], path: str, problems: Problems, start: str) -> None:
        self.tokens, self.path, self.problems = tokens, path, problems
        self.builder = Builder(path, problems)
        self.position = 0
        self.states = [tables.START[start]]
        self.stack: list[Entry] = [(None, tokens[0], tokens[0], 0)]
        self.last = tokens[0]  # the last token that was read
        self.calm = 2  # tokens read since the last repair: too few, and an error is its echo
        self.depths: list[int] = []  # of each token, once an error asks
        self.high_line = 0  # the line of the last expression that was nested too deep

    def run(self) -> Any:
        """The tree; errors on the way are reported and repaired."""
        while True:
            token = self.tokens[self.position]
            if not self.feed(token):
                from nnspec.syntax.recovery import recover  # a text without errors does without it

                recover(self)
            elif token.type == "$END":
                return self.stack[-2][0]
            else:
                self.position += 1

    def so_far(self) -> nodes.File:
        """The declarations read before the parser gave up."""
        found: list[nodes.Declaration] = []
        for value, *_ in self.stack:
            if isinstance(value, Token) and value.type == "{":
                break
            items = value if isinstance(value, list) else [value]
            found += [item for item in items if isinstance(item, nodes.Declaration)]
        return nodes.File(self.tokens[0].span(self.path), self.path, tuple(found))

    def feed(self, token: Token) -> bool:
        """Shift `token`, after whatever it reduces; False where it cannot stand here (the stack keeps its meaning)."""
        states, stack = self.states, self.stack
        actions, gotos, rules = tables.ACTIONS, tables.GOTO, tables.RULES
        chains, kind = _chains, token.type
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                stack.append((token, token, token, 0))
                self.last = token
                self.calm += 1
                return True
            left, length, builder, kept, spliced = rules[~action]
            if builder == "=":
                key = states[-2], states[-1], kind
                states[-1] = chains[key] if key in chains else _climb(*key)
                continue
            if length == 1:
                value, first, last, height = stack[-1]
                if builder:
                    span = Span(self.path, first.line, first.column, last.line, last.end)
                    value = self.builder.rules[builder](span, value if spliced else [value] if kept else [])
                elif not spliced:
                    value = [value] if kept else []
                stack[-1] = (value, first, last, height)
                states[-1] = gotos[states[-2]][left]
            elif length:
                part = stack[-length:]
                del stack[-length:], states[-length:]
                stack.append(self._reduce(part, builder, kept, spliced))
                states.append(gotos[states[-1]][left])
            else:  # only a file without a declaration
                stack.append((self.builder.rules[builder](token.span(self.path), []), token, token, 0))
                states.append(gotos[states[-1]][left])

    def _reduce(self, part: list[Entry], builder: str, kept: tuple[int, ...], spliced: tuple[int, ...]) -> Entry:
        """The entry that stands for the entries `part`."""
        first, last = part[0][1], part[-1][2]
        if not spliced:
            kids = [part[i][0] for i in kept]
        else:
            grows = spliced[0] == 0  # a collection grows in place, so that long ones take linear time
            kids = part[0][0] if grows else []
            for i in kept[grows:]:
                kids += part[i][0] if i in spliced else [part[i][0]]
        height = max([entry[3] for entry in part])
        if not builder:
            return kids, first, last, height
        span = Span(self.path, first.line, first.column, last.line, last.end)
        if height >= MAX_HEIGHT and builder in _GROWING:
            return self._too_high(span), first, last, 0
        return self.builder.rules[builder](span, kids), first, last, height + 1

    def _too_high(self, span: Span) -> nodes.Poison:
        """Expressions inside expressions without end: said once a line."""
        if span.line != self.high_line:
            self.high_line = span.line
            message = f"more than {MAX_HEIGHT} operations stand one inside another"
            self.problems.error("E0109", span, message, "name parts of the expression on lines of their own")
        return nodes.Poison(span)

    # ------------------------------------------------------------ for recovery

    def pop(self) -> Any:
        """Take the last symbol off the stack; its value."""
        if len(self.states) == 1:
            raise AssertionError("any tokens at all can stand between the start and the end of a file as POISON")
        self.states.pop()
        return self.stack.pop()[0]

    def depth(self) -> int:
        """How many brackets stand open before the current token."""
        if not self.depths:
            depth = 0
            for token in self.tokens:
                self.depths.append(depth)
                depth += STEP.get(token.type, 0)
        return self.depths[self.position]


_chains: dict[tuple[int, int, str], int] = {}
"""What `_climb` found, by its arguments."""


def _climb(below: int, state: int, kind: str) -> int:
    """The state after all reductions of one symbol to one symbol that `kind` asks for, as from a name to a sum."""
    key = below, state, kind
    while True:
        action = tables.ACTIONS[state].get(kind)
        if action is None or action >= 0 or tables.RULES[~action][2] != "=":
            _chains[key] = state
            return state
        state = tables.GOTO[below][tables.RULES[~action][0]]
