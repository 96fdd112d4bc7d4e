"""The score of the reports on broken specs that were written apart from the compiler: line, cause, and no echo.

A row of `broken/*.txt` is a spec of `broken/*.nn` with lines in place of others (`-`, `+`), or a whole file (`+`
alone). `§a words` ends a line on which a human wants mistake a to be told; the first line of a report there is to match
`words`, a pattern without case. Where several lines would do, each has the letter. A capital stands for a mistake that
compiles: a warning is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nnspec.compiler import check

FOLDER = Path(__file__).parent / "broken"
_MARK = re.compile(r" ?§(\w)([^¶§]*)¶?")


class Row(NamedTuple):
    """A broken spec; `wanted` has the lines and the pattern of each mistake."""

    name: str
    text: str
    wanted: dict[str, tuple[set[int], str]]


def rows(corpus: str) -> Iterator[Row]:
    for part in (FOLDER / f"{corpus}.txt").read_text(encoding="utf-8").split("\n=== ")[1:]:
        head, *lines = part.rstrip("\n").split("\n")
        name, _, base = (word.strip() for word in head.partition("|"))
        whole = base in ("", "crlf", "bom")
        marked = _replaced("" if whole else (FOLDER / f"{base}.nn").read_text(encoding="utf-8"), lines)
        text, wanted = _unmarked(marked)
        text = text.replace("\n", "\r\n") if base == "crlf" else "\ufeff" * (base == "bom") + text
        yield Row(name, text, wanted)


def _replaced(text: str, lines: list[str]) -> str:
    """The text after all `-` and `+` of a row."""
    while lines:
        old, lines = _block(lines, "-")
        new, lines = _block(lines, "+")
        assert old in text
        new = re.sub(r"§[^\n§]*", lambda mark: f"{mark[0]}¶", new)  # the line may go on behind it
        text = text.replace(old, new, 1) if old else new
    return text


def _block(lines: list[str], sign: str) -> tuple[str, list[str]]:
    """The lines with a sign at the start of `lines`, and the lines after them."""
    count = next((k for k, line in enumerate(lines) if line[:1] != sign), len(lines))
    return "\n".join(line[2:] for line in lines[:count]), lines[count:]


def _unmarked(marked: str) -> tuple[str, dict[str, tuple[set[int], str]]]:
    wanted: dict[str, tuple[set[int], str]] = {}
    lines = marked.split("\n")
    for number, line in enumerate(lines, 1):
        for letter, pattern in _MARK.findall(line):
            places, known = wanted.get(letter, (set(), ""))
            wanted[letter] = places | {number}, known or pattern.strip()
    return "\n".join(_MARK.sub("", line).replace("¶", "") for line in lines), wanted


def score(row: Row) -> tuple[int, int, int]:
    """How many mistakes are told on their line, how many with their cause, how many errors are more than that."""
    left = list(check(f"{row.name}.nn", text=row.text).diagnostics)
    placed = caused = 0
    for letter, (lines, pattern) in row.wanted.items():
        here = [d for d in left if d.span.line in lines and (letter.isupper() or d.severity == "error")]
        found = next((d for d in here if re.search(pattern, d.message, re.IGNORECASE)), None)
        placed += bool(here)
        caused += found is not None
        if here:
            left.remove(found or here[0])
    return placed, caused, sum(d.severity == "error" for d in left)


@pytest.mark.parametrize("spec", sorted(FOLDER.glob("*.nn")), ids=lambda spec: spec.stem)
def test_nothing_is_said_of_the_specs_themselves(spec: Path) -> None:
    assert check(spec).diagnostics == ()


@pytest.mark.parametrize(("corpus", "least"), [("first", 420), ("second", 230), ("third", 125), ("fourth", 50)])
def test_mistakes_are_told_on_their_line_with_their_cause_and_nothing_echoes(corpus: str, least: int) -> None:
    found = list(rows(corpus))
    scores = [score(row) for row in found]
    mistakes = sum(len(row.wanted) for row in found)
    far = [row.name for row, (placed, _, _) in zip(found, scores, strict=True) if placed < len(row.wanted)]
    vague = [row.name for row, (_, caused, _) in zip(found, scores, strict=True) if caused < len(row.wanted)]
    echoes = [row.name for row, (_, _, more) in zip(found, scores, strict=True) if more]
    assert mistakes >= least
    assert sum(placed for placed, _, _ in scores) / mistakes >= 0.98, far
    assert sum(caused for _, caused, _ in scores) / mistakes >= 0.95, vague
    assert len(echoes) / len(found) <= 0.02, echoes
