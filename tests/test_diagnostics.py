"""Broken specs: every mistake is reported once, where it stands, and all of them in one run.

Each file of tests/errors says in comments what it expects; beside it lies the whole of what a reader sees
(tests/errors/README.md). UPDATE_SNAPSHOTS=1 writes these anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from error_rows import ERRORS, Report, Row, read, render, reports, rows

from nnspec.codes import CODES
from nnspec.compiler import check

ROWS = rows()
ELSEWHERE = {"E0602", "E0603"}  # no spec brings them up: test_runtime_errors.py stops emitted code


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path.stem)
def test_exactly_the_expected_reports_as_a_reader_sees_them(row: Row, tmp_path: Path) -> None:
    shown = render(row, tmp_path)
    snapshot = row.path.with_suffix(".txt")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(shown, encoding="utf-8")
    found = sorted(reports(row, shown), key=lambda report: report.line)
    assert row.expected, "an error file says what it expects"
    assert [(r.line, r.code) for r in found] == [(r.line, r.code) for r in row.expected], shown
    for seen, wanted in zip(found, row.expected, strict=True):
        assert wanted.text in seen.text, f"line {wanted.line}"
    assert shown == snapshot.read_text(encoding="utf-8")


def test_every_code_has_a_row_and_a_rendering() -> None:
    codes = {report.code for row in ROWS for report in row.expected if report.code}
    assert sorted(set(CODES) - codes - ELSEWHERE) == []
    texts = {path.stem for path in ERRORS.glob("*.txt")}
    assert texts == {row.path.stem for row in ROWS}


@pytest.mark.parametrize("row", [r for r in ROWS if r.commands[0][1][1] == "check"], ids=lambda row: row.path.stem)
def test_positions_lie_in_the_text_and_help_is_plain(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)
    checked = check(row.path.name)
    for diagnostic in checked.diagnostics:
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
            lines = checked.sources[span.path].split("\n")
            assert 1 <= span.line <= span.end_line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1
            assert (span.line, span.column) <= (span.end_line, span.end_column)
        assert "\n" not in diagnostic.message
        assert "Traceback" not in diagnostic.message + diagnostic.help
        assert "nnspec.passes" not in diagnostic.message


def test_a_row_that_expects_too_little_or_elsewhere_fails(tmp_path: Path) -> None:
    """The comparison can fail."""
    file = tmp_path / "m.nn"
    file.write_text("model M {\n    input x: float32[3]  # error[E0202]: one | error[E0203]: two\n}  # plain\n")
    row = read(file)
    assert row.expected == (Report(2, "E0202", "one"), Report(2, "E0203", "two"))
    (found,) = reports(row, render(row, tmp_path / "run"))
    assert found == Report(1, "E0209", "the model M has no output")


def test_what_a_row_says_in_its_head(tmp_path: Path) -> None:
    file = tmp_path / "m.nn"
    file.write_text(
        "# run: nnspec train m.nn --model EACH\n# file: b.csv\n#   | 1,2\n#   |\n#   | 3  # error[E0522]: here\n"
        "# without: PIL\nmodel A { }\nmodel B { }\n"
    )
    row = read(file)
    assert row.commands == (
        (1, ["nnspec", "train", "m.nn", "--model", "A"]),
        (1, [*["nnspec", "train", "m.nn", "--model", "B"]]),
    )
    assert row.beside == {"b.csv": b"1,2\n\n3  # error[E0522]: here\n"}
    assert row.lines["b.csv", 3] == 5
    assert (row.without, row.expected) == (("PIL",), (Report(5, "E0522", "here"),))
