"""`nnspec new`: every template is canonical, without warnings, and learns; nothing is ever overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result

import nnspec
from nnspec.cli.new import TEMPLATES

Cli = Callable[..., Result]

# What a run must reach on its last epoch: the mean loss of guessing, and better.
LEARNS = {"mlp": 0.5, "cnn": 1.9, "resnet": 1.9, "gpt": 4.5, "regression": 0.9, "csv": 0.6}
SHORT = {
    "mlp": ["--set", "train.epochs=4"],
    "cnn": ["--set", "train.epochs=2"],
    "resnet": ["--set", "train.epochs=1"],
    "gpt": ["--set", "train.steps=60"],
    "regression": ["--set", "train.epochs=10"],
    "csv": [],
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_checked_canonical_and_learns(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = f"my_{template}.nn"
    assert cli("new", template, file).code == 0
    assert "FILE" not in Path(file).read_text()
    assert cli("check", file) == Result(0, "", f"{file}: ok\n")
    assert cli("fmt", "--check", file).code == 0
    assert cli("train", file, "--run-dir", "run", *SHORT[template]).code == 0
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    losses = [line["train"]["loss"] for line in lines if "train" in line]
    assert losses[-1] < LEARNS[template]


def test_nothing_is_overwritten(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mlp.nn").write_text("mine")
    result = cli("new")
    assert result.code == 2
    assert "exists already" in result.err
    assert Path("mlp.nn").read_text() == "mine"
    Path("leaves.csv").write_text("mine too")
    assert cli("new", "csv").code == 0
    assert Path("leaves.csv").read_text() == "mine too"
    assert cli("new", "csv", "none/csv.nn").code == 2


def test_names_and_lists(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "did you mean resnet" in cli("new", "resnt").err
    assert [line.split()[0] for line in cli("new", "--list").out.splitlines()] == list(TEMPLATES)
    assert cli("new", "gpt", 'a".nn').code == 2
    written = cli("new", "cnn", "-")
    assert nnspec.load(written.out).model == "Cnn"
    assert list(tmp_path.iterdir()) == []
