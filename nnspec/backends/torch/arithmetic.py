"""Arithmetic, comparisons, reductions, conversions. Numbers of the spec arrive as literals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import axes, axis, fixed, function

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

_INFIX = {
    "Add": "+",
    "Sub": "-",
    "Mul": "*",
    "Div": "/",
    "Less": "<",
    "LessEqual": "<=",
    "Greater": ">",
    "GreaterEqual": ">=",
    "Equal": "==",
    "NotEqual": "!=",
    "And": "&",
    "Or": "|",
}


def _infix(name: str, sign: str) -> None:
    @function(name)
    def apply(use: OpUse, a: str, b: str) -> str:
        return f"{a} {sign} {b}"


for _name, _sign in _INFIX.items():
    _infix(_name, _sign)

_NUMBER = re.compile(r"-?[\d.]+(e-?\d+)?$")


@function("Pow")
def pow(use: OpUse, a: str, b: str) -> str:  # the op's name
    return (
        f"({a}) ** {b}"
        if a.startswith("-")
        else f"{a}**{b}"
        if b.isidentifier() and a.isidentifier()
        else f"{a} ** {b}"
    )


@function("Not")
def not_(use: OpUse, x: str) -> str:
    return f"~{x}"


@function("Neg")
def neg(use: OpUse, x: str) -> str:
    return f"-{x}"


def _extremum(name: str, call: str) -> None:
    @function(name)
    def apply(use: OpUse, a: str, b: str) -> str:
        left = f"{b}.new_tensor({a})" if _NUMBER.match(a) else a
        right = f"{a}.new_tensor({b})" if _NUMBER.match(b) else b
        return f"torch.{call}({left}, {right})"


_extremum("Maximum", "maximum")
_extremum("Minimum", "minimum")


@function("Where")
def where(use: OpUse, condition: str, a: str, b: str) -> str:
    return f"torch.where({condition}, {a}, {b})"


def _method(name: str, call: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        return f"{x}.{call}()"


for _name in ("Abs", "Square", "Exp", "Log", "Sqrt", "Sin", "Cos"):
    _method(_name, _name.lower())


@function("Clip")
def clip(use: OpUse, x: str) -> str:
    bounds = [
        f"{keyword}={use.code(s)}" for keyword, s in (("min", "low"), ("max", "high")) if use.value(s) is not None
    ]
    return f"{x}.clamp({', '.join(bounds)})"


def _reduction(name: str, call: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        over = fixed(use, "axis")
        keep = fixed(use, "keepdims")
        if not over:
            return x
        if len(over) == use.inputs[0].rank and not use.inputs[0].batched and not keep:
            return f"{x}.{call}()"
        return f"{x}.{call}({axes(use, over)}{', keepdim=True' if keep else ''})"


for _name, _call in {"Sum": "sum", "Mean": "mean", "Max": "amax", "Min": "amin"}.items():
    _reduction(_name, _call)


@function("Norm")
def norm(use: OpUse, x: str) -> str:
    over = fixed(use, "axis")
    if not over:
        return f"{x}.abs()"
    keep = ", keepdim=True" if fixed(use, "keepdims") else ""
    return f"torch.linalg.vector_norm({x}, dim={axes(use, over)}{keep})"


@function("Argmax")
def argmax(use: OpUse, x: str) -> str:
    return f"{x}.argmax({axis(use, fixed(use, 'axis'))})"


@function("Cast")
def cast(use: OpUse, x: str) -> str:
    dtype = fixed(use, "dtype")
    return f"{x}.to({'torch.get_default_dtype()' if dtype == 'float32' else 'torch.' + dtype})"


@function("OneHot")
def one_hot(use: OpUse, x: str) -> str:
    return f"F.one_hot({x}.long(), {use.code('classes')}).to(torch.get_default_dtype())"


@function("Gradient")
def gradient(use: OpUse, y: str, x: str) -> str:
    return f"derivative({y}, {x})"


@function("StopGradient")
def stop_gradient(use: OpUse, x: str) -> str:
    return f"{x}.detach()"


@function("BatchMean")
def batch_mean(use: OpUse, x: str) -> str:
    return f"{x}.mean(0)"
