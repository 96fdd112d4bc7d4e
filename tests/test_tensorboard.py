"""`--log tensorboard`: TensorBoard's own reader finds the numbers of metrics.jsonl."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

from nnspec.cli.console import run

SPEC = """
model Net {
    input  x: float32[3]
    target y: class(2)
    output logits = x -> dense(4) -> tanh -> dense(2)
}
data { source = random(40); split = [0.5, 0.3, 0.2] }
train { minimize = cross_entropy(logits, y); optimizer = adam(0.01); epochs = 3; batch = 8; metrics = [accuracy] }
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "net.nn").write_text(SPEC)
    return str(tmp_path / "net.nn")


def test_curves_are_written_for_tensorboard(tmp_path: Path, spec: str) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    assert run(["train", spec, "--run-dir", str(folder), "--log", "tensorboard"]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what tensorboard imports
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(str(folder / "tensorboard"))
        found.Reload()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert set(found.Tags()["scalars"]) == {
        "lr",
        "train/loss",
        *(f"{part}/{name}" for part in ("validation", "test") for name in ("loss", "accuracy")),
    }
    for tag in found.Tags()["scalars"]:
        part, _, name = tag.partition("/")
        expected = [(line["step"], line[part][name] if name else line["lr"][0]) for line in lines if part in line]
        assert [(e.step, pytest.approx(e.value, rel=1e-6)) for e in found.Scalars(tag)] == expected


def test_without_tensorboard_the_extra_is_named(
    tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith(("tensorboard.", "nnspec.train.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    assert run(["train", spec, "--run-dir", str(tmp_path / "run"), "--log", "tensorboard"]) == 3
    assert 'pip install "nnspec[tensorboard]"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
