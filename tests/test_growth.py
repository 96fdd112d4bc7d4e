"""The time of a check grows with the length of what is checked, not with its square."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from nnspec.compiler import check
from nnspec.diagnostics import Reporter
from nnspec.rendering import render
from nnspec.syntax.format import format_text

MODEL = "model M {{ input x: float32[4]; output y = x -> {} }}\n"
TRAIN = "train M{0} {{ minimize = sum(y); optimizer = sgd(0.1); steps = 1 }}\n"


def lines(form: str, count: int) -> str:
    return "".join(form.format(number, max(number - 1, 0)) for number in range(count))


def body(form: str, count: int) -> str:
    return "model M { input x: float32[4]\n v0 = x\n" + lines(form, count) + "output y = x -> dense(2) }\n"


ONE = "model M{0} {{ input x: float32[4]; output y = x -> dense(4) }}\n"
# name -> (text of a length, the length of the shortest)
TEXTS: dict[str, tuple[Callable[[int], str], int]] = {
    "models": (lambda n: lines(ONE, n), 50),
    "models with train": (lambda n: lines(ONE + TRAIN, n), 30),
    "models and one train": (lambda n: lines(ONE, n) + TRAIN.replace("M{0} {{", "{").replace("}}", "}"), 50),
    "lets": (lambda n: lines("let a{0} = {0}\n", n) + MODEL.format("relu"), 200),
    "domains": (lambda n: lines("let a{0} = 1 in 1..8\n", n) + MODEL.format("relu"), 125),
    "blocks": (lambda n: lines("block B{0}(x) {{ x -> relu }}\n", n) + MODEL.format("relu"), 125),
    "statements that warn": (lambda n: body("v{0}_ = x -> dense(3)\n", n), 100),
    "a chain of names": (lambda n: body("w{0} = v0 + x\n", n), 125),
    "wide concatenations": (lambda n: MODEL.format("relu").replace("x ->", f"concat({', '.join('x' * n)}) ->"), 400),
    "a tensor's turns": (lambda n: MODEL.format("relu").replace("x ->", f"concat(for i in 1..{n} {{ x }}) ->"), 400),
    "copies": (lambda n: MODEL.format(f"repeat({n}, dense(4) -> relu)"), 150),
    "deep copies": (lambda n: MODEL.format(f"repeat({n}, repeat(10, dense(4)))"), 25),
    "steps": (lambda n: MODEL.format("relu" + "\n -> dense(4)" * n), 125),
    "unknown names": (lambda n: body("h{0} = x -> dens{0}(3)\n", n), 100),
    "errors of syntax": (lambda n: lines("model M{0} {{ input x: float32[4]; output y = = x }}\n", n), 60),
    "comments": (lambda n: "# a comment\n" * n + MODEL.format("relu"), 2000),
    "a list": (lambda n: f"let a = [{'1, ' * n}1]\n" + MODEL.format("dense(a[0])"), 1000),
}


def seconds(text: str) -> float:
    gc.collect()
    start = time.process_time()
    found = check("long.nn", text=text)
    render(found.diagnostics, found.sources)
    format_text(text, "long.nn", Reporter())
    return time.process_time() - start


@pytest.mark.parametrize("name", TEXTS)
def test_four_times_the_length_takes_no_sixteen_times_the_time(name: str) -> None:
    make, count = TEXTS[name]
    seconds(make(3))  # imports
    growth = 0.0
    for _ in range(3):  # a machine that others use may be slow once
        growth = seconds(make(4 * count)) / max(seconds(make(count)), 0.01)
        if growth < 8:
            return
    raise AssertionError(f"{name}: 4 times the length took {growth:.1f} times the time")
