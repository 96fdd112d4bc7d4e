"""Help that claims to be what to write: each claim is made where the report points, and the report is gone.

The claims are those of tests/errors and of the students' slips: names that may be meant, texts in backticks, settings
with their values, calls. Open words ("write a value after `=`") and forms with `...` claim nothing to try.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from error_rows import rows
from test_students import BROKEN, broken

from nnspec.compiler import check
from nnspec.diagnostics import Diagnostic
from nnspec.fixes import apply
from nnspec.ops import registry
from nnspec.proposals import proposals
from nnspec.suggest import meant

VALUE = r"(?:-?[\d.]+(?:(?:, | or )-?[\d.]+)*|\[[\d, ]+\])"
SETTING = re.compile(rf"\b([a-z_]+) (?:<=|>=|=) ({VALUE})(?![\w(])")
TEXT = re.compile(r"(?:^|, |; )write (?:another name, such as )?`([^`]+)`(?!,| and| as in)")
WRITTEN = (
    r"^(: \[[^\]]*\])$",
    r"^(.*) rounds down$",
    r": call this one (\w+),",
    r"^a range is written (\S+\.\.\S+),",
    r"^`(=)` gives a setting",
    r"^(\S+\(.*\)) holds ",
    r"^(\S+\.\.\S+)$",
    r"^write \w+ = (\w+), without quotes$",
)
CALL = re.compile(r"([a-z_]\w*)(\([^()]*\))?(?: first)?")


def claims(d: Diagnostic) -> list[str]:
    """What the help of a diagnostic says to write, as titles of proposals."""
    found = [f"write {name}" for name in meant(d.help)]
    found += [f"write {text}" for text in TEXT.findall(d.help) if "..." not in text]
    found += [f"write {text}" for pattern in WRITTEN for text in re.findall(pattern, d.help)]
    if d.code == "E0210" and re.fullmatch(r"\(.*\) [-+*/] \S.*", d.help) and "(x -> f)" not in d.help:
        found.append("parentheses")
    if match := re.match(r"let (\w+) = .*, or layer \1 = ", d.help):
        found += [f"let {match[1]} = ...", f"layer {match[1]} = ..."]
    if match := re.match(r"without the word (\w+):", d.help):
        found.append(f"without {match[1]}")
    if match := re.fullmatch(r"(in .+), or (\w+ = \S+)", d.help):
        found += [match[1], match[2]]
    if d.code == "E0207" and re.fullmatch(r"[a-z_]+\(.*[^.]\)", d.help):
        found.append(f"write {d.help}")
    if re.fullmatch(r"leave (it|`[^`]+`) out|leave out `[^`]+`|.*: leave it out", d.help):
        found.append("leave it out")
    if d.code.startswith("E03"):
        found += [
            f"{name} = {value}"
            for name, values in SETTING.findall(d.help)
            for value in re.split(", (?![^\\[]*\\])| or ", values)
        ]
        found += [text if text.endswith("first") else f"write {text}" for text in calls(d.help)]
    return found


def calls(help: str) -> list[str]:
    """`prelu or prelu(6)`, `reshape([1]) first`: layers and functions as they may be written."""
    texts = help.split(" or ")
    matches = [CALL.fullmatch(text) for text in texts]
    whole = all(match is not None and registry.lookup(match[1]) is not None for match in matches)
    return texts if whole and "..." not in help else []


def failing(name: str, text: str) -> tuple[int, list[str]]:
    """How many claims a spec brings up, and those that do not hold."""
    checked = check(name, text=text)
    text = checked.sources[checked.path]
    before = Counter((d.code, d.message) for d in checked.diagnostics)
    count, wrong = 0, []
    for diagnostic in checked.diagnostics:
        wanted = claims(diagnostic)
        tried: dict[str, bool] = {}
        for fix in proposals(diagnostic, text) if wanted else ():
            after = Counter((d.code, d.message) for d in check(name, text=apply(text, fix.edits)).diagnostics)
            key = (diagnostic.code, diagnostic.message)
            tried[fix.message] = tried.get(fix.message, False) or after[key] < before[key]
        count += len(wanted)
        wrong += [
            f"{name}:{diagnostic.span.line} {diagnostic.code} {diagnostic.help}: {claim} {tried}"
            for claim in wanted
            if not tried.get(claim)
        ]
    return count, wrong


ROWS = [row for row in rows() if row.commands[0][1][:2] == ["nnspec", "check"] and not row.beside]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path.stem)
def test_what_the_help_of_a_row_says_to_write_works(row) -> None:  # type: ignore[no-untyped-def]
    assert failing(row.path.name, row.text)[1] == []


def test_what_the_help_says_to_students_works() -> None:
    found = [failing(f"{number}.nn", broken(whole, row)) for number, (whole, row) in enumerate(BROKEN)]
    assert [line for _, wrong in found for line in wrong] == []
    assert sum(count for count, _ in found) > 100


def test_a_claim_that_does_not_hold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "model M {\n    input x: float32[6, 8, 8]\n    output y = x -> conv(4, 3, groups = 4)\n}\n"
    assert failing("m.nn", text) == (2, [])
    d = Diagnostic("E0314", "m", check("m.nn", text=text).diagnostics[0].span, help="groups = 4 or 5")
    assert claims(d) == ["groups = 4", "groups = 5"]
    assert claims(d.replace(help="did you mean relu or elu?")) == ["write relu", "write elu"]
    assert claims(d.replace(help="write a value after `=`")) == []
    assert claims(d.replace(help="write `->` in place of `=>`")) == ["write ->"]
