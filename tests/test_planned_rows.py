"""Planned kernels in rows: what the textbook functions compute, in arrays made once, with the same bits each time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnspec.backends.numpy.runtime import layers, optimizers, planned
from nnspec.backends.numpy.runtime.module import Parameter, initialise, named_parameters
from nnspec.kernels import activation, attention, loss
from nnspec.kernels.planned_activation import (
    PlannedGelu,
    PlannedGeluTanh,
    PlannedLeakyRelu,
    PlannedRelu,
    PlannedSigmoid,
    PlannedSilu,
    PlannedTanh,
)
from nnspec.kernels.planned_loss import PlannedBinaryCrossEntropy, PlannedCrossEntropy, PlannedMSE
from nnspec.kernels.planned_rows import PlannedAdd, PlannedDense, PlannedEmbedding, PlannedLayerNorm, PlannedRMSNorm
from nnspec.kernels.planned_sequence import PlannedAttention

TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


def random(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(found: Any, wanted: Any, dtype: Any, what: str = "", least: float = 1e-30) -> None:
    """Within a tolerance of the largest entry, or of `least`."""
    assert np.asarray(found).dtype == dtype, what
    largest = max(float(np.max(np.abs(wanted), initial=0.0)), least)
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
    (PlannedLayerNorm, "LayerNorm", (5,), (5,), 7),
    (PlannedLayerNorm, "LayerNorm", (3, 1e-2, False), (4, 3), 1),
    (PlannedLayerNorm, "LayerNorm", (130, 1e-5, True, False), (101, 130), 23),
    (PlannedRMSNorm, "RMSNorm", (5,), (2, 5), 7),
    (PlannedRMSNorm, "RMSNorm", (1, 1e-2, False), (1,), 1),
    (PlannedRMSNorm, "RMSNorm", (1300,), (101, 1300), 2),
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
    made = kernel(layer, shape, n, lambda p: gradients[paths[id(p)]], dtype, flat)
    for seed in (0, 1, 1):
        x = random((n, *shape), dtype, seed)
        y, cache = layer.forward(x)
        dy = random(y.shape, dtype, seed + 2)
        for parameter in named_parameters(layer).values():
            parameter.grad[...] = 0.0
        dx = layer.backward(dy, cache)
        found = made.forward(x.copy())
        assert_close(found, y, dtype, "y")
        found_dx = made.backward(dy.copy())
        if needed:
            assert_close(found_dx, dx, dtype, "dx")
            assert np.shares_memory(found_dx, flat)
        else:
            assert found_dx is None
        for path, parameter in named_parameters(layer).items():
            assert_close(gradients[path], parameter.grad, dtype, path)
    x, dy = random((n, *shape), dtype), random(y.shape, dtype, 1)
    first = [made.forward(x).copy(), made.backward(dy.copy()), *(g.copy() for g in gradients.values())]
    first[1] = None if first[1] is None else first[1].copy()
    again = [made.forward(x), made.backward(dy.copy()), *gradients.values()]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


ACTIVATIONS: list[tuple[type, str, tuple[Any, ...]]] = [
    (PlannedRelu, "relu", ()),
    (PlannedTanh, "tanh", ()),
    (PlannedSigmoid, "sigmoid", ()),
    (PlannedGelu, "gelu", ()),
    (PlannedGeluTanh, "gelu_tanh", ()),
    (PlannedSilu, "silu", ()),
    (PlannedLeakyRelu, "leaky_relu", (0.2,)),
]


@DTYPES
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (3, 5, 3, 700), (33, 2049), (150001,)], ids=str)
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1])
def test_activations_compute_what_their_textbook_forms_do(row: Any, shape: Any, in_place: bool, dtype: Any) -> None:
    kernel, name, settings = row
    made = kernel(shape, dtype, in_place, *settings)
    for seed in (0, 1):
        x, dy = 3 * random(shape, dtype, seed), random(shape, dtype, seed + 2)
        x.reshape(-1)[:1] = seed - 1
        y, cache = getattr(activation, f"{name}_forward")(x, *settings)
        given, slope = x.copy(), dy.copy()
        found = made.forward(given)
        assert (found is given) == in_place
        assert_close(found, y, dtype, "y")
        dx = made.backward(slope)
        assert dx is slope
        assert_close(dx, getattr(activation, f"{name}_backward")(dy, cache), dtype, "dx")


@pytest.mark.parametrize("times", [1, 2000])  # many numbers may take another way
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1])
def test_activations_stand_the_largest_inputs(row: Any, times: int) -> None:
    kernel, name, settings = row
    x = np.tile(np.array([-1e4, -100, -30, -6, -1e-30, 1e-30, 6, 30, 100, 1e4], np.float32), times)
    made = kernel(x.shape, np.float32, False, *settings)
    y, cache = getattr(activation, f"{name}_forward")(x.astype(np.float64), *settings)
    assert_close(made.forward(x), y, np.float32)
    dx = getattr(activation, f"{name}_backward")(np.ones(x.shape), cache)
    assert_close(made.backward(np.ones_like(x)), dx, np.float32)


def test_gelu_in_float32_is_as_good_as_float32_is() -> None:
    x = np.linspace(-8, 8, 40001, dtype=np.float32)
    exact = x.astype(np.float64) * (0.5 + 0.5 * activation.erf(x.astype(np.float64) * 0.5**0.5))
    found = PlannedGelu(x.shape, np.float32, False).forward(x)
    assert np.max(np.abs(found - exact) / np.maximum(np.abs(x), 1e-30)) < 2.5e-7


@DTYPES
@pytest.mark.parametrize("vocabulary, features, shape, n", [(7, 3, (), 1), (96, 5, (11,), 3), (1000, 4, (5,), 30)])
def test_an_embedding_adds_up_the_gradients_of_a_row(
    vocabulary: int, features: int, shape: tuple[int, ...], n: int, dtype: Any
) -> None:
    layer = make_layer("Embedding", (vocabulary, features), dtype)
    dweight = np.full((vocabulary, features), np.nan, dtype)
    made = PlannedEmbedding(layer, shape, n, lambda _: dweight, dtype)
    for seed in (0, 1, 1):
        x = np.random.default_rng(seed).integers(0, vocabulary, (n, *shape))
        y, cache = layer.forward(x)
        dy = random(y.shape, dtype, seed)
        layer.weight.grad[...] = 0.0
        layer.backward(dy, cache)
        np.testing.assert_array_equal(made.forward(x), y)
        assert made.backward(dy) is None
        assert_close(dweight, layer.weight.grad, dtype)


ATTENTION = [  # heads, causal, T, S, E, V, n
    (1, False, 1, 1, 1, 1, 1),
    (2, False, 5, 3, 4, 6, 3),
    (2, True, 5, 5, 4, 4, 2),
    (3, True, 7, 4, 6, 3, 2),
    (1, True, 4, 9, 3, 2, 2),
    (2, True, 131, 131, 6, 4, 5),
    (4, True, 300, 300, 8, 8, 3),
]


@DTYPES
@pytest.mark.parametrize("sharp", [1.0, 30.0], ids=["calm", "sharp"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("row", ATTENTION, ids=str)
def test_attention_computes_what_its_textbook_form_does(row: Any, fused: bool, sharp: float, dtype: Any) -> None:
    heads, causal, length, seen, features, width, n = row
    shapes = ((length, features), (seen, features), (seen, width))
    if fused and length != seen:
        shapes = ((length, features), (length, features), (length, width))
    sizes = [s[1] for s in shapes]
    cuts = np.cumsum(sizes)[:-1]

    def three(seed: int | None) -> Any:
        """q, k, v: slices of one array, or arrays of their own."""
        if fused:
            whole = np.full((n, length, sum(sizes)), np.nan, dtype)
            whole[...] = np.nan if seed is None else random(whole.shape, dtype, seed)
            return np.split(whole, cuts, axis=-1)
        if seed is None:
            return [np.full(n * int(np.prod(s)) + 1, np.nan, dtype) for s in shapes]
        return [random((n, *s), dtype, seed + k) for k, s in enumerate(shapes)]

    made = PlannedAttention(heads, causal, *shapes, n, dtype, tuple(three(None)))
    for seed in (0, 10, 10):
        q, k, v = three(seed)
        q *= sharp
        y, cache = attention.attention_forward(q, k, v, heads, causal)
        dy = random(y.shape, dtype, seed + 5)
        assert_close(made.forward(q, k, v), y, dtype, "y", least=sharp)
        for found, wanted in zip(made.backward(dy), attention.attention_backward(dy, cache), strict=True):
            assert_close(found, wanted, dtype, least=sharp)  # differences of larger numbers
    first = [made.forward(q, k, v).copy(), *(d.copy() for d in made.backward(dy))]
    for a, b in zip(first, [made.forward(q, k, v), *made.backward(dy)], strict=True):
        np.testing.assert_array_equal(a, b)


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
    made = kernel(shape, n, dtype, n)
    for seed in (0, 1, 1):
        z = 3 * random((n, *shape), dtype, seed)
        z += spread * np.arange(n).reshape(-1, *[1] * len(shape)).astype(dtype)  # rows far below others
        rng = np.random.default_rng(seed)
        t = rng.integers(0, shape[-1], (n, *shape[:-1])) if classes else rng.random((n, *shape)).astype(dtype)
        wanted, cache = getattr(loss, f"{name}_forward")(z, t, mean=True)
        dz = getattr(loss, f"{name}_backward")(np.ones((), dtype), cache)
        given = z.copy()
        assert_close(made.forward(given, t), wanted, dtype, "loss")
        assert made.backward() is given
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
    n, length, width, dtype = 8, 64, 256, np.float32
    shape, size = (length, width), n * length * width

    def layer(kernel: Any, kind: str, *settings: Any) -> Any:
        return kernel(make_layer(kind, settings, dtype), shape, n, lambda p: p.grad, dtype, np.empty(size, dtype))

    dense, norm = layer(PlannedDense, "Dense", width, width), layer(PlannedLayerNorm, "LayerNorm", width)
    lent = tuple(np.empty(size, dtype) for _ in range(3))
    attend = PlannedAttention(4, True, shape, shape, shape, n, dtype, lent)
    relu = PlannedRelu((n, *shape), dtype, True)
    gelu = PlannedGelu((n, *shape), dtype, True)
    entropy = PlannedCrossEntropy(shape, n, dtype, n)
    x, label = random((n, *shape), dtype), np.tile(np.arange(length), (n, 1))

    def step() -> None:
        h = norm.forward(gelu.forward(relu.forward(dense.forward(x))))
        entropy.forward(attend.forward(h, h, h), label)
        dq, _, _ = attend.backward(entropy.backward())
        dense.backward(relu.backward(gelu.backward(norm.backward(dq))))

    step()
    assert allocated(step) < x.nbytes / 8  # NumPy converts through buffers of its own


@DTYPES
@pytest.mark.parametrize(
    "name, settings",
    [
        ("SGD", ()),
        ("Momentum", (0.9, False)),
        ("Momentum", (0.9, True)),
        ("Adagrad", ()),
        ("RMSprop", ()),
        ("RMSpropMomentum", (0.9, 1e-8, 0.5)),
        ("Adam", ()),
        ("AdamW", (0.1,)),
    ],
)
def test_optimizers_move_long_vectors_in_pieces(name: str, settings: tuple[Any, ...], dtype: Any) -> None:
    shapes = {"a": (3,), "b": (401, 503), "c": (1, 150001)}
    moved = []
    for module in (optimizers, planned):
        parameters = {
            path: Parameter(shape, lambda rng, shape: rng.standard_normal(shape)) for path, shape in shapes.items()
        }
        for seed, parameter in enumerate(parameters.values()):
            parameter.reset(np.random.default_rng(seed), dtype)
        optimizer = getattr(module, name)(parameters, *settings)
        for step, rate in enumerate((0.01, 0.0, 0.02)):
            for seed, parameter in enumerate(parameters.values()):
                parameter.grad[...] = random(parameter.shape, dtype, 10 * step + seed)
            optimizer.update(rate)
        moved.append((parameters, optimizer.memory))
    (textbook, memory), (found, remembered) = moved
    for path, parameter in textbook.items():
        assert_close(found[path].value, parameter.value, dtype, path)
        for slot, values in memory.items():
            assert_close(remembered[slot][path], values[path], dtype, f"{path}/{slot}")
