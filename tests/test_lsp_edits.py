"""The language server after edits: what is remembered equals what a fresh look gives, and nothing stale stays."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from conftest import EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from nnspec.compiler import check
from nnspec.diagnostics import Reporter, Span
from nnspec.lsp.analysis import Analysis
from nnspec.lsp.memory import Memory
from nnspec.lsp.moves import Moves
from nnspec.syntax import nodes, parse

SPEC = """\
# two models that share a block, and each its own
let width = 8
let act = relu

block Unit(x; channels, stride = 1) {
    x -> conv(channels, 3, stride = stride, padding = 1) -> act
}

block Tail(x; n) {
    x -> global_avg_pool -> dropout(0.5) -> dense(n)
}

model Small(classes = 10) {
    input  image: float32[3, 16, 16]
    target label: class(classes)
    output logits = image -> Unit(width) -> Tail(classes)
}

model Large {
    input  image: float32[3, 16, 16]
    target label: class(10)
    h = image -> Unit(width) -> Unit(2 * width, stride = 2)
    output logits = h -> repeat(2, Unit(16)) -> Tail(10)
}

train Small {
    minimize  = cross_entropy(logits, label) + 1e-4 * l2(weights)
    optimizer = adam(1e-3)
}

train {
    minimize  = cross_entropy(logits, label)
    optimizer = sgd(0.1)
    epochs    = 2
}
"""
PATH = "net.nn"
BITS = [
    " ",
    "\n",
    "{",
    "}",
    "(",
    ")",
    ", ",
    "3",
    " -> relu",
    " -> ",
    "# so\n",
    "x",
    "let ",
    "model ",
    "=",
    "width",
    "->",
]
LINES = [
    "let more = 3",
    "block Other(x) { x -> dense(3) }",
    "# nnspec: allow(W0204)",
    "}",
    "train Large { epochs = 1 }",
    "",
]


def edited(text: str, dice: random.Random) -> str:
    """The text after something that a person may do to it."""
    lines = text.split("\n")
    line, place = dice.randrange(len(lines)), dice.randrange(len(text) + 1)
    match dice.randrange(6):
        case 0:
            return text[:place] + dice.choice(BITS) + text[place:]
        case 1:
            return text[:place] + text[place + dice.randrange(1, 12) :]
        case 2:
            return "\n".join([*lines[:line], dice.choice(LINES), *lines[line:]])
        case 3:
            return "\n".join([*lines[:line], *lines[line + 1 :]])
        case 4:
            return "\n".join([*lines[:line], lines[line], *lines[line:]])
        case _:
            return text.replace(dice.choice("381"), dice.choice("1479"), 1)


def positioned(tree: Any) -> Any:
    """A tree with its places, which equality of nodes leaves out."""
    if isinstance(tree, nodes.Node):
        return type(tree).__name__, *(positioned(getattr(tree, name)) for name in tree._fields)
    return tuple(map(positioned, tree)) if isinstance(tree, tuple) and not isinstance(tree, Span) else tree


def seen(text: str, memory: Memory, folder: str = "") -> tuple[Any, ...]:
    """All that an analysis knows."""
    analysis = Analysis(folder + PATH, text, memory, {})
    return analysis.checked.diagnostics, analysis.hints, analysis.uses, analysis.fields, positioned(analysis.tree)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_what_is_remembered_is_what_a_fresh_look_gives(seed: int) -> None:
    dice, memory, text = random.Random(seed), Memory(), SPEC
    for _ in range(6):
        found = seen(text, memory)
        assert found == seen(text, Memory()), text
        assert found[0] == check(PATH, text=text).diagnostics, text
        if dice.random() < 0.4:
            seen(edited(text, dice), memory)  # and taken back
        text = edited(text, dice)


def test_an_edit_traces_the_models_that_reach_it_alone() -> None:
    memory = Memory()
    seen(SPEC, memory)
    assert memory.traced == 2
    for old, new, again in [
        ("# two", "# twice two", 0),
        ("let width", "\n\n# how wide\nlet width", 0),
        ("repeat(2", "repeat(3", 1),
        ("adam(1e-3)", "adam(2e-3)", 1),
        ("dropout(0.5)", "dropout(0.25)", 2),
    ]:
        memory.traced = 0
        seen(SPEC.replace(old, new), memory)
        assert memory.traced == again, old


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.nn")), ids=lambda p: p.stem)
def test_trees_put_together_are_trees_of_the_whole(path: Path) -> None:
    text = path.read_text()
    memory, reporter = Memory(), Reporter()
    assert positioned(memory.parse(text, PATH, reporter)) == positioned(parse(text, PATH, Reporter()))
    longer = "\n# a line\n" + text
    assert positioned(memory.parse(longer, PATH, reporter)) == positioned(parse(longer, PATH, Reporter()))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_places_move_with_the_text(seed: int) -> None:
    """A letter that is far from any edit has the place that `Moves` gives it."""
    dice = random.Random(seed)
    start, end = sorted(dice.randrange(len(SPEC) + 1) for _ in range(2))
    put = dice.choice([*BITS, *LINES, "two\nlines", ""])
    text = SPEC[:start] + put + SPEC[end:]
    moves = Moves(SPEC.split("\n"), text.split("\n"))
    for offset in range(0, len(SPEC), 7):
        if offset < start or offset >= end:
            now = offset if offset < start else offset + len(put) - (end - start)
            assert moves(*_place(SPEC, offset)) in (_place(text, now), None)
            if offset < start - len(put) - (end - start) or offset > end + len(put) + (end - start):
                assert moves(*_place(SPEC, offset)) is not None or put


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def test_check_and_the_analysis_say_the_same() -> None:
    broken = SPEC.replace("Unit(2 *", "Unt(2 *").replace("epochs    =", "epoks =")
    assert seen(broken, Memory())[0] == check(PATH, text=broken).diagnostics
