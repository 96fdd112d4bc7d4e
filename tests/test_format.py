"""`nnspec fmt`: one canonical form, reached in one step, with the same meaning and every comment."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from math import ceil
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT, Result
from random_specs import random_spec

from nnspec.diagnostics import Reporter
from nnspec.syntax import comments, parse
from nnspec.syntax.format import format_text

Cli = Callable[..., Result]

CANONICAL = sorted([*EXAMPLES.glob("*.nn"), ROOT / "nnspec/ops/prelude.nn"])
SPECS = [*CANONICAL, *sorted([*(ROOT / "benchmarks/specs").glob("*.nn"), *(ROOT / "tests").rglob("*.nn")])]


def formatted(text: str) -> str:
    found = format_text(text, "a.nn", Reporter())
    assert found is not None
    return found


def tree(text: str) -> object:
    return parse(text, "a.nn", Reporter())


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_every_spec_keeps_its_meaning_and_comments(path: Path) -> None:
    text = path.read_text()
    found = format_text(text, "a.nn", Reporter())
    if found is None:
        assert "E01" in text or "errors" in path.parts
        return
    assert tree(found) == tree(text)
    assert [c.text for c in comments(found, "a.nn")] == [c.text for c in comments(text, "a.nn")]
    assert formatted(found) == found


@pytest.mark.parametrize("path", CANONICAL, ids=lambda path: path.name)
def test_what_ships_is_in_canonical_form(path: Path) -> None:
    assert formatted(path.read_text()) == path.read_text()


def test_the_specs_of_the_language_page_are_in_canonical_form() -> None:
    page = (ROOT / "docs/language.md").read_text()
    for block in re.findall(r"^```(?:nn)?\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        found = format_text(block, "a.nn", Reporter())
        assert found in (None, block)


# What was written, and below the rule its form; nothing below it where the syntax is wrong.
FORMS = r"""
let  a=1
---
let a = 1
===
let a = 1
let long = 2
---
let a    = 1
let long = 2
===
let a = 1 in 1 .. 8
let bb = 16 in [ 1,2 ]
---
let a  = 1  in 1..8
let bb = 16 in [1, 2]
===


let a = 1



let bb = 2

---
let a = 1

let bb = 2
===
let a = - 2 ^ - n*( 3-1 )//4
---
let a = -2^-n * (3 - 1) // 4
===
let a = 1;;let b = 2;
---
let a = 1; let b = 2
===
let a =
1 +
2
---
let a =
    1 +
    2
