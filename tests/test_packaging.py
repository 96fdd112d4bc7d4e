"""nnspec as others install it: a wheel and an editable checkout, in environments with the core dependencies only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from conftest import ROOT

CORE = ("click", "lark", "numpy", "rich", "safetensors", "threadpoolctl")


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")} | (
        env or {}
    )
    return subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def needed(names: tuple[str, ...]) -> dict[str, Distribution]:
    """These distributions and all that they need, without extras."""
    found: dict[str, Distribution] = {}
    queue = list(names)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in found:
            continue
        found[name] = distribution(name)
        for requirement in found[name].requires or ():
            if ";" not in requirement:  # markers are extras and other platforms
                queue += re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[:1]
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A virtual environment that sees the core dependencies of this one, and nothing else of it."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    link(CORE, site)
    return folder


def link(names: tuple[str, ...], folder: Path) -> None:
    """Puts these distributions and all they need into a folder, as links."""
    for dist in needed(names).values():
        for top in {file.parts[0] for file in dist.files or ()} - {"..", "__pycache__"}:
            source = Path(str(dist.locate_file(top)))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)


def install(environment: Path, tools: Path, *arguments: object) -> None:
    """`pip install` into the environment; the build backend is visible while it runs and not afterwards."""
    tools.mkdir()
    link(("hatchling",), tools)
    done = run(
        *(sys.executable, "-m", "pip", "--python", environment / "bin/python", "install"),
        *("--quiet", "--no-deps", "--no-build-isolation", *arguments),
        cwd=ROOT,
        env={"PYTHONPATH": str(tools)},
    )
    assert done.returncode == 0, done.stderr


def assert_works(environment: Path, folder: Path) -> None:
    """The command checks a spec from a folder that is not the checkout, and has no torch to fall back on."""
    spec = folder / "line.nn"
    spec.write_text("model Line { input x: float32[3]; output y = x -> dense(2) }\n")
    done = run(environment / "bin/nnspec", "check", "line.nn", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run(environment / "bin/nnspec", "compile", "line.nn", "--backend", "torch", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "nn.Linear(3, 2)" in done.stdout


def test_wheel_holds_grammar_types_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"nnspec/grammar/nnspec.lark", "nnspec/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "examples/", "benchmarks/"))]
    assert not [name for name in names if "__pycache__" in name]


def test_wheel_depends_on_the_core_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("dist-info/METADATA")]
        metadata = archive.read(name).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, flags=re.MULTILINE)
    assert sorted(required) == sorted(CORE)


def test_wheel_in_a_fresh_environment(wheel: Path, fresh: Path, tmp_path: Path) -> None:
    install(fresh, tmp_path / "tools", wheel)
    assert_works(fresh, tmp_path)


def test_editable_in_a_fresh_environment(fresh: Path, tmp_path: Path) -> None:
    install(fresh, tmp_path / "tools", "-e", ROOT)
    assert_works(fresh, tmp_path)
