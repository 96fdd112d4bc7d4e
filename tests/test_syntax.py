"""Texts that are right: the tree they mean, and where its nodes stand."""

from __future__ import annotations

import textwrap

import pytest
from syntax_cases import DIGITS, RESNET, parsed, show

from nnspec.diagnostics import Reporter, Span
from nnspec.syntax import comments, nodes, parse, parse_value

EXPRESSIONS = [
    # operators
    ("1 + 2 * 3", "(+ 1 (* 2 3))"),
    ("1 - 2 - 3", "(- (- 1 2) 3)"),
    ("7 // 2 % 3", "(% (// 7 2) 3)"),
    ("2 ^ 3 ^ 2", "(^ 2 (^ 3 2))"),
    ("-2 ^ 2", "(- (^ 2 2))"),
    ("2 ^ -1", "(^ 2 (- 1))"),
    ("a - -b", "(- a (- b))"),
    ("not a == b and c or d", "(or (and (not (== a b)) c) d)"),
    ("a + 1 < b", "(< (+ a 1) b)"),
    ("1..8", "(Range 1 8)"),
    ("2 * n..n + 1", "(Range (* 2 n) (+ n 1))"),
    # literals
    ("50_257", "50257"),
    ("0.1", "0.1"),
    ("1e-3", "0.001"),
    ("2E2", "200.0"),
    ("007", "7"),
    ('"a.csv"', '"a.csv"'),
    (r'"\"\\\n\t"', '""\\\n\t"'),
    ('"# no comment"', '"# no comment"'),
    ("true", "(Bool True)"),
    ("[[1, 2], [3],]", "(List [(List [1 2]) (List [3])])"),
    ("[]", "(List [])"),
    # names, attributes, indices
    ("x.channels", "(Attribute x channels)"),
    ("body.0.weight", "(Attribute (Attribute body 0) weight)"),
    ("body.0.1.weight", "(Attribute (Attribute (Attribute body 0) 1) weight)"),
    ("layer1.0.conv1.weight", "(Attribute (Attribute (Attribute layer1 0) conv1) weight)"),
    ("x.for.in", "(Attribute (Attribute x for) in)"),
    ("x[1:3, -1]", "(Index x [(Slice 1 3 -) (- 1)])"),
    ("x[:, ::2, 1:, :-1]", "(Index x [(Slice - - -) (Slice - - 2) (Slice 1 - -) (Slice - (- 1) -)])"),
    ("x.shape[0][1]", "(Index (Index (Attribute x shape) [0]) [1])"),
    ("x.size..3", "(Range (Attribute x size) 3)"),
    ("input + target * layer", "(+ input (* target layer))"),
    # calls
    ("f()", "(Call f [])"),
    ("f(a, b; c = 1)", "(Call f [a b (Argument 1 c)])"),
    ('csv("f.csv", target = "price", in = 3)', '(Call csv ["f.csv" (Argument "price" target) (Argument 3 in)])'),
    ("f(\n    a,\n    b = 2,\n)", "(Call f [a (Argument 2 b)])"),
    ("block(x, model = data)", "(Call block [x (Argument data model)])"),
    # pipelines
    ("x -> f", "(Pipeline [x f])"),
    ("x + y -> relu", "(Pipeline [(+ x y) relu])"),
    ("x -> f + x", "(Pipeline [x (+ f x)])"),
    ("(x -> f) + x", "(+ (Paren (Pipeline [x f])) x)"),
    ("x -> f -> : [16, 5]", "(Pipeline [x f (Shape [16 5])])"),
    ("conv1: conv(64)", "(Pipeline [conv1: (Call conv [64])])"),
    ("a: f -> b: (c: g -> h)", "(Pipeline [a: f b: (Paren (Pipeline [c: g h]))])"),
    ("seq(a: f -> g)", "(Call seq [(Pipeline [a: f g])])"),
    ("x -> denselayer{i}: f", "(Pipeline [x denselayer{i}: f])"),
    ("x -> a{i}_{j + 1}b: f", "(Pipeline [x a{i}_{(+ j 1)}b: f])"),
    ("x -> {i}: f", "(Pipeline [x {i}: f])"),
    ("x -> in: f -> model: g", "(Pipeline [x in: f model: g])"),
    # if and for
    ("if a { b } else { c }", "(If a (Body [] b) (Body [] c))"),
    ("if a { b } else if c { d } else { e }", "(If a (Body [] b) (Body [] (If c (Body [] d) (Body [] e))))"),
    ("if a { b }\nelse { c }", "(If a (Body [] b) (Body [] c))"),
    ("x -> for i in 1..4 { f(i) } -> g", "(Pipeline [x (For [i] (Range 1 4) (Body [] (Call f [i]))) g])"),
    ("for c, s in [[64, 1]] { f }", "(For [c s] (List [(List [64 1])]) (Body [] f))"),
    ("for i in ks { {i}: f }", "(For [i] ks (Body [] (Pipeline [{i}: f])))"),
    (
        "concat(for k in [3, 4] { x -> conv(k) })",
        "(Call concat [(For [k] (List [3 4]) (Body [] (Pipeline [x (Call conv [k])])))])",
    ),
    (
        "f([1,\n for k in ks {\n  h = k\n    -> g; h\n}, 2], 1)",
        "(Call f [(List [1 (For [k] ks (Body [(Bind [h] (Pipeline [k g]))] h)) 2]) 1])",
    ),
    # newlines
    ("(a\n + b\n)", "(Paren (+ a b))"),
    ("a +\n  b", "(+ a b)"),
    ("a and\n  not\n b", "(and a (not b))"),
    ("[1\n, 2]", "(List [1 2])"),
    ("x\n  -> f  # a comment\n  # another\n\n  -> g", "(Pipeline [x f g])"),
]


