"""What the elaborator refuses, and how it says so; without the static checker, which may have spoken before."""

from __future__ import annotations

import time

import pytest
from elaborating import attempt, body

from nnspec.diagnostics import Reporter
from nnspec.passes.elaborate import elaborate
from nnspec.passes.program import Program
from nnspec.syntax import nodes, parse

# lines of a model with `input x: float32[3, 8, 8]`, and (code, line) of every error
MODELS: list[tuple[str, list[tuple[str, int]]]] = [
    ("output y = x -> Dens(3)", [("E0202", 3)]),
    ("output y = x + z", [("E0201", 3)]),
    ("output y = x -> conv(3)", [("E0209", 3)]),
    ("output y = x -> conv(3, 1, strid = 2)", [("E0203", 3)]),
    ("output y = x -> conv(3, 1, stride = 2, stride = 3)", [("E0225", 3)]),
    ("output y = x -> conv(3, 1, 1, 0, 1, 1, true, zeros, zeros, 4)", [("E0208", 3)]),
    ("output y = x -> dense(0)", [("E0306", 3)]),
    ("output y = x -> dense(2.5)", [("E0306", 3)]),
    ("output y = x -> dense(relu)", [("E0207", 3)]),
    ("output y = x -> dropout(1.5)", [("E0306", 3)]),
    ("output y = x -> conv(3, 3, padding = sane)", [("E0217", 3)]),
    ("output y = x -> dense(3, weight_init = he)", [("E0218", 3)]),
    ("output y = x -> dense(3, weight_init = 0.1)", [("E0207", 3)]),
    ("output y = x -> dense(2, bias_init = constant([1, 2, 3]))", [("E0316", 3)]),
    ("output y = x -> dense(2, bias_init = constant([[1], [2, 3]]))", [("E0316", 3)]),
    ("output y = x -> dense(2, bias_init = constant([]))", [("E0316", 3)]),
    ("output y = x -> dense(2, bias_init = constant([1, relu]))", [("E0207", 3)]),
    ("param p: float32[2] = constant([1])\noutput y = x * p[0]", [("E0316", 3)]),
    ("noise e: float32[8] = ones\noutput y = x + e", [("E0217", 3)]),
    ("output y = x -> conv(4, 9)", [("E0301", 3)]),
    ("output y = x + (x -> conv(4, 3))", [("E0303", 3)]),
    ("output y = x -> conv(4, 3) -> : [4, 8, 8]", [("E0307", 3)]),
    ("output y = x[5]", [("E0305", 3)]),
    ("output y = x * x.shape[7]", [("E0305", 3)]),
    ("output y = x * x.foo", [("E0216", 3)]),
    ("h = relu\noutput y = x -> h", [("E0211", 3)]),
    ("output y = x -> relu + x", [("E0210", 3)]),
    ("output y = relu * x", [("E0210", 3)]),
    ("output y = x // 2", [("E0207", 3)]),
    ("h = x\nh = x * 2\noutput y = h", [("E0204", 4)]),
    ("a, b = x -> split(3)\noutput y = x", [("E0227", 3)]),
    ("output y = x -> split(3)", [("E0227", 3)]),
    ("output y = x -> split(3) -> relu", [("E0227", 3)]),
    ("output y = x -> 3", [("E0222", 3)]),
    ("output y = x -> x", [("E0222", 3)]),
    ("output y = x -> eye(3)", [("E0226", 3)]),
    ("output y = concat()", [("E0226", 3)]),
    ("output y = max(x, 0)", [("E0208", 3)]),
    ("output y = concat(x, x, 1)", [("E0208", 3)]),
    ("x = 3\noutput y = x", [("E0204", 3)]),
    ("output y = x -> dense(1 / 0)", [("E0308", 3)]),
    ("output y = x -> dense(10 ^ 10 ^ 10)", [("E0308", 3)]),
    ("output y = if x > 0 { x } else { x }", [("E0224", 3)]),
    ("output y = if true { x }", [("E0209", 3)]),
    ("output y = x -> for i in 3 { relu }", [("E0207", 3)]),
    ("output y = x -> for a, b in [1, 2] { relu }", [("E0227", 3)]),
    ("output y = x -> for i in 1..2 { i }", [("E0222", 3)]),
    ("output y = for i in 1..2 { x }", [("E0227", 3)]),
    ("output y = x -> repeat(1.5, relu)", [("E0306", 3)]),
    ("output y = x -> repeat(2, 3)", [("E0222", 3)]),
    ("layer e = dense(4)\noutput y = x -> e -> e", [("E0311", 4)]),
    ("layer e = dense(4)\na = sum(e.weight)\noutput y = x -> e", [("E0219", 4)]),
    ("layer e = dense(4)\noutput y = (x -> e) + sum(e.wieght)", [("E0216", 4)]),
    ("let r = dense(4)\noutput y = (x -> r) + sum(r.weight)", [("E0216", 4)]),
    ("layer e = x\noutput y = x", [("E0207", 3)]),
    ("let h = x -> relu\noutput y = x", [("E0207", 3)]),
    ("let a = b\nlet b = a\noutput y = x -> dense(a)", [("E0215", 4)]),
    ("param W: float32[3]\noutput y = x", [("E0209", 3)]),
    ("param W: float32[3] = normal\noutput y = x", [("E0209", 3)]),
    ("param W: int32[3] = zeros\noutput y = x", [("E0302", 3)]),
    ("param W: flot32[3] = zeros\noutput y = x", [("E0218", 3)]),
    ("input z: float32[0]\noutput y = x", [("E0306", 3)]),
    ("input z: class[3]\noutput y = x", [("E0220", 3)]),
    ("y = x", [("E0209", 1)]),
    ("output y = x -> flatten -> dense(2000000000) -> dense(2000000000)", [("E0309", 3)]),
    ("output y = x -> dense(3000000000)", [("E0309", 3)]),
]


