"""Texts that are wrong: every mistake once, where it stands, with a repair that works, and the rest is kept."""

from __future__ import annotations

import re

import pytest
from syntax_cases import DIGITS, errors, places, show

from nnspec.diagnostics import Reporter
from nnspec.syntax import nodes, parse, parse_value


def body(*lines: str) -> str:
    """A block whose body holds `lines`, from line 2 on."""
    return "\n".join(["block F(x) {", *(f"    {line}" for line in lines), "}"]) + "\n"


# (text, [(code, line, column), ...])
BROKEN = [
    # something missing or too much
    (body("input x float32[3]"), [("E0101", 2, 13)]),
    (body("input x"), [("E0101", 2, 12)]),
    (body("input : float32"), []),  # a step with the label `input`
    (body("input a, b: float32"), [("E0101", 2, 12)]),
    (body("target y: class 10"), [("E0101", 2, 21)]),
    (body("param V: [3, 3] = zeros"), [("E0101", 2, 14)]),
    (body("output y"), [("E0101", 2, 13)]),
    (body("output y x -> dense(3)"), [("E0101", 2, 14)]),
    (body("layer f dense(3)"), [("E0101", 2, 13)]),
    (body("layer f = "), [("E0101", 2, 14)]),
    (body("h = a b"), [("E0101", 2, 11)]),
    (body("h = f(3 3)"), [("E0101", 2, 13)]),
    (body("h = dense(units 3)"), [("E0101", 2, 21)]),
    (body("h = f(a = )"), [("E0101", 2, 15)]),
    (body("h = [0.8 0.1, 0.1]"), [("E0101", 2, 14)]),
    (body("h = x[]"), [("E0101", 2, 11)]),
    (body("h = x -> -> f"), [("E0101", 2, 14)]),
    (body("h = x ->"), [("E0101", 2, 13)]),
    (body("h = x -> : 16, 5"), [("E0101", 2, 16)]),
    (body("h = x +", "g = x * / h"), [("E0101", 2, 12), ("E0101", 3, 13)]),
    (body("h = (x + )"), [("E0101", 2, 14)]),
    (body("h = if c x else { x }"), [("E0101", 2, 14)]),
    (body("h = for i = 1..4 { x }"), [("E0101", 2, 15)]),
    (body("h = for i in 1..4 x"), [("E0101", 2, 23)]),
    (body("h = else { x }"), [("E0101", 2, 9)]),
    ("let b 3\n", [("E0101", 1, 7)]),
    ("let = 3\n", [("E0101", 1, 5)]),
    ("let d = 3 uniform(1, 2)\n", [("E0101", 1, 11)]),
    ("let c = 3 in\nlet d = 4\n", [("E0101", 1, 13)]),
    ("import resnet.nn\n", [("E0101", 1, 8)]),
    ("model 3 { }\n", [("E0101", 1, 7)]),
    ("model M(classes 10) { }\n", [("E0101", 1, 17)]),
    ("block F x, y { x }\n", [("E0101", 1, 9)]),
    ("block F { x }\n", [("E0101", 1, 9)]),
    ("data foo bar { source = random(1) }\n", [("E0101", 1, 10)]),
    ("train {\n  epochs: 20\n  batch 32\n  lr\n}\n", [("E0101", 2, 9), ("E0101", 3, 9), ("E0101", 4, 5)]),
    ("train { init(fc) = zeros }\n", [("E0101", 1, 14)]),
    # misspelt words and what belongs to no statement
    ("modle M { ouput y = 3 }\ntrian { epochs = 1 }\n", [("E0101", 1, 1), ("E0101", 1, 11), ("E0101", 2, 1)]),
    ("hello world\n", [("E0101", 1, 7)]),
    ("def foo(x)\n", [("E0101", 1, 5)]),
    # brackets
    (body("h = f(3, [1, 2", "output y = h"), [("E0102", 2, 14)]),
    (body("h = f(3", "g = h", "g"), [("E0102", 2, 10)]),
    (body("h = f(3]"), [("E0103", 2, 12)]),
    (body("h = f(3))"), [("E0103", 2, 13)]),
    (body("h = [1, 2) + 3]"), [("E0103", 2, 14)]),
    (body("h = g[1:2 -> relu", "k = 3"), [("E0102", 2, 10)]),
    (body("h = concat(for k in ks { f(k) )"), [("E0102", 2, 28)]),
    ("model A {\n    input x: float32\ntrain { epochs = 1 }\n", [("E0102", 1, 9)]),
    ("model A {\n    input x: float32\n", [("E0102", 1, 9)]),
    ("model A {\n    h = for i in 1..3 { f\n    output y = h\n}\ntrain { }\n", [("E0102", 2, 23)]),
    ("model A {\n    h = 3 }\n    output y = h\n}\ntrain { }\n", [("E0103", 2, 11)]),
    ("model A {\n    h = 3\n    }\n    output y = h\n}\n", [("E0103", 3, 5)]),
    ("model A {\n    output y = 3\n}}\n", [("E0103", 3, 2)]),
    ("model A\n    output y = 3\n}\n", [("E0101", 1, 8)]),
    ("train\n    epochs = 3\n    batch = 4\n}\n", [("E0101", 1, 6)]),
    # characters, strings, numbers
    ("let a = b && !c || d ** 2\n", [("E0104", 1, 11), ("E0104", 1, 14), ("E0104", 1, 17), ("E0104", 1, 22)]),
    ("let a := 'text'\n", [("E0104", 1, 7), ("E0104", 1, 10)]),
    (body("h = x => relu \u2192 tanh"), [("E0104", 2, 11), ("E0104", 2, 19)]),
    ("let a = b ? c\n", [("E0104", 1, 11)]),
    ("let a = \0\0 3\n", [("E0104", 1, 9)]),
    ("let a = 3\u00a0\n", [("E0104", 1, 10)]),
    ("let a = x.(3)\n", [("E0104", 1, 10)]),
    ('let a = "abc\nlet b = 4 4\n', [("E0105", 1, 9), ("E0101", 2, 11)]),
    ('data { source = csv("a.csv) }\n', [("E0105", 1, 21)]),
    ('let a = "a\\qb"\n', [("E0106", 1, 11)]),
    ('let a = "a\0b"\n', [("E0106", 1, 11)]),
    ("let a = [3x, 1__0, .5, 0x1F]\n", [("E0107", 1, 10), ("E0107", 1, 14), ("E0107", 1, 20), ("E0107", 1, 24)]),
    ("let a = 1234567890123456789\n", [("E0108", 1, 9)]),
    ("let a = 1e999\n", [("E0108", 1, 9)]),
    ("let gr\u00f6\u00dfe = 3\nlet b = gr\u00f6\u00dfe + \u03bb\n", [("E0118", 1, 5), ("E0118", 2, 17)]),
    # lines
    (body("h = x", "  + 3", "h"), [("E0111", 3, 7)]),
    (body("h = x", "- 3"), [("E0111", 3, 5)]),
    (body("h = x", "and 3"), [("E0111", 3, 5)]),
    (body("h = x", ".shape"), [("E0111", 3, 5)]),
    ("model M\n{\n}\n", [("E0111", 2, 1)]),
    (body("3 + x", "f(x)", "x"), [("E0112", 2, 5), ("E0112", 3, 5)]),
    # expressions
    (body("h = 1 < x < 3"), [("E0113", 2, 15)]),
    (body("h = a == b == c"), [("E0113", 2, 16)]),
    (body("h = f(1)(2)"), [("E0114", 2, 13)]),
    (body("h = enc.0(x)"), [("E0114", 2, 14)]),
    (body("h = + 3"), [("E0119", 2, 9)]),
    (body("+x"), [("E0119", 2, 5)]),
    ("let in = 3\nlet for = 4\n", [("E0116", 1, 5), ("E0116", 2, 5)]),
    (body("h = for if in 1..3 { x }"), [("E0116", 2, 13)]),
    # places
    ("input x: float32\nwidth = 3\nx -> f\n", [("E0115", 1, 1), ("E0115", 2, 1), ("E0115", 3, 1)]),
    (body("block G(y) { y }", "train { epochs = 3 }"), [("E0115", 2, 5), ("E0115", 3, 5)]),
    ("block F(x, k = 3) { x }\n", [("E0117", 1, 12)]),
]


