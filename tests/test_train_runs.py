"""Specs trained, evaluated and used through the front door, on every backend."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnspec
from nnspec.data import DataError
from nnspec.train import Diverged, Result, TrainError, evaluate_run, predict, train
from nnspec.train.folder import PACKAGES

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ["numpy", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]

DIGITS = """
let width = 24
model Mlp {
    input  image: float32[1, 8, 8]
    target label: class(10)
    output logits = image -> flatten -> dense(width) -> tanh -> dense(10)
}
data {
    source    = sklearn("digits")
    split     = [0.5, 0.2, 0.3]
    normalize = standard
}
train {
    minimize  = cross_entropy(logits, label) + 1e-3 * l2(weights)
    optimizer = adam(cosine(2e-2))
    epochs    = 3
    batch     = 64
    metrics   = [accuracy]
}
"""

FLOWERS = """
model Flowers {
    input  x: float32[2]
    target kind: class(2)
    output logit = x -> dense(1)
}
data { source = csv("flowers.csv", x = ["length", "width"], kind = "name"); normalize = standard }
train {
    minimize = binary_cross_entropy(logit, kind)
    optimizer = sgd(0.5); epochs = 20; batch = full; metrics = [accuracy]
}
"""

LINE = """
model Line {
    input  x: float32[1]
    target price: float32
    output y = x -> dense(1)
}
data {
    source = csv("line.csv", x = "area")
    normalize = standard
    normalize("price") = standard
}
train { minimize = squared_error(y, price); optimizer = sgd(0.5); steps = 200; batch = full }
"""

Runner = Callable[..., Result]


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "a.nn"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def trained(tmp_path: Path, spec_file: Callable[[str], Path]) -> Runner:
    def run(
        text: str, backend: str = "numpy", name: str = "run", settings: dict[str, Any] | None = None, **options: Any
    ) -> Result:
        spec = nnspec.load(spec_file(text), set=settings or {})
        return train(spec, backend, run_dir=tmp_path / name, **options)

    return run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---------------------------------------------------------------- the same on every backend


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "a.nn").write_text(DIGITS)
    return train(nnspec.load(folder / "a.nn"), "numpy", run_dir=folder / "run", dtype="float64")


@pytest.mark.parametrize(
    "backend", [pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]
)
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-9), ("float32", 1e-3)])
def test_every_epoch_has_the_same_loss_on_every_backend(
    trained: Runner, reference: Result, backend: str, dtype: str, rtol: float
) -> None:
    other = trained(DIGITS, backend, dtype=dtype)
    for mine, theirs in zip(reference.history, other.history, strict=True):
        np.testing.assert_allclose(theirs["train"]["loss"], mine["train"]["loss"], rtol=rtol)
        np.testing.assert_allclose(theirs["validation"]["loss"], mine["validation"]["loss"], rtol=rtol)
    assert reference.test is not None
    assert other.test is not None
    np.testing.assert_allclose(other.test["loss"], reference.test["loss"], rtol=rtol)
    assert reference.test["accuracy"] > 0.9


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_backend_evaluates_and_uses_any_run(reference: Result, backend: str) -> None:
    found = evaluate_run(reference.folder, backend)
    assert (found.part, found.backend, found.checkpoint) == ("test", backend, "best")
    assert reference.test is not None
    np.testing.assert_allclose(found.values["loss"], reference.test["loss"], rtol=1e-9)
    assert found.values["accuracy"] == pytest.approx(reference.test["accuracy"])
    used = predict(reference.folder, backend=backend)
    assert used.outputs["logits"].shape == (1797, 10)
    # The first ten examples of the file are the digits from 0 to 9.
    assert (used.classes["label"][:10] == np.arange(10)).sum() >= 7


# ---------------------------------------------------------------- the run folder


def test_a_run_folder_says_all_about_a_run(reference: Result) -> None:
    folder = reference.folder
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoints",
        "environment.json",
        "metrics.jsonl",
        "model_numpy.py",
        "resolved.json",
        "result.json",
        "spec.nn",
        "timings.jsonl",
    ]
    metrics = lines(folder / "metrics.jsonl")
    assert [m["epoch"] for m in metrics] == [1, 2, 3, 3]
    assert metrics[-1]["test"] == reference.test
    assert "seconds" not in json.dumps(metrics)
    resolved = json.loads((folder / "resolved.json").read_text())
    assert resolved["examples"] == {"train": 899, "validation": 359, "test": 539}
    assert resolved["data"]["memory"]["scaling"]["image"]["mean"]
    assert all(len(digest) == 64 for digest in resolved["data"]["files"].values())
    assert "precision = float64" in (folder / "spec.nn").read_text()
    packages = json.loads((folder / "environment.json").read_text())["packages"]
    assert packages == {name: importlib.metadata.version(name) for name in PACKAGES if find_spec(name)}


def test_a_run_can_be_made_again_from_its_own_spec(trained: Runner, tmp_path: Path) -> None:
    first = trained(DIGITS, settings={"width": "8", "train.batch": "100"}, seed=3, epochs=2)
    spec = nnspec.load(first.folder / "spec.nn")
    text = (first.folder / "spec.nn").read_text()
    for written in ("let width = 8\n", "batch     = 100", "epochs    = 2", "seed = 3"):
        assert written in text
    again = train(spec, run_dir=tmp_path / "again")
    assert again.history == first.history
    assert (first.folder / "metrics.jsonl").read_bytes() == (again.folder / "metrics.jsonl").read_bytes()
    other = trained(DIGITS, name="other", settings={"width": "8", "train.batch": "100"}, seed=4, epochs=2)
    assert other.history != first.history


def test_runs_are_numbered(spec_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = nnspec.load(spec_file(DIGITS))
    folders = [train(spec, epochs=1).folder for _ in range(2)]
    assert folders == [Path("runs/Mlp/1"), Path("runs/Mlp/2")]


def test_an_occupied_folder_is_refused(trained: Runner) -> None:
    trained(DIGITS, epochs=1)
    with pytest.raises(TrainError, match="not empty"):
        trained(DIGITS, epochs=1)


# ---------------------------------------------------------------- predictions


def test_classes_are_predicted_by_name(trained: Runner, tmp_path: Path) -> None:
    rows = "".join(f"{a},{a * 2},{'rose' if a > 5 else 'daisy'}\n" for a in range(11))
    (tmp_path / "flowers.csv").write_text("length,width,name\n" + rows)
    result = trained(FLOWERS)
    assert result.history[-1]["train"]["loss"] < 0.3
    (tmp_path / "new.csv").write_text("width,length\n0,0\n20,10\n")
    found = predict(result.folder, tmp_path / "new.csv")
    assert found.classes["kind"].tolist() == ["daisy", "rose"]
    header, table = found.table()
    assert header == ["kind", "logit"]
    assert [row[0] for row in table] == ["daisy", "rose"]
    (tmp_path / "bad.csv").write_text("width,length\n0,\n")
    with pytest.raises(TrainError, match="row 1"):
        predict(result.folder, tmp_path / "bad.csv")
    with pytest.raises(TrainError, match="does not exist"):
        predict(result.folder, tmp_path / "none.csv")


def test_predictions_are_in_the_units_of_the_target(trained: Runner, tmp_path: Path) -> None:
    (tmp_path / "line.csv").write_text("area,price\n" + "".join(f"{a},{100 + 7 * a}\n" for a in range(10)))
    result = trained(LINE, dtype="float64")
    np.savez(tmp_path / "new.npz", x=np.array([[3.0], [20.0]]))
    found = predict(result.folder, tmp_path / "new.npz")
    np.testing.assert_allclose(found.outputs["y"].reshape(-1), [121, 240], rtol=1e-6)


def test_a_spec_with_nothing_to_train_is_used_as_it_is(spec_file: Callable[[str], Path]) -> None:
    neuron = predict(ROOT / "examples" / "neuron.nn")
    assert neuron.outputs["y"].reshape(-1).tolist() == [-1, -1, 1, -1, -1, -1, 1, 1]
    with pytest.raises(TrainError, match="not trained"):
        predict(spec_file(DIGITS))


# ---------------------------------------------------------------- what can go wrong


def test_data_that_does_not_fit_stops_before_anything_is_written(trained: Runner, tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("length,width,name\n" + "".join(f"{i},1,{i % 3}\n" for i in range(90)))
    with pytest.raises(DataError) as caught:
        trained(FLOWERS)
    error = caught.value
    assert error.code == "E0533"
    assert "2 is outside class(2)" in error.message
    assert error.sources[error.span.path].split("\n")[error.span.line - 1].startswith("data { source")
    assert not (tmp_path / "run").exists()


def test_a_run_that_diverges_says_where(trained: Runner, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="at step"):
        trained(DIGITS.replace("tanh", "exp").replace("adam(cosine(2e-2))", "sgd(1e6)"))
    assert (tmp_path / "run" / "checkpoints" / "last" / "weights.safetensors").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_without_input_needs_no_data(trained: Runner, backend: str) -> None:
    text = """
    model Bowl { param w: float32[3] = ones; output value = sum((w - 2) ^ 2) }
    train { minimize = value; optimizer = sgd(0.25); steps = 30 }
    """
    result = trained(text, backend, dtype="float64")
    assert result.steps == 30
    np.testing.assert_allclose(result.history[0]["train"]["loss"], 3.0)
    assert result.history[-1]["train"]["loss"] < 1e-12


def test_training_on_numpy_imports_no_framework(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    program = (
        "import sys, nnspec\nfrom nnspec.train import train\n"
        f"train(nnspec.load({str(spec_file(DIGITS))!r}), 'numpy', epochs=1, run_dir={str(tmp_path / 'r')!r})\n"
        "found = {'torch', 'jax', 'sklearn', 'rich', 'click'} & set(sys.modules)\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120)