@pytest.mark.parametrize("text, tree", EXPRESSIONS, ids=[row[0] for row in EXPRESSIONS])
def test_expression(text: str, tree: str) -> None:
    reporter = Reporter()
    assert show(parse_value(text, "t", reporter)) == tree
    assert not reporter.diagnostics


STATEMENTS = [
    ("input x: float32", "(Input x (TypeExpr float32 [] -))"),
    ("input x: int32[T, 2 * H]", "(Input x (TypeExpr int32 [] [T (* 2 H)]))"),
    ("target y: class(12)[T]", "(Target y (TypeExpr class [12] [T]))"),
    ("dim T, H = 128", "(Dim [[T -] [H 128]])"),
    ("param W: float32[64, 64] = normal(0.01)", "(Param W (TypeExpr float32 [] [64 64]) (Call normal [0.01]))"),
    ("param W: float32[64]", "(Param W (TypeExpr float32 [] [64]) -)"),
    ("noise e: float32[20] = normal(1)", "(Noise e (TypeExpr float32 [] [20]) (Call normal [1]))"),
    ("h = x -> relu", "(Bind [h] (Pipeline [x relu]))"),
    ("a, b = x -> split(2)", "(Bind [a b] (Pipeline [x (Call split [2])]))"),
    ("let act = relu", "(Let act relu -)"),
    ("layer enc = dense(10)", "(LayerDecl enc (Call dense [10]))"),
    ("output y = x", "(Output y x)"),
    ("require parameters < 5_000_000", "(Require (< parameters 5000000))"),
    ("require (a) < b", "(Require (< (Paren a) b))"),
    # declaration words as names
    ("input = x", "(Bind [input] x)"),
    ("output, target = x", "(Bind [output target] x)"),
    ("layer layer = layer", "(LayerDecl layer layer)"),
    ("h = model", "(Bind [h] model)"),
]


@pytest.mark.parametrize("text, tree", STATEMENTS, ids=[row[0] for row in STATEMENTS])
def test_statement(text: str, tree: str) -> None:
    file = parsed(f"model M {{ {text} }}\n")
    assert show(file) == f"(File [(Model M [] (Body [{tree}] -))])"


DECLARATIONS = [
    ("nnspec 1", "(Version 1)"),
    ('import "resnet.nn"', '(Import "resnet.nn")'),
    ("let a = 3", "(Let a 3 -)"),
    ("let n = 4 in 1..8", "(Let n 4 (Range 1 8))"),
    ("let f = relu in [relu, tanh]", "(Let f relu (List [relu tanh]))"),
    ("let lr = 1e-3 in log_uniform(1e-5, 1)", "(Let lr 0.001 (Call log_uniform [1e-05 1]))"),
    ("block F(x) { x }", "(Block F [x] [] (Body [] x))"),
    ("block F(x, y; p, q = 1) { x }", "(Block F [x y] [(Setting p -) (Setting q 1)] (Body [] x))"),
    ("block F(x; in = 1) { x }", "(Block F [x] [(Setting in 1)] (Body [] x))"),
    ("block F(\n  x;\n  p,\n) { x }", "(Block F [x] [(Setting p -)] (Body [] x))"),
    ("model M { }", "(Model M [] (Body [] -))"),
    ("model M(p = 1; q = 2) { }", "(Model M [(Setting p 1) (Setting q 2)] (Body [] -))"),
    ("data { }", "(Data - [])"),
    ("data M { source = random(9); in = 3 }", "(Data M [(Entry source - (Call random [9])) (Entry in - 3)])"),
    ('train { init("fc*") = zeros\n train = 1 }', '(Train - [(Entry init "fc*" zeros) (Entry train - 1)])'),
    (
        "data { source = table([[1, 2],\n [3, 4]]) }",
        "(Data - [(Entry source - (Call table [(List [(List [1 2]) (List [3 4])])]))])",
    ),
]


@pytest.mark.parametrize("text, tree", DECLARATIONS, ids=[row[0] for row in DECLARATIONS])
def test_declaration(text: str, tree: str) -> None:
    assert show(parsed(text)) == f"(File [{tree}])"


