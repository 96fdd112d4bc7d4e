"""Values in the kinds that a place asks for, and the operators on numbers and tensors."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label
from nnspec.ir.graph import Value
from nnspec.ops import registry
from nnspec.ops.base import Op
from nnspec.passes import numbers
from nnspec.passes.numbers import NumberError, is_number, kind_of
from nnspec.passes.scope import POISON, Instance, Poisoned, Recipe, Scope, Several
from nnspec.passes.settings import Settings
from nnspec.syntax import nodes


class Operators(Settings):
    def tensor(self, expr: nodes.Expr, scope: Scope, what: str = "this") -> Any:
        """The value as a tensor; a number stands for a constant."""
        value = self.evaluate(expr, scope)
        return self.as_tensor(value, expr, what)

    def as_tensor(self, value: Any, node: nodes.Expr, what: str = "this", like: tuple[Value, ...] = ()) -> Any:
        if isinstance(value, Value | Poisoned):
            return value
        if is_number(value) or isinstance(value, bool):
            return self.constant(value, node, tuple(v.type for v in like))
        if isinstance(value, Several):
            count = len(value.values)
            self.error("E0227", node, f"{what} gives {count} tensors, one is expected", help="name them: a, b = ...")
        else:
            help = _tensors_of(node) or _layer_help(value)
            self.error("E0223", node, f"{what} is {kind_of(value)}, a tensor is expected", help=help)
        return POISON

    def number(self, expr: nodes.Expr, scope: Scope, what: str) -> Any:
        """The value as a number, or POISON."""
        value = self.evaluate(expr, scope)
        if is_number(value) or isinstance(value, Poisoned):
            return value
        self.error("E0207", expr, f"{what} is a number, not {kind_of(value)}")
        return POISON

    def condition(self, expr: nodes.Expr, scope: Scope) -> bool | None:
        """What an `if` decides, None after reporting that it cannot."""
        value = self.evaluate(expr, scope)
        if isinstance(value, bool):
            return value
        if not isinstance(value, Poisoned):
            help = "where(c, a, b) chooses entry by entry" if isinstance(value, Value) else ""
            self.error("E0224", expr, f"`if` needs true or false, this is {kind_of(value)}", help=help)
        return None

    # ------------------------------------------------------------ operators

    def unary(self, expr: nodes.Unary, scope: Scope) -> Any:
        value = self.evaluate(expr.operand, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Value):
            return self.operation(operator_class("not" if expr.op == "not" else "neg")(), (value,), expr)
        if isinstance(value, Recipe | Instance | Several):
            return self._no_arithmetic(expr, value, expr.operand)
        try:
            return numbers.unary(expr.op, value)
        except NumberError as error:
            self.number_error(expr, error)
            return POISON

    def binary(self, expr: nodes.Binary, scope: Scope) -> Any:
        """Long sums nest to the left: the spine is walked, not recursed into."""
        spine = [expr]
        while isinstance(left := spine[-1].left, nodes.Binary):
            spine.append(left)
        value = self.evaluate(spine[-1].left, scope)
        for node in reversed(spine):
            if node.op in ("and", "or") and value is (node.op == "or"):
                continue  # what stands on the right does not matter, so it may be impossible
            right = self.evaluate(node.right, scope)
            value = self._combine(node, value, right)
        return value

    def _combine(self, expr: nodes.Binary, left: Any, right: Any) -> Any:
        for value, part in ((left, expr.left), (right, expr.right)):
            if isinstance(value, Poisoned):
                return POISON
            if isinstance(value, Recipe | Instance | Several):
                return self._no_arithmetic(expr, value, part)
        if isinstance(left, Value) or isinstance(right, Value):
            return self._tensor_binary(expr, left, right)
        if expr.op in ("==", "!=") and isinstance(left, str) != isinstance(right, str):
            kinds = f"{kind_of(left)} and {kind_of(right)}"
            self.error("E0207", expr, f"`{expr.op}` compares {kinds}, which are never equal")
            return POISON
        try:
            return numbers.binary(expr.op, left, right)
        except NumberError as error:
            self.number_error(expr, error)
            return POISON

    def _tensor_binary(self, expr: nodes.Binary, left: Any, right: Any) -> Any:
        if expr.op in ("//", "%"):
            self.error("E0207", expr, f"tensors have no `{expr.op}`", help="numbers have it; tensors take + - * / ^")
            return POISON
        both = tuple(v for v in (left, right) if isinstance(v, Value))
        a = self.as_tensor(left, expr.left, "the left side", both)
        b = self.as_tensor(right, expr.right, "the right side", both)
        if isinstance(a, Poisoned) or isinstance(b, Poisoned):
            return POISON
        return self.operation(operator_class(expr.op)(), (a, b), expr)

    def _no_arithmetic(self, expr: nodes.Binary | nodes.Unary, value: Any, part: nodes.Expr) -> Poisoned:
        if isinstance(value, Several):
            self.error(
                "E0227", expr, f"this is {len(value.values)} tensors, not one", help="name them first: a, b = ..."
            )
            return POISON
        if isinstance(part, nodes.Name):
            message = f"there is no arithmetic on layers: {part.id} is a layer"
            help = f"{part.id} becomes a tensor when it gets one: x -> {part.id}"
        else:
            message = f"there is no arithmetic on layers: -> binds looser than {expr.op}"
            help = "give each layer its tensor first, in parentheses: (x -> f) + x"
        self.error("E0210", expr, message, help=help)
        return POISON

    def origin(self, value: Value, node: nodes.Node) -> tuple[Label, ...]:
        """Where a tensor came from, as a label."""
        if value.span == node.span:
            return ()
        return (Label(value.span, f"gives {numbers.show(value.type.shape) if value.type.rank else 'a scalar'}"),)


def operator_class(op: str) -> type[Op]:
    from nnspec.ops import arithmetic

    return {
        "+": arithmetic.Add,
        "-": arithmetic.Sub,
        "*": arithmetic.Mul,
        "/": arithmetic.Div,
        "^": arithmetic.Pow,
        "<": arithmetic.Less,
        "<=": arithmetic.LessEqual,
        ">": arithmetic.Greater,
        ">=": arithmetic.GreaterEqual,
        "==": arithmetic.Equal,
        "!=": arithmetic.NotEqual,
        "and": arithmetic.And,
        "or": arithmetic.Or,
        "not": arithmetic.Not,
        "neg": arithmetic.Neg,
    }[op]


def _tensors_of(node: nodes.Expr) -> str:
    """Help for a call of several tensors, of which one was left for `->` to give."""
    first = node.steps[0].value if isinstance(node, nodes.Pipeline) else node
    row = registry.lookup(first.callee.id) if isinstance(first, nodes.Call) else None
    tensors = row.signature.tensors if row is not None else ()
    if len(tensors) < 2 or row is None or row.signature.variadic:
        return ""
    return f"{row.name} takes {len(tensors)} tensors, here one is missing: {row.name}({', '.join(tensors)}, ...)"


def _layer_help(value: Any) -> str:
    return "give the layer its tensor: x -> layer" if isinstance(value, Recipe | Instance) else ""
