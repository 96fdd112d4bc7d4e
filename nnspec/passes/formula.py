"""A rate written as a formula of `t` and `epoch`: the tree is walked in float64, nothing is executed as code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.passes import numbers
from nnspec.passes.numbers import NumberError
from nnspec.syntax import nodes

VARIABLES = ("t", "epoch")

Function = Callable[[int, int], Any]


def mentions(expr: nodes.Expr, names: tuple[str, ...] = VARIABLES) -> bool:
    """Whether a name stands somewhere in an expression."""
    stack: list[Any] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Name) and node.id in names:
            return True
        if isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return False


class Unclear(Exception):
    """Part of the formula is nothing that a formula holds."""

    def __init__(self, node: nodes.Node, message: str) -> None:
        super().__init__(message)
        self.node, self.message = node, message


def compile_formula(expr: nodes.Expr, value: Callable[[nodes.Expr], Any]) -> tuple[str, Function]:
    """How it reads with every `let` put in, and what computes it. `value` gives what does not depend on the step.

    Raises Unclear; the function raises NumberError where the formula has no finite value.
    """
    if not mentions(expr):
        constant = value(expr)
        return numbers.show(constant), lambda t, epoch: constant
    if isinstance(expr, nodes.Name):
        if expr.id == "t":
            return "t", lambda t, epoch: t
        return "epoch", lambda t, epoch: epoch
    if isinstance(expr, nodes.Paren):
        text, inner = compile_formula(expr.value, value)
        return f"({text})", inner
    if isinstance(expr, nodes.Unary):
        text, inner = compile_formula(expr.operand, value)
        op = expr.op
        return f"{op} {text}" if op == "not" else f"-{text}", lambda t, epoch: numbers.unary(op, inner(t, epoch))
    if isinstance(expr, nodes.Binary):
        return _binary(expr, value)
    if isinstance(expr, nodes.Call) and expr.callee.id in numbers.FUNCTIONS:
        return _call(expr, value)
    if isinstance(expr, nodes.If) and expr.otherwise is not None:
        return _if(expr, expr.otherwise, value)
    raise Unclear(
        expr, "a formula of t holds numbers, + - * / // % ^, comparisons, if, and functions such as min and sqrt"
    )


def _binary(expr: nodes.Binary, value: Callable[[nodes.Expr], Any]) -> tuple[str, Function]:
    op = expr.op
    left_text, left = compile_formula(expr.left, value)
    right_text, right = compile_formula(expr.right, value)
    return f"{left_text} {op} {right_text}", lambda t, epoch: numbers.binary(op, left(t, epoch), right(t, epoch))


def _call(expr: nodes.Call, value: Callable[[nodes.Expr], Any]) -> tuple[str, Function]:
    name = expr.callee.id
    if any(a.name for a in expr.arguments):
        raise Unclear(expr, f"{name} of numbers takes no settings")
    parts = [compile_formula(a.value, value) for a in expr.arguments]
    functions = [f for _, f in parts]
    text = f"{name}({', '.join(t for t, _ in parts)})"
    return text, lambda t, epoch: numbers.function(name, [f(t, epoch) for f in functions])


def _if(expr: nodes.If, otherwise: nodes.Body, value: Callable[[nodes.Expr], Any]) -> tuple[str, Function]:
    bodies = (expr.then, otherwise)
    if any(b.statements or b.result is None for b in bodies):
        raise Unclear(expr, "the branches of an `if` in a formula are one number each")
    condition_text, condition = compile_formula(expr.condition, value)
    (then_text, then), (other_text, other) = (compile_formula(b.result, value) for b in bodies if b.result is not None)

    def choose(t: int, epoch: int) -> Any:
        chosen = condition(t, epoch)
        if not isinstance(chosen, bool):
            raise NumberError("`if` needs true or false")
        return then(t, epoch) if chosen else other(t, epoch)

    return f"if {condition_text} {{ {then_text} }} else {{ {other_text} }}", choose
