"""The command line as users meet it: what goes to stdout and stderr, exit codes, files whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT, Result

Cli = Callable[..., Result]

GOOD = "model Line { input x: float32[3]; output y = x -> dense(2) }\n"
BAD = """\
model Two {
    input x: float32[1, 8, 8]
    output y = x -> conv(4, 9) -> relu
    output z = x -> dens(3)
}
"""
TINY = """\
let units = 4
model Tiny(classes = 2) {
    input  x: float32[2]
    target label: class(classes)
    output logits = x -> dense(units) -> tanh -> dense(classes)
}
data { source = random(40); split = [0.6, 0.2, 0.2] }
train { minimize = cross_entropy(logits, label); optimizer = sgd(0.1); epochs = 2; batch = 8; metrics = [accuracy] }
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own to stand in, with a few specs."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.nn", GOOD), ("bad.nn", BAD), ("tiny.nn", TINY), ("empty.nn", "")):
        Path(name).write_text(text)
    Path("latin.nn").write_bytes("# na\xefve\n".encode("latin-1"))
    Path("folder.nn").mkdir()
    return tmp_path


# ---------------------------------------------------------------- check


def test_a_good_spec_says_nothing_on_stdout(cli: Cli, here: Path) -> None:
    result = cli("check", "good.nn")
    assert (result.code, result.out) == (0, "")


def test_every_independent_error_in_one_run(cli: Cli, here: Path) -> None:
    code, out, err = cli("check", "bad.nn")
    assert (code, out) == (1, "")
    assert "bad.nn:3:" in err
    assert "bad.nn:4:" in err
    assert "did you mean dense?" in err
    assert "2 errors" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "file, code, says",
    [
        ("absent.nn", 2, "absent.nn"),
        ("folder.nn", 2, "folder"),
        ("latin.nn", 2, "UTF-8"),
        ("empty.nn", 1, "empty"),
        ("bad.nn", 1, "error[E"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "summary", "compile", "train", "verify", "predict"])
def test_files_that_are_no_specs(cli: Cli, here: Path, verb: str, file: str, code: int, says: str) -> None:
    result = cli(verb, file, *(["--backend", "numpy"] if verb == "compile" else []))
    assert result.code == code
    assert says in result.err
    assert result.out == ""
    assert "Traceback" not in result.err


