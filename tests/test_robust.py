"""Any text is answered with diagnostics: damaged specs never crash the compiler; reports point into the text."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from conftest import EXAMPLES

from nnspec.compiler import check
from nnspec.rendering import render, to_github, to_json, to_sarif

FILES = sorted(Path(__file__).parent.glob("valid/*.nn")) + sorted(EXAMPLES.glob("*.nn"))
TOKEN = re.compile(r'[A-Za-z_]\w*|\d[\w.]*|"[^"\n]*"|->|[^\s\w]|\n')
JUNK = ["->", *"()[]{},;=:.", "..", "x", "3", "-1", "0.5", "1e400", "true", "relu", "dense", "repeat", "weights"]
JUNK += [
    "for",
    "if",
    "in",
    "let",
    "layer",
    "input",
    "\n",
    '"text"',
    'import "gone.nn"',
    "class",
    "\t",
    "\x00",
    "ä",
    "#",
]


def damaged(text: str, random: random.Random) -> str:
    """One to three tokens deleted, replaced, doubled or moved."""
    for _ in range(random.randint(1, 3)):
        places = [m.span() for m in TOKEN.finditer(text)]
        (a, b), (c, d) = random.choice(places), random.choice(places)
        text = text[:a] + random.choice(["", random.choice(JUNK), text[a:b] + " " + text[a:b], text[c:d]]) + text[b:]
    return text


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_reported_not_raised(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(12):
        text = damaged(rng.choice(FILES).read_text(encoding="utf-8"), rng)
        found = check("damaged.nn", text=text)
        for form in (to_json, to_github, to_sarif):
            form(found.diagnostics)
        assert "\x1b" not in render(found.diagnostics, found.sources)
        for diagnostic in found.diagnostics:
            assert 1 <= diagnostic.span.line <= found.sources["damaged.nn"].count("\n") + 1


@pytest.mark.parametrize(
    "text", ["}", "{", "model", "model M", "model M {", 'import "', "let a =", "->", "(" * 500, "x" * 5000, "-" * 900]
)
def test_scraps(text: str) -> None:
    assert not check("scrap.nn", text=text).ok


def test_one_mistyped_name_is_one_report() -> None:
    """Names of every example, each mistyped where it stands last: never more than that one report."""
    for file in FILES[2:]:
        text = file.read_text(encoding="utf-8")
        words = re.findall(r"-> ([a-z_]{4,})", text)
        for word in sorted(set(words)):
            cut = text.rindex(word)
            broken = text[:cut] + word[1] + word[0] + word[2:] + text[cut + len(word) :]
            if text[:cut].rpartition("\n")[2].count("#"):
                continue
            found = check(file.name, text=broken).diagnostics
            assert len(found) <= 1, (file.name, word, [d.message for d in found])
