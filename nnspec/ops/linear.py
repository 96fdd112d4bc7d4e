"""Dense layers and matrix products."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.types import Size, TensorType, product, show_shape
from nnspec.ops.base import Initialiser, Op, Param, ShapeError

GLOROT_UNIFORM = Initialiser("glorot_uniform")
ZEROS = Initialiser("zeros")


class Dense(Op):
    """y = x W^T + b over the last axis.

    Shapes: x (..., I), weight (O, I), bias (O) -> y (..., O).
    C1: x has at least one axis.
    C2: the last axis of x is a whole number, not an open size.
    Default initialiser: glorot_uniform for weight (Glorot and Bengio, 2010), zeros for bias.
    """

    name: ClassVar[str] = "dense"
    family: ClassVar[str] = "linear"
    units: Size
    bias: bool = True
    weight_init: Initialiser = GLOROT_UNIFORM
    bias_init: Initialiser = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        if not x.rank:
            raise ShapeError("dense needs at least one axis, its input is a scalar", constraint="C1", help="reshape([1]) first")
        return x.with_shape((*x.shape[:-1], self.units))

    def params(self, x: TensorType) -> dict[str, Param]:
        features = x.shape[-1]
        if not isinstance(features, int) or not isinstance(self.units, int):
            raise ShapeError(
                f"the weight of dense would have the open size {show_shape((self.units, features))}",
                code="E0310",
                constraint="C2",
                help="flatten over fixed sizes only, or pool the open axes away first",
            )
        found = {"weight": Param((self.units, features), self.weight_init)}
        if self.bias:
            found["bias"] = Param((self.units,), self.bias_init, "bias")
        return found

    def macs(self, x: TensorType) -> Size:
        return product(x.shape) * self.units
