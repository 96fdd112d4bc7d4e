"""The language server after edits: what is remembered equals what a fresh look gives, and nothing stale stays."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from conftest import EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from lsp_client import Client

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
    """A place has its letter after an edit, too, and no more places are lost than letters were replaced."""
    dice = random.Random(seed)
    start, end = sorted(dice.randrange(len(SPEC) + 1) for _ in range(2))
    text = SPEC[:start] + dice.choice([*BITS, *LINES, "two\nlines", "# a line\n", ""]) + SPEC[end:]
    moves, lost, lines = Moves(SPEC.split("\n"), text.split("\n")), 0, [f"{line}\n" for line in text.split("\n")]
    for number, line in enumerate(SPEC.split("\n"), 1):
        for column, letter in enumerate(f"{line}\n", 1):
            place = moves(number, column)
            lost += place is None
            if (number, column) == moves.start:  # where the change begins may be where a step ends
                continue
            assert place is None or lines[place[0] - 1][place[1] - 1] == letter
    assert lost <= end - start


HELD = """
import os, sys, time
from nnspec.lsp.documents import Document

analyse = Document._analyse

def held(*arguments):
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.005)
    return analyse(*arguments)

Document._analyse = held
from nnspec.cli.lsp import command
command([])
"""
WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}


def asked(client: Client, uri: str, text: str) -> dict[str, Any]:
    """What an editor shows of a document: the answers to its requests."""
    at = text.count("\n") // 2, 12
    document = {"uri": uri}
    return {
        "hints": client.ask("textDocument/inlayHint", textDocument=document, range=WHOLE),
        "tokens": client.ask("textDocument/semanticTokens/full", textDocument=document),
        "hover": client.at("hover", uri, *at),
        "completion": client.at("completion", uri, *at),
        "symbols": client.ask("textDocument/documentSymbol", textDocument=document),
        "definition": client.at("definition", uri, *at),
        "actions": client.ask("textDocument/codeAction", textDocument=document, range=WHOLE, context=UNBIDDEN),
    }


UNBIDDEN = {"diagnostics": [], "triggerKind": 2}


def test_no_answer_waits_for_an_analysis_and_none_stays_stale(tmp_path: Path) -> None:
    """Analyses are held back until all answers are there; then the editor is told to ask again."""
    gate, path, dice = tmp_path / "gate", tmp_path / PATH, random.Random(3)
    client, fresh = Client(refresh=True, start=("-c", HELD, str(gate))), Client()
    text, version = SPEC, 1
    uri = client.open(path, text)
    assert asked(client, uri, text)["hints"] == []
    for _ in range(5):
        gate.touch()
        diagnostics = client.diagnostics(uri, version)
        client.await_("workspace/inlayHint/refresh")
        fresh.open(path, text)
        assert diagnostics == fresh.diagnostics(uri)
        answers, expected = asked(client, uri, text), asked(fresh, uri, text)
        assert {**answers, "actions": []} == {**expected, "actions": []}
        fresh.shut(uri)
        fresh.diagnostics(uri)
        gate.unlink()
        text, version = edited(text, dice), version + 1
        client.change(uri, version, text)
        known = {hint["label"] for hint in answers["hints"]}
        assert {hint["label"] for hint in asked(client, uri, text)["hints"]} <= known
    gate.touch()
    assert client.close() == fresh.close() == 0


def test_shapes_move_with_the_text_until_there_are_new_ones(tmp_path: Path) -> None:
    gate, path = tmp_path / "gate", tmp_path / PATH
    client = Client(refresh=True, start=("-c", HELD, str(gate)))
    gate.touch()
    uri = client.open(path, SPEC)
    client.await_("workspace/inlayHint/refresh")
    before = asked(client, uri, SPEC)["hints"]
    gate.unlink()
    client.change(uri, 2, SPEC.replace("let act", "# one line\n# and another\nlet act"))
    moved = [(h["label"], h["position"]["line"], h["position"]["character"]) for h in asked(client, uri, SPEC)["hints"]]
    assert moved == [(h["label"], h["position"]["line"] + 2, h["position"]["character"]) for h in before]
    gate.touch()
    assert client.close() == 0


def test_check_and_the_analysis_say_the_same() -> None:
    broken = SPEC.replace("Unit(2 *", "Unt(2 *").replace("epochs    =", "epoks =")
    assert seen(broken, Memory())[0] == check(PATH, text=broken).diagnostics
