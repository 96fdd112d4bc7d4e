"""The first models of the lecture do what their heads and docs/first-models.md say they do."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from conftest import EXAMPLES

import nnspec
from nnspec.train import Result, predict, train

BACKENDS = ["numpy", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]
Runner = Callable[..., Result]


@pytest.fixture
def trained(tmp_path: Path) -> Runner:
    """`trained("universal", width=8)` trains examples/universal.nn with that setting, as --set does."""
    count = iter(range(100))

    def run(name: str, backend: str = "numpy", model: str | None = None, **settings: Any) -> Result:
        spec = nnspec.load(EXAMPLES / f"{name}.nn", model=model, set={k: str(v) for k, v in settings.items()})
        return train(spec, backend, run_dir=tmp_path / str(next(count)))

    return run


def losses(result: Result) -> list[float]:
    return [epoch["train"]["loss"] for epoch in result.history]


def weights(result: Result) -> dict[str, np.ndarray[Any, Any]]:
    return safetensors.numpy.load_file(result.folder / "checkpoints/last/weights.safetensors")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_neuron_says_its_truth_table(backend: str) -> None:
    found = predict(EXAMPLES / "neuron.nn", backend=backend).outputs["y"]
    assert found.ravel().tolist() == [-1, -1, 1, -1, -1, -1, 1, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_perceptron_learns_and(trained: Runner, backend: str) -> None:
    found = predict(trained("perceptron", backend).folder).outputs["y"]
    assert found.ravel().tolist() == [-1, -1, -1, 1]


def test_adaline_goes_to_least_squares(trained: Runner) -> None:
    found = weights(trained("adaline"))
    np.testing.assert_allclose(found["dense1.weight"], [[0.5, 0.5]], atol=0.02)
    np.testing.assert_allclose(found["dense1.bias"], [-0.5], atol=0.02)


def test_hebbs_rule_recalls_at_least_95_percent_of_the_damage(trained: Runner) -> None:
    result = trained("hopfield")
    found = predict(result.folder).outputs
    letters = np.sign(found["recalled"])  # correct where nothing is wrong, so that the weights can be told
    assert found["wrong_before"].sum() > 20
    assert found["wrong_after"].sum() <= 0.05 * found["wrong_before"].sum()
    np.testing.assert_allclose(weights(result)["W"], letters.T @ letters / 4 * (1 - np.eye(64)), atol=1e-6)


def test_the_error_of_a_boltzmann_machine_falls_by_half(trained: Runner) -> None:
    before, after = trained("boltzmann", lr=1e-9, **{"train.epochs": 1}), trained("boltzmann", **{"train.epochs": 10})
    assert before.test is not None
    assert after.test is not None
    assert after.test["mse"] < 0.5 * before.test["mse"]


def test_more_units_come_nearer(trained: Runner) -> None:
    errors = [losses(trained("universal", width=width))[-1] for width in (2, 8, 32)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_deep_beats_shallow_on_folds(trained: Runner) -> None:
    assert losses(trained("depth", model="Deep"))[-1] < 0.6 * losses(trained("depth", model="Shallow"))[-1]


def test_gradient_descent_goes_down_at_every_step(trained: Runner) -> None:
    full, single = losses(trained("descent", size="full")), losses(trained("descent", size=1))
    assert np.all(np.diff(full) < 0)
    assert single[-1] < full[-1]


def test_optimizers_in_the_ravine_follow_their_formulas(trained: Runner) -> None:
    steep, start = np.array([1.0, 50.0]), np.array([2.0, 1.0])

    def walk(step: Callable[[np.ndarray[Any, Any], dict[str, Any], int], np.ndarray[Any, Any]]) -> float:
        p, state = start.copy(), {"v": 0.0, "s": 0.0, "m": 0.0}
        for t in range(1, 151):
            height = float(0.5 * np.sum(steep * p**2))
            p = p - step(steep * p, state, t)
        return height

    def momentum(g: np.ndarray[Any, Any], s: dict[str, Any], t: int) -> np.ndarray[Any, Any]:
        s["v"] = 0.8 * s["v"] + g
        return np.asarray(0.018 * s["v"])

    def rmsprop(g: np.ndarray[Any, Any], s: dict[str, Any], t: int) -> np.ndarray[Any, Any]:
        s["s"] = 0.9 * s["s"] + 0.1 * g**2
        return np.asarray(0.02 * g / (np.sqrt(s["s"]) + 1e-8))

    assert losses(trained("optimizers"))[-1] == pytest.approx(walk(lambda g, s, t: 0.018 * g), rel=1e-3)
    found = losses(trained("optimizers", rule="rmsprop(0.02, alpha = 0.9)"))[-1]
    assert found == pytest.approx(walk(rmsprop), rel=0.05)
    assert losses(trained("optimizers", rule="sgd(0.018, momentum = 0.8)"))[-1] == pytest.approx(
        walk(momentum), abs=1e-9
    )


def test_penalties_and_dropout_help_and_l1_is_sparse(trained: Runner) -> None:
    runs = [trained("regularisation", **s) for s in ({}, {"ridge": 0.03}, {"lasso": 0.003}, {"drop": 0.5})]
    errors = [run.test["mse"] for run in runs if run.test is not None]
    assert max(errors[1:]) < 0.9 * errors[0]
    small = [np.mean(np.abs(weights(run)["hidden.weight"]) < 1e-3) for run in runs]
    assert small[2] > 0.8 > small[1] > small[0]


def test_zeros_stay_at_the_logarithm_of_the_classes(trained: Runner) -> None:
    assert losses(trained("initialisation", start="zeros"))[-1] == pytest.approx(math.log(10), abs=0.005)
    assert losses(trained("initialisation"))[-1] < 0.1


def test_linear_regression_solves_the_normal_equations(trained: Runner) -> None:
    assert losses(trained("linear_regression"))[-1] == pytest.approx(0.2500, abs=0.001)