def test_json_is_a_list_with_positions_from_one(cli: Cli, here: Path) -> None:
    code, out, _ = cli("check", "bad.nn", "good.nn", "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert [d["line"] for d in found] == [3, 4]
    assert set(found[0]) == {
        *("code", "severity", "message", "path", "line", "column", "end_line", "end_column", "labels", "fixes", "help")
    }


def test_json_of_a_good_spec_is_an_empty_list(cli: Cli, here: Path) -> None:
    code, out, _ = cli("check", "good.nn", "--format", "json")
    assert (code, json.loads(out)) == (0, [])


def test_github_and_sarif(cli: Cli, here: Path) -> None:
    code, out, _ = cli("check", "bad.nn", "--format", "github")
    assert code == 1
    assert out.count("::error file=bad.nn,line=") == 2
    code, out, _ = cli("check", "bad.nn", "--format", "sarif")
    assert code == 1
    assert len(json.loads(out)["runs"][0]["results"]) == 2


def test_settings_from_the_command_line(cli: Cli, here: Path) -> None:
    assert "dense(9)" in cli("check", "tiny.nn", "-v", "--set", "units=9").out
    assert "dense(5)" in cli("check", "tiny.nn", "-v", "--set", "classes=5").out
    wrong = cli("check", "tiny.nn", "--set", "unit=9")
    assert wrong.code == 1
    assert "did you mean units?" in wrong.err
    assert cli("check", "tiny.nn", "--set", "units").code == 2


def test_the_table_adds_up(cli: Cli, here: Path) -> None:
    code, out, _ = cli("summary", EXAMPLES / "lenet5.nn")
    assert code == 0
    (total,) = [line for line in out.splitlines() if line.startswith("total")]
    assert "61,706" in total
    (conv1,) = [line for line in out.splitlines() if line.startswith("conv1")]
    assert "[6, 28, 28]" in conv1
    assert "156" in conv1
    assert f"{28 * 28 * 6 * 25:,}" in conv1


def test_resolved_shows_defaults(cli: Cli) -> None:
    out = cli("check", EXAMPLES / "residual.nn", "--resolved").out
    for default in ("momentum = 0.1", "eps = 1e-05", "weight_init = glorot_uniform", "dilation = [1, 1]"):
        assert default in out, default


# ---------------------------------------------------------------- compile


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_compile_writes_python_to_stdout_or_a_file(cli: Cli, here: Path, backend: str) -> None:
    code, out, _ = cli("compile", "tiny.nn", "--backend", backend)
    assert code == 0
    compile(out, "tiny.py", "exec")
    assert "nnspec" not in [
        line.split()[1].partition(".")[0] for line in out.splitlines() if line.startswith("import ")
    ]
    assert cli("compile", "tiny.nn", "--backend", backend, "-o", "tiny.py").code == 0
    assert Path("tiny.py").read_text() == out


def test_nothing_is_half_written(cli: Cli, here: Path) -> None:
    Path("kept.py").write_text("precious")
    assert cli("compile", "bad.nn", "--backend", "torch", "-o", "kept.py").code == 1
    assert Path("kept.py").read_text() == "precious"
    for target in ("nowhere/model.py", "folder.nn"):
        result = cli("compile", "good.nn", "--backend", "torch", "-o", target)
        assert result.code == 2
        assert "Traceback" not in result.err
    assert not [p for p in here.iterdir() if p.name.startswith(".")]


# ---------------------------------------------------------------- usage


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("chek", "good.nn"), "did you mean check?"),
        (("check",), "Missing argument"),
        (("compile", "good.nn", "--backend", "tensorflow"), "numpy"),
        (("compile", "good.nn"), "--backend"),
        (("train", "tiny.nn", "--epochs", "many"), "--epochs"),
        (("explain", "E9999"), "E9999"),
        (("eval", "no-such-run"), "no-such-run"),
    ],
)
def test_wrong_usage(cli: Cli, here: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_help_and_version(cli: Cli) -> None:
    from nnspec.version import __version__

    assert cli("--version").out == f"nnspec {__version__}\n"
    text = cli("--help").out
    for verb in ("check", "summary", "compile", "train", "eval", "predict", "verify", "explain"):
        assert verb in text
        assert "Usage" in cli(verb, "--help").out


def test_every_code_is_explained(cli: Cli) -> None:
    from nnspec.codes import CODES

    listing = cli("explain").out
    for code in CODES:
        assert code in listing
        result = cli("explain", code.lower())
        assert result.code == 0
        assert CODES[code].title in result.out


def test_a_missing_extra_is_named_with_its_command(process: Callable[..., Result], here: Path) -> None:
    hidden = here / "hidden"
    hidden.mkdir()
    (hidden / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    path = os.pathsep.join([str(hidden), str(ROOT)])
    result = process("train", "tiny.nn", "--backend", "torch", cwd=here, env={"PYTHONPATH": path})
    assert result.code == 3
    assert 'pip install "nnspec[torch]"' in result.err
    assert "Traceback" not in result.err


# ---------------------------------------------------------------- train, eval, predict


def test_train_prints_a_line_an_epoch_and_the_result(cli: Cli, here: Path) -> None:
    code, out, err = cli("train", "tiny.nn", "--backend", "numpy", "--run-dir", "run")
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    assert "validation" in lines[0]
    assert out.startswith("test")
    assert "accuracy" in out
    assert Path("run/metrics.jsonl").read_text().count("\n") == 3  # two epochs, then the test

    again = cli("eval", "run")
    assert again.code == 0
    assert again.out == out

    Path("new.csv").write_text("a,b\n0.5,-1\n2,3\n")
    predicted = cli("predict", "run", "--input", "new.csv")
    assert predicted.code == 0
    assert len(predicted.out.strip().splitlines()) in (2, 3)


def test_epochs_and_seed_override_the_spec(cli: Cli, here: Path) -> None:
    one = cli("train", "tiny.nn", "--epochs", "1", "--seed", "3", "--run-dir", "a")
    two = cli("train", "tiny.nn", "--epochs", "1", "--seed", "3", "--run-dir", "b")
    other = cli("train", "tiny.nn", "--epochs", "1", "--seed", "4", "--run-dir", "c")
    assert len([line for line in one.err.splitlines() if line.startswith("epoch")]) == 1
    assert one.code == two.code == other.code == 0
    metrics = [Path(f"{name}/metrics.jsonl").read_text() for name in "abc"]
    assert metrics[0] == metrics[1] != metrics[2]


def test_a_spec_with_nothing_to_train_predicts(cli: Cli) -> None:
    code, out, _ = cli("predict", EXAMPLES / "neuron.nn")
    assert code == 0
    assert len(out.strip().splitlines()) in (8, 9)


def test_no_colour_reaches_a_pipe(process: Callable[..., Result], here: Path) -> None:
    result = process("check", "bad.nn", cwd=here)
    assert result.code == 1
    assert "\x1b[" not in result.err + result.out


@pytest.mark.parametrize(
    "backend", ["numpy", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]
)
def test_a_metric_of_one_number_and_a_scalar_never_broadcasts(cli: Cli, here: Path, backend: str) -> None:
    """[1] against a scalar: |y - t| has one number an example, so mae <= rmse and mse = 2 * squared_error."""
    Path("line.nn").write_text(
        "model Line { input x: float32[2]; target t: float32; output y = x -> dense(1) }\n"
        "data { source = random(30); split = [0.5, 0, 0.5] }\n"
        "train { minimize = squared_error(y, t); optimizer = sgd(0.1); epochs = 1; batch = full; metrics = [mse] }\n"
    )
    words = cli("train", "line.nn", "--backend", backend).out.split()
    loss, mse = float(words[2]), float(words[4])
    assert mse == pytest.approx(2 * loss, abs=2e-4)


def test_metrics_without_a_part_held_out_are_those_of_the_training_part(cli: Cli, here: Path) -> None:
    Path("all.nn").write_text(TINY.replace("; split = [0.6, 0.2, 0.2]", ""))
    code, out, _ = cli("train", "all.nn", "--run-dir", "all")
    assert code == 0
    assert out.startswith("train")
    assert "accuracy" in out
    assert cli("eval", "all").out == out


def test_eval_says_that_the_data_changed_since_training(cli: Cli, here: Path) -> None:
    Path("two.csv").write_text("a,b,label\n" + "0.5,1,0\n-0.5,2,1\n" * 10)
    Path("two.nn").write_text(TINY.replace("random(40)", 'csv("two.csv", x = ["a", "b"])'))
    assert cli("train", "two.nn", "--run-dir", "two").code == 0
    assert "changed" not in cli("eval", "two").err
    Path("two.csv").write_text("a,b,label\n" + "0.5,1,0\n-0.5,2,1\n" * 12)
    code, _, err = cli("eval", "two")
    assert code == 0
    assert "two.csv has changed since this run was trained" in err


@pytest.mark.torch
def test_a_device_that_there_is_not_is_a_message(cli: Cli, here: Path) -> None:
    code, _, err = cli("train", "tiny.nn", "--backend", "torch", "--device", "foo", "--run-dir", "foo")
    assert code == 2
    assert "device foo" in err
    assert not Path("foo").exists()


def test_a_closed_stdout_is_no_crash(here: Path) -> None:
    command = f'"{sys.executable}" -m nnspec check -v good.nn >&-'
    done = subprocess.run(
        command, shell=True, cwd=here, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr


def test_one_backend_claims_no_more_than_was_compared(cli: Cli) -> None:
    code, out, err = cli("verify", EXAMPLES / "mlp.nn", "--backends", "numpy", "--steps", "1")
    assert code == 0
    assert "agrees with finite differences (rtol 1e-07, atol 1e-09)" in out + err
    code, out, err = cli("verify", EXAMPLES / "mlp.nn", "--backends", "numpy", "--steps", "1", "--dtype", "float32")
    assert code == 0
    assert "compared with nothing" in out + err