@pytest.mark.parametrize("lines, expected", MODELS, ids=[lines.replace("\n", "; ") for lines, _ in MODELS])
def test_a_mistake_in_a_model_is_reported_once(lines: str, expected: list[tuple[str, int]]) -> None:
    graph, diagnostics = attempt(body(lines, "float32[3, 8, 8]"))
    assert graph is None
    assert [(d.code, d.span.line) for d in diagnostics if d.severity == "error"] == expected


OPEN = [
    ("output y = x -> flatten -> dense(3)", "E0310"),
    ("output y = x -> dense(T)", "E0310"),
    ("output y = if T > 3 { x } else { x * 2 }", "E0308"),
    ("output y = x -> reshape([T / 2, 8])", "E0308"),
    ("output y = x -> repeat(T, relu)", "E0306"),
    ("param W: float32[T] = zeros\noutput y = x", "E0310"),
]


@pytest.mark.parametrize("lines, code", OPEN)
def test_no_parameter_and_no_choice_depends_on_an_open_size(lines: str, code: str) -> None:
    graph, diagnostics = attempt(f"model M {{\n dim T\n input x: float32[T, 4]\n{lines}\n}}")
    assert graph is None and [d.code for d in diagnostics] == [code]


# blocks and how the model `input x: float32[3, 8, 8]` uses them
BLOCKS = [
    ("block B(x) { x -> B }", "x -> B", "E0215"),
    ("block A(x) { x -> B }\nblock B(x) { x -> A }", "x -> A", "E0215"),
    ("block B(x) { 3 }", "x -> B", "E0223"),
    ("block B(x) { relu }", "x -> B", "E0223"),
    ("block B(x) { h = x }", "x -> B", "E0209"),
    ("block B(x; n) { x -> dense(n) }", "x -> B", "E0209"),
    ("block B(x; n) { n = 3; x -> dense(n) }", "x -> B(2)", "E0204"),
    ("block B(x; n) { x -> dense(n) }", "x -> B(3, 4)", "E0208"),
    ("block B(x; n) { x -> dense(n) }", "x -> B(m = 4)", "E0203"),
    ("block B(x; n) { x -> dense(n) }", "x -> B(n = x)", "E0207"),
    ("block B(x; n) { x -> dense(n) }", "B(x, x)", "E0226"),
    ("block B(x, y) { x + y }", "x -> B", "E0226"),
    ("block B(x, y, z) { x + y + z }", "x + B(x)", "E0226"),
]


@pytest.mark.parametrize("blocks, use, code", BLOCKS)
def test_a_wrong_use_of_a_block(blocks: str, use: str, code: str) -> None:
    graph, diagnostics = attempt(f"{blocks}\n" + body(f"output y = {use}", "float32[3, 8, 8]"))
    assert graph is None and [d.code for d in diagnostics] == [code]


TRAINS = [
    ("minimize = cross_entropy(y, l)", "E0404"),
    ("optimizer = sgd(1)", "E0404"),
    ("minimize = foo; optimizer = sgd(1)", "E0201"),
    ("minimize = y; optimizer = sgd(1)", "E0405"),
    ("minimize = mse(y, l); optimizer = sgd(1)", "E0303"),
    ('minimize = cross_entropy(y, l) + l2(weights("abc")); optimizer = sgd(1)', "E0410"),
    ("minimize = cross_entropy(y -> dense(4), l); optimizer = sgd(1)", "E0405"),
    ("minimize = cross_entropy(y, l); optimizer = adm(0.1)", "E0406"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(cosin(0.1))", "E0408"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1 / (t - 1))", "E0408"),
    ("minimize = cross_entropy(y, l); optimizer = sgd", "E0209"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(-1)", "E0306"),
    ('minimize = cross_entropy(y, l); optimizer = sgd(1); optimizer("abc") = frozen', "E0410"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); epoch = 3", "E0401"),
    ('minimize = cross_entropy(y, l); optimizer = sgd(1); epochs("a") = 3', "E0402"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); batch = 0", "E0405"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); precision = float16", "E0405"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); stop = patience(0)", "E0405"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); metrics = [acuracy]", "E0409"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); metrics = [accuracy(h, l)]", "E0414"),
    ("minimize = cross_entropy(y, l); optimizer = sgd(1); metrics = [mse]", "E0303"),
]


