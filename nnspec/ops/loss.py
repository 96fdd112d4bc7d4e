"""Losses: prediction, then target, to one number an example.

Each is the mean over the axes of an example (`squared_error` sums). The average over the batch is taken
once, last: `reduction = "mean"`, set by the elaborator alone, means that it is part of the op.
`weight` multiplies what is averaged; the mean still divides by the number of entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nnspec.ir.types import FLOAT, Shape, TensorType, show_shape
from nnspec.ops.base import (
    Numbers,
    Op,
    Positive,
    ShapeError,
    cast_all,
    nesting,
    require_float,
    require_same_size,
)

Reduction = Literal["none", "mean"]


class Loss(Op):
    """Base: a scalar for each example, or with `reduction = "mean"` one scalar for the batch."""

    family: ClassVar[str] = "loss"
    tensors: ClassVar[tuple[str, ...]] = ("prediction", "target")
    internal: ClassVar[frozenset[str]] = frozenset({"reduction"})
    reduction: Reduction = "none"

    def result(self, prediction: TensorType, target: TensorType) -> TensorType:
        return TensorType(FLOAT, (), (prediction.batched or target.batched) and self.reduction == "none")


class EntryLoss(Loss):
    """Base of losses that compare entry by entry.

    C1: prediction and target have equal shapes ([1] equals a scalar).
    C2: the prediction is float32; the target's numbers are read as float32.
    C3: weight is a number, or a nested list of the prediction's shape or of its last axes.
    """

    if TYPE_CHECKING:
        weight: Numbers | None = None  # a field of each subclass, so that it comes after settings of their own

    def bind(self, prediction: TensorType, target: TensorType) -> EntryLoss:
        if self.weight is None:
            return self
        weight = floats(self.weight)
        shape = nesting(weight)
        if shape != prediction.shape[prediction.rank - len(shape) :] and prediction.rank >= len(shape):
            raise ShapeError(
                f"weight of {self.name} has the shape {list(shape)}, the prediction {show_shape(prediction.shape)}",
                code="E0303",
                constraint="C3",
                help="a number, or lists of the shape of its last axes",
            )
        return self.replace(weight=weight)

    def expects(self, prediction: TensorType, target: TensorType) -> tuple[TensorType, ...]:
        (target,) = cast_all((target,), FLOAT)
        if is_one(prediction.shape) and is_one(target.shape):
            target = target.with_shape(prediction.shape)
        return prediction, target

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        require_float(self, prediction)
        require_equal_shapes(self, prediction, self.expects(prediction, target)[1])
        return self.result(prediction, target)


class SquaredError(EntryLoss):
    """1/2 * sum (y - t)^2: half the squared norm of the error (the lecture's loss), summed over an example.

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "squared_error"
    weight: Numbers | None = None


class Mse(EntryLoss):
    """mean (y - t)^2. Shapes: prediction (...), target (...) -> ().

    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "mse"
    weight: Numbers | None = None


class Mae(EntryLoss):
    """mean |y - t|, gradient 0 where they are equal. Shapes: prediction (...), target (...) -> ().

    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "mae"
    weight: Numbers | None = None


class Huber(EntryLoss):
    """mean of e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2), e = y - t (Huber, 1964).

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        delta: error from which the loss is linear
        weight: factor of each entry
    """

    name: ClassVar[str] = "huber"
    delta: Positive = 1.0
    weight: Numbers | None = None


class BinaryCrossEntropy(EntryLoss):
    """mean of -t log p - (1 - t) log(1 - p), p = sigmoid(y), y logits; computed as max(y, 0) - y t + log1p(exp(-|y|)).

    Shapes: prediction (...), target (...) in [0, 1] (class(2), bool or float32) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    C4: a class target has two classes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "binary_cross_entropy"
    weight: Numbers | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> EntryLoss:
        require_two_classes(self, target, "C4", f"cross_entropy takes {target.classes} classes, with as many logits")
        return super().bind(prediction, target)


class Hinge(EntryLoss):
    """mean of max(0, 1 - t y), t = -1 or +1; gradient 0 at the kink (Cortes and Vapnik, 1995).

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "hinge"
    weight: Numbers | None = None


class PerceptronLoss(EntryLoss):
    """mean of max(0, -t y), t = -1 or +1; gradient -t at the kink, as PerceptronLossCall says (Rosenblatt, 1958).

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "perceptron_loss"
    weight: Numbers | None = None


class _Signed(EntryLoss):
    """Base of margin losses as they are written: a class(2) or bool target is read as -1 and +1 first.

    C4: a class target has two classes.
    """

    core: ClassVar[type[EntryLoss]]

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        require_two_classes(self, target, "C4", "classes are read as -1 and +1")
        return super().infer(prediction, target)

    def lower(self, build: Any, prediction: Any, target: Any) -> Any:
        """The core loss of a target of -1 and +1."""
        from nnspec.ops.arithmetic import Mul, Sub
        from nnspec.ops.constant import Cast, Constant

        self.infer(prediction.type, target.type)
        if target.type.dtype in ("class", "bool"):
            doubled = build.apply(Mul(), build.apply(Constant(2.0)), build.apply(Cast("float32"), target))
            target = build.apply(Sub(), doubled, build.apply(Constant(1.0)))
        return build.apply(self.core(**{field: getattr(self, field) for field in self._fields}), prediction, target)


class HingeCall(_Signed):
    """mean of max(0, 1 - t y), t = -1 or +1 (Cortes and Vapnik, 1995); a class(2) or bool target is read so.

    At the kink, t y = 1, the gradient is 0 on every backend: a margin that is just wide enough is wide enough.

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    C4: a class target has two classes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "hinge"
    weight: Numbers | None = None
    core: ClassVar[type[EntryLoss]] = Hinge


class PerceptronLossCall(_Signed):
    """mean of max(0, -t y), t = -1 or +1 (Rosenblatt, 1958); a class(2) or bool target is read so.

    At the kink, y = 0, the gradient is -t on every backend: Rosenblatt's rule counts a point on the boundary as wrong,
    or weights that start at 0 would stay there.

    Shapes: prediction (...), target (...) -> ().
    C1: shapes are equal ([1] equals a scalar). C2: the prediction is float32. C3: weight fits the last axes.
    C4: a class target has two classes.
    Settings:
        weight: factor of each entry
    """

    name: ClassVar[str] = "perceptron_loss"
    weight: Numbers | None = None
    core: ClassVar[type[EntryLoss]] = PerceptronLoss


# ---------------------------------------------------------------- rules shared with class losses and metrics


def require_equal_shapes(op: Op, prediction: TensorType, target: TensorType, constraint: str = "C1") -> None:
    """Equal shapes: in a loss nothing broadcasts silently."""
    if prediction.rank != target.rank:
        fix = show_shape(prediction.shape) if prediction.rank else "as a scalar"
        raise ShapeError(
            f"{op.name} compares equal shapes, got {shown(prediction)} and {shown(target)}",
            code="E0303",
            constraint=constraint,
            help=f"declare the target {fix}, or reshape one of them",
            input=1,
        )
    for axis, (a, b) in enumerate(zip(prediction.shape, target.shape, strict=True)):
        what = f"prediction {shown(prediction)} and target {shown(target)} must be equal, axis {axis} is not"
        require_same_size(op, a, b, what, constraint=constraint)


def require_two_classes(op: Op, target: TensorType, constraint: str, fix: str) -> None:
    """A class target of a loss of two classes is class(2)."""
    if target.dtype == "class" and target.classes != 2:
        raise ShapeError(
            f"{op.name} takes two classes, its target is {target}",
            code="E0315",
            constraint=constraint,
            help=fix,
            input=1,
        )


def is_one(shape: Shape) -> bool:
    return shape in ((), (1,))


def shown(t: TensorType) -> str:
    return show_shape(t.shape) if t.rank else "a scalar"


def floats(value: Any) -> Any:
    return tuple(floats(item) for item in value) if isinstance(value, list | tuple) else float(value)
