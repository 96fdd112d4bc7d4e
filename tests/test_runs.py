"""Which run `--resume` goes on with, what it refuses, how signals end a run, and how runs are listed and reproduced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnspec.cli.console import run
from nnspec.train.folder import locked
from nnspec.train.reproduce import compare

SPEC = """\
let lr = 0.01                       # a rate
model Net {
    input  x: float32[3]
    target y: float32
    output out = x -> dense(4) -> tanh -> dropout(0.2) -> dense(1)
}
data { source = csv("rows.csv", y = "price"); split = [0.7, 0.3] }
train { minimize = squared_error(out, y); optimizer = adam(lr); epochs = 3; batch = 8 }
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.nn").write_text(SPEC)
    rows = "".join(f"{i % 3},{i % 5},{i % 7},{i % 4}\n" for i in range(24))
    (tmp_path / "rows.csv").write_text("a,b,c,price\n" + rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stopped(*options: str) -> Path:
    """A run that was stopped in the middle: its last checkpoint is gone, the one before it is taken."""
    assert run(["train", "net.nn", "--checkpoint-every", "2steps", *options]) == 0
    folder = max(Path("runs/Net").iterdir())
    (folder / "result.json").unlink()
    (folder / "checkpoints" / "last" / "checkpoint.json").unlink()
    return folder


# ---------------------------------------------------------------- which run


def test_resume_goes_on_with_the_newest_unfinished_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "net.nn", "--resume"]) == 0  # nothing to go on with: the first run begins
    assert "no run of net.nn was begun yet" in capsys.readouterr().err
    second = stopped("--set", "lr=0.02", "--seed", "3")
    assert run(["train", "net.nn", "--seed", "9"]) == 0
    capsys.readouterr()
    assert run(["train", "net.nn", "--resume"]) == 0  # --set and --seed need not be said again
    assert f"kept in {second}" in capsys.readouterr().err
    assert run(["train", "net.nn", "--set", "lr=0.02", "--seed", "3"]) == 0
    assert compare(second, Path("runs/Net/4"))[1] == []
    assert run(["train", "net.nn", "--resume", "--seed", "9"]) == 2  # the newest, all being finished, has seed 3
    assert run(["train", "--resume", "runs/Net/3"]) == 0
    assert "was finished before" in capsys.readouterr().err


def test_a_run_folder_and_its_spec_can_be_moved_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "old").mkdir()
    for name in ("net.nn", "rows.csv"):
        (place / name).rename(place / "old" / name)
    monkeypatch.chdir(place / "old")
    folder = stopped()
    assert run(["train", "net.nn"]) == 0
    (place / "old").rename(place / "new")
    monkeypatch.chdir(place)
    assert run(["train", "--resume", str(place / "new" / folder)]) == 0
    assert compare(place / "new" / folder, place / "new" / "runs/Net/2")[1] == []


def test_a_run_killed_before_it_was_written_down_begins_again_in_its_folder(place: Path) -> None:
    assert run(["train", "net.nn", "--run-dir", "whole"]) == 0
    Path("torn").mkdir()
    Path("torn/.model_numpy.py.123.tmp").write_text("half of")
    assert run(["train", "net.nn", "--run-dir", "torn", "--resume"]) == 0
    assert compare(Path("whole"), Path("torn"))[1] == []
    Path("later").mkdir()
    Path("later/model_numpy.py").write_bytes(Path("whole/model_numpy.py").read_bytes())
    Path("later/spec.nn").write_bytes(Path("whole/spec.nn").read_bytes())
    assert run(["train", "net.nn", "--run-dir", "later", "--resume"]) == 0
    assert compare(Path("whole"), Path("later"))[1] == []
    Path("mine").mkdir()
    Path("mine/spec.nn").write_text("my own file")
    assert run(["train", "net.nn", "--run-dir", "mine", "--resume"]) == 2
    assert Path("mine/spec.nn").read_text() == "my own file"


