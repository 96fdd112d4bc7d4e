"""Tensors that a spec writes down, and conversions of dtype."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from nnspec.ir.types import FLOAT, Shape, Size, TensorType
from nnspec.ops.base import Numbers, Op, ShapeError, nesting

Dtype = Literal["float32", "int32", "int64", "uint8", "bool"]


def dtype_name(name: str) -> Dtype:
    """A dtype that `cast` can make (not `class`)."""
    names: dict[str, Dtype] = {name: name for name in get_args(Dtype)}
    return names[name]


class Constant(Op):
    """The numbers as they stand, the same for every example.

    `constant(2)` is a scalar, `constant([[1, 0], [0, 1]])` a matrix. A number that stands for a tensor in
    arithmetic is one too, `value` then an int, a float, a bool or an open size.
    Shapes: -> y, the nesting of the list.
    C1: the lists of one level have equal lengths, none is empty.
    Settings:
        value: a number or a nested list of numbers (canonical: nested tuples)
        dtype: float32 unless said otherwise
    """

    name: ClassVar[str] = "constant"
    family: ClassVar[str] = "arithmetic"
    tensors: ClassVar[tuple[str, ...]] = ()
    value: Numbers
    dtype: Dtype = "float32"

    def bind(self) -> Constant:
        return self.replace(value=_tuples(self.value))

    def infer(self) -> TensorType:
        return TensorType(self.dtype, nesting(self.value), False)


class Filled(Op):
    """Base of zeros and ones."""

    family: ClassVar[str] = "arithmetic"
    tensors: ClassVar[tuple[str, ...]] = ()
    shape: Shape
    dtype: Dtype = "float32"

    def infer(self) -> TensorType:
        return TensorType(self.dtype, self.shape, False)


class Zeros(Filled):
    """A tensor of zeros. Shapes: -> y (*shape).

    Settings:
        shape: its sizes
        dtype: float32 unless said otherwise
    """

    name: ClassVar[str] = "zeros"


class Ones(Filled):
    """A tensor of ones. Shapes: -> y (*shape).

    Settings:
        shape: its sizes
        dtype: float32 unless said otherwise
    """

    name: ClassVar[str] = "ones"


class Eye(Op):
    """The unit matrix. Shapes: -> y (n, n), float32.

    Settings:
        n: rows and columns
    """

    name: ClassVar[str] = "eye"
    family: ClassVar[str] = "arithmetic"
    tensors: ClassVar[tuple[str, ...]] = ()
    n: Size

    def infer(self) -> TensorType:
        return TensorType(FLOAT, (self.n, self.n), False)


class Arange(Op):
    """0, 1, ..., n - 1. Shapes: -> y (n), int32 (arithmetic with floats makes it a float).

    Settings:
        n: how many numbers
        dtype: int32 unless said otherwise
    """

    name: ClassVar[str] = "arange"
    family: ClassVar[str] = "arithmetic"
    tensors: ClassVar[tuple[str, ...]] = ()
    n: Size
    dtype: Dtype = "int32"

    def infer(self) -> TensorType:
        return TensorType(self.dtype, (self.n,), False)


class OneHot(Op):
    """1 at the index that x holds, else 0, along a new last axis. Shapes: x (...) -> y (..., classes), float32.

    C1: x is an integer tensor.
    C2: a `class(C)` input has C <= classes.
    Settings:
        classes: size of the new axis (default: C of a `class(C)` input)
    """

    name: ClassVar[str] = "one_hot"
    family: ClassVar[str] = "arithmetic"
    classes: Size | None = None

    def bind(self, x: TensorType) -> OneHot:
        if self.classes is None and not x.classes:
            raise ShapeError(
                f"one_hot of {x} needs the number of classes",
                code="E0315",
                constraint="C2",
                help="one_hot(10), for ten classes",
            )
        return self.replace(classes=x.classes) if self.classes is None else self

    def infer(self, x: TensorType) -> TensorType:
        if not x.is_integer:
            raise ShapeError(
                f"one_hot takes whole numbers, its input is {x}",
                code="E0302",
                constraint="C1",
                help="argmax(x) gives an index",
            )
        classes = self.bind(x).classes
        if isinstance(classes, int) and x.classes > classes:
            raise ShapeError(
                f"one_hot has {classes} places for {x.classes} classes",
                code="E0315",
                constraint="C2",
                help=f"one_hot({x.classes})",
            )
        assert classes is not None
        return TensorType(FLOAT, (*x.shape, classes), x.batched)


class Cast(Op):
    """The same values as another dtype; floats are cut towards zero, numbers are true unless 0.

    Shapes: x (...) -> y (...).
    Settings:
        dtype: float32 (the working float), int32, int64, uint8 or bool
    """

    name: ClassVar[str] = "cast"
    family: ClassVar[str] = "arithmetic"
    dtype: Dtype

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(self.dtype, x.shape, x.batched)


class StopGradient(Op):
    """x, through which no gradient passes. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "stop_gradient"
    family: ClassVar[str] = "arithmetic"

    def infer(self, x: TensorType) -> TensorType:
        return x


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
