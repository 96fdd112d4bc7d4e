"""Arithmetic, comparisons, reductions, conversions. Numbers of the spec arrive as literals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import Step, axes, axis, fixed, given, kernel, passes, step

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

NUMBER = re.compile(r"-?[\d.]+(e-?\d+)?$")


def is_number(use: OpUse, place: int, source: str) -> bool:
    """Whether an operand is a number written into the line, which has no gradient."""
    return bool(NUMBER.match(source)) or not source.isidentifier()


def _alike(use: OpUse) -> bool:
    """Whether no operand that is a tensor is broadcast, in any use."""
    for node in use.nodes:
        out = node.outputs[0].type
        for value in node.inputs:
            if value.type.rank and (value.type.shape != out.shape or value.type.batched != out.batched):
                return False
            if not value.type.rank and (out.rank or value.type.batched != out.batched):
                return False
    return True


def _one_number(use: OpUse, a: str, b: str) -> bool:
    return is_number(use, 0, a) or is_number(use, 1, b)


def _atom(source: str) -> str:
    simple = NUMBER.match(source) or source.isidentifier() or source.startswith("(") or source.endswith("]")
    return source if simple else f"({source})"


@step("Add")
def add(use: OpUse, a: str, b: str) -> Step:
    if _alike(use) or _one_number(use, a, b):
        return Step(f"{_atom(a)} + {_atom(b)}", backward=(((0,), "{d}"), ((1,), "{d}")))
    return kernel("add", a, b, inputs=(0, 1))


@step("Sub")
def sub(use: OpUse, a: str, b: str) -> Step:
    if _alike(use) or _one_number(use, a, b):
        return Step(f"{_atom(a)} - {_atom(b)}", backward=(((0,), "{d}"), ((1,), "-{d}")))
    return kernel("subtract", a, b, inputs=(0, 1))


@step("Mul")
def mul(use: OpUse, a: str, b: str) -> Step:
    if _one_number(use, a, b):
        number = _atom(a) if is_number(use, 0, a) else _atom(b)
        gradient = f"{number} * {{d}}"
        return Step(f"{_atom(a)} * {_atom(b)}", backward=(((0,), gradient), ((1,), gradient)))
    return kernel("multiply", a, b, inputs=(0, 1))


@step("Div")
def div(use: OpUse, a: str, b: str) -> Step:
    if is_number(use, 1, b):
        return Step(f"{a} / {_atom(b)}", backward=(((0,), f"{{d}} / {_atom(b)}"),))
    return kernel("divide", a, b, inputs=(0, 1))


@step("Pow")
def pow(use: OpUse, a: str, b: str) -> Step:  # the op's name
    if is_number(use, 1, b):
        return kernel("power_scalar", a, b, cache="power")
    return kernel("power", a, b, inputs=(0, 1))


@step("Neg")
def neg(use: OpUse, x: str) -> Step:
    return passes(f"-{x}", "-{d}")


def _pair(name: str, base: str) -> None:
    @step(name)
    def apply(use: OpUse, a: str, b: str) -> Step:
        return kernel(base, a, b, inputs=(0, 1))


_pair("Maximum", "maximum")
_pair("Minimum", "minimum")


@step("Where")
def where(use: OpUse, condition: str, a: str, b: str) -> Step:
    return kernel("where", condition, a, b, inputs=(1, 2))


_INFIX = {"Less": "<", "LessEqual": "<=", "Greater": ">", "GreaterEqual": ">=", "Equal": "==", "NotEqual": "!="}


def _infix(name: str, sign: str) -> None:
    @step(name)
    def apply(use: OpUse, a: str, b: str) -> Step:
        return Step(f"{_atom(a)} {sign} {_atom(b)}")


for _name, _sign in {**_INFIX, "And": "&", "Or": "|"}.items():
    _infix(_name, _sign)


@step("Not")
def not_(use: OpUse, x: str) -> Step:
    return Step(f"~{x}")


def _function(name: str, base: str) -> None:
    @step(name)
    def apply(use: OpUse, x: str) -> Step:
        return kernel(base, x)


for _name in ("Abs", "Square", "Exp", "Log", "Sqrt", "Sin", "Cos"):
    _function(_name, _name.lower())


@step("Clip")
def clip(use: OpUse, x: str) -> Step:
    return kernel("clip", x, settings=given(use, low=("low", None), high=("high", None)))


def _reduction(name: str, base: str) -> None:
    @step(name)
    def apply(use: OpUse, x: str) -> Step:
        over = fixed(use, "axis")
        if not over:
            return kernel("abs", x) if base == "norm" else passes(x)
        return kernel(base, x, axes(use, over), settings={"keepdims": "True" if fixed(use, "keepdims") else ""})


for _name in ("Sum", "Mean", "Max", "Min", "Norm"):
    _reduction(_name, _name.lower())


@step("BatchMean")
def batch_mean(use: OpUse, x: str) -> Step:
    return kernel("mean", x, "(0,)")


@step("Argmax")
def argmax(use: OpUse, x: str) -> Step:
    return Step(f"{x}.argmax(axis={axis(use, fixed(use, 'axis'))})")


@step("Cast")
def cast(use: OpUse, x: str) -> Step:
    dtype = fixed(use, "dtype")
    if dtype == "float32":
        return passes(x) if use.inputs[0].is_float else Step(f"{x}.astype(self.dtype)")
    return Step(f"{x}.astype({'bool' if dtype == 'bool' else f'np.{dtype}'})")


@step("OneHot")
def one_hot(use: OpUse, x: str) -> Step:
    return Step(f"one_hot_rows({x}, {use.code('classes')}, self.dtype)")


@step("StopGradient")
def stop_gradient(use: OpUse, x: str) -> Step:
    return Step(x)
