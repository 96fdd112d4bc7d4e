"""What all tests share: one thread a worker, the command line in process and as a process, optional backends."""

from __future__ import annotations

import os

# Before NumPy or a framework is imported: workers share the machine, and threads would only get in each other's way.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")  # tests write nothing into a user's folders
# XLA takes a third less time to compile a program that runs a few times. Commands and some
# examples are tested as users run them: `process` and test_examples.py ask for all optimisations.
QUICK_JAX = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
os.environ.update(QUICK_JAX)

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
NEEDS = {"torch": ("torch",), "jax": ("jax", "optax")}


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A missing framework skips its tests on a developer's machine, and fails them in continuous integration.

    What soaks for hours runs only where it is asked for: `pytest -m soak`.
    """
    if "soak" not in config.option.markexpr:
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
    if os.environ.get("CI"):
        return
    for item in items:
        for marker, modules in NEEDS.items():
            if item.get_closest_marker(marker) and not all(map(importlib.util.find_spec, modules)):
                item.add_marker(pytest.mark.skip(reason=f"{marker} is not installed"))


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed does not depend on the terminal that runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`cli("check", path)` runs the command line in this process."""
    from nnspec.cli.console import run

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def process() -> Callable[..., Result]:
    """`process("check", path, cwd=...)` runs `python -m nnspec` as a user would."""

    def call(*arguments: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> Result:
        command = [sys.executable, "-m", "nnspec", *map(str, arguments)]
        given = {name: value for name, value in os.environ.items() if name not in QUICK_JAX}
        environment = {**given, "PYTHONPATH": str(ROOT), **(env or {})}
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def backends() -> tuple[str, ...]:
    """Every backend whose framework is installed, PyTorch first; in continuous integration all must be."""
    if os.environ.get("CI"):
        return ("torch", "numpy", "jax")
    installed = [b for b in ("torch", "numpy", "jax") if importlib.util.find_spec("optax" if b == "jax" else b)]
    return tuple(installed)
