"""A model with `train` and nothing to train: an error for `train`, and what it is for everything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import graph_of

import nnspec
from nnspec.diagnostics import SpecError
from nnspec.train import evaluate_run, predict, train
from nnspec.verify import verify

FROZEN = """model M {
    input x: float32[2]
    target t: float32
    output y = x -> stem: dense(2, weight_init = ones) -> batch_norm -> head: dense(1, weight_init = ones)
}
data { source = table([[0, 1, 1], [2, 3, 3]]) }
train {
    MINIMIZE
    optimizer = sgd(0.1)
    optimizer("*") = frozen
    batch = 2
    epochs = 1
    metrics = [mae]
    SETTINGS
}
"""
NONE = """model M {
    input x: float32[2]
    target t: float32
    output y = sum(x)
}
data { source = table([[0, 1, 1], [2, 3, 3]]) }
train {
    MINIMIZE
    optimizer = adam
    batch = 2
    epochs = 1
    metrics = [mae]
    SETTINGS
}
"""
ONE = "minimize = squared_error(y, t) + 0.1 * l2(weights)"
TWO = 'minimize("stem") = squared_error(y, t); minimize("head") = squared_error(y, t)'
MODELS = {"frozen": FROZEN, "no parameters": NONE}


def spec(text: str, minimize: str = ONE, settings: str = "") -> str:
    return text.replace("MINIMIZE", minimize).replace("SETTINGS", settings)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=pytest.mark.torch)])
@pytest.mark.parametrize("name", MODELS)
def test_evaluation_and_prediction_take_it_as_it_is(tmp_path: Path, name: str, backend: str) -> None:
    (tmp_path / "m.nn").write_text(spec(MODELS[name], "minimize = squared_error(y, t)"))
    y = predict(tmp_path / "m.nn", backend=backend).outputs["y"].ravel()
    # sums 1 and 5, twice; running statistics are 0 and 1, eps is 1e-5
    wanted = np.array([1, 5]) * (2 / np.sqrt(1 + 1e-5) if name == "frozen" else 1)
    np.testing.assert_allclose(y, wanted, rtol=1e-6)
    found = evaluate_run(nnspec.load(tmp_path / "m.nn"), backend).values
    assert found == pytest.approx(
        {"loss": 0.5 * np.mean((wanted - [1, 3]) ** 2), "mae": np.mean(np.abs(wanted - [1, 3]))}, rel=1e-6
    )


@pytest.mark.torch
@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize(
    ("name", "minimize", "settings"),
    [
        ("frozen", ONE, ""),
        ("frozen", ONE, "accumulate = 2"),
        ("frozen", TWO, "ema = 0.9; clip_norm = 1"),
        ("no parameters", ONE, ""),
        ("no parameters", ONE, "ema = 0.9; clip_norm = 1; clip_value = 1"),
    ],
)
def test_numpy_and_torch_agree(name: str, minimize: str, settings: str, optimize: int) -> None:
    graph = graph_of(spec(MODELS[name], minimize, settings))
    report = verify(graph, ("numpy", "torch"), steps=2, optimize=optimize)
    assert report.ok
    assert {"loss", "evaluation"} <= {row.kind for row in report.rows}


@pytest.mark.jax
@pytest.mark.parametrize("name", MODELS)
def test_numpy_and_jax_agree(name: str) -> None:
    assert verify(graph_of(spec(MODELS[name])), ("numpy", "jax"), steps=2).ok


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frozen", "nothing to train: every parameter of M is frozen"),
        ("no parameters", "nothing to train: M has no parameters"),
    ],
)
def test_train_says_so_at_its_block_and_leaves_no_folder(tmp_path: Path, name: str, message: str) -> None:
    text = spec(MODELS[name])
    (tmp_path / "m.nn").write_text(text)
    with pytest.raises(SpecError) as raised:
        train(nnspec.load(tmp_path / "m.nn"), run_dir=tmp_path / "run")
    (found,) = raised.value.diagnostics
    assert (found.code, found.message) == ("E0421", message)
    assert text.splitlines()[found.span.line - 1][found.span.column - 1 :] == "train {"
    assert "nnspec predict" in found.help
    assert not (tmp_path / "run").exists()


def test_frozen_without_a_pattern_says_what_to_write() -> None:
    (found,) = nnspec.check(spec(NONE).replace("optimizer = adam", "optimizer = frozen")).diagnostics
    assert found.code == "E0407"
    assert found.help == 'optimizer = sgd(0.1) for the rest, then optimizer("conv*") = frozen for what is to stay'
