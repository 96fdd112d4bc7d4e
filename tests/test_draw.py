"""First values of parameters: the stated distributions, and the same numbers for ever."""

from __future__ import annotations

import numpy as np
import pytest

from nnspec.ops import registry
from nnspec.ops.base import Initialiser
from nnspec.ops.draw import draw, fans

SETTINGS = {
    "uniform": (("a", -1.0), ("b", 3.0)),
    "normal": (("std", 0.02),),
    "truncated_normal": (("std", 0.5),),
    "constant": (("v", 0.25),),
}
SHAPE = (60, 40, 3, 3)
FAN_IN, FAN_OUT = 40 * 9, 60 * 9
STD = {
    "glorot_uniform": (2 / (FAN_IN + FAN_OUT)) ** 0.5,
    "glorot_normal": (2 / (FAN_IN + FAN_OUT)) ** 0.5,
    "he_uniform": (2 / FAN_IN) ** 0.5,
    "he_normal": (2 / FAN_IN) ** 0.5,
    "lecun_normal": (1 / FAN_IN) ** 0.5,
    "uniform": 4 / 12**0.5,
    "normal": 0.02,
    "truncated_normal": 0.5 * 0.8796256610342398,  # of a normal cut at two standard deviations
    "zeros": 0.0,
    "ones": 0.0,
    "constant": 0.0,
}
MEAN = {"uniform": 1.0, "ones": 1.0, "constant": 0.25}
BOUND = {
    "glorot_uniform": (6 / (FAN_IN + FAN_OUT)) ** 0.5,
    "he_uniform": (6 / FAN_IN) ** 0.5,
    "uniform": 3.0,
    "truncated_normal": 1.0,
}

WRITTEN_DOWN = [0.32716752071245175, -1.2047915830783729, 0.1697117202976559]


def initialiser(name: str) -> Initialiser:
    return Initialiser(name, SETTINGS.get(name, ()))


@pytest.mark.parametrize("name", sorted(STD))
def test_moments_and_bounds(name: str) -> None:
    values = draw(initialiser(name), SHAPE, 0, "conv.weight")
    assert values.shape == SHAPE
    assert values.dtype == np.float64
    assert values.std() == pytest.approx(STD[name], rel=0.02)
    assert values.mean() == pytest.approx(MEAN.get(name, 0.0), abs=4 * STD[name] / values.size**0.5)
    if name in BOUND:
        assert np.abs(values).max() <= BOUND[name]
        assert np.abs(values).max() >= 0.99 * BOUND[name]


@pytest.mark.parametrize("name", ["glorot_normal", "normal"])
def test_normal_numbers_are_normal(name: str) -> None:
    values = draw(initialiser(name), SHAPE, 1, "w").ravel() / STD[name]
    assert [np.mean(np.abs(values) < bound) for bound in (0.5, 1, 2)] == pytest.approx(
        [0.3829, 0.6827, 0.9545], abs=0.01
    )
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 2, 3), (5, 2, 3, 3), (3,)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = draw(Initialiser("orthogonal"), shape, 0, "w").reshape(shape[0], -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_a_constant_may_be_written_entry_by_entry() -> None:
    rows = ((2.0, 4.0, -1.0), (0.0, 1.0, 0.5))
    np.testing.assert_array_equal(draw(Initialiser("constant", (("v", rows),)), (2, 3), 0, "w"), rows)


@pytest.mark.parametrize("name", registry.initialisers())
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3)])
def test_every_initialiser_draws_every_rank(name: str, shape: tuple[int, ...]) -> None:
    assert draw(initialiser(name), shape, 0, "p").shape == shape


def test_values_depend_on_seed_and_path_alone() -> None:
    normal = Initialiser("normal", (("std", 1.0),))
    first = draw(normal, (3,), 0, "fc.weight")
    np.testing.assert_array_equal(first, draw(normal, (3,), 0, "fc.weight"))
    assert not np.any(first == draw(normal, (3,), 1, "fc.weight"))
    assert not np.any(first == draw(normal, (3,), 0, "fc.bias"))
    # Written down once: a change here changes every run that a seed was reported for.
    np.testing.assert_allclose(first, WRITTEN_DOWN, rtol=1e-13)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (6, 4, 3), (6, 4, 3, 2), (2, 3, 4, 5, 6)])
def test_fans_are_those_of_torch(shape: tuple[int, ...]) -> None:
    import torch

    assert fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
