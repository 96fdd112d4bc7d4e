"""Disks that fail: whatever call to the system goes wrong, a run keeps its old state or has its new one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnspec.cli.console import run
from nnspec.train import checkpoint as checkpoints
from nnspec.train.folder import is_run
from nnspec.train.reproduce import compare

SPEC = """
model Net {
    input  x: float32[3]
    target y: float32
    output out = x -> dense(4) -> tanh -> dropout(0.2) -> dense(1)
}
data { source = random(24); split = [0.7, 0.3] }
train { minimize = squared_error(out, y); optimizer = adam(0.01); epochs = 2; batch = 8 }
"""
CALLS = ("open", "write", "fsync", "replace", "makedirs", "mkdir")


class Disk:
    """The calls to the system below a folder, of which one goes wrong: with an error, or after half of a write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, fail_at: int = 0, error: int = errno.EIO) -> None:
        self.folder, self.fail_at, self.error = str(folder), fail_at, error
        self.count = 0
        self.names: list[str] = []
        self.handles: set[int] = set()
        for name in CALLS:
            monkeypatch.setattr(os, name, self.failing(name, getattr(os, name)))

    def failing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.is_ours(args[0]):
                return function(*args, **kwargs)
            self.count += 1
            self.names.append(name)
            if self.count == self.fail_at:
                if name == "write" and len(args[1]) > 1:
                    function(args[0], args[1][: len(args[1]) // 2])
                raise OSError(self.error, os.strerror(self.error))
            found = function(*args, **kwargs)
            if name == "open":
                self.handles.add(found)
            return found

        return call

    def is_ours(self, place: Any) -> bool:
        return place in self.handles if isinstance(place, int) else str(place).startswith(self.folder)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "net.nn").write_text(SPEC)
    return str(tmp_path / "net.nn")


def test_every_fault_leaves_a_run_that_goes_on(
    tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--checkpoint-every", "1epochs"]
    whole = tmp_path / "whole"
    with monkeypatch.context() as patch:
        disk = Disk(patch, whole)
        assert run(["train", spec, "--run-dir", str(whole), *options]) == 0
    assert set(disk.names) == set(CALLS)
    failed = 0
    for number in range(1, disk.count + 1):
        folder, error = tmp_path / f"run{number}", (errno.EIO, errno.ENOSPC)[number % 2]
        capsys.readouterr()
        with monkeypatch.context() as patch:
            Disk(patch, folder, number, error)
            code = run(["train", spec, "--run-dir", str(folder), *options])
        told = capsys.readouterr().err
        place = f"call {number}, {disk.names[number - 1]}: {told}"
        assert code in (0, 2), place
        if code:
            failed += 1
            assert "error: " in told and os.strerror(error) in told, place
        last = folder / "checkpoints" / "last"
        if last.exists():
            checkpoints.load(last)  # raises unless it is whole
        again = ["--resume", str(folder)] if is_run(folder) else [spec, "--run-dir", str(folder)]
        assert run(["train", *again, *options]) == 0, place
        assert compare(whole, folder)[1] == [], place
    assert failed > 0.9 * disk.count  # nothing but what is cleared away may fail unheard


def test_short_writes_are_continued(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["train", spec, "--run-dir", str(tmp_path / "whole")]) == 0
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, content: write(handle, bytes(content[:7])))
        assert run(["train", spec, "--run-dir", str(tmp_path / "short")]) == 0
    assert compare(tmp_path / "whole", tmp_path / "short")[1] == []


def test_a_write_that_takes_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, content: 0)
        with pytest.raises(OSError, match="nothing more is written"):
            checkpoints.write_folder(tmp_path / "a", {"b": [b"c"]}, tmp_path / "old")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "both", "best"])
def test_a_damaged_checkpoint_falls_back_and_says_so(
    tmp_path: Path, spec: str, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    for place in (whole, folder):
        assert run(["train", spec, "--run-dir", str(place), "--checkpoint-every", "1epochs"]) == 0
    (folder / "result.json").unlink()  # as if it had been stopped before its end
    last = folder / "checkpoints" / "last"
    weights = last / "weights.safetensors"
    if damage in ("flipped", "both"):
        flip(weights)
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-5])
    if damage == "missing":
        (last / "checkpoint.json").unlink()
    if damage == "both":
        flip(folder / "checkpoints" / "last.previous" / "optimizer.safetensors")
    if damage == "best":
        flip(folder / "checkpoints" / "best" / "weights.safetensors")
    capsys.readouterr()
    assert run(["train", "--resume", str(folder)]) == 0
    told = capsys.readouterr().err
    assert "damaged" in told
    assert ("begun again from the first step" in told) == (damage in ("both", "best"))
    assert ("going on after step 3 of 6" in told) == (damage in ("flipped", "cut", "missing"))
    assert compare(whole, folder)[1] == []


def test_eval_says_which_checkpoint_it_took(tmp_path: Path, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert run(["train", spec, "--run-dir", str(folder), "--checkpoint-every", "1epochs"]) == 0
    flip(folder / "checkpoints" / "last" / "weights.safetensors")
    flip(folder / "checkpoints" / "best" / "weights.safetensors")
    for verb in ("eval", "predict"):
        capsys.readouterr()
        assert run([verb, str(folder), "--checkpoint", "last"]) == 0
        told = capsys.readouterr().err
        assert "weights.safetensors does not match its hash" in told
        assert "last.previous, after step 3" in told
        assert run([verb, str(folder)]) == 2  # there is one best checkpoint, and another would be another result
        assert "damaged" in capsys.readouterr().err