@pytest.mark.parametrize("text, expected", BROKEN, ids=[row[0].strip().replace("\n", "|")[:60] for row in BROKEN])
def test_every_mistake_is_reported_once_where_it_stands(text: str, expected: list[tuple[str, int, int]]) -> None:
    _, reporter = errors(text)
    assert places(reporter) == expected, [d.message for d in reporter.sorted()]


@pytest.mark.parametrize("text", [row[0] for row in BROKEN], ids=str)
def test_a_broken_statement_takes_no_other_with_it(text: str) -> None:
    """Whatever stands before and after a mistake is there, in one piece."""
    file, alone = errors(text)
    around, reporter = errors(f"let before = 1\n{text}{DIGITS}")
    assert [(code, line - 1, column) for code, line, column in places(reporter)] == places(alone)
    names = [d.name.id for d in around.declarations if isinstance(d, nodes.Let | nodes.Model | nodes.Block)]
    assert names[0] == "before"
    assert names[-3:] == ["width", "lr", "LeNet"]
    assert len(around.declarations) == len(file.declarations) + 6


def test_the_parts_of_a_statement_that_can_be_read_are_kept() -> None:
    lines = ["input x float32[3]", "h = f(1, 2 3, k = 4) -> g", "i = a b -> relu", "j =", "target t: [3]", "h"]
    file, reporter = errors(body(*lines))
    assert [d.span.line for d in reporter.sorted()] == [2, 3, 4, 5, 6]
    assert show(file) == (
        "(File [(Block F [x] [] (Body ["
        "(Input x (TypeExpr float32 [] [3])) "
        "(Bind [h] (Pipeline [(Call f [1 2 3 (Argument 4 k)]) g])) "
        "(Bind [i] (Pipeline [(Poison) relu])) "
        "(Bind [j] (Poison)) "
        "(Target t (TypeExpr  [] [(Poison)]))"
        "] h))])"
    )


