"""After an error: the smallest change that lets the parser go on, which is also the help that the user reads.

A repair is tried on the states alone (Burke and Fisher, "A practical method for LR and LL syntactic error
diagnosis", 1987): put tokens in, replace one, leave one out; the one that reads furthest is taken. Where
none gets past the error, the broken part becomes `Poison` (panic mode) up to the next token of the same
bracket that can follow it: a comma, a closing bracket, an arrow, the end of the statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.syntax import messages, tables
from nnspec.syntax.tokens import STEP, Token

if TYPE_CHECKING:
    from nnspec.syntax.parser import Parser

Repair = tuple[str, tuple[str, ...]]
"""("insert" | "replace" | "delete", the terminals put in)."""

_AHEAD = 12
"""How many tokens of the statement a repair is tried on."""
_ENOUGH = 4
"""A repair is worth something when it reads so many tokens, or all to the end of the statement."""
_INSERTED = ((",",), ("=",), ("in",), ("POISON",), (":",), ("NAME",), ("STRING",), (":", "POISON"), ("=", "POISON"))
_PUNCTUATION = frozenset({":", "=", "==", ",", "in", "->"})
_STOPS = frozenset({",", ";", "->", "_NEWLINE", "{", "$END", "=", "in", "else"})
_MADE_UP = frozenset({"POISON", "NAME", "STRING"})


def recover(parser: Parser) -> None:
    """Report the error at the parser's token, unless it only echoes an earlier one, and get past it."""
    if _in_comment(parser):
        return
    token = parser.tokens[parser.position]
    repair = _repair(parser)
    if not (token.quiet or parser.last.quiet or parser.calm < 2):
        messages.report(parser, token, expected(parser.states), repair)
        if messages.same_below(parser, token):
            _hush(parser)
    if token.type == ":" and messages.in_head(parser) and (end := _parameter_end(parser)) is not None:
        parser.position, parser.calm = end, 0
        return
    parser.calm = 0
    if (beyond := _beyond(parser, token)) is not None:
        parser.position = beyond
        return
    if repair is None:
        _panic(parser)
        return
    how, kinds = repair
    parser.position += how != "insert"
    for kind in kinds:
        _feed(parser, kind)


def _hush(parser: Parser) -> None:
    """What follows on the line repeats the mistake, or comes of it: nothing more is said there."""
    line, index = parser.last.line, parser.position
    while index < len(parser.tokens) and parser.tokens[index].line == line and parser.tokens[index].type != "$END":
        parser.tokens[index] = parser.tokens[index]._replace(quiet=True)
        index += 1


def _parameter_end(parser: Parser) -> int | None:
    """Where a tensor or setting in the head of a block ends, behind the type that it was given."""
    depth = 0
    for index in range(parser.position, len(parser.tokens)):
        kind = parser.tokens[index].type
        depth += STEP.get(kind, 0)
        if (depth == 0 and kind in (",", ";", "=")) or (depth < 0 and kind == ")"):
            return index if simulate(parser.states, (kind,)) else None
        if kind in ("_NEWLINE", "{", "$END"):
            return None
    return None


def _in_comment(parser: Parser) -> bool:
    """Whether the error stands in words after `//` that make no expression: then they are a comment of C."""
    token = parser.tokens[parser.position]
    for index in range(parser.position - 1, -1, -1):
        before = parser.tokens[index]
        if before.line != parser.last.line or before.type not in ("NAME", "NUMBER", "//", "-", "+", ","):
            return False
        if before.type != "//":
            continue
        if not before.quiet:
            text = "a comment begins with `#`"
            parser.problems.error("E0104", before, "`//` begins no comment", text)
        while not (token.line > before.line or token.type in ("_NEWLINE", "$END")):
            parser.position += 1
            token = parser.tokens[parser.position]
        parser.calm = 0
        return bool(simulate(parser.states, (token.type,)))
    return False


def _beyond(parser: Parser, token: Token) -> int | None:
    """Where reading goes on behind the type of `output y: float32[5] = ...`, or behind a comment that `//` begins."""
    typed = token.type == ":" and messages.header(parser) == "output"
    wanted = "=" if typed else "_NEWLINE" if token.type == "//" else ""
    if not wanted or wanted not in expected(parser.states):
        return None
    for index in range(parser.position, len(parser.tokens)):
        kind = parser.tokens[index].type
        if kind == wanted or kind in ("_NEWLINE", "$END"):
            return index if kind == wanted else None
    return None


def expected(states: list[int]) -> set[str]:
    """Every terminal that can stand next."""
    return {kind for kind in tables.ACTIONS[states[-1]] if simulate(states, (kind,)) == 1}


