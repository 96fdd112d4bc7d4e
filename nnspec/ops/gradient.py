"""Derivatives as tensors of the model."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.types import TensorType
from nnspec.ops.base import Op, ShapeError, require_float


class Gradient(Op):
    """The gradient of the sum of y by x, which is the derivative of each example's y by its own x.

    Shapes: y (...), x (X) -> (X). It is a tensor like any other: a loss may read it, and it has a gradient itself.
    C1: y and x are floats.
    C2: x is of one example (an input, or computed from one), as y is; or neither is.
    """

    name: ClassVar[str] = "gradient"
    family: ClassVar[str] = "arithmetic"
    tensors: ClassVar[tuple[str, ...]] = ("y", "x")

    def bind(self, y: TensorType, x: TensorType) -> Gradient:
        require_float(self, y)
        require_float(self, x, 1)
        if y.batched != x.batched:
            one, other = ("x", "y") if y.batched else ("y", "x")
            raise ShapeError(
                f"gradient is taken of one example, and {one} is the same for all of them, {other} is not",
                code="E0302",
                constraint="C2",
                help="a derivative is by an input, or by what is computed from one",
                input=1 if y.batched else 0,
            )
        return self

    def infer(self, y: TensorType, x: TensorType) -> TensorType:
        return x
