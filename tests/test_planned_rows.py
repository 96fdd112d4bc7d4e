"""Planned kernels in rows: what the textbook functions compute, in arrays made once, with the same bits each time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnspec.backends.numpy.runtime import layers
from nnspec.backends.numpy.runtime.module import initialise, named_parameters
from nnspec.kernels import activation, loss
from nnspec.kernels.planned_activation import PlannedRelu, PlannedTanh
from nnspec.kernels.planned_loss import PlannedBinaryCrossEntropy, PlannedCrossEntropy, PlannedMSE
from nnspec.kernels.planned_rows import PlannedAdd, PlannedDense

TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


def random(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(found: Any, wanted: Any, dtype: Any, what: str = "") -> None:
    """Within a tolerance of the largest entry."""
    assert np.asarray(found).dtype == dtype, what
    largest = max(float(np.max(np.abs(wanted), initial=0.0)), 1e-30)
    np.testing.assert_allclose(found / largest, wanted / largest, rtol=0, atol=TOLERANCE[dtype], err_msg=what)


def allocated(call: Callable[[], Any]) -> int:
    """The most bytes that a call held at once beyond what there was before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def make_layer(kind: str, settings: tuple[Any, ...], dtype: Any) -> Any:
    """A layer with random parameters, gradients cleared."""
    layer = initialise(getattr(layers, kind)(*settings), dtype)
    for seed, parameter in enumerate(named_parameters(layer).values()):
        parameter.value[...] = random(parameter.shape, dtype, seed) + (kind != "Dense")
    return layer


LAYERS: list[tuple[type, str, tuple[Any, ...], tuple[int, ...], int]] = [
    (PlannedDense, "Dense", (5, 3), (5,), 7),
    (PlannedDense, "Dense", (5, 1, False), (5,), 1),
    (PlannedDense, "Dense", (1, 4), (3, 1), 2),
    (PlannedDense, "Dense", (6, 9), (4, 3, 6), 5),
    (PlannedDense, "Dense", (130, 67), (33, 130), 3),
]


@DTYPES
@pytest.mark.parametrize("needed", [True, False], ids=["dx", "no_dx"])
@pytest.mark.parametrize("row", LAYERS, ids=lambda row: f"{row[1]}{row[2]}{row[3]}x{row[4]}".replace(" ", ""))
def test_layers_compute_what_their_textbook_forms_do(row: Any, needed: bool, dtype: Any) -> None:
    kernel, kind, settings, shape, n = row
    layer = make_layer(kind, settings, dtype)
    gradients = {path: np.full(p.shape, np.nan, dtype) for path, p in named_parameters(layer).items()}
    paths = {id(p): path for path, p in named_parameters(layer).items()}
    flat = np.full(n * int(np.prod(shape)) + 3, np.nan, dtype) if needed else None
    planned = kernel(layer, shape, n, lambda p: gradients[paths[id(p)]], dtype, flat)
    for seed in (0, 1, 1):
        x = random((n, *shape), dtype, seed)
        y, cache = layer.forward(x)
        dy = random(y.shape, dtype, seed + 2)
        for parameter in named_parameters(layer).values():
            parameter.grad[...] = 0.0
        dx = layer.backward(dy, cache)
        found = planned.forward(x.copy())
        assert_close(found, y, dtype, "y")
        found_dx = planned.backward(dy.copy())
        if needed:
            assert_close(found_dx, dx, dtype, "dx")
            assert np.shares_memory(found_dx, flat)
        else:
            assert found_dx is None
        for path, parameter in named_parameters(layer).items():
            assert_close(gradients[path], parameter.grad, dtype, path)
    x, dy = random((n, *shape), dtype), random(y.shape, dtype, 1)
    first = [planned.forward(x).copy(), planned.backward(dy.copy()), *(g.copy() for g in gradients.values())]
    first[1] = None if first[1] is None else first[1].copy()
    again = [planned.forward(x), planned.backward(dy.copy()), *gradients.values()]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


ACTIVATIONS: list[tuple[type, str, tuple[Any, ...]]] = [
    (PlannedRelu, "relu", ()),
    (PlannedTanh, "tanh", ()),
]


@DTYPES
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (3, 5, 3, 700), (33, 2049), (70001,)], ids=str)
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1])
def test_activations_compute_what_their_textbook_forms_do(row: Any, shape: Any, in_place: bool, dtype: Any) -> None:
    kernel, name, settings = row
    planned = kernel(shape, dtype, in_place, *settings)
    for seed in (0, 1):
        x, dy = 3 * random(shape, dtype, seed), random(shape, dtype, seed + 2)
        x.reshape(-1)[:1] = seed - 1
        y, cache = getattr(activation, f"{name}_forward")(x, *settings)
        given, slope = x.copy(), dy.copy()
        found = planned.forward(given)
        assert (found is given) == in_place
        assert_close(found, y, dtype, "y")
        dx = planned.backward(slope)
        assert dx is slope
        assert_close(dx, getattr(activation, f"{name}_backward")(dy, cache), dtype, "dx")