@pytest.mark.parametrize("lines, code", TRAINS)
def test_a_mistake_in_train(lines: str, code: str) -> None:
    model = "target l: class(4)\noutput y = x -> dense(4)"
    graph, diagnostics = attempt(body(model) + f"\ntrain {{ {lines} }}")
    assert graph is None and [d.code for d in diagnostics] == [code]


DATAS = [
    ('sourc = csv("x")', "E0401"),
    ("split = [0.5, -1]", "E0405"),
    ("split = fold(5, 0)", "E0405"),
    ("window = 0", "E0405"),
    ("shuffle = 3", "E0405"),
    ("seed = 1.5", "E0405"),
    ('source = "file.csv"', "E0405"),
    ('shuffle("a") = true', "E0402"),
]


@pytest.mark.parametrize("lines, code", DATAS)
def test_a_mistake_in_data(lines: str, code: str) -> None:
    graph, diagnostics = attempt(body("output y = x") + f"\ndata {{ {lines} }}")
    assert graph is None and [d.code for d in diagnostics] == [code]


def test_a_shape_error_shows_its_formula_and_the_place_of_its_cause() -> None:
    _, (found,) = attempt(body("output y = x\n-> max_pool(2)\n-> conv(16, 7)", "float32[6, 10, 10]"))
    assert (found.code, found.span.line, found.message) == ("E0301", 5, "kernel 7x7 does not fit its padded input 5x5")
    assert [(label.span.line, label.text) for label in found.labels] == [
        (5, "output height (5 + 2*0 - 7)/1 + 1 = -1"),
        (4, "gives [6, 5, 5]"),
    ]
    assert found.help == "kernel <= 5, or padding >= 1"


def test_independent_mistakes_appear_together_and_their_echoes_do_not() -> None:
    lines = (
        "a = x -> conv(4, 99)\nb = a -> dense(3) -> dense(0)\nc = x -> reshape([7])\nd = a + b + c + zz\noutput y = d"
    )
    _, diagnostics = attempt(body(lines, "float32[3, 8, 8]"))
    assert [(d.code, d.span.line) for d in diagnostics] == [("E0301", 3), ("E0306", 4), ("E0301", 5), ("E0201", 6)]


def test_a_mistake_inside_a_block_is_reported_once_with_a_use() -> None:
    text = "block B(x; n) { x -> conv(n, 9) }\n" + body(
        "a = x -> B(1)\noutput y = x -> conv(2, 2) -> B(2)", "float32[3, 8, 8]"
    )
    _, (found,) = attempt(text)
    assert (found.span.line, found.labels[-1].text, found.labels[-1].span.line) == (1, "in this use of B", 4)


def test_what_is_reported_before_stays_unsaid() -> None:
    reporter = Reporter()
    file = parse(body("h = zz\noutput y = x -> dense(h) -> dense(0)"), "spec.nn", reporter)
    program = Program(file)
    (model,) = program.models()
    bind = model.body.statements[1]
    assert isinstance(bind, nodes.Bind)
    program.poisoned.add(id(bind.value))
    assert elaborate(program, model, None, reporter) is None
    assert [d.code for d in reporter.sorted()] == ["E0306"]


LARGE = {
    "loops in loops": body("output y = x -> repeat(10000, repeat(10000, relu))"),
    "a long range": body("output y = x -> for i in 1..1000000000000 { relu }"),
    "blocks of blocks": "\n".join(f"block B{i}(x) {{ x -> B{i - 1} -> B{i - 1} }}" for i in range(1, 40))
    + "\nblock B0(x) { relu(x) }\n"
    + body("output y = x -> B39"),
    "recipes of recipes": "\n".join(f"let f{i} = f{i - 1} -> f{i - 1}" for i in range(1, 40))
    + "\nlet f0 = dense(8)\n"
    + body("output y = x -> f39"),
    "a chain of blocks": "\n".join(f"block B{i}(x) {{ x -> B{i - 1} }}" for i in range(1, 600))
    + "\nblock B0(x) { relu(x) }\n"
    + body("output y = x -> B599"),
    "a chain of lets": "\n".join(f"let a{i} = a{i + 1} + a{i + 1}" for i in range(600))
    + "\nlet a600 = 1\n"
    + body("output y = x -> dense(a0)"),
}


@pytest.mark.parametrize("name", LARGE)
def test_too_large_a_model_is_refused_soon(name: str) -> None:
    start = time.process_time()
    graph, diagnostics = attempt(LARGE[name])
    assert graph is None and [d.code for d in diagnostics] == ["E0309"]
    assert time.process_time() - start < 2
