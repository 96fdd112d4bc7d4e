"""The first models of the lecture do what their heads and docs/first-models.md say they do."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from conftest import EXAMPLES

import nnspec
from nnspec.data import load_data
from nnspec.train import Result, evaluate_run, predict, train
from nnspec.verify.setup import open_drivers

BACKENDS = ["numpy", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]
Runner = Callable[..., Result]
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """`trained("universal", width=8)` trains examples/universal.nn with that setting, as --set does; once for all."""
    known: dict[Any, Result] = {}

    def run(name: str, backend: str = "numpy", model: str | None = None, **settings: Any) -> Result:
        key = (name, backend, model, *settings.items())
        if key not in known:
            spec = nnspec.load(EXAMPLES / f"{name}.nn", model=model, set={k: str(v) for k, v in settings.items()})
            known[key] = train(spec, backend, run_dir=tmp_path_factory.mktemp("runs") / "1")
        return known[key]

    return run


def losses(result: Result) -> list[float]:
    return [epoch["train"]["loss"] for epoch in result.history]


def weights(result: Result) -> dict[str, Array]:
    return safetensors.numpy.load_file(result.folder / "checkpoints/last/weights.safetensors")


def data(name: str, part: str) -> dict[str, Array]:
    """The examples of a part, as the model sees them."""
    graph = nnspec.load(EXAMPLES / f"{name}.nn").graph
    assert graph.data is not None
    return load_data(graph.fields, graph.data, EXAMPLES).parts[part]


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


@pytest.mark.parametrize("units, patterns", [(64, 3), (100, 5), (144, 8), (256, 12)])
def test_random_patterns_well_below_capacity_are_recalled(tmp_path: Path, units: int, patterns: int) -> None:
    result, wanted = remember(tmp_path, units, patterns)
    found = predict(result.folder).outputs
    assert found["wrong_before"].sum() > 0.1 * units * patterns
    assert found["wrong_after"].sum() <= 0.05 * found["wrong_before"].sum()
    np.testing.assert_array_equal(found["wrong_after"].ravel(), np.sum(found["recalled"] != wanted, axis=1))


def test_more_random_patterns_than_fit_are_not_recalled(tmp_path: Path) -> None:
    found = predict(remember(tmp_path, 64, 32)[0].folder).outputs
    assert found["wrong_after"].sum() > 0.5 * found["wrong_before"].sum()


def remember(folder: Path, units: int, patterns: int) -> tuple[Result, Array]:
    """A Hopfield net trained on random patterns from a file, and these."""
    wanted = np.random.default_rng(units).choice(np.float32([-1, 1]), (patterns, units))
    np.savez(folder / "patterns.npz", letter=wanted)
    shutil.copy(EXAMPLES / "hopfield.nn", folder)
    settings = {"n": str(units), "data.source": 'npz("patterns.npz")'}
    return train(nnspec.load(folder / "hopfield.nn", set=settings), run_dir=folder / "run"), wanted


def test_the_error_of_a_boltzmann_machine_falls_by_more_than_half(trained: Runner) -> None:
    found = trained("boltzmann").test
    digits = data("boltzmann", "test")["image"]
    mean_image = np.mean((digits - data("boltzmann", "train")["image"].mean(0)) ** 2)
    untrained = np.mean((digits - 0.5) ** 2)  # what weights near zero make of anything
    assert found is not None
    assert found["mse"] < 0.5 * untrained
    assert found["mse"] < 0.6 * mean_image


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_probability_beyond_its_ends_is_the_nearer_end(tmp_path: Path, backend: str) -> None:
    text = "model M {\ninput p: float32\noutput y = p -> bernoulli\n}\ndata { source = table([[-1], [0], [1], [2]]) }"
    (tmp_path / "m.nn").write_text(text)
    assert predict(tmp_path / "m.nn", backend=backend).outputs["y"].ravel().tolist() == [0, 0, 1, 1]


def test_more_units_come_nearer(trained: Runner) -> None:
    errors = [losses(trained("universal", width=width))[-1] for width in (2, 8, 32)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_deep_beats_shallow_on_folds(trained: Runner) -> None:
    assert losses(trained("depth", model="Deep"))[-1] < 0.6 * losses(trained("depth", model="Shallow"))[-1]


def test_gradient_descent_goes_down_at_every_step(trained: Runner) -> None:
    full, single = losses(trained("descent", size="full")), losses(trained("descent", size=1))
    assert np.all(np.diff(full) < 0)
    assert single[-1] < full[-1]


def sgd(g: Array, state: dict[str, Any], t: int) -> Array:
    return np.asarray(0.018 * g)


def momentum(g: Array, state: dict[str, Any], t: int) -> Array:
    state["v"] = 0.8 * state["v"] + g
    return np.asarray(0.018 * state["v"])


def adagrad(g: Array, state: dict[str, Any], t: int) -> Array:
    state["s"] = state["s"] + g**2
    return np.asarray(0.5 * g / (np.sqrt(state["s"]) + 1e-10))


def rmsprop(g: Array, state: dict[str, Any], t: int) -> Array:
    state["s"] = 0.9 * state["s"] + 0.1 * g**2
    return np.asarray(0.02 * g / (np.sqrt(state["s"]) + 1e-8))


def adam(g: Array, state: dict[str, Any], t: int) -> Array:
    state["m"] = 0.9 * state["m"] + 0.1 * g
    state["s"] = 0.999 * state["s"] + 0.001 * g**2
    return np.asarray(0.1 * (state["m"] / (1 - 0.9**t)) / (np.sqrt(state["s"] / (1 - 0.999**t)) + 1e-8))


@pytest.mark.parametrize(
    "rule, formula",
    [
        ("sgd(0.018)", sgd),
        ("sgd(0.018, momentum = 0.8)", momentum),
        ("adagrad(0.5)", adagrad),
        ("rmsprop(0.02, alpha = 0.9)", rmsprop),
        ("adam(0.1)", adam),
    ],
)
def test_optimizers_in_the_ravine_follow_their_formulas(trained: Runner, rule: str, formula: Any) -> None:
    steep, p = np.array([1.0, 50.0]), np.array([2.0, 1.0])
    state, heights = {"v": 0.0, "s": 0.0, "m": 0.0}, []
    for t in range(1, 151):
        heights.append(float(0.5 * np.sum(steep * p**2)))
        p = p - formula(steep * p, state, t)
    found = losses(trained("optimizers", rule=rule, **{"train.precision": "float64"}))
    np.testing.assert_allclose(found, heights, rtol=1e-9, atol=1e-12)


def test_penalties_and_dropout_help_and_l1_is_sparse(trained: Runner) -> None:
    runs = [trained("regularisation", **s) for s in ({}, {"ridge": 0.1}, {"lasso": 0.03}, {"drop": 0.8})]
    errors = [evaluate_run(run.folder, checkpoint="last").values["mse"] for run in runs]
    assert max(errors[1:]) < 0.9 * errors[0]
    stopped = runs[0].test  # at the best epoch by the validation part
    assert stopped is not None
    assert stopped["mse"] < 0.9 * errors[0]
    small = [np.mean(np.abs(weights(run)["hidden.weight"]) < 1e-3) for run in runs]
    assert small[2] > 0.8 > small[1] > small[0]


def test_zeros_stay_at_the_logarithm_of_the_classes(trained: Runner) -> None:
    settings = {"train.epochs": 4}
    assert losses(trained("initialisation", start="zeros", **settings))[-1] == pytest.approx(math.log(10), abs=0.005)
    assert losses(trained("initialisation", **settings))[-1] < 0.2


def test_linear_regression_solves_the_normal_equations(trained: Runner) -> None:
    result, known = trained("linear_regression"), data("linear_regression", "train")
    design = np.hstack([known["x"], np.ones((len(known["x"]), 1))]).astype(np.float64)
    target = known["progress"].ravel().astype(np.float64)
    exact = np.linalg.lstsq(design, target, rcond=None)[0]
    found = weights(result)
    learned = np.append(found["dense1.weight"].ravel(), found["dense1.bias"])
    assert result.stopped == "gradient_below"
    slope = design.T @ (design @ learned - target) / len(target)
    assert np.linalg.norm(slope) < 1.01e-3
    # Where the slope is g, a parabola of least curvature c is at most g^2 / 2c above its lowest point.
    above = 1.01e-3**2 / (2 * np.linalg.eigvalsh(design.T @ design / len(target))[0])
    least = 0.5 * np.mean((design @ exact - target) ** 2)
    assert above < 1e-4
    assert least <= 0.5 * np.mean((design @ learned - target) ** 2) <= least + above
    assert losses(result)[-1] == pytest.approx(least, abs=1.1 * above)


@pytest.mark.jax
def test_outputs_are_written_in_the_order_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "m.nn").write_text(
        "model M {\ninput x: float32\noutput zero = 0 * x\noutput again = x\n}\ndata { source = table([[1], [2]]) }"
    )
    assert predict(tmp_path / "m.nn", backend="jax").table() == (["zero", "again"], [[0, 1], [0, 2]])


KINKS = """model M {
    input x: float32
    target t: float32
    param w: float32 = constant(START)
    output y = w * x
}
train { minimize = LOSS(y, t); optimizer = sgd(1); batch = full; steps = 1 }
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss, start, slopes", [("perceptron_loss", 0, [-1, -1, 3]), ("hinge", 1, [0, 0, 3])])
def test_at_their_kinks_the_perceptron_learns_and_the_margin_is_wide_enough(
    tmp_path: Path, backend: str, loss: str, start: int, slopes: list[int]
) -> None:
    graph = nnspec.load(KINKS.replace("START", str(start)).replace("LOSS", loss)).graph
    (driver,) = open_drivers(graph, (backend,), "float64", "cpu", 1, tmp_path).values()
    driver.load({"w": np.array(float(start))})
    examples = {"x": np.array([1.0, -1.0, 3.0]), "t": np.array([1.0, -1.0, -1.0])}
    _, found = driver.gradients(examples)  # two examples at the kink, and one that is wrong at any rate
    assert found["w"] == pytest.approx(np.sum(slopes) / 3)
