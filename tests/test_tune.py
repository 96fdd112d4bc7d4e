"""`nnspec tune`: every kind of domain, studies that go on and are shared, and the spec that comes out."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import EXAMPLES, ROOT, Result

import nnspec

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None and not os.environ.get("CI"), reason="optuna is not installed"
)

SMALL = """\
# small.nn: three classes, and a comment to keep
let lr    = 1e-3 in log_uniform(1e-4, 1)    # the rate
let width = 4    in 2..16                   # of the hidden layer

model Net {
    input  x: float32[4]
    target label: class(3)
    output logits = x -> dense(width) -> tanh -> dense(3)
}

data {
    source = random(60)
    split  = [0.7, 0.3]
}

train {
    minimize  = cross_entropy(logits, label)
    optimizer = adam(lr)
    epochs    = 3
    batch     = 16
    metrics   = [accuracy]
}
"""

FIVE = """\
# five.nn
let act    = tanh in [relu, tanh, gelu]      # layers
let width  = 4 in 2..8                       # whole numbers
let drop   = 0.1 in uniform(0, 0.5)          # numbers
let lr     = 1e-3 in log_uniform(1e-5, 1)    # numbers by their size
let kernel = 1 in [1, 2, 9]                  # of which 9 does not fit
let opt    = adam(lr) in [adam(lr), sgd(lr, momentum = 0.9)]

model Net {
    input  image: float32[1, 4, 4]
    target label: class(3)
    output logits = image -> conv(width, kernel) -> act -> flatten -> dropout(drop) -> dense(3)
}
data { source = random(60); split = [0.7, 0.3] }
train { minimize = cross_entropy(logits, label); optimizer = opt; epochs = 2; batch = 16; metrics = [accuracy] }
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.nn").write_text(SMALL)
    return tmp_path


