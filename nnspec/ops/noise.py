"""What draws random numbers: regularising noise, in training only, and samples."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.types import TensorType
from nnspec.ops.base import Op, Probability, Real, ShapeError, require_float


class Noise(Op):
    """Base: y has the shape and dtype of x. Constraint dtype: x is float32."""

    family: ClassVar[str] = "noise"
    noisy: ClassVar[bool] = True
    always: ClassVar[bool] = False  # whether it draws in evaluation too

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        return x


class Dropout(Noise):
    """Each entry is 0 with probability p, else divided by 1 - p (inverted dropout; Srivastava et al., 2014).

    In evaluation y = x. Shapes: x (...) -> y (...).
    C1: p is in [0, 1]; 1 drops all.
    Settings:
        p: probability that an entry is dropped
    """

    name: ClassVar[str] = "dropout"
    p: Probability = 0.5


class DropPath(Noise):
    """A whole example is 0 with probability p, else divided by 1 - p (stochastic depth; Huang et al., 2016).

    In evaluation y = x. Shapes: x (...) -> y (...).
    C1: p is in [0, 1]; 1 drops all.
    Settings:
        p: probability that an example is dropped
    """

    name: ClassVar[str] = "drop_path"
    p: Probability


class GaussianNoise(Noise):
    """x + std * e, e standard normal, drawn anew for each entry and step; in evaluation y = x.

    Shapes: x (...) -> y (...).
    C1: std is not negative.
    Settings:
        std: standard deviation of the noise, in the units of x
    """

    name: ClassVar[str] = "gaussian_noise"
    std: Real

    def infer(self, x: TensorType) -> TensorType:
        if self.std < 0:
            raise ShapeError(f"std of gaussian_noise is a number >= 0, not {self.std:g}", code="E0306", constraint="C1")
        return super().infer(x)


class Bernoulli(Noise):
    """1 with probability x, else 0: a sample, in evaluation too; never 1 below 0, always 1 above 1. Passes no gradient.

    Shapes: x (...) -> y (...).
    """

    name: ClassVar[str] = "bernoulli"
    always: ClassVar[bool] = True
