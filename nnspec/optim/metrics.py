"""Metrics: what a validation reports beside the objective. Each is one number for a batch, its mean."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.types import FLOAT, Size, TensorType
from nnspec.ops.base import Axis, ShapeError, require_float
from nnspec.ops.class_loss import class_axis, require_class_target
from nnspec.ops.loss import is_one, require_equal_shapes
from nnspec.optim.base import Measure


class Accuracy(Measure):
    """The share of targets that the prediction names.

    With logits of classes: the largest (or, with `top`, one of the largest) is the target; the class axis is that
    of cross_entropy. A float target of the logits' shape names its own largest entry. With one logit
    (a scalar or [1]) and a target of two classes: logit > 0 where the target is 1.
    C1: the target holds one class for every place of the prediction but its class axis.
    Settings:
        top: how many of the largest logits count
        axis: the class axis (default: the last for ranks 1 and 2, else the first)
    """

    name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    top: Size = 1
    axis: Axis | None = None

    def bind(self, prediction: TensorType, target: TensorType) -> Accuracy:
        """`axis` counted from 0, or None for the binary form."""
        require_float(self, prediction)
        if is_one(prediction.shape) and is_one(target.shape) and target.classes <= 2 and self.axis is None:
            return self
        axis = class_axis(self, prediction, self.axis)
        if target.is_float:
            require_equal_shapes(self, prediction, target)
        else:
            require_class_target(self, prediction, target, axis)
        classes = prediction.shape[axis]
        if isinstance(classes, int) and isinstance(self.top, int) and self.top > classes:
            raise ShapeError(
                f"accuracy cannot look at the {self.top} largest of {classes} logits",
                code="E0315",
                constraint="C2",
                help=f"top <= {classes}",
            )
        return self.replace(axis=axis)


class _Error(Measure):
    """Base of metrics of numbers. C1: prediction and target have equal shapes ([1] equals a scalar)."""

    def bind(self, prediction: TensorType, target: TensorType) -> _Error:
        require_float(self, prediction)
        if not (is_one(prediction.shape) and is_one(target.shape)):
            require_equal_shapes(self, prediction, target.replace(dtype=FLOAT, classes=0))
        return self


class Mse(_Error):
    """mean (y - t)^2."""

    name: ClassVar[str] = "mse"


class Mae(_Error):
    """mean |y - t|."""

    name: ClassVar[str] = "mae"


class Rmse(_Error):
    """sqrt(mean (y - t)^2), in the units of the target."""

    name: ClassVar[str] = "rmse"