def simulate(states: list[int], kinds: tuple[str, ...]) -> int:
    """How many of `kinds` the automaton reads from `states`, which stay as they are."""
    kept = len(states)
    extra: list[int] = []  # the states are states[:kept] + extra
    for count, kind in enumerate(kinds):
        while True:
            action = tables.ACTIONS[extra[-1] if extra else states[kept - 1]].get(kind)
            if action is None:
                return count
            if action >= 0:
                extra.append(action)
                break
            left, length, *_ = tables.RULES[~action]
            inside = min(length, len(extra))
            del extra[len(extra) - inside :]
            kept -= length - inside
            extra.append(tables.GOTO[extra[-1] if extra else states[kept - 1]][left])
    return len(kinds)


# ---------------------------------------------------------------- repairs


def _repair(parser: Parser) -> Repair | None:
    """The repair that reads most of the statement; of equal ones the first in order, None where none helps."""
    token = parser.tokens[parser.position]
    here, after = _ahead(parser, parser.position), _ahead(parser, parser.position + 1)
    best: Repair | None = None
    most = 0
    after_value = simulate(parser.states, ("+",)) == 1
    for how, kinds in _candidates(token, after):
        if after_value and kinds[:1] == (":",):  # a label is seldom what was forgotten
            continue
        ahead = here if how == "insert" else after
        read = simulate(parser.states, kinds + ahead) - len(kinds)
        if read > most and read >= min(len(ahead), _ENOUGH):
            best, most = (how, kinds), read
            if read == len(ahead):
                break
    return best


def _candidates(token: Token, after: tuple[str, ...]) -> list[Repair]:
    """What may be tried at `token`. Brackets match already, so none is put in or left out."""
    candidates: list[Repair] = [("insert", kinds) for kinds in _INSERTED]
    if token.type in ("NUMBER", "STRING", "true", "false", "["):  # `units 3` lacks `=` rather than a comma
        candidates.insert(0, ("insert", ("=",)))
    if token.type in STEP or token.type in ("_NEWLINE", "$END"):
        return candidates
    if token.type in _PUNCTUATION:
        candidates += [("replace", (kind,)) for kind in (":", "=", "==", ",", "in", "->") if kind != token.type]
        candidates.append(("delete", ()))
    else:
        candidates += [("replace", (kind,)) for kind in ("POISON", "NAME", "STRING")]
        if after[:1] == ("{",) or token.type not in ("NAME", "NUMBER", "STRING"):
            candidates.append(("delete", ()))
    return candidates


def _ahead(parser: Parser, start: int) -> tuple[str, ...]:
    """The types of the tokens from `start` to the end of the statement, `_AHEAD` at most."""
    kinds = []
    for token in parser.tokens[start : start + _AHEAD]:
        kinds.append(token.type)
        if token.type in ("_NEWLINE", "$END"):
            break
    return tuple(kinds)


def _feed(parser: Parser, kind: str) -> None:
    """Shift a token that stands nowhere: at the end of the last one, quiet and empty where its text is made up."""
    line, column = (parser.last.line, parser.last.end) if parser.position else (1, 1)
    made_up = kind in _MADE_UP
    if not parser.feed(Token(kind, "" if made_up else kind, line, column, column, made_up)):
        raise AssertionError(f"a repair with {kind} was tried and failed")


# ---------------------------------------------------------------- panic


def _panic(parser: Parser) -> None:
    """Pop states until POISON can stand, and skip tokens until one can follow it."""
    depth = sum(_step(value) for value, *_ in parser.stack)
    while True:
        stop = _stop(parser, depth) if simulate(parser.states, ("POISON",)) else None
        if stop is not None:
            parser.position = stop
            _feed(parser, "POISON")
            return
        depth -= _step(parser.pop())


def _step(value: object) -> int:
    """By how much a symbol of the stack changes the depth: only brackets that are not yet part of a node."""
    return STEP.get(value.type, 0) if isinstance(value, Token) else 0


def _stop(parser: Parser, wanted: int) -> int | None:
    """Where to go on when POISON stands in a bracket of depth `wanted`; None if nothing there can follow it."""
    index, depth = parser.position, parser.depth()
    while True:
        kind = parser.tokens[index].type
        if depth == wanted and (kind in _STOPS or STEP.get(kind) == -1):
            if simulate(parser.states, ("POISON", kind)) == 2:
                return index
            if STEP.get(kind) == -1 or (kind == "_NEWLINE" and len(parser.states) > 1):
                return None
        if kind == "$END":
            return None
        depth += STEP.get(kind, 0)
        index += 1