@pytest.mark.parametrize(
    "change, options, told",
    [
        (("net.nn", "batch = 8", "batch = 4"), ["net.nn", "--resume"], "has changed since runs/Net/1 was begun"),
        (("net.nn", "batch = 8", "batch = 4"), ["--resume", "runs/Net/1"], ""),  # goes on with the text that it keeps
        (("net.nn", "# a rate", "# how fast"), ["net.nn", "--resume"], ""),
        (("rows.csv", "1,1,1", "1,1,2"), ["net.nn", "--resume"], "rows.csv is not what it was when runs/Net/1"),
        (("runs/Net/1/spec.nn", "batch = 8", "batch = 4"), ["--resume", "runs/Net/1"], "spec.nn was changed after"),
        (("runs/Net/1/model_numpy.py", "tanh", "sin"), ["--resume", "runs/Net/1"], "model_numpy.py was changed after"),
        (("runs/Net/1/metrics.jsonl", "0", "1"), ["--resume", "runs/Net/1"], "metrics.jsonl is not what it was"),
        (None, ["net.nn", "--resume", "--set", "lr=0.5"], "it had 'let lr = 0.01', and now 'let lr = 0.5'"),
        (None, ["net.nn", "--resume", "--backend", "torch"], "begun with backend = numpy, and now it is torch"),
        (None, ["net.nn", "--resume", "--epochs", "9"], "begun with epochs = 3, and now it is 9"),
        (None, ["net.nn", "--resume", "--plan", "textbook"], "has a plan, which does not change"),
        (None, ["--resume", "runs/Net/1", "--epochs", "9"], "--epochs cannot change"),
        (None, ["--resume", "runs/Net"], "is not a run folder"),
        (None, ["--checkpoint-every", "often", "net.nn"], "30s, 5m, 1h, 100steps, 2epochs"),
        (None, [], "which spec?"),
    ],
)
def test_what_is_not_the_same_run_is_refused(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str, str] | None,
    options: list[str],
    told: str,
) -> None:
    stopped()
    if change is not None:
        path, old, new = change
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new, 1))
    capsys.readouterr()
    assert run(["train", *options]) == (2 if told else 0)
    assert told in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_two_processes_are_kept_from_one_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stopped()
    with locked(folder):
        assert run(["train", "--resume", str(folder)]) == 2
        assert "another process is at work" in capsys.readouterr().err
        assert run(["runs"]) == 0
        assert "running" in capsys.readouterr().out


# ---------------------------------------------------------------- signals


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on(place: Path, number: int, code: int) -> None:
    program = [sys.executable, "-m", "nnspec", "train", "net.nn"]
    process = subprocess.Popen([*program, "--epochs", "30000"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "epoch" not in process.stderr.readline():  # the first one is over
        assert process.poll() is None
    time.sleep(0.1)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "saved in runs/Net/1/checkpoints\nto go on: nnspec train --resume runs/Net/1" in told
    head = json.loads(Path("runs/Net/1/checkpoints/last/checkpoint.json").read_text())
    assert head["progress"]["step"] == int(told.partition("stopped after step ")[2].partition(";")[0])
    assert not head["progress"]["finished"]


# ---------------------------------------------------------------- runs, reproduce


def test_runs_are_listed_with_what_they_differ_in(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 2
    assert run(["train", "net.nn"]) == 0
    stopped("--set", "lr=0.02", "--epochs", "2")
    capsys.readouterr()
    assert run(["runs", "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["folder"], first["state"], first["epoch"]) == ("runs/Net/1", "finished", 3)
    assert (second["folder"], second["state"], second["epochs"]) == ("runs/Net/2", "stopped", 2)
    lines = [json.loads(line) for line in Path("runs/Net/1/metrics.jsonl").read_text().splitlines()]
    assert first["values"] == lines[-1]["validation"]
    assert first["best"] == min((line["validation"] for line in lines), key=lambda v: v["loss"])
    assert second["settings"] == {**second["settings"], "train.epochs": 2, "lr": "0.02"}
    assert "0.02" in second["settings"]["train.optimizer"] and "0.01" in first["settings"]["train.optimizer"]
    assert run(["runs", "runs/Net"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:3] == ["run", "state", "backend"]
    assert [line.split()[:3] for line in table[1:]] == [
        ["runs/Net/1", "finished", "numpy"],
        ["runs/Net/2", "stopped", "numpy"],
    ]


def test_reproduce_compares_bit_for_bit(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "net.nn"]) == 0
    os.remove("net.nn")  # what the run keeps is enough
    assert run(["reproduce", "runs/Net/1", "--run-dir", "again"]) == 0
    words = ["metrics.jsonl", "result.json", "checkpoints/last", "checkpoints/best"]
    assert capsys.readouterr().out.splitlines()[-4:] == [f"same       {word}" for word in words]
    assert run(["reproduce", "again"]) == 0  # a reproduction is a run like any other
    metrics = Path("runs/Net/1/metrics.jsonl")
    metrics.write_text(metrics.read_text().replace('"epoch": 2', '"epoch": 7'))
    assert run(["reproduce", "runs/Net/1"]) == 4
    assert "different  metrics.jsonl: line 2" in capsys.readouterr().out
    Path("rows.csv").write_text(Path("rows.csv").read_text() + "1,1,1,1\n")
    assert run(["reproduce", "again"]) == 2
    Path("again/result.json").unlink()
    assert run(["reproduce", "again"]) == 2