def test_a_body_holds_statements_and_its_value_last() -> None:
    text = "block F(x) {\n    h = x -> f; g = h\n\n    -h + g -> relu   # value\n}\n"
    assert "E0111" in {d.code for d in _reports(text)}  # a line may not begin with an operator ...
    file = parsed(text.replace("-h +", "h -"))
    assert (
        show(file)
        == "(File [(Block F [x] [] (Body [(Bind [h] (Pipeline [x f])) (Bind [g] h)] (Pipeline [(- h g) relu])))])"
    )
    opening = parsed("block F(x) {\n    -x -> relu\n}\n")  # ... unless it opens its body
    assert show(opening) == "(File [(Block F [x] [] (Body [] (Pipeline [(- x) relu])))])"


def _reports(text: str) -> tuple[object, ...]:
    reporter = Reporter()
    parse(text, "t", reporter)
    return reporter.sorted()


def test_the_examples_of_the_reference() -> None:
    kinds = [type(d).__name__ for d in (*parsed(DIGITS).declarations, *parsed(RESNET).declarations)]
    assert kinds == ["Let", "Let", "Model", "Data", "Train", "Block", "Model", "Block", "Model", "Train"]


# ---------------------------------------------------------------- spans


def expressions(value: object) -> list[nodes.Expr]:
    """Every expression of a tree, itself included."""
    if isinstance(value, tuple):
        return [e for item in value for e in expressions(item)]
    if not isinstance(value, nodes.Node):
        return []
    inner = [e for name in value._fields for e in expressions(getattr(value, name))]
    return [value, *inner] if isinstance(value, nodes.Expr) else inner


def cut(text: str, span: Span) -> str:
    """The piece of `text` that a span covers."""
    lines = text.split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [DIGITS, RESNET], ids=["digits", "resnet"])
def test_the_text_at_the_span_of_an_expression_is_that_expression(text: str) -> None:
    found = [e for e in expressions(parsed(text)) if not isinstance(e, nodes.Shape)]
    assert len(found) > 60
    for expression in found:
        piece = cut(text, expression.span)
        assert piece == piece.strip()
        reporter = Reporter()
        assert parse_value(piece, "t", reporter) == expression
        assert not reporter.diagnostics


def test_spans_of_the_other_nodes() -> None:
    text = "block F(x; k = 1) {\n  a: f(x, p = 2) -> : [k]\n}\n"
    (block,) = parsed(text).declarations
    assert isinstance(block, nodes.Block)
    assert isinstance(block.body.result, nodes.Pipeline)
    first, second = block.body.result.steps
    assert first.label is not None
    assert isinstance(first.value, nodes.Call)
    head = [block.name, block.tensors[0], block.settings[0]]
    assert [cut(text, node.span) for node in head] == ["F", "x", "k = 1"]
    assert [cut(text, node.span) for node in (block, block.body)] == [text[:-1], text[text.index("{") : -1]]
    steps = [first, first.label, second, *first.value.arguments]
    assert [cut(text, node.span) for node in steps] == ["a: f(x, p = 2)", "a", ": [k]", "x", "p = 2"]
    assert first.value.arguments[1].name_span == Span("t.nn", 2, 11, 2, 12)


def test_a_tree_says_the_same_whatever_the_layout() -> None:
    dense = "block F(x){h=x->f(1,k=2)->g;h+x->relu}"
    loose = "\n\nblock F ( x ) {\n\th = x\n\t\t-> f ( 1 ,\n k = 2 ) # c\n\t\t-> g\n\n\th\t+\n x -> relu\n}\n# end"
    assert parsed(dense) == parsed(loose)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_line_ends_and_byte_order_mark(newline: str, mark: str) -> None:
    reporter = Reporter()
    file = parse(mark + DIGITS.replace("\n", newline), "t.nn", reporter)
    assert not reporter.diagnostics
    assert file == parsed(DIGITS)
    assert [d.span for d in file.declarations] == [d.span for d in parsed(DIGITS).declarations]


@pytest.mark.parametrize("text", ["", "\n", "  \n\t\n", "# only a comment", ";;\n;"])
def test_an_empty_file_is_a_file(text: str) -> None:
    assert parsed(text).declarations == ()


def test_comments_keep_their_places() -> None:
    text = '# first\r\nlet a = "# no" # second  \nmodel M { # third\n}'
    assert [(c.text, c.span.line, c.span.column, c.span.end_column) for c in comments(text, "t.nn")] == [
        ("# first", 1, 1, 8),
        ("# second", 2, 16, 24),
        ("# third", 3, 11, 18),
    ]


def test_columns_count_code_points() -> None:
    (let,) = parsed('let a = f("\u00fc\U0001f600", b)').declarations
    assert isinstance(let, nodes.Let)
    assert isinstance(let.value, nodes.Call)
    assert let.value.arguments[1].span == Span("t.nn", 1, 17, 1, 18)


def test_a_long_chain_of_steps_is_flat() -> None:
    steps = " -> ".join(["x", *["f"] * 5000])
    (let,) = parsed(f"let a = {steps}").declarations
    assert isinstance(let, nodes.Let)
    assert isinstance(let.value, nodes.Pipeline)
    assert len(let.value.steps) == 5001


def test_indentation_means_nothing() -> None:
    text = textwrap.dedent(RESNET)
    assert parsed("\n".join(line.strip() for line in text.split("\n"))) == parsed(RESNET)
