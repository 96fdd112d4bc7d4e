"""The automaton that the parser runs, read from the text in `_tables.py`."""

from __future__ import annotations

from nnspec.syntax import _tables

Rule = tuple[str, int, str, tuple[int, ...], tuple[int, ...]]


def _rule(line: str) -> Rule:
    left, length, builder, kept, spliced = line.split()
    return left, int(length), "" if builder == "-" else builder, _places(kept), _places(spliced)


def _places(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(map(int, text.split(",")))


def _rows(rows: str, states: str) -> list[dict[str, int]]:
    read = []
    for line in rows.split("\n")[:-1]:
        words = line.split()
        read.append(dict(zip(words[::2], map(int, words[1::2]), strict=True)))
    return [read[int(row)] for row in states.split()]


START = _tables.START
"""The first state, by what is to be parsed: a "file" or a "value"."""
RULES: list[Rule] = [_rule(line) for line in _tables.RULES.splitlines()]
"""(left side, length, builder, kept symbols, spliced symbols); builder "=" hands the value through, "" collects."""
ACTIONS = _rows(_tables.ACTIONS_ROWS, _tables.ACTIONS_STATES)
"""Of each state, by terminal: the state to shift to, or ~rule to reduce by. No entry: an error."""
GOTO = _rows(_tables.GOTO_ROWS, _tables.GOTO_STATES)
"""Of each state, by left side: the state after a reduction."""
