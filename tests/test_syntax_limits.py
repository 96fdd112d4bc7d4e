"""Hostile and enormous texts: a clear report, in time that grows with the length alone, never an exception."""

from __future__ import annotations

import random
import re
import time

import pytest
from syntax_cases import DIGITS, RESNET, errors, parsed, places

from nnspec.diagnostics import Reporter
from nnspec.syntax import nodes, parse, parse_value

MANY = 100_000

# (text, code of the first report or "" for none)
BOMBS = {
    "parentheses": ("let a = " + "(" * MANY, "E0109"),
    "closed parentheses": ("let a = " + "(" * MANY + "1" + ")" * MANY, "E0109"),
    "lists": ("let a = " + "[" * MANY, "E0109"),
    "calls": ("let a = " + "f(" * MANY, "E0109"),
    "bodies": ("model M { h = " + "if c { " * (MANY // 10), "E0109"),
    "mixed brackets": ("let a = " + "([f(" * (MANY // 10), "E0109"),
    "closing brackets": (")" * MANY, "E0103"),
    "closing braces": ("model M {\n" + "}" * MANY + "\n    x = 3", "E0103"),
    "minus signs": ("let a = " + "-" * MANY + "1", "E0109"),
    "negations": ("let a = " + "not " * (MANY // 10) + "b", "E0109"),
    "powers": ("let a = " + "2^" * (MANY // 10) + "2", "E0109"),
    "terms": ("let a = " + "1+" * (MANY // 10) + "1", "E0109"),
    "attributes": ("let a = x" + ".y" * (MANY // 10), "E0109"),
    "branches": ("model M { h = if a { b }" + " else if a { b }" * 2000 + " else { b } }", "E0109"),
    "heads": ("train\n  x\n" * 2000, "E0101"),
    "digits": ("let a = " + "1" * MANY, "E0108"),
    "quotes": ('"\n' * MANY, "E0121"),
    "escapes": ('let a = "' + "\\q" * MANY + '"', "E0106"),
    "NUL": ("\0" * MANY, "E0104"),
    "letters": ("\u00e9" * MANY, "E0118"),
    "names": ("a " * (MANY // 10), "E0101"),
    "commas": ("let a = f(" + "," * MANY + ")", "E0101"),
    "labels": ("let a = x " + "-> {" * (MANY // 10), "E0101"),
    "a long list": ("let a = [" + "1," * (MANY // 10) + "]", ""),
    "many fractional digits": ("let a = 0." + "1" * MANY, ""),
    "empty lines": ("\n" * MANY, ""),
    "semicolons": (";" * MANY, ""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_a_clear_report_within_seconds(name: str) -> None:
    text, code = BOMBS[name]
    start = time.process_time()
    _, reporter = errors(text)
    assert time.process_time() - start < 5
    found = reporter.sorted()
    assert (found[0].code if found else "") == code
    assert len(found) <= 101
    assert all(len(d.message) < 200 for d in found)


def test_100_000_open_brackets_within_two_seconds() -> None:
    start = time.process_time()
    _, reporter = errors("(" * MANY)
    assert time.process_time() - start < 2
    assert places(reporter) == [("E0109", 1, 65)]


@pytest.mark.parametrize("depth, fine", [(64, True), (65, False)])
@pytest.mark.parametrize("pair", ["()", "[]"])
def test_brackets_nest_64_deep(pair: str, depth: int, fine: bool) -> None:
    _, reporter = errors(f"let a = {pair[0] * depth}1{pair[1] * depth}\nlet b = 2\n")
    assert places(reporter) == ([] if fine else [("E0109", 1, 9 + 64)])


def test_what_follows_deep_nesting_is_read() -> None:
    file, reporter = errors(f"let a = {'(' * 99}1{')' * 99} + f(1 2)\nlet b = 3 3\nlet c = 4\n")
    assert places(reporter) == [("E0109", 1, 73), ("E0101", 1, 215), ("E0101", 2, 11)]
    assert [d.name.id for d in file.declarations if isinstance(d, nodes.Let)] == ["a", "b", "c"]


def test_trees_are_low_enough_for_every_later_stage() -> None:
    """The tallest tree that is accepted can be compared, hashed and printed within Python's stack."""
    reporter = Reporter()
    tree = parse_value("+".join(["x"] * 200), "t", reporter)
    assert not reporter.diagnostics
    assert tree == parse_value("+".join(["x"] * 200), "t", reporter)
    assert hash(tree) == hash(tree)
    assert repr(tree).count("Binary") == 199


@pytest.mark.parametrize("size, codes", [(1 << 20, []), ((1 << 20) + 1, ["E0514"])])
def test_a_source_has_at_most_one_mebibyte(size: int, codes: list[str]) -> None:
    _, reporter = errors("# " + "\u00e9" * 100 + "x" * (size - 202))
    assert [d.code for d in reporter.diagnostics] == codes


@pytest.mark.parametrize("digits, codes", [(18, []), (19, ["E0108"])])
def test_whole_numbers_have_at_most_18_digits(digits: int, codes: list[str]) -> None:
    _, reporter = errors(f"let a = {'9' * digits}\n")
    assert [d.code for d in reporter.diagnostics] == codes


def test_after_a_hundred_errors_the_rest_is_left() -> None:
    file, reporter = errors("let good = 1\n" + "let a 3\n" * 500)
    assert len(reporter.diagnostics) == 101
    assert reporter.sorted()[-1].code == "E0120"
    assert file.declarations[0].name.id == "good"  # type: ignore[union-attr]  # a let


def test_time_grows_with_the_length_alone() -> None:
    """Ten times the lines take ten times as long: 10,000 a few seconds."""
    seconds = {}
    for lines in (500, 5000):
        text = "".join(f"    h{i} = x -> conv{i}: conv(64, 3, stride = 2) -> relu\n" for i in range(lines))
        start = time.process_time()
        file = parsed(f"model M {{\n{text}}}\n")
        seconds[lines] = time.process_time() - start
        assert isinstance(file.declarations[0], nodes.Model)
        assert len(file.declarations[0].body.statements) == lines
    assert seconds[5000] < 30 * seconds[500] + 0.5
    assert seconds[5000] < 10


TOKENS = re.compile(r'#[^\n]*|[ \t]+|\n|\w+|->|\.\.|"[^"\n]*"|.', re.DOTALL)
PIECES = [
    *"()[]{},;=:+-^<.@'\"\\?\0\u00e9 ", "->", "==", "..", "\n", "if", "else", "for", "in", "not", "input", "model",
    "block", "let", "train {", "x", "3", '"s"', "{i}", "a{i}:", ".5", "1e999", "nnspec 1", "import",
]  # fmt: skip


def mutated(rng: random.Random) -> str:
    """An example with some of its tokens left out, doubled, swapped or replaced."""
    pieces = TOKENS.findall(rng.choice([DIGITS, RESNET]))
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        here, there = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        kind = rng.randrange(4)
        if kind == 0:
            pieces[here] = ""
        elif kind == 1:
            pieces[here] = rng.choice(PIECES)
        elif kind == 2:
            pieces.insert(here, rng.choice(PIECES))
        else:
            pieces[here], pieces[there] = pieces[there], pieces[here]
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(4))
def test_no_text_raises_and_every_report_has_its_place(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        text = mutated(rng)
        reporter = Reporter()
        file = parse(text, "t", reporter)
        parse_value(text[:60], "t", Reporter())
        assert isinstance(file, nodes.File)
        lines = text.split("\n")
        for d in reporter.diagnostics:
            assert re.fullmatch(r"E01\d\d", d.code), text
            assert 1 <= d.span.line <= len(lines), text
            assert 1 <= d.span.column <= len(lines[d.span.line - 1]) + 1, text
            assert d.message, text


def test_one_mistake_is_seldom_more_than_two_reports() -> None:
    """One token left out or replaced, over the examples: the parser gets over it without echoes."""
    rng = random.Random(7)
    counts = []
    for _ in range(300):
        pieces = TOKENS.findall(rng.choice([DIGITS, RESNET]))
        places = [i for i, piece in enumerate(pieces) if piece.strip() and piece[0] != "#"]
        pieces[rng.choice(places)] = rng.choice(["", "", "(", ")", "[", "]", "{", "}", ",", "=", "->", "x", "3", ":"])
        reporter = Reporter()
        parse("".join(pieces), "t", reporter)
        counts.append(len(reporter.diagnostics))
    assert sum(count > 2 for count in counts) < 0.05 * len(counts)
    assert max(counts) <= 8
