"""Data that is damaged or means harm is an error with a code: soon, in little memory, without a trace of it."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result
from hostile import ROWS, SOUND, spec

SECONDS, MEGABYTES = 3.0, 300  # of one file
NEEDS = {"parquet": "pyarrow", "images": "PIL", "hub": "datasets"}


@pytest.fixture
def peak() -> Callable[[], float]:
    """How many megabytes this process has grown to at most since the test began; 0 where the system does not tell."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def megabytes(field: str) -> float:
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)

    if os.access(reset, os.W_OK):
        reset.write_text("5")  # from here on VmHWM counts anew
    start = megabytes("VmRSS:")
    return lambda: megabytes("VmHWM:") - start if os.access(reset, os.W_OK) else 0.0


@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_file_is_an_error_with_a_code(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cli: Callable[..., Result],
    peak: Callable[[], float],
) -> None:
    if needed := NEEDS.get(name.partition(":")[0]):
        pytest.importorskip(needed)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(logging, "raiseExceptions", False)  # a library's log keeps the stream of an earlier test
    source, make, code = ROWS[name]
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    Path("m.nn").write_text(spec(source))
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries: what they warn of is an error here, or nothing
        result = cli("train", "m.nn", "--backend", "numpy", "--run-dir", "run")
    assert time.process_time() - start < SECONDS
    assert peak() < MEGABYTES
    assert "Traceback" not in result.err and not Path("pwned").exists()
    if code:
        assert result.code in (1, 2), result.err
        assert f"error[{code}" in result.err, result.err
        assert not Path("run").exists()  # nothing was begun
    else:
        assert result.code == 0, result.err


def test_sound_data_is_read(tmp_path: Path) -> None:
    from nnspec.data.binary import read_npz

    (tmp_path / "sound.npz").write_bytes(SOUND)
    assert read_npz(tmp_path / "sound.npz").columns[0].values.shape == (4, 3)
