"""Ops without a word in the language: what the elaborator inserts, and how parameters enter a graph."""

from __future__ import annotations

from typing import ClassVar, Literal

from nnspec.ir.types import FLOAT, Shape, TensorType
from nnspec.ops.base import Init, Op, Param, ShapeError, whole


class Identity(Op):
    """y = x. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "identity"
    family: ClassVar[str] = "activation"

    def infer(self, x: TensorType) -> TensorType:
        return x


class BatchMean(Op):
    """The mean over the batch. Shapes: x (...), batched -> y (...), not batched. C1: x is batched."""

    def infer(self, x: TensorType) -> TensorType:
        if not x.batched:
            raise ShapeError("the mean over the batch needs a batch", constraint="C1")
        return TensorType(FLOAT, x.shape, False)


class FreeParameter(Op):
    """`param W: float32[64, 64] = normal(0.01)`. Shapes: -> y (*shape), not batched. Its parameter's local name is "".

    C1: the shape holds no open size.
    """

    name: ClassVar[str] = "param"
    tensors: ClassVar[tuple[str, ...]] = ()
    shape: Shape
    init: Init

    def infer(self) -> TensorType:
        return TensorType(FLOAT, self.shape, False)

    def params(self) -> dict[str, Param]:
        return {"": Param(whole(self, self.shape, "this parameter", constraint="C1"), self.init, "param")}


class ReadParameter(Op):
    """`enc.weight`: a parameter of the node's layer, by local name. Shapes: -> y (*shape), not batched."""

    tensors: ClassVar[tuple[str, ...]] = ()
    parameter: str
    shape: Shape

    def infer(self) -> TensorType:
        return TensorType(FLOAT, self.shape, False)


class Penalty(Op):
    """`l1(weights)` is the sum of |w|, `l2(weights)` half the sum of w^2. Shapes: -> y (), not batched.

    `paths` are the whole paths of the parameters, in the order of the model.
    """

    family: ClassVar[str] = "regulariser"
    tensors: ClassVar[tuple[str, ...]] = ()
    kind: Literal["l1", "l2"]
    paths: tuple[str, ...]

    def infer(self) -> TensorType:
        return TensorType(FLOAT, (), False)
