"""Tensors joined along an axis, and one cut into pieces."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.dims import divide_exactly
from nnspec.ir.types import Size, TensorType, show_shape
from nnspec.ops.base import Axis, Op, Parts, ShapeError, axis_of, batched, cast_all, promote, require_same_size


class Concat(Op):
    """Tensors one after the other along an axis. Shapes: (..., N1, ...), (..., N2, ...) -> y (..., N1 + N2, ...).

    C1: axis is an axis of each (canonical: counted from 0), and all have as many axes.
    C2: all other sizes are equal.
    Settings:
        axis: along which they are joined
    """

    name: ClassVar[str] = "concat"
    family: ClassVar[str] = "shape"
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")
    variadic: ClassVar[bool] = True
    axis: Axis = 0

    def bind(self, *inputs: TensorType) -> Concat:
        return self.replace(axis=axis_of(self, inputs[0], self.axis))

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return _one_dtype(inputs)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = axis_of(self, inputs[0], self.axis)
        _require_equal_ranks(self, inputs)
        total: Size = 0
        for index, t in enumerate(inputs):
            for other, (a, b) in enumerate(zip(inputs[0].shape, t.shape, strict=True)):
                if other != axis:
                    what = f"axis {other} must agree, concat joins along axis {axis}"
                    require_same_size(self, a, b, what, constraint="C2", input=index)
            total = total + t.shape[axis]
        first = _one_dtype(inputs)[0]
        return TensorType(
            first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]), batched(*inputs), first.classes
        )


class Stack(Op):
    """Tensors of one shape side by side along a new axis. Shapes: n of (...) -> y (..., n, ...).

    C1: axis is an axis of y (canonical: counted from 0), and all have as many axes.
    C2: all sizes are equal.
    Settings:
        axis: the place of the new axis in the result
    """

    name: ClassVar[str] = "stack"
    family: ClassVar[str] = "shape"
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")
    variadic: ClassVar[bool] = True
    axis: Axis = 0

    def bind(self, *inputs: TensorType) -> Stack:
        return self.replace(axis=axis_of(self, inputs[0], self.axis, extra=1))

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return _one_dtype(inputs)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = axis_of(self, inputs[0], self.axis, extra=1)
        _require_equal_ranks(self, inputs)
        for index, t in enumerate(inputs):
            for other, (a, b) in enumerate(zip(inputs[0].shape, t.shape, strict=True)):
                require_same_size(self, a, b, f"axis {other} must agree", constraint="C2", input=index)
        first = _one_dtype(inputs)[0]
        shape = (*first.shape[:axis], len(inputs), *first.shape[axis:])
        return TensorType(first.dtype, shape, batched(*inputs), first.classes)


MOST_PARTS = 10_000  # each is a tensor of the model


class Split(Op):
    """An axis cut into pieces, in order. Shapes: x (..., N, ...) -> y1 (..., N1, ...), y2 (..., N2, ...), ...

    C1: axis is an axis of x (canonical: counted from 0).
    C2: a number of parts divides the axis; a list of sizes adds up to it (canonical: the tuple of sizes).
    Settings:
        parts: how many equal parts, or a list of their sizes
        axis: which is cut
    """

    name: ClassVar[str] = "split"
    family: ClassVar[str] = "shape"
    parts: Parts
    axis: Axis = 0

    def bind(self, x: TensorType) -> Split:
        axis = axis_of(self, x, self.axis)
        return self.replace(parts=self._sizes(x, axis), axis=axis)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        axis = axis_of(self, x, self.axis)
        return tuple(x.with_shape((*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in self._sizes(x, axis))

    def _sizes(self, x: TensorType, axis: int) -> tuple[Size, ...]:
        size = x.shape[axis]
        if isinstance(self.parts, tuple):
            total: Size = 0
            for part in self.parts:
                total = total + part
            require_same_size(self, size, total, f"the parts must add up to axis {axis}", constraint="C2", input=0)
            return self.parts
        each = divide_exactly(size, self.parts)
        if each is None or not isinstance(self.parts, int):
            raise ShapeError(
                f"split cannot cut an axis of {size} into {self.parts} equal parts",
                code="E0314",
                constraint="C2",
                help=_uneven_split(size, self.parts),
            )
        if self.parts > MOST_PARTS:
            raise ShapeError(f"split gives at most {MOST_PARTS:,} parts, not {self.parts:,}", code="E0309")
        return (each,) * self.parts


def _one_dtype(inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """Equal types of entries stay what they are (also classes); others are promoted."""
    if all((t.dtype, t.classes) == (inputs[0].dtype, inputs[0].classes) for t in inputs):
        return inputs
    return cast_all(inputs, promote(*inputs))


def _require_equal_ranks(op: Op, inputs: tuple[TensorType, ...]) -> None:
    for index, t in enumerate(inputs):
        if t.rank != inputs[0].rank:
            raise ShapeError(
                f"{op.name} joins tensors of one rank, got {show_shape(inputs[0].shape)} and {show_shape(t.shape)}",
                code="E0303",
                constraint="C1",
                help=f"reshape one of them to {inputs[0].rank} axes",
                input=index,
            )


def _uneven_split(size: Size, parts: Size) -> str:
    if not isinstance(size, int) or not isinstance(parts, int) or not 1 <= parts <= min(size, 8):
        return ""
    each, more = divmod(size, parts)
    return f"split({[each + 1] * more + [each] * (parts - more)})"
