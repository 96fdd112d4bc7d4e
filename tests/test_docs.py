"""Docs run: every `.nn` block is checked, every command and every Python block of README and docs is executed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import EXAMPLES, ROOT, Result

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)
WHOLE_SPEC = re.compile(r"^(model|block) \w+", flags=re.MULTILINE)


def blocks(*languages: str) -> list[object]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 2
                found.append(pytest.param(match[2], id=f"{page.name}:{line}"))
    return found


def commands() -> list[object]:
    """The lines of `sh` blocks, and of `console` blocks those after a `$`; comments and blank lines apart."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] not in ("sh", "console"):
                continue
            for number, line in enumerate(match[2].splitlines()):
                command = line.removeprefix("$ ") if match[1] == "console" else line
                if (match[1] == "console" and not line.startswith("$ ")) or not command.split("#")[0].strip():
                    continue
                place = f"{page.name}:{text.count(chr(10), 0, match.start()) + 2 + number}"
                found.append(pytest.param(command, id=f"{place} {command[:50]}"))
    return found


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the repository to who types a command, and takes what commands write."""
    for name in ("examples", "docs", "benchmarks", "Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", blocks("nn"))
def test_a_spec_in_the_docs_checks(cli: Callable[..., Result], checkout: Path, text: str) -> None:
    assert WHOLE_SPEC.search(text), "a block of a page is a whole spec"
    Path("block.nn").write_text(text)
    result = cli("check", "block.nn")
    assert result.code == 0, result.err


@pytest.mark.parametrize("command", commands())
def test_a_command_in_the_docs_runs(process: Callable[..., Result], checkout: Path, command: str) -> None:
    words = shlex.split(command, comments=True)
    if words[0] == "make":  # what the targets do is what runs this test: here, that they exist
        subprocess.run(["make", "--dry-run", *words[1:]], check=True, capture_output=True, cwd=checkout)
        return
    if words[0] == "python":
        subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True, cwd=checkout)
        return
    assert words[0] == "nnspec", f"no test knows how to run {words[0]}"
    if words[1] in ("eval", "predict") and words[2].startswith("runs/"):
        process("train", EXAMPLES / "digits.nn", "--epochs", "1", "--run-dir", words[2], cwd=checkout)
    if words[1] in ("runs", "reproduce") or words[1:3] == ["train", "--resume"]:
        process("train", EXAMPLES / "mlp.nn", "--epochs", "1", cwd=checkout)
    result = process(*words[1:], cwd=checkout)
    assert result.code == 0, result.err


@pytest.mark.parametrize("text", blocks("python"))
def test_python_in_the_readme_runs(checkout: Path, text: str) -> None:
    text = dedent(text)
    if "import nnspec" not in text:  # a part of a file, shown to be read: it is Python, and that is all
        compile(text, "block.py", "exec")
        return
    done = subprocess.run([sys.executable, "-c", text], cwd=checkout, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_page_of_layers_is_the_registry() -> None:
    from nnspec.views.reference import reference

    assert (ROOT / "docs/layers.md").read_text(encoding="utf-8") == reference(), "run make docs"


def test_the_page_of_errors_is_the_table_of_codes() -> None:
    from nnspec.views.errors import errors

    assert (ROOT / "docs/errors.md").read_text(encoding="utf-8") == errors(), "run make docs"


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("spec", sorted(EXAMPLES.glob("*.nn")), ids=lambda path: path.name)
def test_the_command_in_the_head_of_an_example_names_it(spec: Path) -> None:
    head = [line for line in spec.read_text(encoding="utf-8").splitlines() if line.startswith("#   nnspec")]
    assert head, "every example says how to run it"
    assert all(f"examples/{spec.name}" in line or " runs/" in line for line in head)  # or what another has trained


@pytest.mark.torch
@pytest.mark.jax
def test_following_the_page_on_ops_adds_an_op(tmp_path: Path) -> None:
    """Each block of docs/adding-an-op.md goes into the file it names, on a copy; then every backend agrees on it."""
    for name in ("nnspec", "grammar"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs/adding-an-op.md").read_text(encoding="utf-8")
    for match in FENCE.finditer(page):
        text = dedent(match[2]).strip()
        first, _, rest = text.partition("\n")
        if first.startswith("# nnspec/"):
            file = tmp_path / first.removeprefix("# ")
            file.write_text(file.read_text(encoding="utf-8") + f"\n\n{rest}\n", encoding="utf-8")
        else:
            registry = tmp_path / "nnspec/ops/registry.py"
            rows = registry.read_text(encoding="utf-8")
            beside = '"square": "arithmetic Square",'
            assert beside in rows
            registry.write_text(rows.replace(beside, f"{beside}\n        {text}"), encoding="utf-8")
    (tmp_path / "cube.nn").write_text("model Cube { input x: float32[3, 4]; output y = x -> dense(2) -> cube }\n")
    done = subprocess.run(
        [sys.executable, "-m", "nnspec", "verify", "cube.nn"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "finite differences" in done.stdout
    assert "numpy, torch, jax agree" in done.stderr