===
model A {}
---
model A {}
===
model A ( n=2 ) {input x:float32[ n,3 ]; output y=x}
---
model A(n = 2) { input x: float32[n, 3]; output y = x }
===
model A {

 input x: float32[3]
 target y: float32

}
---
model A {
    input  x: float32[3]
    target y: float32
}
===
model A {
h = x->
relu   # why
->tanh
g = x -> relu
-> tanh
layer f = dense( 3 ) -> relu
-> tanh
}
---
model A {
    h = x
        -> relu  # why
        -> tanh
    g = x -> relu
          -> tanh
    layer f = dense(3) -> relu
           -> tanh
}
===
model A {
h = x[ 1 : 3 , - 1 ][ :,::2 ]
h = for i in 1..2 { d{i} : dense( i ) }
}
---
model A {
    h = x[1:3, -1][:, ::2]
    h = for i in 1..2 { d{i}: dense(i) }
}
===
model A {
h = x -> : [ 3 ] -> a : b : relu
}
---
===
model A {
h = if n>1 { x }
# else
else { y }
h = if not(a) {
x
}
else {
y
}
}
---
model A {
    h = if n > 1 { x }
    # else
    else { y }
    h = if not (a) {
        x
    } else {
        y
    }
}
===
train {
minimize = a +
b
optimizer("a_long_pattern") = sgd( 1 )
lr=2
}
---
train {
    minimize = a +
               b
    optimizer("a_long_pattern") = sgd(1)
    lr       = 2
}
===
model A {
h = concat(x,
  y)
g = concat(
  x,
  y -> relu
    -> tanh,
)
f = x -> part: (dense(1) -> relu
  -> dense(2)   -> relu)
}
---
model A {
    h = concat(x,
               y)
    g = concat(
        x,
        y -> relu
          -> tanh,
    )
    f = x -> part: (dense(1) -> relu
                 -> dense(2) -> relu)
}
===
let t = [
  [1,-1],
  [ 1, 10],
]
let t = [
  [1,  -1],
  [ 1, 100],
]
---
let t = [
    [1, -1],
    [1, 10],
]
let t = [
    [1,  -1],
    [1, 100],
]
===
# head
model A {
# in
a = 1   # one
bb = 2        # two
}
# end
---
# head
model A {
    # in
    a = 1     # one
    bb = 2    # two
}
# end
"""


@pytest.mark.parametrize("form", FORMS.strip("\n").split("\n===\n"))
def test_the_form(form: str) -> None:
    written, _, canonical = (form + "\n").partition("\n---\n")
    found = format_text(written, "a.nn", Reporter())
    assert found == (canonical or None)
    assert found is None or formatted(found) == found


def shaken(text: str, draw: random.Random, spaces: int) -> str:
    """The text with other spaces: other indentation, and up to `spaces` more where spaces stand between tokens.

    Deeper lines stay deeper: inside brackets that is how a forgotten bracket is found.
    """
    out, factor, shift = [], draw.uniform(0.3, 2), draw.randint(0, 5)
    for line in text.split("\n"):
        code, hash_, comment = line.strip().partition("#")
        parts = re.split(r'("[^"]*"|\s+)', code)
        moved = "".join(p if p.strip() or not p else " " * draw.randint(1, 1 + spaces) for p in parts)
        tail = " " * draw.randint(0, spaces) + "#" + comment if hash_ else ""
        indent = shift + ceil(factor * (len(line) - len(line.lstrip())))
        out.append(" " * indent + moved + tail + " " * draw.randint(0, spaces))
        out += [""] * draw.choice([0, 0, 0, 3]) if not line.strip() else []
    return "\n".join(out)


@pytest.mark.parametrize("path", CANONICAL, ids=lambda path: path.name)
def test_other_spaces_are_the_same_spec(path: Path) -> None:
    text, draw = path.read_text(), random.Random(path.name)
    for spaces in (0, 5):
        other = shaken(text, draw, spaces)
        once = formatted(other)
        assert tree(once) == tree(text)
        assert formatted(once) == once


@pytest.mark.parametrize("path", CANONICAL, ids=lambda path: path.name)
def test_one_form_whatever_the_spaces(path: Path) -> None:
    """Where no column was asked for by hand (two spaces, a comment), the form follows from the tokens alone."""
    lines = path.read_text().split("\n")
    for comment in comments(path.read_text(), "a.nn"):
        lines[comment.span.line - 1] = lines[comment.span.line - 1][: comment.span.column - 1]
    bare = "\n".join(re.sub(r"(?<=\S) +", " ", line) for line in lines)
    draw = random.Random(path.name)
    assert formatted(shaken(bare, draw, 0)) == formatted(shaken(bare, draw, 0))


@pytest.mark.parametrize("seed", range(30))
def test_random_specs(seed: int) -> None:
    text, draw = random_spec(seed), random.Random(seed)
    once = formatted(shaken(text, draw, 3))
    assert tree(once) == tree(text)
    assert formatted(once) == once


def test_windows_lines_and_a_byte_order_mark() -> None:
    assert formatted("\ufefflet a=1\r\nlet b=2\r\n") == "let a = 1\nlet b = 2\n"


# ---------------------------------------------------------------- the command

UGLY, PRETTY = (
    "let a=1\nmodel M { input x:float32[a]; output y=x }\n",
    "let a = 1\nmodel M { input x: float32[a]; output y = x }\n",
)


def test_a_file_is_rewritten_and_keeps_its_mode(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.nn"
    file.write_text(UGLY)
    file.chmod(0o640)
    assert cli("fmt", file).code == 0
    assert file.read_text() == PRETTY
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]
    assert cli("fmt", file) == Result(0, "", "")


def test_check_and_diff_write_nothing(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.nn"
    file.write_text(UGLY)
    assert cli("fmt", "--check", file).code == 1
    shown = cli("fmt", "--diff", file)
    assert shown.code == 0
    assert "-let a=1\n" in shown.out
    assert "+let a = 1\n" in shown.out
    assert file.read_text() == UGLY
    assert cli("fmt", "--check", *CANONICAL[:3]) == Result(0, "", "")


def test_a_broken_file_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    broken, fine = tmp_path / "broken.nn", tmp_path / "fine.nn"
    broken.write_text("model M {  output y = (\n")
    fine.write_text(UGLY)
    result = cli("fmt", broken, fine)
    assert result.code == 1
    assert "error[E01" in result.err
    assert broken.read_text() == "model M {  output y = (\n"
    assert fine.read_text() == PRETTY
    assert cli("fmt", tmp_path / "none.nn").code == 2
    assert cli("fmt", tmp_path).code == 2


def test_standard_input_goes_to_standard_output(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(UGLY.encode())))
    assert cli("fmt", "-") == Result(0, PRETTY, "")
