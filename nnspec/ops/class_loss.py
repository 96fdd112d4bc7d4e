"""Losses along an axis of classes: the last for logits of rank 1 and 2, the first from rank 3 on, or `axis =`."""

from __future__ import annotations

from typing import Any, ClassVar

from nnspec.ir.types import Shape, TensorType, show_shape
from nnspec.ops.base import (
    Axis,
    Integer,
    Numbers,
    Op,
    Probability,
    ShapeError,
    axis_of,
    require_float,
    require_same_size,
)
from nnspec.ops.loss import Loss, floats, is_one, require_equal_shapes, shown

# ---------------------------------------------------------------- losses with a class axis


class ClassLoss(Loss):
    """Base of losses that compare along a class axis: the last for ranks 1 and 2, the first from rank 3 on.

    Canonical: axis counted from 0, weight a tuple with one number for each class.
    """

    axis: Axis | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> ClassLoss:
        return self.replace(axis=class_axis(self, prediction, self.axis))


class CrossEntropy(ClassLoss):
    """-log softmax(y)[t], y logits: the mean over all axes but the class axis.

    A float32 target of the logits' shape is a distribution p: -sum_c p_c log softmax(y)_c. With smoothing e, the
    distribution is (1 - e) p + e / C. A class weight multiplies the term of its class. Entries whose target is
    `ignore` count neither in the sum nor in the mean (an example of ignored entries alone gives 0).
    Shapes: prediction (..., C, ...), target (..., ...) of classes, or (..., C, ...) float32 -> ().
    C1: the prediction is float32 and has a class axis.
    C2: the target has the prediction's shape without the class axis, or all of it if it is float32.
    C3: a class(K) target has K = C.
    C4: weight has C numbers; ignore goes with class targets.
    Settings:
        axis: the class axis (default: the last for ranks 1 and 2, else the first)
        weight: one factor a class
        label_smoothing: share of the target that is spread over all classes
        ignore: a target value whose entries do not count
    """

    name: ClassVar[str] = "cross_entropy"
    weight: Numbers | None = None
    label_smoothing: Probability = 0.0
    ignore: Integer | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> CrossEntropy:
        bound = self.replace(axis=class_axis(self, prediction, self.axis))
        return bound.replace(weight=class_weights(bound, prediction, bound.axis, self.weight))

    def expects(self, prediction: TensorType, target: TensorType) -> tuple[TensorType, ...]:
        return prediction, class_target(self, prediction, target, self.axis)

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        axis = class_axis(self, prediction, self.axis)
        if target.is_float:
            if self.ignore is not None:
                help = "leave it out, or declare the target as class(C)"
                raise ShapeError("ignore is for targets of classes", code="E0306", constraint="C4", help=help, input=1)
            if target.rank != prediction.rank:
                _refuse_float_classes(self, prediction, target)
            require_equal_shapes(self, prediction, target, "C2")
        else:
            require_class_target(self, prediction, target, axis)
        return self.result(prediction, target)


class Nll(ClassLoss):
    """-y[t], y log-probabilities: the mean over all axes but the class axis. `weight` and `ignore` as cross_entropy.

    Shapes: prediction (..., C, ...), target (..., ...) of classes -> ().
    C1: the prediction is float32 and has a class axis.
    C2: the target has the prediction's shape without the class axis.
    C3: a class(K) target has K = C.
    C4: weight has C numbers.
    Settings:
        axis: the class axis (default: the last for ranks 1 and 2, else the first)
        weight: one factor a class
        ignore: a target value whose entries do not count
    """

    name: ClassVar[str] = "nll"
    weight: Numbers | None = None
    ignore: Integer | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> Nll:
        bound = self.replace(axis=class_axis(self, prediction, self.axis))
        return bound.replace(weight=class_weights(bound, prediction, bound.axis, self.weight))

    def expects(self, prediction: TensorType, target: TensorType) -> tuple[TensorType, ...]:
        return prediction, class_target(self, prediction, target, self.axis)

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        axis = class_axis(self, prediction, self.axis)
        if target.is_float:
            _refuse_float_classes(self, prediction, target)
        require_class_target(self, prediction, target, axis)
        return self.result(prediction, target)


class KlDivergence(ClassLoss):
    """sum_c t_c (log t_c - y_c), y log-probabilities, t probabilities, 0 log 0 = 0: the mean over all other axes.

    Prediction and target are as in torch.nn.functional.kl_div.
    Shapes: prediction (..., C, ...), target (..., C, ...) -> ().
    C1: both are float32, the prediction has a class axis.
    C2: the shapes are equal.
    Settings:
        axis: the axis of the distributions (default: the last for ranks 1 and 2, else the first)
        weight: one factor a class
    """

    name: ClassVar[str] = "kl_divergence"
    weight: Numbers | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> KlDivergence:
        bound = self.replace(axis=class_axis(self, prediction, self.axis))
        return bound.replace(weight=class_weights(bound, prediction, bound.axis, self.weight))

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        class_axis(self, prediction, self.axis)
        require_float(self, target, 1)
        require_equal_shapes(self, prediction, target, "C2")
        return self.result(prediction, target)


