"""The static checker is silent about valid programs, and says as much about unused code as about used."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import EXAMPLES

from nnspec.compiler import check
from nnspec.diagnostics import Reporter
from nnspec.loader import load_program
from nnspec.ops.registry import prelude_path
from nnspec.passes.resolve import resolve

VALID = sorted(Path(__file__).parent.glob("valid/*.nn")) + sorted(EXAMPLES.glob("*.nn"))


@pytest.mark.parametrize("file", VALID, ids=lambda f: f.stem)
def test_nothing_is_said_about_a_valid_program(file: Path) -> None:
    found = check(file)
    assert [(d.span.line, d.code, d.message) for d in found.diagnostics] == []
    assert found.specs


def test_the_blocks_of_the_prelude_are_valid() -> None:
    reporter = Reporter()
    program = load_program(str(prelude_path()), reporter, {})
    assert program is not None
    resolve(program, reporter)
    assert {d.code for d in reporter.diagnostics} <= {"W0201"}


def found(text: str) -> list[str]:
    return [f"{d.span.line} {d.code}" for d in check("spec.nn", text=text).diagnostics]


BROKEN = ["x -> dens(3)", "x -> dense(unts = 3)", "widht", "x -> f + x", "x -> relu(1, 2)", "x.chanels"]


@pytest.mark.parametrize("broken", BROKEN)
def test_unused_code_is_checked_like_used_code(broken: str) -> None:
    model = "model M { input x: float32[4]; output y = x -> relu }\n"
    block = f"block B(x) {{ {broken} }}\n".replace("f +", "relu +")
    branch = broken.replace("f +", "relu +")
    untaken = f"model N {{ input x: float32[4]; output y = if false {{ {branch} }} else {{ x }} }}\n"
    used = model.replace("relu", "B")
    reports = found(model + block)
    assert len(reports) == 1
    assert found(used + block) == reports
    assert found(model + untaken) == reports


def test_one_cause_is_one_report() -> None:
    """A name that failed once does not fail again, however often it is used."""
    text = """model M {
    input x: float32[4]
    h = x -> dens(3)
    a = h -> conv(3, 3)
    b = h + a
    output y = b -> Up(h)
}
block Up(x, s) { x + s }
train { minimize = mse(y, h) + mean(b); optimizer = sgd(1); epochs = 1; batch = 1 }
"""
    assert found(text) == ["3 E0202"]


def test_many_terms_and_deep_parentheses_are_no_problem() -> None:
    terms = " + ".join(["x"] * 180)
    assert found(f"model M {{ input x: float32[4]; output y = {terms} }}\n") == []
    deep = "(" * 60 + "x" + ")" * 60
    assert found(f"model M {{ input x: float32[4]; output y = {deep} + 1 }}\n") == []


def test_lets_of_a_file_may_stand_in_any_order_but_not_in_a_circle() -> None:
    model = "model M { input x: float32[4]; output y = x -> dense(a) }\n"
    assert found("let a = b + 1\nlet b = 2\n" + model) == []
    assert found("let a = b + 1\nlet b = a\n" + model) == ["1 E0215"]
    assert found("let a = a\n" + model) == ["1 E0215"]


def test_a_block_may_be_called_like_a_layer() -> None:
    text = "block relu(x) { x * 2 }\nmodel M { input x: float32[4]; output y = x -> relu }\n"
    assert found(text) == ["1 W0201"]
    assert check("spec.nn", text=text).ok
