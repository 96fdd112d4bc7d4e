"""Reductions over axes of one example: one, a list, or all (the default)."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.types import FLOAT, Shape, Size, TensorType
from nnspec.ops.base import Axes, Axis, Op, axes_of, axis_of, cast_all, promote


class Reduction(Op):
    """Base: x (...) -> y, x without the reduced axes, or with 1 in their place when `keepdims`.

    C1: every axis is an axis of x, named once (canonical: a sorted tuple, counted from 0).
    """

    family: ClassVar[str] = "arithmetic"
    axis: Axes | None = None
    keepdims: bool = False

    def bind(self, x: TensorType) -> Reduction:
        return self.replace(axis=axes_of(self, x, self.axis))

    def expects(self, x: TensorType) -> tuple[TensorType, ...]:
        return cast_all((x,), promote(x))

    def infer(self, x: TensorType) -> TensorType:
        return self.expects(x)[0].with_shape(reduced(x.shape, axes_of(self, x, self.axis), self.keepdims))


class Sum(Reduction):
    """The sum over axes. Shapes: x (...) -> y without the axes. Integers stay integers. C1: axis names axes of x.

    Settings:
        axis: one axis or a list (default: all)
        keepdims: whether the axes stay, with size 1
    """

    name: ClassVar[str] = "sum"


class Max(Reduction):
    """The largest entry over axes; ties share the gradient equally. Shapes: x (...) -> y without the axes.

    C1: axis names axes of x.
    Settings:
        axis: one axis or a list (default: all)
        keepdims: whether the axes stay, with size 1
    """

    name: ClassVar[str] = "max"


class Min(Reduction):
    """The smallest entry over axes; ties share the gradient equally. Shapes: x (...) -> y without the axes.

    C1: axis names axes of x.
    Settings:
        axis: one axis or a list (default: all)
        keepdims: whether the axes stay, with size 1
    """

    name: ClassVar[str] = "min"


class Mean(Reduction):
    """The mean over axes, a float. Shapes: x (...) -> y without the axes. C1: axis names axes of x.

    Settings:
        axis: one axis or a list (default: all)
        keepdims: whether the axes stay, with size 1
    """

    name: ClassVar[str] = "mean"

    def expects(self, x: TensorType) -> tuple[TensorType, ...]:
        return cast_all((x,), FLOAT)


class Norm(Mean):
    """The Euclidean norm over axes, gradient 0 at 0. Shapes: x (...) -> y without the axes. C1: axis names axes of x.

    Settings:
        axis: one axis or a list (default: all)
        keepdims: whether the axes stay, with size 1
    """

    name: ClassVar[str] = "norm"


class Argmax(Op):
    """The index of the largest entry along one axis, the first of ties. Shapes: x (...) -> y without the axis, int32.

    C1: axis is an axis of x (canonical: counted from 0).
    Settings:
        axis: along which the largest entry is looked for
    """

    name: ClassVar[str] = "argmax"
    family: ClassVar[str] = "arithmetic"
    axis: Axis = -1

    def bind(self, x: TensorType) -> Argmax:
        return self.replace(axis=axis_of(self, x, self.axis))

    def infer(self, x: TensorType) -> TensorType:
        axis = axis_of(self, x, self.axis)
        return TensorType("int32", reduced(x.shape, (axis,), False), x.batched)


def reduced(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """A shape after a reduction over some of its axes."""
    one: tuple[Size, ...] = (1,) if keepdims else ()
    result: tuple[Size, ...] = ()
    for axis, size in enumerate(shape):
        result += one if axis in axes else (size,)
    return result
