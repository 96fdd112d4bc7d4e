"""The score of the reports on what students write: the right line, the right cause, and nothing that only echoes."""

from __future__ import annotations

import re

import pytest
from students import IMAGES, IN_IMAGES, IN_SCORES, SCORES, Row

from nnspec.compiler import check

BROKEN = [(IMAGES, row) for row in IN_IMAGES] + [(SCORES, row) for row in IN_SCORES]


def broken(whole: str, row: Row) -> str:
    for old, new in row[0]:
        assert old in whole
        whole = whole.replace(old, new, 1)
    return whole


def score(text: str, expected: tuple[tuple[str, str], ...]) -> tuple[int, int, int]:
    """How many mistakes are told on their line, how many with their cause, how many reports are more than that."""
    lines = text.split("\n")
    left = [d for d in check("s.nn", text=text).diagnostics if d.severity == "error"]
    placed = caused = 0
    for mark, cause in expected:
        numbers = {number for number, line in enumerate(lines, 1) if mark in line}
        here = [d for d in left if d.span.line in numbers]
        found = next((d for d in here if re.search(cause, d.message)), None)
        placed += bool(here)
        caused += found is not None
        if here:
            left.remove(found or here[0])
    return placed, caused, len(left)


@pytest.mark.parametrize("text", [IMAGES, SCORES], ids=["images", "scores"])
def test_nothing_is_said_of_the_specs_themselves(text: str) -> None:
    assert check("s.nn", text=text).diagnostics == ()


def test_reports_stand_in_the_right_line_name_the_cause_and_do_not_echo() -> None:
    mistakes = placed = caused = 0
    echoes = []
    for whole, row in BROKEN:
        text = broken(whole, row)
        here, named, more = score(text, row[1])
        mistakes += len(row[1])
        placed += here
        caused += named
        if more:
            echoes.append(row[0])
    assert mistakes > 180
    assert placed / mistakes >= 0.98
    assert caused / mistakes >= 0.95
    assert len(echoes) / len(BROKEN) <= 0.02, echoes


def test_a_report_of_something_else_scores_nothing() -> None:
    text = broken(IMAGES, ([("dropout(0.2)", "droput(0.2)")], ()))
    assert score(text, (("droput", "unknown layer droput"),)) == (1, 1, 0)
    assert score(text, (("droput", "kernel"),)) == (1, 0, 0)
    assert score(text, (("let width", "droput"),)) == (0, 0, 1)
