"""Initialisers: how a parameter's first values are drawn. `ops.draw` draws them.

fan_in = shape[1] * receptive field and fan_out = shape[0] * receptive field, the receptive field being the
product of all sizes after the second, as PyTorch counts; a shape of rank 1 has both fans equal to its size,
a scalar 1.
"""

from __future__ import annotations

from typing import ClassVar

from nnspec.ops.base import Positive, Real, Reals
from nnspec.record import Record


class Distribution(Record):
    """Base: the fields are the numbers that the language takes, in order."""

    name: ClassVar[str] = ""


class GlorotUniform(Distribution):
    """Uniform in [-a, a], a = sqrt(6 / (fan_in + fan_out)), without gain (Glorot and Bengio, 2010)."""

    name: ClassVar[str] = "glorot_uniform"


class GlorotNormal(Distribution):
    """Normal with standard deviation sqrt(2 / (fan_in + fan_out)), without gain (Glorot and Bengio, 2010)."""

    name: ClassVar[str] = "glorot_normal"


class HeUniform(Distribution):
    """Uniform in [-a, a], a = sqrt(6 / fan_in): the gain sqrt(2) of relu (He et al., 2015)."""

    name: ClassVar[str] = "he_uniform"


class HeNormal(Distribution):
    """Normal with standard deviation sqrt(2 / fan_in): the gain sqrt(2) of relu (He et al., 2015)."""

    name: ClassVar[str] = "he_normal"


class LecunNormal(Distribution):
    """Normal with standard deviation sqrt(1 / fan_in) (LeCun et al., 1998)."""

    name: ClassVar[str] = "lecun_normal"


class Uniform(Distribution):
    """Uniform in [a, b).

    Settings:
        a: lower end
        b: upper end
    """

    name: ClassVar[str] = "uniform"
    a: Real
    b: Real


class Normal(Distribution):
    """Normal with mean 0.

    Settings:
        std: standard deviation
    """

    name: ClassVar[str] = "normal"
    std: Positive


class TruncatedNormal(Distribution):
    """Normal with mean 0, drawn again where it is further from 0 than two standard deviations.

    `std` is that of the normal before it is cut (PyTorch's trunc_normal_ with a = -2 std, b = 2 std).
    Settings:
        std: standard deviation before the cut
    """

    name: ClassVar[str] = "truncated_normal"
    std: Positive


class Orthogonal(Distribution):
    """Orthonormal rows or columns of the matrix (shape[0], all the rest), whichever are fewer (Saxe et al., 2013).

    The Q of a QR decomposition of normal numbers, its signs those of R's diagonal, so that it is uniform.
    """

    name: ClassVar[str] = "orthogonal"


class Zeros(Distribution):
    """All 0."""

    name: ClassVar[str] = "zeros"


class Ones(Distribution):
    """All 1."""

    name: ClassVar[str] = "ones"


class Constant(Distribution):
    """All v; or the numbers of a list, nested as the parameter's shape says.

    Settings:
        v: the value, or a nested list of values
    """

    name: ClassVar[str] = "constant"
    v: Reals
