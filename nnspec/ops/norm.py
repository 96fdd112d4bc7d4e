"""Normalisations. `weight` scales and `bias` shifts what has been normalised; variances are biased.

Default initialisers of all: ones for weight, zeros for bias, as PyTorch.
"""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.dims import divide_exactly
from nnspec.ir.types import Shape, Size, TensorType
from nnspec.ops.base import (
    ONES,
    ZEROS,
    Init,
    Op,
    Param,
    Positive,
    Probability,
    Real,
    ShapeError,
    require_float,
    require_rank,
    whole,
)
from nnspec.suggest import either


class BatchNorm(Op):
    """(x - mean) / sqrt(variance + eps) * weight + bias, a mean and a variance a channel, over the batch.

    In training the moments are those of the batch and all axes but the first, and the running ones move:
    running = (1 - momentum) * running + momentum * batch, the variance unbiased (n - 1) there alone. In
    evaluation the running ones are used (Ioffe and Szegedy, 2015).
    Shapes: x (C, ...) -> y (C, ...); weight, bias, running_mean, running_var (C).
    C1: x has at least one axis, its first are the channels.
    C2: the channels are a whole number.
    C3: x differs between examples (there is a batch to normalise over).
    Settings:
        eps: added to the variance
        momentum: weight of the newest batch in the running moments
        affine: whether weight and bias exist
    """

    name: ClassVar[str] = "batch_norm"
    family: ClassVar[str] = "normalisation"
    eps: Positive = 1e-5
    momentum: Probability = 0.1
    affine: bool = True
    weight_init: Init = ONES
    bias_init: Init = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 1, None, "[channels, ...]")
        if not x.batched:
            raise ShapeError(
                "batch_norm normalises over examples, its input is the same for all",
                code="E0306",
                constraint="C3",
                help="layer_norm",
            )
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        shape = whole(self, x.shape[:1])
        affine = _affine(shape, self.weight_init, self.bias_init) if self.affine else {}
        return affine | {"running_mean": Param(shape, ZEROS, "buffer"), "running_var": Param(shape, ONES, "buffer")}


class LayerNorm(Op):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis (Ba et al., 2016).

    Shapes: x (..., F) -> y (..., F); weight, bias (F).
    C1: x has at least one axis.
    C2: the last axis is a whole number (with affine).
    Settings:
        eps: added to the variance
        affine: whether weight and bias exist
        bias: whether the bias exists
    """

    name: ClassVar[str] = "layer_norm"
    family: ClassVar[str] = "normalisation"
    eps: Positive = 1e-5
    affine: bool = True
    bias: bool = True
    weight_init: Init = ONES
    bias_init: Init = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 1, None, "[..., features]")
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        if not self.affine:
            return {}
        found = _affine(whole(self, x.shape[-1:]), self.weight_init, self.bias_init)
        return found if self.bias else {"weight": found["weight"]}


class RmsNorm(Op):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich, 2019).

    Shapes: x (..., F) -> y (..., F); weight (F).
    C1: x has at least one axis.
    C2: the last axis is a whole number (with affine).
    Settings:
        eps: added to the mean square (PyTorch's default: the machine epsilon of float32)
        affine: whether weight exists
    """

    name: ClassVar[str] = "rms_norm"
    family: ClassVar[str] = "normalisation"
    eps: Positive = 1.1920928955078125e-07
    affine: bool = True
    weight_init: Init = ONES

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 1, None, "[..., features]")
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param(whole(self, x.shape[-1:]), self.weight_init, "scale")} if self.affine else {}


class GroupNorm(Op):
    """(x - mean) / sqrt(variance + eps) * weight + bias over groups of channels of one example (Wu and He, 2018).

    Shapes: x (C, ...) -> y (C, ...); weight, bias (C).
    C1: x has at least one axis, its first are the channels.
    C2: the channels are a whole number.
    C3: groups divides the channels.
    Settings:
        groups: how many groups; each holds C / groups channels
        eps: added to the variance
        affine: whether weight and bias exist
    """

    name: ClassVar[str] = "group_norm"
    family: ClassVar[str] = "normalisation"
    groups: Size
    eps: Positive = 1e-5
    affine: bool = True
    weight_init: Init = ONES
    bias_init: Init = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 1, None, "[channels, ...]")
        require_groups(self, x.shape[0], self.groups, "C3")
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        return _affine(whole(self, x.shape[:1]), self.weight_init, self.bias_init) if self.affine else {}


class InstanceNorm(Op):
    """(x - mean) / sqrt(variance + eps) over the spatial axes of each channel of one example (Ulyanov et al., 2016).

    Shapes: x (C, *N) -> y (C, *N); weight, bias (C).
    C1: x has at least one axis after its channels.
    C2: the channels are a whole number (with affine).
    Settings:
        eps: added to the variance
        affine: whether weight and bias exist (PyTorch's default: no)
    """

    name: ClassVar[str] = "instance_norm"
    family: ClassVar[str] = "normalisation"
    eps: Positive = 1e-5
    affine: bool = False
    weight_init: Init = ONES
    bias_init: Init = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 2, None, "[channels, ...] with spatial axes")
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        return _affine(whole(self, x.shape[:1]), self.weight_init, self.bias_init) if self.affine else {}


class LocalResponseNorm(Op):
    """x / (k + alpha * mean of the squares of `size` neighbouring channels)^beta (Krizhevsky et al., 2012).

    The window of channel c starts at c - size // 2; channels that do not exist count as zeros (PyTorch).
    Shapes: x (C, *N) -> y (C, *N).
    C1: x has at least one axis after its channels.
    Settings:
        size: channels in the window
        alpha: weight of the mean square
        beta: exponent
        k: added constant
    """

    name: ClassVar[str] = "local_response_norm"
    family: ClassVar[str] = "normalisation"
    size: Size
    alpha: Real = 1e-4
    beta: Real = 0.75
    k: Real = 1.0

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 2, None, "[channels, ...] with spatial axes")
        return x


def require_groups(op: Op, channels: Size, groups: Size, constraint: str) -> None:
    """groups divides the channels (E0306)."""
    if divide_exactly(channels, groups) is None:
        fits = [str(g) for g in range(1, 65) if isinstance(channels, int) and channels % g == 0]
        raise ShapeError(
            f"{op.name} cannot split {channels} channels into {groups} groups",
            code="E0314",
            constraint=constraint,
            help=f"groups = {either(fits)}" if fits else "",
        )


def _affine(shape: Shape, weight: Init, bias: Init) -> dict[str, Param]:
    fixed = tuple(size for size in shape if isinstance(size, int))
    return {"weight": Param(fixed, weight, "scale"), "bias": Param(fixed, bias, "bias")}