def tuned(cli: Callable[..., Result], *arguments: object) -> dict[str, Any]:
    """What a search that succeeds says as json."""
    result = cli("tune", *arguments, "--format", "json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def settings(found: dict[str, Any]) -> list[dict[str, str]]:
    return [t["settings"] for t in found["trials"]]


# ---------------------------------------------------------------- what is found


@needs_optuna
def test_every_kind_of_domain(cli: Callable[..., Result], here: Path) -> None:
    Path("five.nn").write_text(FIVE)
    found = tuned(cli, "five.nn", "--trials", 12)
    assert found["trials"][0]["settings"] == {
        "act": "tanh",
        "width": "4",
        "drop": "0.1",
        "lr": "0.001",
        "kernel": "1",
        "opt": "adam(lr)",
    }
    for trial in settings(found):
        assert trial["act"] in ("relu", "tanh", "gelu")
        assert int(trial["width"]) in range(2, 9)
        assert 0 <= float(trial["drop"]) <= 0.5
        assert 1e-5 <= float(trial["lr"]) <= 1
    failed = [t for t in found["trials"] if t["settings"]["kernel"] == "9"]
    assert failed
    assert all(t["state"] == "failed" and "E0301: kernel 9x9 does not fit" in t["reason"] for t in failed)
    values = [t["value"] for t in found["trials"] if t["state"] == "complete"]
    assert found["best"]["value"] == min(values) < found["default"]["value"]
    assert sum(found["importances"].values()) == pytest.approx(1)


@needs_optuna
def test_the_best_spec_gives_the_best_value(cli: Callable[..., Result], here: Path) -> None:
    """best.nn is the spec but for the values, and training it gives the very loss that was reported."""
    from nnspec.train import train

    found = tuned(cli, "small.nn", "--trials", 6, "--set", "train.epochs=2")
    best = found["best"]["settings"]
    text = Path("best.nn").read_text()
    assert cli("check", "best.nn").code == 0
    expected = [
        f"let lr    = {best['lr']} in log_uniform(1e-4, 1)",
        f"let width = {best['width']}    in 2..16",
    ]
    lines = text.splitlines()
    for line, old, start in zip(lines[1:3], SMALL.splitlines()[1:3], expected, strict=True):
        assert line.startswith(start)
        assert line.endswith(old[old.index("#") :])
        assert line.index("#") == old.index("#")
    assert "    epochs    = 2" in lines
    rest = [line.replace("epochs    = 2", "epochs    = 3") for line in lines]
    assert rest[:1] + rest[3:] == SMALL.splitlines()[:1] + SMALL.splitlines()[3:]
    run = train(nnspec.load(Path("best.nn")), run_dir=here / "run")
    assert min(r["validation"]["loss"] for r in run.history) == found["best"]["value"]


@needs_optuna
def test_digits_become_better(cli: Callable[..., Result], here: Path) -> None:
    found = tuned(cli, EXAMPLES / "digits.nn", "--trials", 12, "--set", "train.epochs=2", "--set", "width=16")
    assert found["best"]["value"] < found["default"]["value"]
    assert found["importances"] == {"lr": 1.0}
    assert "let width = 16   in 8..64" in Path("best.nn").read_text()


@needs_optuna
def test_a_metric_is_raised(cli: Callable[..., Result], here: Path) -> None:
    found = tuned(cli, "small.nn", "--trials", 6, "--metric", "accuracy")
    assert found["direction"] == "maximize"
    assert found["best"]["value"] == max(t["value"] for t in found["trials"] if t["state"] == "complete")


@needs_optuna
def test_a_run_that_diverges_is_a_failed_trial(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(
        SMALL.replace("adam(lr)", "sgd(lr)").replace("1e-3 in log_uniform(1e-4, 1) ", "0.1 in [0.1, 1e39]")
    )
    found = tuned(cli, "small.nn", "--trials", 8, "--keep")
    states = {t["settings"]["lr"]: t["state"] for t in found["trials"]}
    assert states["1e39"] == "failed"
    assert all("diverged" in t["reason"] for t in found["trials"] if t["settings"]["lr"] == "1e39")
    assert Path("studies/small/runs/1/metrics.jsonl").is_file()
    assert len(json.loads(Path("studies/small/trials/1.json").read_text())["history"]) == 3


@needs_optuna
def test_when_no_trial_ends_well(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(SMALL.replace("adam(lr)", "sgd(1e50 * lr)"))
    result = cli("tune", "small.nn", "--trials", 2)
    assert result.code == 4
    assert "diverged" in result.err
    assert not Path("best.nn").exists()


@needs_optuna
def test_trials_that_fall_behind_end_early(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(SMALL.replace("epochs    = 3", "epochs    = 12"))
    found = tuned(cli, "small.nn", "--trials", 20)
    pruned = [t for t in found["trials"] if t["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        epochs = json.loads(Path(f"studies/small/trials/{trial['number']}.json").read_text())["history"]
        assert 5 <= len(epochs) < 12  # never in the first third


# ---------------------------------------------------------------- where the spec stands


@needs_optuna
def test_paths_are_seen_from_where_the_best_spec_stands(cli: Callable[..., Result], here: Path) -> None:
    (here / "sub").mkdir()
    rows = "\n".join(f"{i},{i % 7},{i % 3 - i % 2}" for i in range(40))
    (here / "sub" / "t.csv").write_text("a,b,y\n" + rows + "\n")
    (here / "sub" / "shared.nn").write_text(
        "let width = 3 in 2..6   # hidden\nblock Hidden(x) { x -> dense(width) -> tanh }\n"
    )
    (here / "sub" / "line.nn").write_text(
        'import "shared.nn"\n'
        "let lr = 0.01 in log_uniform(1e-3, 0.1)\n"
        "model Line { input x: float32[2]; target y: float32; output z = x -> Hidden -> dense(1) }\n"
        'data { source = csv("t.csv", y = "y"); split = [0.8, 0.2] }\n'
        "train { minimize = mse(z, y); optimizer = adam(lr); epochs = 2; batch = 8 }\n"
    )
    found = tuned(cli, "sub/line.nn", "--trials", 6, "--seed", 3)
    assert found["best"]["number"] > 1
    text = Path("best.nn").read_text()
    assert 'csv("sub/t.csv", y = "y")' in text
    assert f"let width = {found['best']['settings']['width']} in 2..6   # hidden" in text
    assert cli("train", "best.nn", "--epochs", 1, "--run-dir", "run").code == 0


@needs_optuna
def test_nothing_else_is_written_over(cli: Callable[..., Result], here: Path) -> None:
    over_itself = cli("tune", "small.nn", "--trials", 1, "--output", "small.nn")
    assert (over_itself.code, "is the spec itself" in over_itself.err) == (2, True)
    Path("best.nn").write_text(FIVE)
    over_another = cli("tune", "small.nn", "--trials", 1)
    assert (over_another.code, "best.nn holds another spec" in over_another.err) == (2, True)
    assert Path("best.nn").read_text() == FIVE
    assert not Path("studies").exists()


# ---------------------------------------------------------------- studies


@needs_optuna
def test_a_study_goes_on_as_if_it_had_not_stopped(cli: Callable[..., Result], here: Path) -> None:
    whole = tuned(cli, "small.nn", "--trials", 9, "--study", "whole")
    tuned(cli, "small.nn", "--trials", 4, "--study", "parts")
    assert settings(tuned(cli, "small.nn", "--trials", 9, "--study", "parts")) == settings(whole)
    assert settings(tuned(cli, "small.nn", "--trials", 9, "--study", "other", "--seed", 1)) != settings(whole)


@needs_optuna
def test_a_study_is_of_one_spec_and_one_search(cli: Callable[..., Result], here: Path) -> None:
    tuned(cli, "small.nn", "--trials", 1, "--study", "s")
    again = ("tune", "small.nn", "--trials", 1, "--study", "s")
    Path("small.nn").write_text(SMALL.replace("# the rate", "# a rate"))
    assert cli(*again).code == 0
    for old, new, reason in [
        ("dense(width)", "dense(2 * width)", "begun with another text of small.nn"),
        ("1e-4, 1)", "1e-5, 1)", "lr = 0.001 in log_uniform(0.0001, 1), which now is 0.001 in log_uniform(1e-05, 1)"),
        ("in 2..16", "        ", "width = 4 in 2..16, which is not searched now"),
    ]:
        Path("small.nn").write_text(SMALL.replace(old, new))
        refused = cli(*again)
        assert refused.code == 2
        assert reason in refused.err
    Path("small.nn").write_text(SMALL)
    for options, reason in [
        (("--metric", "accuracy"), "metric = loss"),
        (("--seed", 3), "seed = 0"),
        (("--set", "train.epochs=2"), "no --set train.epochs"),
    ]:
        refused = cli(*again, *options)
        assert refused.code == 2
        assert reason in refused.err


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nnspec", "tune", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@needs_optuna
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_stopped_goes_on(cli: Callable[..., Result], here: Path, number: int) -> None:
    """A signal comes in the middle of a trial: that one is done again, and all come as they would have."""
    Path("small.nn").write_text(SMALL.replace("epochs    = 3", "epochs    = 100"))
    options = ("small.nn", "--trials", 5, "--study", "s", "--output", "s.nn")
    process = started(*options)
    wait_for(here / "s" / "trials" / "2.json", process)
    time.sleep(0.1)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "kept in s" in err
    done = len(list((here / "s" / "trials").glob("*.json")))
    assert 2 <= done < 5
    found = tuned(cli, *options)
    assert [t["number"] for t in found["trials"]] == [1, 2, 3, 4, 5]
    if number == signal.SIGKILL:
        assert settings(found) == settings(tuned(cli, *options[:3], "--study", "never", "--output", "n.nn"))
    assert not list((here / "s" / "workers").iterdir())


@needs_optuna
def test_processes_share_a_study(here: Path) -> None:
    Path("small.nn").write_text(SMALL.replace("epochs    = 3", "epochs    = 30"))
    options = ("small.nn", "--trials", 12, "--study", "s", "--format", "json")
    processes = [started(*options), started(*options)]
    ended = [p.communicate(timeout=200) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], ended
    last = max((json.loads(out) for out, _ in ended), key=lambda found: len(found["trials"]))
    assert [t["number"] for t in last["trials"]] == list(range(1, 13))
    workers = {
        line["user_attr"]["worker"]
        for line in map(json.loads, (here / "s" / "journal.log").read_text().splitlines())
        if "worker" in line.get("user_attr", {})
    }
    assert len(workers) == 2
    assert len({json.dumps(s) for s in settings(last)}) == 12


@needs_optuna
def test_jobs(cli: Callable[..., Result], here: Path) -> None:
    found = tuned(cli, "small.nn", "--trials", 6, "--jobs", 2)
    assert [t["number"] for t in found["trials"]] == list(range(1, 7))
    assert nnspec.check("best.nn").ok


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "change, options, reason, help",
    [
        ((" in log_uniform(1e-4, 1)", ""), ("--set", "width=3"), "no domain to search", "not searched (width)"),
        ((" in 2..16", ""), ("--set", "lr=0.1"), "no domain to search", "not searched (lr)"),
        (("split  = [0.7, 0.3]", ""), (), "the data has none", "split = [0.8, 0.1, 0.1]"),
        (("in 2..16", "in 5..round(9000 * lr)"), (), "width = 4 is outside its domain 5..9", "in 4..9, or width = 5"),
        (("2..16", "2..round(9000 * lr)"), (), "the domain of width depends on lr", "2..9"),
        (("", ""), ("--metric", "acuracy"), "there is no metric acuracy", "did you mean accuracy"),
        (("", ""), ("--timeout", "0"), "no time to search in", ""),
    ],
)
def test_what_cannot_be_searched(
    cli: Callable[..., Result], here: Path, change: tuple[str, str], options: tuple[str, ...], reason: str, help: str
) -> None:
    Path("small.nn").write_text(SMALL.replace(*change) if change[0] else SMALL)
    result = cli("tune", "small.nn", *options)
    assert result.code in (1, 2)
    assert reason in result.err
    assert help in result.err
    assert not Path("studies").exists()


def test_without_any_domain(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(SMALL.replace(" in log_uniform(1e-4, 1)", "").replace(" in 2..16", ""))
    result = cli("tune", "small.nn")
    assert result.code == 2
    assert "log_uniform(1e-5, 1e-1)" in result.err


def test_without_optuna(cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "nnspec.tune.study", raising=False)
    result = cli("tune", "small.nn")
    assert result.code == 3
    assert 'pip install "nnspec[tune]"' in result.err


@needs_optuna
def test_a_domain_inside_a_body_is_pointed_out(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(
        SMALL.replace("-> tanh", "-> act").replace("input  x", "let act = tanh in [relu, tanh]\n    input  x")
    )
    result = cli("tune", "small.nn", "--trials", 1)
    assert result.code == 0
    assert "the domain of act is not searched" in result.err


@needs_optuna
def test_a_weight_of_the_objective_is_pointed_out(cli: Callable[..., Result], here: Path) -> None:
    Path("small.nn").write_text(
        "let decay = 1e-4 in log_uniform(1e-6, 1e-2)\n"
        + SMALL.replace("cross_entropy(logits, label)", "cross_entropy(logits, label) + decay * l2(weights)")
    )
    result = cli("tune", "small.nn", "--trials", 1)
    assert result.code == 0
    assert "decay is a part of minimize" in result.err
    assert "lr is a part" not in result.err
