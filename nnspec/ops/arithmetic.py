"""Arithmetic, comparisons and logic, entry by entry.

Operands broadcast as in NumPy. Floats meeting integers give the working float, integers and booleans among
themselves int32 (int64 if one is); `/` and `^` always give floats. `expects` says so, and casts are
inserted before the op.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nnspec.ir.types import FLOAT, TensorType
from nnspec.ops.base import Op, Real, ShapeError, batched, broadcast, cast_all, promote


class Elementwise(Op):
    """Base of ops on operands that broadcast. C1: the shapes broadcast."""

    family: ClassVar[str] = "arithmetic"
    elementwise: ClassVar[bool] = True
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")

    def operand_dtype(self, *inputs: TensorType) -> str:
        return promote(*inputs)

    def result_dtype(self, *inputs: TensorType) -> str:
        return self.operand_dtype(*inputs)

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return cast_all(inputs, self.operand_dtype(*inputs))

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType(self.result_dtype(*inputs), broadcast(self, *inputs), batched(*inputs))


class Add(Elementwise):
    """a + b."""

    name: ClassVar[str] = "+"


class Sub(Elementwise):
    """a - b."""

    name: ClassVar[str] = "-"


class Mul(Elementwise):
    """a * b."""

    name: ClassVar[str] = "*"


class Div(Elementwise):
    """a / b, always a float."""

    name: ClassVar[str] = "/"

    def operand_dtype(self, *inputs: TensorType) -> str:
        return FLOAT


class Pow(Div):
    """a ^ b, always a float. The gradient with respect to a is 0 where b is 0."""

    name: ClassVar[str] = "^"


class Maximum(Elementwise):
    """The larger of a and b; a tie passes half of the gradient to each."""

    name: ClassVar[str] = "maximum"


class Minimum(Elementwise):
    """The smaller of a and b; a tie passes half of the gradient to each."""

    name: ClassVar[str] = "minimum"


class MaximumCall(Maximum):
    """`maximum(a, b, ...)` as it is written. Shapes: all broadcast together. C1: two operands or more."""

    variadic: ClassVar[bool] = True
    core: ClassVar[type[Elementwise]] = Maximum

    def infer(self, *inputs: TensorType) -> TensorType:
        _require_two(self, inputs)
        return super().infer(*inputs)

    def lower(self, build: Any, *values: Any) -> Any:
        """A chain of ops on two operands, from the left."""
        _require_two(self, values)
        result, *others = values
        for other in others:
            result = build.apply(self.core(), result, other)
        return result


class MinimumCall(MaximumCall):
    """`minimum(a, b, ...)` as it is written. Shapes: all broadcast together. C1: two operands or more."""

    name: ClassVar[str] = "minimum"
    core: ClassVar[type[Elementwise]] = Minimum


class Where(Elementwise):
    """a where the condition holds, else b. Shapes: all three broadcast together. C2: the condition is a bool tensor."""

    name: ClassVar[str] = "where"
    tensors: ClassVar[tuple[str, ...]] = ("condition", "a", "b")

    def result_dtype(self, *inputs: TensorType) -> str:
        dtypes = {t.dtype for t in inputs[1:]}
        return "bool" if dtypes == {"bool"} else promote(*inputs[1:])

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (inputs[0], *cast_all(inputs[1:], self.result_dtype(*inputs)))

    def infer(self, *inputs: TensorType) -> TensorType:
        _require_bool(self, inputs[0], 0)
        return super().infer(*inputs)


# ---------------------------------------------------------------- comparisons and logic


class Comparison(Elementwise):
    """Base of comparisons: numbers in, bool out."""

    def operand_dtype(self, *inputs: TensorType) -> str:
        return "bool" if all(t.dtype == "bool" for t in inputs) else promote(*inputs)

    def result_dtype(self, *inputs: TensorType) -> str:
        return "bool"


class Less(Comparison):
    """a < b."""

    name: ClassVar[str] = "<"


class LessEqual(Comparison):
    """a <= b."""

    name: ClassVar[str] = "<="


class Greater(Comparison):
    """a > b."""

    name: ClassVar[str] = ">"


class GreaterEqual(Comparison):
    """a >= b."""

    name: ClassVar[str] = ">="


class Equal(Comparison):
    """a == b."""

    name: ClassVar[str] = "=="


class NotEqual(Comparison):
    """a != b."""

    name: ClassVar[str] = "!="


class Logic(Elementwise):
    """Base of logic: bool in, bool out. C2: the operands are bool tensors."""

    def operand_dtype(self, *inputs: TensorType) -> str:
        return "bool"

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return inputs

    def infer(self, *inputs: TensorType) -> TensorType:
        for index, t in enumerate(inputs):
            _require_bool(self, t, index)
        return super().infer(*inputs)


class And(Logic):
    """a and b."""

    name: ClassVar[str] = "and"


class Or(Logic):
    """a or b."""

    name: ClassVar[str] = "or"


class Not(Logic):
    """not x."""

    name: ClassVar[str] = "not"
    tensors: ClassVar[tuple[str, ...]] = ("x",)


# ---------------------------------------------------------------- functions of one number


class Unary(Op):
    """Base of functions that keep the dtype of a number; booleans count as int32. Shapes: x (...) -> y (...)."""

    family: ClassVar[str] = "arithmetic"

    def expects(self, x: TensorType) -> tuple[TensorType, ...]:
        return cast_all((x,), promote(x))

    def infer(self, x: TensorType) -> TensorType:
        return self.expects(x)[0]


class Neg(Unary):
    """-x."""

    name: ClassVar[str] = "-"


class Abs(Unary):
    """|x|, gradient 0 at 0. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "abs"


