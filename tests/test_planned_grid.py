"""Planned kernels for images give what the textbook kernels give, on odd shapes, by whole numbers of blocks and not."""

from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import pytest

from nnspec.backends.numpy.runtime.initial import glorot_uniform
from nnspec.backends.numpy.runtime.layers import BatchNorm, Conv
from nnspec.backends.numpy.runtime.module import Parameter, initialise
from nnspec.kernels.planned import Team, as_rows, blocks_of, grid
from nnspec.kernels.planned_batch_norm import PlannedBatchNorm
from nnspec.kernels.planned_conv import PlannedConv
from nnspec.kernels.planned_grid import (
    PlannedAvgPool,
    PlannedGlobalAverage,
    PlannedMaxPool,
    PlannedToGrid,
    PlannedToRows,
    image_shape,
)
from nnspec.kernels.pool import avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward

RNG = np.random.default_rng(5)
SPARE = 200_000  # numbers lent for a gradient: more than any case needs


def to_grid(x: np.ndarray) -> np.ndarray:
    shape = image_shape(x.shape[1:])
    g = grid(shape, len(x), x.dtype)
    rows = as_rows(g)
    rows[...] = x.reshape(rows.shape)
    return g


def from_grid(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return as_rows(g).reshape(shape)


class Places:
    """Where each parameter's gradient is written: an array of its own, full of noise before."""

    def __init__(self) -> None:
        self.found: dict[int, np.ndarray] = {}

    def __call__(self, parameter: Parameter) -> np.ndarray:
        return self.found.setdefault(id(parameter), RNG.normal(size=parameter.shape).astype(parameter.value.dtype))


CONVOLUTIONS: dict[str, tuple[Any, ...]] = {  # in, out, spatial, kernel, stride, padding, dilation, groups, n
    "same": (3, 5, (7, 6), (3, 3), 1, 1, 1, 1, 4),
    "many channels": (9, 8, (7, 6), (3, 3), 1, 1, 1, 1, 33),
    "many channels, no padding": (8, 3, (7, 9), (3, 5), 1, 0, 1, 1, 5),
    "more padding than kernel": (8, 4, (5, 5), (2, 2), 1, (2, 3), 1, 1, 3),
    "stride": (3, 4, (9, 8), (3, 3), 2, 1, 1, 1, 17),
    "stride beyond kernel": (2, 4, (9, 8), (2, 2), 3, 1, 1, 1, 3),
    "one by one": (8, 4, (5, 4), (1, 1), 1, 0, 1, 1, 32),
    "one by one, stride": (8, 4, (7, 4), (1, 1), 2, 0, 1, 1, 6),
    "one by one, padded": (8, 4, (7, 4), (1, 1), 1, 2, 1, 1, 2),
    "dilation": (3, 4, (9, 10), (3, 3), 1, (2, 1), (2, 3), 1, 5),
    "groups": (6, 4, (6, 5), (3, 2), (2, 1), (1, 0), 1, 2, 7),
    "depthwise": (4, 8, (6, 5), (3, 3), 1, 1, 1, 4, 1),
    "sequence": (4, 6, (11,), (3,), 2, 1, 1, 1, 20),
    "sequence, many channels": (9, 6, (11,), (4,), 1, 2, 1, 1, 3),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, dtype: str) -> None:
    channels, out, spatial, kernel, stride, padding, dilation, groups, n = CONVOLUTIONS[name]
    layer = Conv(channels, out, kernel, stride, padding, dilation, groups, bias_init=glorot_uniform)
    initialise(layer, np.dtype(dtype).type)
    places = Places()
    shape = (channels, *spatial)
    planned = PlannedConv(layer, shape, n, places, np.dtype(dtype).type, {}, np.empty(SPARE, dtype))
    for _ in range(2):  # a second step in the same arrays
        x = RNG.normal(size=(n, *shape)).astype(dtype)
        y, cache = layer.forward(x)
        dy = RNG.normal(size=y.shape).astype(dtype)
        layer.weight.grad[...] = 0.0
        layer.bias.grad[...] = 0.0
        dx = layer.backward(dy, cache)
        close(from_grid(planned.forward(to_grid(x)), y.shape), y)
        found = planned.backward(to_grid(dy))
        close(from_grid(found, x.shape), dx)
        close(places(layer.weight), layer.weight.grad)
        close(places(layer.bias), layer.bias.grad)


def test_convolution_of_data_needs_no_gradient_of_it() -> None:
    layer = initialise(Conv(2, 3, (3, 3), bias=False), np.float64)
    planned = PlannedConv(layer, (2, 5, 5), 2, Places(), np.float64, {})
    planned.forward(to_grid(RNG.normal(size=(2, 2, 5, 5))))
    assert planned.backward(to_grid(RNG.normal(size=(2, 3, 3, 3)))) is None


POOLS: dict[str, tuple[Any, ...]] = {  # shape, size, stride, padding, ceil, n
    "halves": ((3, 6, 8), 2, None, 0, False, 16),
    "a row and a column unseen": ((3, 7, 9), 2, None, 0, False, 5),
    "overlapping": ((2, 7, 7), 3, 2, 1, False, 18),
    "ceil": ((2, 6, 7), 3, 2, 0, True, 3),
    "ceil and padding": ((2, 8, 7), (3, 2), (2, 3), (1, 0), True, 3),
    "sequence": ((3, 9), 3, 2, 1, False, 4),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("kind", ["max", "avg", "avg without padding"])
def test_pools(name: str, kind: str) -> None:
    shape, size, stride, padding, ceil, n = POOLS[name]
    settings = (size, stride, padding, ceil)
    extra = {"count_include_pad": False} if kind == "avg without padding" else {}
    forward, backward, planned_class = {
        "max": (max_pool_forward, max_pool_backward, PlannedMaxPool),
        "avg": (avg_pool_forward, avg_pool_backward, PlannedAvgPool),
        "avg without padding": (avg_pool_forward, avg_pool_backward, PlannedAvgPool),
    }[kind]
    planned = planned_class(shape, n, np.float64, *settings, **extra, dx=np.empty(SPARE))
    for _ in range(2):
        x = RNG.integers(0, 3, size=(n, *shape)).astype(float)  # with many ties
        y, cache = forward(x, *settings, **extra)
        dy = RNG.normal(size=y.shape)
        close(from_grid(planned.forward(to_grid(x)), y.shape), y)
        close(from_grid(planned.backward(to_grid(dy)), x.shape), backward(dy, cache))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("shape", "n"), [((3, 5, 4), 10), ((8, 16, 16), 48), ((5, 7), 3)])
def test_batch_norm_over_a_team(shape: tuple[int, ...], n: int, own: bool, relu: bool) -> None:
    layer = initialise(BatchNorm(shape[0], weight_init=glorot_uniform, bias_init=glorot_uniform), np.float64)
    other = initialise(BatchNorm(shape[0]), np.float64)
    for name in ("weight", "bias"):
        getattr(other, name).value[...] = getattr(layer, name).value
    x = RNG.normal(size=(n, *shape)) + 100.0
    y, cache = layer.forward(x, True)
    dy = RNG.normal(size=y.shape)
    dx = layer.backward(dy * (y > 0) if relu else dy, cache)
    cut = n // 3
    team = Team(2)
    results: list[Any] = [None, None]

    def work(member: int, part: slice) -> None:
        places, count = Places(), len(x[part])
        lent = np.empty(SPARE) if own else None
        planned = PlannedBatchNorm(other, shape, count, places, np.float64, "bn", team, member, relu, lent)
        made = from_grid(planned.forward(to_grid(x[part])), (count, *shape)).copy()
        back = from_grid(planned.backward(to_grid(dy[part])), (count, *shape)).copy()
        results[member] = made, back, places(other.weight), places(other.bias)

    team.board("bn", (5, shape[0]), np.float64)
    threads = [Thread(target=work, args=(m, p)) for m, p in enumerate((slice(0, cut), slice(cut, None)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = results
    close(np.concatenate([first[0], second[0]]), np.maximum(y, 0) if relu else y, 1e-9)
    close(np.concatenate([first[1], second[1]]), dx, 1e-9)
    close(first[2] + second[2], layer.weight.grad, 1e-9)
    close(first[3] + second[3], layer.bias.grad, 1e-9)
    close(other.running_mean.value, layer.running_mean.value)
    close(other.running_var.value, layer.running_var.value, 1e-9)


def test_average_and_layout() -> None:
    x = RNG.normal(size=(48, 5, 3, 4))
    planned = PlannedGlobalAverage((5, 3, 4), 48, np.float64, np.empty(SPARE))
    close(planned.forward(to_grid(x)), x.mean(axis=(2, 3)))
    dy = RNG.normal(size=(48, 5))
    close(from_grid(planned.backward(dy), x.shape), np.broadcast_to(dy[:, :, None, None] / 12, x.shape))
    there = PlannedToGrid((5, 3, 4), 48, np.float64, np.empty(SPARE))
    back = PlannedToRows((5, 3, 4), 48, np.float64, True, np.empty(SPARE))
    assert np.array_equal(back.forward(there.forward(x)), x.reshape(48, -1))
    assert np.array_equal(there.backward(back.backward(x.reshape(48, -1))), x)


@pytest.mark.parametrize("n", range(1, 200))
def test_blocks_hold_every_example(n: int) -> None:
    count, size = blocks_of(n)
    assert count * size == n


def close(found: np.ndarray, wanted: np.ndarray, rtol: float = 1e-10) -> None:
    single = found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-5 if single else rtol, atol=1e-5 if single else 1e-10)
