"""The table of codes: complete, without leftovers, and with examples that are true."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result

import nnspec
from nnspec.codes import CODES
from nnspec.codes.code import CHECK, fixed_run
from nnspec.compiler import check

PACKAGE = Path(nnspec.__file__).parent
CODE = re.compile(r"[EW]0\d{3}")

# What no text of a page can show: a system that refuses, bytes that are no text, what is too long for a page.
UNSHOWN = {"E0120", "E0503", "E0506", "E0508", "E0514", "E0526", "E0529", "E0602", "E0603"}


def used() -> dict[str, str]:
    """Every code that stands as a string in the package, with a place where it does."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "codes":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.setdefault(node.value, f"{path.relative_to(PACKAGE)}:{node.lineno}")
    return found


def test_every_code_in_use_is_explained() -> None:
    assert {code: place for code, place in used().items() if code not in CODES} == {}


def test_every_explained_code_is_in_use() -> None:
    assert set(CODES) <= set(used())


def test_titles_are_different_and_entries_are_whole() -> None:
    assert len({entry.title for entry in CODES.values()}) == len(CODES)
    for code, entry in CODES.items():
        assert CODE.fullmatch(code)
        assert entry.cause.endswith("."), code
        assert bool(entry.example) == bool(entry.fix), code
        assert entry.example or code in UNSHOWN, code


def spec(lines: str) -> str:
    """Lines of a model become a file; a file without a model gets one."""
    model = "model M {\n    input x: float32[1, 8, 8]\n    output y = x -> dense(1)\n}\n"
    if re.match(r"(model|nnspec|import)\b", lines) or "\nmodel" in lines:
        return lines + "\n"
    if re.match(r"(let|block|data|train)\b", lines) and "\noutput" not in lines:
        return model + lines + "\n"
    return "model M {\n    input x: float32[1, 8, 8]\n" + lines + "\n}\n"


PLAIN = [code for code, entry in CODES.items() if entry.example and (entry.run, entry.files) == (CHECK, ())]
SHOWN = [code for code, entry in CODES.items() if entry.example and code not in PLAIN]


@pytest.mark.parametrize("code", PLAIN)
def test_the_example_brings_the_code_up_and_the_fix_does_not(code: str) -> None:
    entry = CODES[code]
    found = {d.code for d in check("example.nn", text=spec(entry.example)).diagnostics}
    assert found == {code}
    fixed = check("example.nn", text=spec(entry.fix)).diagnostics
    assert [d for d in fixed if d.severity == "error" or d.code == code] == []


@pytest.mark.parametrize("code", SHOWN)
def test_so_it_is_with_files_and_commands(
    code: str, cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = CODES[code]
    monkeypatch.chdir(tmp_path)
    for name, text in entry.files:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("example.nn").write_text(entry.example + "\n")
    broken = cli(*shlex.split(entry.run)[1:])
    assert set(re.findall(r"^\w+\[(\w+)\]", broken.err, re.MULTILINE)) == {code}, broken.err
    Path("example.nn").write_text(entry.fix + "\n")
    whole = cli(*shlex.split(fixed_run(entry))[1:])
    assert whole.code == 0, whole.err
    assert f"[{code}]" not in whole.err
