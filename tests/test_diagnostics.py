"""Broken specs: every mistake is reported once, where it stands, and all of them in one run.

Each file of tests/errors says in comments what it expects, `# error[E0203]: text`, on the line where the report
points (several are parted by ` | `): exactly these reports come, with messages that hold the texts. Where a `.txt`
stands beside the `.nn` it holds the whole rendering, as a reader sees it; UPDATE_SNAPSHOTS=1 writes these anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nnspec.compiler import check
from nnspec.diagnostics import Diagnostic
from nnspec.rendering import render

ERRORS = Path(__file__).parent / "errors"
FILES = sorted(ERRORS.glob("*.nn"))
EXPECTED = re.compile(r"(error|warning)\[([EW]\d{4})\]: (.*?)(?= \| (?:error|warning)\[|$)")


def expectations(text: str) -> list[tuple[int, str, str]]:
    """(line, code, part of the message) of every expectation in the comments."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        _, _, comment = line.partition("# ")
        found += [(number, code, part.strip()) for _, code, part in EXPECTED.findall(comment)]
    return found


def described(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "\n".join(f"{d.span.line}:{d.span.column} {d.code}: {d.message}" for d in diagnostics)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_exactly_the_expected_reports(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)
    found = check(file.name).diagnostics
    expected = expectations(file.read_text(encoding="utf-8"))
    assert expected, "an error file says what it expects"
    assert [(d.span.line, d.code) for d in found] == [(line, code) for line, code, _ in expected], described(found)
    for diagnostic, (line, _, part) in zip(found, expected, strict=True):
        assert part in diagnostic.message, f"line {line}"
        assert diagnostic.severity == ("warning" if diagnostic.code.startswith("W") else "error")


@pytest.mark.parametrize("file", [f for f in FILES if f.with_suffix(".txt").exists()], ids=lambda f: f.stem)
def test_the_whole_rendering(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)
    checked = check(file.name)
    text = render(checked.diagnostics, checked.sources)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.with_suffix(".txt").write_text(text, encoding="utf-8")
    assert text == file.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_positions_lie_in_the_text_and_help_is_plain(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)
    checked = check(file.name)
    for diagnostic in checked.diagnostics:
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
            lines = checked.sources[span.path].split("\n")
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1
            assert (span.line, span.column) <= (span.end_line, span.end_column)
        assert "\n" not in diagnostic.message
        assert "Traceback" not in diagnostic.message + diagnostic.help
        assert "nnspec.passes" not in diagnostic.message


def test_an_error_file_that_expects_too_little_fails() -> None:
    """The comparison can fail."""
    assert expectations("x # error[E0203]: one | error[E0204]: two\n") == [(1, "E0203", "one"), (1, "E0204", "two")]
    assert expectations("x = 1 # a plain comment\n") == []