def test_a_misplaced_declaration_is_kept_where_it_belongs() -> None:
    file, _ = errors("model M {\n    output y = 3\n    block F(x) { x }\n}\n")
    assert [type(d).__name__ for d in file.declarations] == ["Model", "Block"]


def test_the_text_may_end_anywhere() -> None:
    """No prefix of a file does more than leave brackets and the last statement open."""
    for end in range(len(DIGITS)):
        _, reporter = errors(DIGITS[:end])
        assert len(reporter.diagnostics) <= 3, DIGITS[:end]


# ---------------------------------------------------------------- the help works

PUT = re.compile(r"write `(?P<put>[^`]+)`(?: and a (?P<more>type|value))?(?: after .*)?")
SWAP = re.compile(r"write `(?P<put>[^`]+)` in place of `(?P<old>[^`]+)`")
DROP = re.compile(r"leave out `(?P<old>[^`]+)`")
MADE_UP = {"type": "float32", "value": "3"}

REPAIRED = [
    body("input x float32[3]"),
    body("input x"),
    body("input x = float32[3]"),
    body("output y"),
    body("output y x"),
    body("layer f dense(3)"),
    body("h = f(3 3)"),
    body("h = f(k 3)"),
    body("h = [1 2]"),
    body("h = for i = 1..4 { x }"),
    body("h = if a = b { x } else { x }"),
    body("h = f(3]"),
    body("h = f(3))"),
    body("h = + 3"),
    body("h = x => f"),
    body("h = a && b || c"),
    "let a 3\n",
    "let a := 3\n",
    "let a = 3 uniform(1, 2)\n",
    "train { epochs: 3 }\n",
    "train { epochs 3 }\n",
    "data foo bar { }\n",
    "model M { }}\n",
]


@pytest.mark.parametrize("text", REPAIRED, ids=str)
def test_doing_what_the_help_says_mends_the_text(text: str) -> None:
    for _ in range(3):
        _, reporter = errors(text)
        if not reporter.diagnostics:
            return
        text = mended(text, reporter)
    pytest.fail(text)


def mended(text: str, reporter: Reporter) -> str:
    """`text` with the help of its first report carried out."""
    report = reporter.sorted()[0]
    lines = text.split("\n")
    line, start, end = lines[report.span.line - 1], report.span.column - 1, report.span.end_column - 1
    if swap := SWAP.fullmatch(report.help):
        assert line[start:end] == swap["old"]
        line = line[:start] + swap["put"] + line[end:]
    elif drop := DROP.fullmatch(report.help):
        assert line[start:end] == drop["old"]
        line = line[:start] + line[end:]
    elif report.help == "leave it out":
        line = line[:start] + line[end:]
    elif put := PUT.fullmatch(report.help):
        replaces = report.code in ("E0103", "E0104")
        line = f"{line[:start]} {put['put']} {MADE_UP.get(put['more'], '')} {line[end if replaces else start :]}"
    else:
        pytest.fail(report.help)
    lines[report.span.line - 1] = line
    return "\n".join(lines)


def test_messages_say_what_was_expected_and_what_was_found() -> None:
    _, reporter = errors(body("input x float32[3]", "h = f(1 2)", "g = x ->", "k = dense(3"))
    assert [f"{d.message}; {d.help}" for d in reporter.sorted()] == [
        "expected `:` after `x`, found `float32`; write `:` after `x`",
        "expected `,` or `)` after `1`, found `2`; write `,` after `1`",
        "expected a layer or function after `->`, found the end of the line; write a layer or function after `->`",
        "`(` is not closed before `}` comes; write `)` before line 6",
    ]


def test_a_misspelt_word_is_understood() -> None:
    file, reporter = errors("modle M { inptu x: float32; otput y = x }\n")
    assert [d.help for d in reporter.sorted()] == [f"did you mean `{w}`?" for w in ("model", "input", "output")]
    assert show(file) == "(File [(Model M [] (Body [(Input x (TypeExpr float32 [] -)) (Output y x)] -))])"


def test_a_value_that_is_none() -> None:
    for text in ("", "3 4", "x = 3", "{", "model M { }", "3\n4", "let a = 3"):
        reporter = Reporter()
        value = parse_value(text, "t", reporter)
        assert reporter.failed, text
        assert isinstance(value, nodes.Expr)


def test_equal_reports_of_two_files_keep_their_paths() -> None:
    reporter = Reporter()
    parse("let a 3\n", "one.nn", reporter)
    parse("let a 3\n", "two.nn", reporter)
    assert [d.span.path for d in reporter.sorted()] == ["one.nn", "two.nn"]
