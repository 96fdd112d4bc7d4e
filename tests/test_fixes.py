"""Fixes: what is offered was tried, what is applied was meant, and the rest of the file stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnspec.cli.app import app
from nnspec.compiler import check
from nnspec.diagnostics import Edit, Span
from nnspec.fixes import apply, mend, with_fixes

NET = "model M {{\n    input x: float32[3, 8, 8]\n{}\n}}\n"

# lines of a model with a mistake, and what `check --fix` makes of them
MENDED = [
    ("output y = x -> dens(3)", "output y = x -> dense(3)"),
    ("output y = x -> flaten -> dense(3)  # flaten", "output y = x -> flatten -> dense(3)  # flaten"),
    ("output y = x -> conv(4, 3, strid = 2)", "output y = x -> conv(4, 3, stride = 2)"),
    ("output y = x * x.chanels", "output y = x * x.channels"),
    ("output y = x -> gelu(approximate = tahn)", "output y = x -> gelu(approximate = tanh)"),
    ("output y = x => relu", "output y = x -> relu"),
    ("output y = x -> relu -> dense(+3)", "output y = x -> relu -> dense(3)"),
    ("output y = x -> relu + x", "output y = (x -> relu) + x"),
    ("output y = x\n        + x", "output y = x +\n        x"),
    ("act = relu\noutput y = x -> act", "let act = relu\noutput y = x -> act"),
    ("require 1 < x.size < 900\noutput y = x", "require 1 < x.size and x.size < 900\noutput y = x"),
    ("output y = x -> dense(3", "output y = x -> dense(3)"),
    ("output y = x -> dense(3]", "output y = x -> dense(3)"),
    ("outptu y = x -> dense(3)", "output y = x -> dense(3)"),
    ("output y = x => conv(4, 3, strid = 2)", "output y = x -> conv(4, 3, stride = 2)"),
]


@pytest.mark.parametrize("broken, whole", MENDED, ids=[b for b, _ in MENDED])
def test_what_can_only_have_been_meant_one_way_is_mended(broken: str, whole: str) -> None:
    text, done = mend("m.nn", NET.format(broken))
    assert text == NET.format(whole)
    assert done
    assert [d for d in check("m.nn", text=text).diagnostics if d.severity == "error"] == []


LEFT = [
    "output y = x -> dense(3) -> zzzz",  # nothing is near
    "output y = x + z",  # x would compile, and need not be meant
    "output y = x -> pool(2)",  # max_pool or avg_pool
    "input z: float64[3]\noutput y = x",  # float32 is another type
    "output y = x -> conv(4, 9)",  # a smaller kernel or more padding
    "output y = x -> conv(4, 3) -> batch_norm",  # a warning: parameters would change
]


@pytest.mark.parametrize("lines", LEFT)
def test_where_the_author_has_to_choose_nothing_changes(lines: str) -> None:
    text, done = mend("m.nn", NET.format(lines))
    assert text == NET.format(lines)
    assert done == []


def test_every_offered_fix_of_the_error_files_works() -> None:
    """Each alone: its report is gone, and no other report has come, but on its own line."""
    offered = 0
    for file in sorted((Path(__file__).parent / "errors").glob("students_*.nn")):
        checked = with_fixes(check(str(file)))
        text = checked.sources[checked.path]
        for diagnostic in checked.diagnostics:
            for fix in diagnostic.fixes:
                offered += 1
                again = check(str(file), text=apply(text, fix.edits)).diagnostics
                assert len(again) <= len(checked.diagnostics) or diagnostic.code.startswith("E01")
                assert (diagnostic.code, diagnostic.message, diagnostic.span.line) not in {
                    (d.code, d.message, d.span.line) for d in again
                }
    assert offered > 15


def test_edits_are_made_from_the_end() -> None:
    def at(line: int, column: int, end: int) -> Span:
        return Span("m.nn", line, column, line, end)

    edits = [Edit(at(1, 1, 2), "xyz"), Edit(at(2, 2, 2), "!"), Edit(at(1, 3, 4), "")]
    assert apply("abc\nde\n", edits) == "xyzb\nd!e\n"


# ---------------------------------------------------------------- the command


def test_fix_writes_the_file_and_says_what_it_did(tmp_path: Path) -> None:
    file = tmp_path / "m.nn"
    file.write_bytes(NET.format("output y = x -> dens(3)").replace("\n", "\r\n").encode())
    result = CliRunner().invoke(app, ["check", "--fix", str(file)], standalone_mode=False)
    assert result.return_value == 0
    assert f"{file}:3:17: fixed E0202, unknown layer dens: write dense" in result.stderr
    assert file.read_bytes() == NET.format("output y = x -> dense(3)").replace("\n", "\r\n").encode()


def test_fix_leaves_a_good_file_untouched(tmp_path: Path) -> None:
    file = tmp_path / "m.nn"
    file.write_text(NET.format("output y = x -> dense(3)"))
    before = file.stat().st_mtime_ns
    assert CliRunner().invoke(app, ["check", "--fix", str(file)], standalone_mode=False).return_value == 0
    assert file.stat().st_mtime_ns == before


def test_json_carries_the_edits(tmp_path: Path) -> None:
    file = tmp_path / "m.nn"
    file.write_text(NET.format("output y = x -> dens(3)"))
    result = CliRunner().invoke(app, ["check", "--format", "json", str(file)], standalone_mode=False)
    (found,) = json.loads(result.stdout)
    (fix,) = found["fixes"]
    (edit,) = fix["edits"]
    assert (fix["message"], fix["safe"]) == ("write dense", True)
    del edit["path"]
    assert edit == {"line": 3, "column": 17, "end_line": 3, "end_column": 21, "text": "dense"}


@pytest.mark.parametrize("options, code", [([], 0), (["--strict"], 1)])
def test_warnings_change_the_exit_code_only_when_strict(options: list[str], code: int, tmp_path: Path) -> None:
    file = tmp_path / "m.nn"
    file.write_text(NET.format("h = x -> relu\noutput y = x -> dense(3)"))
    result = CliRunner().invoke(app, ["check", *options, str(file)], standalone_mode=False)
    assert result.return_value == code
    assert "warning[W0202]: h is never used" in result.stderr
