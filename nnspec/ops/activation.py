"""Activations: functions of one number, applied to every entry, and the two softmaxes.

All keep the shape and take float32. Where a function has a kink the gradient is PyTorch's: at 0 that of
`relu` is 0, that of `leaky_relu` and `prelu` the slope; `sign` and `step` pass no gradient at all.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from nnspec.ir.types import Size, TensorType
from nnspec.ops.base import Axis, Init, Initialiser, Op, Param, Real, ShapeError, axis_of, require_float, whole


class Activation(Op):
    """Base: y has the shape of x. Constraint dtype: x is float32."""

    family: ClassVar[str] = "activation"

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        return x


class Sigmoid(Activation):
    """1 / (1 + exp(-x)). Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "sigmoid"


class Tanh(Activation):
    """tanh(x). Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "tanh"


class Relu(Activation):
    """max(x, 0), gradient 0 at 0. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "relu"


class Relu6(Activation):
    """min(max(x, 0), 6), gradient 0 at 0 and 6. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "relu6"


class LeakyRelu(Activation):
    """x where x > 0, else slope * x (gradient at 0: slope). Shapes: x (...) -> y (...).

    Settings:
        slope: gradient on the negative side
    """

    name: ClassVar[str] = "leaky_relu"
    slope: Real = 0.01


class Elu(Activation):
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert et al., 2015). Shapes: x (...) -> y (...).

    Settings:
        alpha: minus the limit on the negative side
    """

    name: ClassVar[str] = "elu"
    alpha: Real = 1.0


class Selu(Activation):
    """scale * elu(x, alpha), scale and alpha as Klambauer et al. (2017) derive them. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "selu"


class Gelu(Activation):
    """x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, 2016). Shapes: x (...) -> y (...).

    `tanh` is the approximation 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    Settings:
        approximate: `none` for the exact form (erf), or `tanh`
    """

    name: ClassVar[str] = "gelu"
    approximate: Literal["none", "tanh"] = "none"


class Silu(Activation):
    """x * sigmoid(x), also called swish. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "silu"


class Mish(Activation):
    """x * tanh(log(1 + exp(x))) (Misra, 2019). Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "mish"


class Softplus(Activation):
    """log(1 + exp(x)); computed as max(x, 0) + log1p(exp(-|x|)), which neither overflows nor cancels.

    Shapes: x (...) -> y (...).
    """

    name: ClassVar[str] = "softplus"


class HardSigmoid(Activation):
    """min(max(x / 6 + 1/2, 0), 1), gradient 0 at -3 and 3. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "hard_sigmoid"


class HardSwish(Activation):
    """x * hard_sigmoid(x) (Howard et al., 2019). Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "hard_swish"


class Sign(Activation):
    """-1 where x < 0, else 1: the threshold of the perceptron, sign(0) = 1. No gradient. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "sign"


class Step(Activation):
    """0 where x < 0, else 1. No gradient. Shapes: x (...) -> y (...)."""

    name: ClassVar[str] = "step"


class Prelu(Activation):
    """x where x > 0, else weight * x with a learned slope (He et al., 2015); gradient at 0: the slope.

    Shapes: x (C, ...) or (), weight (count) -> y like x.
    C1: count is 1 or the size of the first axis.
    C2: count is a whole number.
    Default initialiser: constant(0.25), as the paper and torch.nn.PReLU.
    Settings:
        count: 1 slope for all, or one for every channel (the first axis)
    """

    name: ClassVar[str] = "prelu"
    count: Size = 1
    weight_init: Init = Initialiser("constant", (("v", 0.25),))

    def infer(self, x: TensorType) -> TensorType:
        if self.count != 1 and (not x.rank or self.count != x.shape[0]):
            channels = x.shape[0] if x.rank else 1
            raise ShapeError(
                f"prelu has {self.count} slopes for {channels} channels",
                code="E0306",
                constraint="C1",
                help=f"prelu or prelu({channels})",
            )
        return super().infer(x)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param(whole(self, (self.count,)), self.weight_init, "scale")}


class AlongAxis(Activation):
    """Base of the softmaxes. C1: axis is an axis of x (canonical: counted from 0)."""

    axis: Axis = -1

    def bind(self, x: TensorType) -> AlongAxis:
        return self.replace(axis=axis_of(self, x, self.axis))

    def infer(self, x: TensorType) -> TensorType:
        axis_of(self, x, self.axis)
        return super().infer(x)


class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along one axis. Shapes: x (...) -> y (...). C1: axis is an axis of x.

    Settings:
        axis: along which the results sum to 1
    """

    name: ClassVar[str] = "softmax"


class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along one axis. Shapes: x (...) -> y (...). C1: axis is an axis of x.

    Settings:
        axis: along which the exponentials of the results sum to 1
    """

    name: ClassVar[str] = "log_softmax"