class Square(Unary):
    """x * x. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "square"


class Smooth(Unary):
    """Base of functions whose value is a float whatever goes in. Shapes: x (...) -> y (...)."""

    def expects(self, x: TensorType) -> tuple[TensorType, ...]:
        return cast_all((x,), FLOAT)


class Exp(Smooth):
    """e^x. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "exp"


class Log(Smooth):
    """The natural logarithm; -infinity at 0, NaN below. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "log"


class Sqrt(Smooth):
    """The square root; gradient infinity at 0. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "sqrt"


class Sin(Smooth):
    """The sine of x radians. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "sin"


class Cos(Smooth):
    """The cosine of x radians. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "cos"


class Clip(Smooth):
    """x, but not below `low` nor above `high`; the gradient passes at the bounds. Shapes: x (...) -> y (...).

    C1: at least one bound is given, and low <= high.
    Settings:
        low: smallest value that is kept
        high: largest value that is kept
    """

    name: ClassVar[str] = "clip"
    low: Real | None = None
    high: Real | None = None

    def infer(self, x: TensorType) -> TensorType:
        if self.low is None and self.high is None:
            raise ShapeError("clip needs a bound", code="E0306", constraint="C1", help="clip(-1, 1), or clip(low = 0)")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ShapeError(
                f"clip keeps nothing between {self.low:g} and {self.high:g}",
                code="E0306",
                constraint="C1",
                help=f"clip({self.high:g}, {self.low:g})",
            )
        return super().infer(x)


def _require_bool(op: Op, t: TensorType, index: int) -> None:
    if t.dtype != "bool":
        raise ShapeError(
            f"`{op.name}` takes bool tensors, got {t}",
            code="E0302",
            constraint="C2",
            help="compare first, as in x > 0",
            input=index,
        )


def _require_two(op: Op, operands: tuple[Any, ...]) -> None:
    if len(operands) < 2:
        reduction = "max" if op.name == "maximum" else "min"
        raise ShapeError(
            f"{op.name} compares two tensors or more, entry by entry",
            code="E0306",
            constraint="C1",
            help=f"{reduction}(x) is the {reduction}imum of one tensor",
        )
