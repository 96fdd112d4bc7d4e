"""Every kernel against PyTorch and against finite differences; kinks, ties and dtypes by cases of their own."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
from kernel_cases import CASES, Case, Labels, draw

from nnspec.kernels import activation, arithmetic, attention, conv, linear, loss, noise, norm, pool, reduce

TARGETS = ("cross_entropy", "nll")  # gradients by the prediction alone
PAIRS = (
    "squared_error",
    "mse",
    "mae",
    "huber",
    "hinge",
    "perceptron_loss",
    "soft_cross_entropy",
    "binary_cross_entropy",
)


def label(case: Case) -> str:
    shapes = "-".join("x".join(map(str, e.shape if isinstance(e, Labels) else e)) or "0" for e in case.arrays)
    return f"{case.name}-{shapes}-" + ",".join(f"{k}={v}" for k, v in case.settings.items())


def seeded(case: Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(label(case).encode()))


def arguments(case: Case, arrays: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Positional arrays and settings as the kernel takes them; `group_norm` has its number second."""
    if case.name == "group_norm":
        return (arrays[0], case.settings["groups"], *arrays[1:]), {}
    return tuple(arrays), case.settings


def gradients(case: Case, arrays: list[Any], dy: Any, cache: Any) -> list[Any]:
    """What the backward functions give, one entry an array, None where there is no gradient."""
    found = case.backward(dy, cache)
    found = list(found) if isinstance(found, tuple | list) else [found]
    if case.name in (*PAIRS, "kl_divergence"):
        other = getattr(case.module, f"{case.name}_backward_target", None)
        found.append(other(dy, cache) if other else -found[0])
    return found + [None] * (len(arrays) - len(found))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_backward_is_the_finite_difference_of_forward(case: Case) -> None:
    rng = seeded(case)
    arrays = draw(case, rng)
    positional, settings = arguments(case, arrays)
    y, cache = case.forward(*positional, **settings)
    weight = rng.standard_normal(np.shape(y))
    weight /= np.linalg.norm(weight)
    found = gradients(case, arrays, weight, cache)

    def value(shift: float, direction: list[Any]) -> float:
        moved = [a if d is None else a + shift * d for a, d in zip(arrays, direction, strict=True)]
        positional, settings = arguments(case, moved)
        return float(np.sum(case.forward(*positional, **settings)[0] * weight))

    for _ in range(2):
        direction = [None if g is None else rng.standard_normal(a.shape) for g, a in zip(found, arrays, strict=True)]
        length = math.sqrt(sum(float(np.sum(d * d)) for d in direction if d is not None))
        direction = [None if d is None else d / length for d in direction]
        expected = (value(1e-6, direction) - value(-1e-6, direction)) / 2e-6
        actual = sum(float(np.sum(g * d)) for g, d in zip(found, direction, strict=True) if d is not None)
        if abs(actual - expected) <= 1e-9 + 1e-7 * abs(expected):
            return
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES, ids=label)
def test_kernel_agrees_with_torch(case: Case) -> None:
    torch = pytest.importorskip("torch")
    arrays = draw(case, seeded(case))
    positional, settings = arguments(case, arrays)
    y, cache = case.forward(*positional, **settings)
    tensors = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]
    # The reference is an expression of the table above, so that a row stays one line.
    expected = eval(case.torch, {"torch": torch, "F": torch.nn.functional, "a": tensors})
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    dy = np.asarray(np.random.default_rng(1).standard_normal(np.shape(y)))
    expected.backward(torch.tensor(dy))
    for actual, tensor in zip(gradients(case, arrays, dy, cache), tensors, strict=True):
        if actual is not None:
            assert np.shape(actual) == tuple(tensor.shape)
            reference = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            np.testing.assert_allclose(actual, reference.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_float32_stays_float32(case: Case) -> None:
    arrays = draw(case, seeded(case), "float32")
    positional, settings = arguments(case, arrays)
    y, cache = case.forward(*positional, **settings)
    assert y.dtype == np.float32
    for gradient in gradients(case, arrays, np.ones_like(y), cache):
        assert gradient is None or gradient.dtype == np.float32


@pytest.mark.parametrize("case", CASES, ids=label)
def test_arguments_are_left_alone(case: Case) -> None:
    arrays = draw(case, seeded(case))
    before = [a.copy() for a in arrays]
    positional, settings = arguments(case, arrays)
    y, cache = case.forward(*positional, **settings)
    dy = np.ones(np.shape(y))
    gradients(case, arrays, dy, cache)
    assert np.all(dy == 1.0)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


KINKS = [
    (activation, "relu", [-1.0, 0.0, 1.0], {}, [0.0, 0.0, 1.0]),
    (activation, "relu6", [0.0, 6.0, 3.0, 7.0], {}, [0.0, 0.0, 1.0, 0.0]),
    (activation, "leaky_relu", [0.0, 1.0], {"slope": 0.3}, [0.3, 1.0]),
    (activation, "elu", [0.0], {"alpha": 0.5}, [0.5]),
    (activation, "hard_sigmoid", [-3.0, 3.0, 0.0], {}, [0.0, 0.0, 1 / 6]),
    (activation, "hard_swish", [-3.0, 3.0, 4.0], {}, [0.0, 1.0, 1.0]),
    (arithmetic, "abs", [0.0, -2.0], {}, [0.0, -1.0]),
    (arithmetic, "clip", [-1.0, 1.0, 2.0], {"low": -1.0, "high": 1.0}, [1.0, 1.0, 0.0]),
    (arithmetic, "power_scalar", [0.0, 2.0], {"exponent": 0}, [0.0, 0.0]),
    (arithmetic, "power_scalar", [0.0, 2.0], {"exponent": 1}, [1.0, 1.0]),
    (reduce, "norm", [0.0, 0.0], {"axis": (0,)}, [0.0, 0.0]),
    (reduce, "max", [2.0, 1.0, 2.0], {"axis": (0,)}, [0.5, 0.0, 0.5]),
    (reduce, "min", [1.0, 1.0, 2.0], {"axis": (0,)}, [0.5, 0.5, 0.0]),
]


@pytest.mark.parametrize("module, name, x, settings, slope", KINKS)
def test_gradient_at_a_kink_is_that_of_torch(
    module: Any, name: str, x: list[float], settings: Any, slope: list[float]
) -> None:
    y, cache = getattr(module, f"{name}_forward")(np.array(x), **settings)
    np.testing.assert_allclose(getattr(module, f"{name}_backward")(np.ones_like(y), cache), slope, rtol=1e-15)


def test_maximum_and_minimum_share_a_tie_in_halves() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    _, cache = arithmetic.maximum_forward(a, b)
    np.testing.assert_array_equal(arithmetic.maximum_backward(np.ones(3), cache), [[0.5, 0, 1], [0.5, 1, 0]])
    np.testing.assert_array_equal(arithmetic.minimum_backward(np.ones(3), cache), [[0.5, 1, 0], [0.5, 0, 1]])


def test_power_at_zero_has_no_nan() -> None:
    with np.errstate(all="raise"):
        _, cache = arithmetic.power_forward(np.array([0.0, 0.0, 2.0]), np.array([0.0, 2.0, 0.0]))
        da, db = arithmetic.power_backward(np.ones(3), cache)
    np.testing.assert_allclose(da, [0.0, 0.0, 0.0])
    np.testing.assert_allclose(db, [0.0, 0.0, math.log(2.0)])


def test_max_pool_gives_a_tie_to_the_first() -> None:
    _, cache = pool.max_pool_forward(np.zeros((1, 1, 2, 2)), (2, 2), (2, 2))
    np.testing.assert_array_equal(pool.max_pool_backward(np.ones((1, 1, 1, 1)), cache)[0, 0], [[1, 0], [0, 0]])
    _, cache = pool.global_max_pool_forward(np.zeros((1, 1, 2, 2)))
    np.testing.assert_array_equal(pool.global_max_pool_backward(np.ones((1, 1)), cache)[0, 0], [[1, 0], [0, 0]])


def test_where_does_not_let_the_other_branch_in() -> None:
    condition = np.array([True, False])
    y, cache = arithmetic.where_forward(condition, np.array([1.0, 2.0]), np.array(3.0))
    np.testing.assert_array_equal(y, [1.0, 3.0])
    da, db = arithmetic.where_backward(np.array([np.nan, 1.0]), cache)
    assert np.isnan(da[0])
    assert da[1] == 0.0
    assert db == 1.0


@pytest.mark.parametrize("values", [[0.0, -0.0], [-800.0, 800.0], [-1e30, 1e30]])
def test_saturating_functions_neither_overflow_nor_warn(values: list[float]) -> None:
    x = np.array(values)
    with np.errstate(all="raise", under="ignore"):
        for name in ("sigmoid", "softplus", "gelu", "tanh", "elu"):
            y, cache = getattr(activation, f"{name}_forward")(x)
            getattr(activation, f"{name}_backward")(np.ones_like(x), cache)
            assert np.isfinite(y).all()
        y, _ = loss.cross_entropy_forward(x[None], np.array([0]))
        assert np.isfinite(y).all()
        y, _ = loss.binary_cross_entropy_forward(x, np.zeros(2))
        assert np.isfinite(y).all()


def test_erf_is_exact_to_a_few_units_in_the_last_place() -> None:
    x = np.concatenate([np.linspace(-8, 8, 4001), np.logspace(-20, 2, 200), [0.0, 0.46875, 4.0, np.inf, -np.inf]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(activation.erf(x), expected, rtol=1e-15)
    assert np.isnan(activation.erf(np.array([np.nan])))


def test_sign_and_step_at_zero_are_one() -> None:
    np.testing.assert_array_equal(activation.sign_of(np.array([-2.0, 0.0, 3.0])), [-1, 1, 1])
    np.testing.assert_array_equal(activation.heaviside(np.array([-2.0, 0.0, 3.0])), [0, 1, 1])


def test_embedding_adds_up_rows_that_occur_twice() -> None:
    weight = np.arange(12.0).reshape(4, 3)
    index = np.array([[2, 0, 2]])
    y, cache = linear.embedding_forward(index, weight)
    np.testing.assert_array_equal(y, weight[index])
    dweight = linear.embedding_backward(np.ones((1, 3, 3)), cache)
    np.testing.assert_array_equal(dweight[:, 0], [1, 0, 2, 0])


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(4, 3), (2, 1, 5), (3, 2, 4, 5), (2, 2, 2, 1, 3)])
def test_batch_norm_agrees_with_torch_in_both_modes(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *shape))
    weight, bias, mean = rng.standard_normal((3, shape[1]))
    var = rng.uniform(0.5, 2.0, shape[1])
    for training in (True, False):
        tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        running = [torch.tensor(a.copy()) for a in (mean, var)]
        expected = torch.nn.functional.batch_norm(tensors[0], *running, tensors[1], tensors[2], training, 0.3, 1e-3)
        expected.backward(torch.tensor(dy))
        ours = [mean.copy(), var.copy()]
        y, cache = norm.batch_norm_forward(x, weight, bias, *ours, training=training, eps=1e-3, momentum=0.3)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
        for actual, reference in zip(ours, running, strict=True):
            np.testing.assert_allclose(actual, reference.numpy(), rtol=1e-10)
        for actual, tensor in zip(norm.batch_norm_backward(dy, cache), tensors, strict=True):
            np.testing.assert_allclose(actual, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_class_weights_count_each_position_by_its_class() -> None:
    rng = np.random.default_rng(0)
    logits, label_, weight = rng.standard_normal((3, 4)), np.array([1, 3, 3]), (1.0, 2.0, 3.0, 4.0)
    plain, _ = loss.cross_entropy_forward(logits, label_)
    weighed, _ = loss.cross_entropy_forward(logits, label_, weight=weight)
    np.testing.assert_allclose(weighed, plain * np.array(weight)[label_], rtol=1e-14)
    of_log, _ = loss.nll_forward(activation.log_softmax(logits, 1), label_, weight=weight)
    np.testing.assert_allclose(of_log, weighed, rtol=1e-14)


def test_ignored_positions_count_neither_in_the_sum_nor_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    logits, label_ = rng.standard_normal((3, 5, 4)), np.array([[0, 2, 2, 2, 1], [2] * 5, [3, 1, 0, 1, 3]])
    y, cache = loss.cross_entropy_forward(logits, label_, ignore=2)
    picked = -np.take_along_axis(activation.log_softmax(logits, 2), label_[..., None], 2)[..., 0]
    np.testing.assert_allclose(y, [picked[0, [0, 4]].mean(), 0.0, picked[2].mean()], rtol=1e-13)
    dx = loss.cross_entropy_backward(np.ones(3), cache)
    assert not dx[0, 1:4].any()
    assert not dx[1].any()
    np.testing.assert_allclose(dx.sum(axis=2), 0.0, atol=1e-15)
    of_log, _ = loss.nll_forward(activation.log_softmax(logits, 2), label_, ignore=2)
    np.testing.assert_allclose(of_log, y, rtol=1e-13)


def test_nll_of_a_certain_event_is_finite() -> None:
    y, cache = loss.nll_forward(np.array([[0.0, -np.inf]]), np.array([0]))
    np.testing.assert_array_equal(y, [0.0])
    np.testing.assert_array_equal(loss.nll_backward(np.ones(1), cache), [[-1.0, 0.0]])


def test_out_and_scratch_are_used_and_change_nothing() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    expected, cache = conv.conv_forward(x, weight, bias, padding=(1, 1))
    dy = rng.standard_normal(expected.shape)
    reference = conv.conv_backward(dy, cache)
    forward: dict[str, Any] = {}
    backward: dict[str, Any] = {}
    out = np.empty(expected.shape)
    grads = tuple(np.empty(g.shape) for g in reference)
    for _ in range(2):
        y, cache = conv.conv_forward(x, weight, bias, padding=(1, 1), out=out, scratch=forward)
        assert y is out
        found = conv.conv_backward(dy, cache, out=grads, scratch=backward)
        np.testing.assert_array_equal(y, expected)
        for actual, buffer, exact in zip(found, grads, reference, strict=True):
            assert np.shares_memory(actual, buffer)
            np.testing.assert_array_equal(actual, exact)
    columns = forward["columns"]
    conv.conv_forward(x, weight, bias, padding=(1, 1), scratch=forward)
    assert forward["columns"] is columns


def test_layers_on_data_compute_the_gradients_of_their_parameters_alone() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((2, 3, 6)), rng.standard_normal((4, 3, 3)), rng.standard_normal(4)
    y, cache = conv.conv_forward(x, weight, bias, stride=(1,), padding=(0,), dilation=(1,))
    dy = rng.standard_normal(y.shape)
    for a, b in zip(conv.conv_backward_parameters(dy, cache), conv.conv_backward(dy, cache)[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    y, cache = linear.dense_forward(x, rng.standard_normal((5, 6)), None)
    dy = rng.standard_normal(y.shape)
    for a, b in zip(linear.dense_backward_parameters(dy, cache), linear.dense_backward(dy, cache)[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_has_the_statistics_it_names_and_repeats_from_its_key() -> None:
    def rng() -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=(3, 7)))

    x = np.ones((400, 100), np.float32)
    y, mask = noise.dropout_forward(x, 0.25, rng())
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs(y.mean() - 1.0) < 0.02
    np.testing.assert_array_equal(noise.dropout_backward(x, mask), y)
    np.testing.assert_array_equal(noise.dropout_forward(x, 0.25, rng())[0], y)
    y, _ = noise.drop_path_forward(x, 0.25, rng())
    assert np.all(y == y[:, :1])
    assert 0.7 < (y[:, 0] > 0).mean() < 0.8
    y = noise.gaussian_noise(x, 0.5, rng())
    assert y.dtype == np.float32
    assert abs(y.std() - 0.5) < 0.01
    y = noise.bernoulli(np.full((400, 100), 0.3, np.float32), rng())
    assert y.dtype == np.float32
    assert abs(y.mean() - 0.3) < 0.01
    assert not noise.dropout_forward(x, 1.0, rng())[0].any()


def test_sinusoidal_table_alternates_sine_and_cosine() -> None:
    table = attention.sinusoidal_table(5, 3, 100.0, np.float64)
    assert table.shape == (5, 3)
    np.testing.assert_allclose(table[2], [math.sin(2), math.cos(2), math.sin(2 / 100 ** (2 / 3))], rtol=1e-14)


def test_the_perceptron_learns_from_what_is_on_the_boundary() -> None:
    y, t = np.zeros((2, 3)), np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    value, cache = loss.perceptron_loss_forward(y, t)
    np.testing.assert_array_equal(value, [0, 0])
    np.testing.assert_array_equal(loss.perceptron_loss_backward(np.ones(2), cache), -t / 3)
