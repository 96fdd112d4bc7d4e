"""A run folder that someone has edited: an error that says so, or the same numbers; never its code, never a crash."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Result
from safetensors.numpy import load, save

from nnspec.cli.console import run as command_line
from nnspec.train.checkpoint import _hash

SPEC = """let width = 3
model M { input x: float32[3]; target y: float32[2]; output z = x -> dense(width) -> tanh -> dense(2) }
data { source = csv("d.csv", x = ["a", "b", "c"], y = ["d", "e"]); split = [0.6, 0.2, 0.2]; normalize = standard }
train { minimize = mse(z, y); optimizer = adam(plateau(0.1, 2)); epochs = 2; batch = 4; metrics = [mse] }
"""
VERBS = ("runs R", "eval R/run", "predict R/run --input x.csv", "train --resume R/run", "reproduce R/run")
VALUES: tuple[Any, ...] = (
    *(None, "x", -1, 1e308, [], {}, "../../../../etc/passwd", 10**30, True, float("nan"), ["a"], {"a": 1}, "\0", 0),
)
SCRAPS = (b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"null", b"1", b'"x"', b"9" * 5000, b'{"plan": ')
FILES = ("resolved.json", "metrics.jsonl", "environment.json", "result.json", "checkpoints/best/checkpoint.json")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, new inputs, and `R/run`, a finished run."""
    folder = tmp_path_factory.mktemp("trained")
    draw = random.Random(0)
    lines = (",".join(f"{draw.random():.3f}" for _ in range(5)) for _ in range(30))
    (folder / "d.csv").write_text("a,b,c,d,e\n" + "\n".join(lines) + "\n")
    (folder / "x.csv").write_text("a,b,c\n1,2,3\n")
    (folder / "m.nn").write_text(SPEC)
    assert command_line(["train", str(folder / "m.nn"), "--run-dir", str(folder / "R" / "run")]) == 0
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a json file stand."""
    yield at
    for key in value if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ():
        yield from paths(value[key], (*at, key))


def edited(text: str, lines: bool, draw: random.Random) -> bytes:
    """A json file, or its first line, with one value replaced or left out."""
    known = json.loads(text.split("\n")[0] if lines else text)
    changed = copy.deepcopy(known)
    at = draw.choice([p for p in paths(known) if p])
    inside = changed
    for key in at[:-1]:
        inside = inside[key]
    if draw.random() < 0.1:
        del inside[at[-1]]
    else:
        inside[at[-1]] = draw.choice(VALUES)
    if "hash" in changed and at != ("hash",):
        changed["hash"] = _hash({key: value for key, value in changed.items() if key != "hash"})
    rest = "\n".join(text.split("\n")[1:]) if lines else ""
    return (json.dumps(changed) + "\n" + rest).encode()


@pytest.mark.parametrize("name", FILES)
def test_json_of_a_run_that_was_edited(name: str, place: Path, cli: Callable[..., Result]) -> None:
    draw = random.Random(name)
    file = place / "R" / "run" / name
    text = file.read_text()
    raws = [*draw.sample(SCRAPS, 4), *(edited(text, name.endswith("l"), draw) for _ in range(8))]
    for raw in raws:
        file.write_bytes(raw)
        words = draw.choice(VERBS)
        result = cli(*words.split())
        assert result.code in (0, 1, 2, 4), (words, raw[:300], result.err)
        assert "Traceback" not in result.err and "bug" not in result.err, (words, raw[:300], result.err)
        if result.code in (1, 2):
            assert "error" in result.err, (words, raw[:300])


def write_weights(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Other arrays in every checkpoint, with the hashes that belong to them."""
    for folder in (run / "checkpoints").iterdir():
        state = {name: np.array(array) for name, array in load((folder / "weights.safetensors").read_bytes()).items()}
        change(state)
        content = save(state)
        (folder / "weights.safetensors").write_bytes(content)
        head = json.loads((folder / "checkpoint.json").read_text())
        head["files"]["weights.safetensors"] = hashlib.sha256(content).hexdigest()
        del head["hash"]
        head["hash"] = _hash(head)
        (folder / "checkpoint.json").write_text(json.dumps(head))


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "missing": lambda state: state.pop("dense1.weight"),
    "unknown": lambda state: state.update(other=np.ones(3, "f4")),
    "shape": lambda state: state.update({"dense1.weight": np.ones((3, 4), "f4")}),
    "scalar": lambda state: state.update({"dense1.weight": np.ones((), "f4")}),
    "integers": lambda state: state.update({"dense1.weight": np.ones((3, 3), "i8")}),
    "nan": lambda state: state.update({"dense1.weight": np.full((3, 3), np.nan, "f4")}),
    "nothing": lambda state: state.clear(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_weights_of_a_run_that_do_not_fit(name: str, place: Path, cli: Callable[..., Result]) -> None:
    write_weights(place / "R" / "run", CHANGES[name])
    for words in ("eval R/run", "predict R/run --input x.csv"):
        result = cli(*words.split())
        assert result.code == 2, (words, result.out, result.err)
        assert "error" in result.err and "bug" not in result.err, result.err
    (place / "R" / "run" / "result.json").unlink()
    assert cli("train", "--resume", "R/run").code == 2


CODE = "\n\nfrom pathlib import Path\nPath('pwned').touch()\n"


def test_code_in_a_run_is_not_run_unless_it_is_what_the_spec_says(place: Path, cli: Callable[..., Result]) -> None:
    run = place / "R" / "run"
    sound = cli("eval", "R/run")
    code = run / "model_numpy.py"
    code.write_text(code.read_text() + CODE)
    resolved = json.loads((run / "resolved.json").read_text())
    resolved["hashes"]["model_numpy.py"] = hashlib.sha256(code.read_bytes()).hexdigest()
    (run / "resolved.json").write_text(json.dumps(resolved))
    assert cli("eval", "R/run") == sound
    assert cli("predict", "R/run", "--input", "x.csv").code == 0
    for words in ("reproduce R/run", "train --resume R/run"):
        result = cli(*words.split())
        assert result.code == 2 and "--trust-code" in result.err, result.err
        (run / "result.json").unlink(missing_ok=True)
    assert not Path("pwned").exists()
    assert cli("train", "--resume", "R/run", "--trust-code").code == 0
    assert Path("pwned").exists()


def test_a_spec_in_a_run_that_was_changed_is_refused(place: Path, cli: Callable[..., Result]) -> None:
    spec = place / "R" / "run" / "spec.nn"
    spec.write_text(spec.read_text().replace("tanh", "relu"))
    for words in VERBS[1:]:
        if words.startswith("train"):
            (place / "R" / "run" / "result.json").unlink()
        if words.startswith("reproduce"):
            continue
        result = cli(*words.split())
        assert result.code == 2 and "was changed after the run was begun" in result.err, (words, result.err)


@pytest.mark.parametrize("name", ["../m.nn", "/etc/hostname", "a/../../m.nn"])
def test_a_run_names_no_files_outside_of_it(name: str, place: Path, cli: Callable[..., Result]) -> None:
    file = place / "R" / "run" / "resolved.json"
    resolved = json.loads(file.read_text())
    resolved["hashes"][name] = "0" * 64
    file.write_text(json.dumps(resolved))
    assert "no file of the run" in cli("eval", "R/run").err
