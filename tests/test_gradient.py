"""`gradient(y, x)`: derivatives as tensors of the model, trained through and used in evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

from nnspec import check
from nnspec.backends.base import Unsupported
from nnspec.verify import verify
from nnspec.verify.setup import open_drivers, random

ABLE = ("torch", "jax")  # what has derivatives of derivatives

# What is computed of x (three numbers an example), and the same by hand.
FORMS: dict[str, tuple[str, Any]] = {
    "of an input": ("u = sum(x ^ 3); output d = gradient(u, x)", lambda x: 3 * x**2),
    "of several numbers": ("u = x * sum(x); output d = gradient(u, x)", lambda x: 6 * _mean(x)),
    "second": ("u = sum(sin(x)); du = gradient(u, x); output d = gradient(du, x)", lambda x: -np.sin(x)),
    "by a value between": ("h = x ^ 2; u = sum(exp(h)); output d = gradient(u, h)", lambda x: np.exp(x**2)),
    "of a block": (
        "u = x -> Cube; output d = gradient(u, x)",
        lambda x: 3 * x**2,
    ),
    "in a block": ("output d = x -> Slope", lambda x: 3 * x**2),
    "through a loop": ("u = x -> for i in 1..2 { square }; output d = gradient(u, x)", lambda x: 4 * x**3),
    "after other values": (
        "a = x + 1; b = a * 2; c = b - a; u = sum(c * x); e = a + b; output f = e * c; output d = gradient(u, x)",
        lambda x: 2 * x + 1,
    ),
    "of what does not depend": ("u = sum(x); output d = gradient(x ^ 2, u)", lambda x: np.zeros(len(x))),
}


def _mean(x: Any) -> Any:
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)


BLOCKS = """
block Cube(x;) { sum(x ^ 3) }
block Slope(x;) { gradient(sum(x ^ 3), x) }
"""


@pytest.mark.parametrize("form", FORMS)
def test_derivatives_are_those_by_hand(form: str, tmp_path: Path) -> None:
    text, by_hand = FORMS[form]
    graph = graph_of(f"{BLOCKS}\nmodel M {{ input x: float32[3]; {text} }}")
    x = random(0, "x").standard_normal((5, 3))
    for name, driver in open_drivers(graph, ABLE, "float64", "cpu", 1, tmp_path).items():
        found = driver.outputs({"x": x})["d"]
        np.testing.assert_allclose(found, by_hand(x), rtol=1e-10, atol=1e-12, err_msg=name)


NET = """
block Net(x; width) {{ x -> dense(width) -> tanh -> dense(width) -> gelu }}
model M {{
    input x: float32[2]
    target y: float32[1]
    h = x -> Net(4)
    output u = h -> Net(3) -> dense(1)
    {body}
}}
train {{ minimize = {minimize}; optimizer = adam(0.01); steps = 3; batch = 4 }}
"""

TRAINED = [
    ("", "mse(u, y) + 0.1 * squared_error(gradient(u, x), zeros([2]))"),
    ("du = gradient(u, x)", "mse(u, y) + mean(abs(gradient(du, x)))"),
    ("", "square(norm(gradient(u * sin(u), h)) - 1)"),
    ("output slope = gradient(u, h)", "mse(u, y) + mean(slope ^ 2) * 0.1 + 0.01 * l2(weights)"),
]


@pytest.mark.parametrize(("body", "minimize"), TRAINED)
def test_backends_agree_and_finite_differences_hold(body: str, minimize: str) -> None:
    report = verify(graph_of(NET.format(body=body, minimize=minimize)), ABLE, steps=2, batch=4)
    assert report.ok, [row for row in report.rows if not row.ok]
    assert any(row.kind == "differences" for row in report.rows)


def test_numpy_says_at_its_place_why_it_has_none(tmp_path: Path) -> None:
    graph = graph_of("model M {\n    input x: float32[3]\n    output d = gradient(sum(x ^ 2), x)\n}")
    with pytest.raises(Unsupported, match="gradient is for PyTorch and JAX") as caught:
        open_drivers(graph, ("numpy",), "float64", "cpu", 1, tmp_path)
    assert (caught.value.span.line, caught.value.span.column) == (3, 16)


REFUSED = [
    ("param w: float32[3] = ones; output d = gradient(sum(w * x), w)", "E0302", "gradient is taken of one example"),
    ("output d = gradient(sum(x), n)", "E0302", "gradient takes float32"),
    ("output d = gradient(x)", "E0223", ""),
]


@pytest.mark.parametrize(("text", "code", "message"), REFUSED)
def test_what_has_no_derivative_is_refused(text: str, code: str, message: str) -> None:
    found = check(f"model M {{\n input x: float32[3]; input n: int32; {text} }}").diagnostics
    assert [d.code for d in found if d.code.startswith("E")] == [code]
    assert found[0].message.startswith(message)


def test_a_derivative_in_minimize_makes_no_parameters() -> None:
    found = check(NET.format(body="", minimize="mean(gradient(x -> dense(1), x))")).diagnostics
    assert [(d.code, d.message) for d in found] == [("E0405", "minimize would have parameters of its own")]
