"""Development only: writes the parser's tables from grammar/nnspec.lark (`python -m nnspec.syntax.generate`).

lark reads the grammar and computes the LALR automaton; what is written is plain text (tables.py reads it), so
that parsing a spec imports neither lark nor anything that holds code of it. States are renumbered in the order in
which they are reached over sorted symbols: the text depends on the grammar alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnspec.syntax import grammar_text

STARTS = ("file", "value")
Row = tuple[str, int, str, tuple[int, ...], tuple[int, ...]]
TARGET = Path(__file__).with_name("_tables.py")


def generate(grammar: str) -> str:
    """The text of `_tables.py` for a grammar; raises lark's GrammarError where it is ambiguous."""
    from lark import Lark

    lark = Lark(grammar, parser="lalr", lexer="basic", start=list(STARTS), maybe_placeholders=False)
    table: Any = lark.parser.parser._parse_table  # lark has no public way to its tables
    texts = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    rules = list(lark.rules)
    order = _order(table)
    actions, gotos = [], []
    for state in order:
        row: dict[str, int] = {}
        goto: dict[str, int] = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            if symbol in texts or symbol.isupper() or symbol == "$END" or symbol.startswith("__ANON"):
                shift = action.name == "Shift"
                row[texts.get(symbol, symbol)] = order[argument] if shift else ~rules.index(argument)
            else:
                goto[symbol] = order[argument]
        actions.append(dict(sorted(row.items())))
        gotos.append(goto)
    for start in STARTS:  # reading $END after a whole file is how the parser ends
        end = order[table.end_states[start]]
        actions[end] = {"$END": end}
    return _render(actions, gotos, _rules(rules), {s: order[table.start_states[s]] for s in STARTS})


def _order(table: Any) -> dict[int, int]:
    """New numbers of lark's states, breadth first over sorted symbols."""
    order: dict[int, int] = {}
    queue = [table.start_states[s] for s in STARTS]
    for state in queue:
        if state in order:
            continue
        order[state] = len(order)
        row = table.states.get(state, {})
        queue.extend(argument for _, (action, argument) in sorted(row.items()) if action.name == "Shift")
    return order


def _rules(rules: list[Any]) -> list[Row]:
    """(left side, length, builder, kept, spliced) of each rule.

    The builder is "=" where the value is handed through, "" where children are collected for the rule
    above, else a function of build.py. `kept` are the symbols that become children, `spliced` those of
    them that are collections.
    """
    through: set[str] = set()
    while True:
        more = {name for name in {r.origin.name for r in rules} - through if _hands_through(name, rules, through)}
        if not more:
            break
        through |= more
    table = []
    for rule in rules:
        name = str(rule.origin.name)
        flags = "".join(_flag(s, rule, through) for s in rule.expansion)
        one = rule.options.expand1 and not rule.alias and flags == "k"
        builder = "=" if one or name in through else "" if name.startswith("_") else rule.alias or name
        kept = tuple(i for i, flag in enumerate(flags) if flag != ".")
        spliced = tuple(i for i, flag in enumerate(flags) if flag == "s")
        table.append((name, len(flags), str(builder), kept, spliced))
    return table


def _flag(symbol: Any, rule: Any, through: set[str]) -> str:
    if symbol.is_term:
        return "." if symbol.filter_out and not rule.options.keep_all_tokens else "k"
    return "s" if symbol.name.startswith("_") and symbol.name not in through else "k"


def _hands_through(name: str, rules: list[Any], through: set[str]) -> bool:
    """A rule `_x` all of whose alternatives are one kept symbol."""
    own = [r for r in rules if r.origin.name == name]
    return name.startswith("_") and all(len(r.expansion) == 1 and _flag(r.expansion[0], r, through) == "k" for r in own)


def _render(
    actions: list[dict[str, int]], gotos: list[dict[str, int]], rules: list[Row], starts: dict[str, int]
) -> str:
    """Text, not literals: Python compiles one string at once, where no bytecode is kept, and 7,000 numbers in 40 ms."""
    lines = [
        '"""LALR tables of grammar/nnspec.lark, written by `python -m nnspec.syntax.generate`. Do not edit."""',
        "",
        "# ruff: noqa: E501 - a row of a table is a line",
        "# fmt: off",
        "",
        "from __future__ import annotations",
        "",
        "START = {" + ", ".join(f'"{name}": {state}' for name, state in starts.items()) + "}",
        *_block("RULES", "a line a rule: left side, length, builder, kept symbols, spliced ones", map(_rule, rules)),
    ]
    for name, table in (("ACTIONS", actions), ("GOTO", gotos)):
        rows = [" ".join(f"{symbol} {number}" for symbol, number in row.items()) for row in table]
        unique = sorted(set(rows))
        lines += _block(f"{name}_ROWS", "a line a row: symbols, each with its number", unique)
        lines += _block(f"{name}_STATES", "the row of each state", [" ".join(str(unique.index(row)) for row in rows)])
    return "\n".join(lines) + "\n"


def _rule(row: Row) -> str:
    left, length, builder, kept, spliced = row
    places = [",".join(map(str, places)) or "-" for places in (kept, spliced)]
    return f"{left} {length} {builder or '-'} {places[0]} {places[1]}"


def _block(name: str, what: str, rows: Iterable[str]) -> list[str]:
    return [f"# {what}", f'{name} = """\\', *rows, '"""']


if __name__ == "__main__":
    TARGET.write_text(generate(grammar_text()), encoding="utf-8")