# ---------------------------------------------------------------- rules shared with metrics


def class_axis(op: Op, prediction: TensorType, axis: int | None) -> int:
    """The class axis of logits, counted from 0 (decision 4)."""
    require_float(op, prediction)
    if not prediction.rank:
        raise ShapeError(
            f"{op.name} needs an axis of classes, its prediction is a scalar",
            code="E0305",
            constraint="C1",
            help="binary_cross_entropy takes one logit",
        )
    if axis is not None:
        return axis_of(op, prediction, axis)
    return prediction.rank - 1 if prediction.rank <= 2 else 0


def class_target(op: Op, prediction: TensorType, target: TensorType, axis: int | None) -> TensorType:
    """What the target is converted to: booleans count as classes, [1] as a scalar."""
    if target.dtype == "bool":
        target = target.replace(dtype="int32")
    kept = _without(prediction.shape, class_axis(op, prediction, axis))
    if not target.is_float and is_one(target.shape) and is_one(kept):
        target = target.with_shape(kept)
    return target


def require_class_target(op: Op, prediction: TensorType, target: TensorType, axis: int) -> None:
    """The target holds one class for every place of the prediction but its class axis."""
    kept = _without(prediction.shape, axis)
    converted = class_target(op, prediction, target, axis)
    if len(kept) != converted.rank:
        raise ShapeError(
            f"{op.name}: logits {show_shape(prediction.shape)} with classes along axis {axis} need targets "
            f"{show_shape(kept) if kept else 'that are scalars'}, got {shown(target)}",
            code="E0303",
            constraint="C2",
            help=_other_axis(op, prediction, target) or _too_many_axes(prediction, converted),
            input=0 if converted.rank < len(kept) else 1,
        )
    for place, (a, b) in enumerate(zip(kept, converted.shape, strict=True)):
        what = (
            f"axis {place} of the target must fit logits {show_shape(prediction.shape)} with classes along axis {axis}"
        )
        require_same_size(op, a, b, what, constraint="C2")
    if target.classes and target.classes != prediction.shape[axis]:
        raise ShapeError(
            f"{op.name}: {prediction.shape[axis]} logits along axis {axis} for {target.classes} classes",
            code="E0303",
            constraint="C3",
            help=_classes_help(target, prediction, axis),
        )


def class_weights(op: Op, prediction: TensorType, axis: int | None, weight: Any) -> tuple[float, ...] | None:
    """One float a class."""
    if weight is None:
        return None
    classes = prediction.shape[class_axis(op, prediction, axis)]
    numbers = floats(weight)
    if not isinstance(numbers, tuple) or len(numbers) != classes or any(isinstance(n, tuple) for n in numbers):
        given = f"has {len(numbers)} numbers" if isinstance(numbers, tuple) else "is one number"
        message = f"weight of {op.name} {given} for {classes} classes"
        raise ShapeError(message, code="E0315", constraint="C4", help="a list with one number for each class")
    return numbers


def _refuse_float_classes(op: Op, prediction: TensorType, target: TensorType) -> None:
    classes = prediction.shape[class_axis(op, prediction, getattr(op, "axis", None))]
    raise ShapeError(
        f"{op.name} of logits {shown(prediction)} takes classes, its target is {target}",
        code="E0302",
        constraint="C2",
        help="mse compares numbers, binary_cross_entropy one logit with 0 or 1"
        if classes == 1
        else f"declare the target as class({classes})",
        input=1,
    )


def _other_axis(op: Op, prediction: TensorType, target: TensorType) -> str:
    for axis in range(prediction.rank):
        if _without(prediction.shape, axis) == target.shape:
            return f"axis = {axis}, if that is the axis of classes"
    return ""


def _too_many_axes(prediction: TensorType, target: TensorType) -> str:
    """An image that reaches the loss, mostly because nothing made a vector of it."""
    if target.rank or target.is_float:
        return ""
    classes = f"[{target.classes}]" if target.classes else "one number a class"
    return f"the logits of one example are {classes}: flatten (or global_avg_pool) before the last dense makes them so"


def _classes_help(target: TensorType, prediction: TensorType, axis: int) -> str:
    if prediction.shape[axis] == 1 and target.classes == 2:
        return "binary_cross_entropy takes one logit for two classes"
    return f"give the last layer {target.classes} outputs, or declare class({prediction.shape[axis]})"


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])