@DTYPES
@pytest.mark.parametrize("in_place", [True, False])
def test_a_sum_is_made_in_place_or_in_its_own_array(in_place: bool, dtype: Any) -> None:
    a, b = random((3, 5), dtype, 0), random((3, 5), dtype, 1)
    wanted = a + b
    found = PlannedAdd((3, 5), dtype, in_place).forward(a, b)
    np.testing.assert_array_equal(found, wanted)
    assert (found is a) == in_place


LOSSES: list[tuple[type, str, tuple[int, ...], int, bool]] = [
    (PlannedCrossEntropy, "cross_entropy", (10,), 32, True),
    (PlannedCrossEntropy, "cross_entropy", (1,), 1, True),
    (PlannedCrossEntropy, "cross_entropy", (5, 3), 3, True),
    (PlannedCrossEntropy, "cross_entropy", (129, 96), 7, True),
    (PlannedCrossEntropy, "cross_entropy", (40001,), 3, True),
    (PlannedMSE, "mse", (1,), 1, False),
    (PlannedMSE, "mse", (3, 5), 7, False),
    (PlannedMSE, "mse", (251, 101), 3, False),
    (PlannedBinaryCrossEntropy, "binary_cross_entropy", (1,), 1, False),
    (PlannedBinaryCrossEntropy, "binary_cross_entropy", (3, 5), 7, False),
    (PlannedBinaryCrossEntropy, "binary_cross_entropy", (251, 101), 3, False),
]


@DTYPES
@pytest.mark.parametrize("spread", [0, 50], ids=["alike", "far"])
@pytest.mark.parametrize("row", LOSSES, ids=lambda row: f"{row[1]}{row[2]}x{row[3]}".replace(" ", ""))
def test_losses_are_means_and_leave_their_gradient_in_place(row: Any, spread: float, dtype: Any) -> None:
    kernel, name, shape, n, classes = row
    planned = kernel(shape, n, dtype, n)
    for seed in (0, 1, 1):
        z = 3 * random((n, *shape), dtype, seed)
        z += spread * np.arange(n).reshape(-1, *[1] * len(shape)).astype(dtype)  # rows far below others
        rng = np.random.default_rng(seed)
        t = rng.integers(0, shape[-1], (n, *shape[:-1])) if classes else rng.random((n, *shape)).astype(dtype)
        wanted, cache = getattr(loss, f"{name}_forward")(z, t, mean=True)
        dz = getattr(loss, f"{name}_backward")(np.ones((), dtype), cache)
        given = z.copy()
        assert_close(planned.forward(given, t), wanted, dtype, "loss")
        assert planned.backward() is given
        assert_close(given, dz, dtype, "dz")


@pytest.mark.parametrize("row", [LOSSES[0], LOSSES[5], LOSSES[8]], ids=lambda row: row[1])
def test_shares_of_a_loss_add_up_to_the_whole(row: Any) -> None:
    kernel, name, shape, n, classes = *row[:3], 12, row[4]
    z, rng = random((n, *shape), np.float64), np.random.default_rng(0)
    t = rng.integers(0, shape[-1], n) if classes else rng.random((n, *shape))
    wanted, cache = getattr(loss, f"{name}_forward")(z, t, mean=True)
    parts, dz = [slice(0, 5), slice(5, 12)], z.copy()
    found = sum(kernel(shape, p.stop - p.start, np.float64, n).forward(dz[p], t[p]) for p in parts)
    assert_close(found, wanted, np.float64)
    assert_close(dz, getattr(loss, f"{name}_backward")(np.ones(()), cache), np.float64)


def test_a_loss_of_what_is_not_a_number_is_not_a_number() -> None:
    z = np.zeros((3, 4), np.float32)
    z[1, 2] = np.nan
    assert np.isnan(PlannedCrossEntropy((4,), 3, np.float32, 3).forward(z, np.zeros(3, np.int64)))


def test_a_step_makes_no_new_arrays() -> None:
    n, shape, dtype = 512, (512,), np.float32
    layer = make_layer("Dense", (512, 512), dtype)
    flat = np.empty(n * 512, dtype)
    planned = PlannedDense(layer, shape, n, lambda p: p.grad, dtype, flat)
    relu, entropy = PlannedRelu((n, 512), dtype, True), PlannedCrossEntropy((512,), n, dtype, n)
    x, label = random((n, *shape), dtype), np.arange(n)

    def step() -> None:
        y = relu.forward(planned.forward(x))
        entropy.forward(y, label)
        planned.backward(relu.backward(entropy.backward()))

    step()
    assert allocated(step) < x.nbytes / 8  # NumPy converts through buffers of its own
