"""Emitted files as a user holds them: they run alone, read as formatted code, and never differ from run to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT

import nnspec

BACKENDS = ("numpy", "torch", "jax")
FILES = sorted(EXAMPLES.glob("*.nn"))
HIDE = """
import runpy, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nnspec":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Hidden())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def emitted(path: Path, backend: str, optimize: int = 1) -> str:
    return nnspec.load(path).source(backend, optimize=optimize)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["digits", "residual", "perceptron"])
def test_an_emitted_file_takes_three_steps_without_nnspec(name: str, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(emitted(EXAMPLES / f"{name}.nn", backend))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [["step", f"{k}:"] for k in (1, 2, 3)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_emitted_files_are_formatted_and_free_of_lint(backend: str, tmp_path: Path) -> None:
    for path in FILES:
        for optimize in (0, 1):
            (tmp_path / f"{path.stem}_{optimize}.py").write_text(emitted(path, backend, optimize))
    for command in (["format", "--check", "--diff"], ["check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_text_is_the_same_in_every_process(backend: str) -> None:
    script = f"import nnspec; print(nnspec.load({str(EXAMPLES / 'residual.nn')!r}).source({backend!r}), end='')"
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=ROOT,
        )
        assert ran.stdout == emitted(EXAMPLES / "residual.nn", backend), ran.stderr


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["lenet5", "residual"])
def test_golden(name: str, backend: str) -> None:
    """What a reader of the repository sees; `python tests/golden/update.py` writes it anew."""
    golden = ROOT / "tests" / "golden" / f"{name}_{backend}.py"
    assert emitted(EXAMPLES / f"{name}.nn", backend) == golden.read_text()
