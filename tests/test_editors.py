"""What editors and notebooks bring: word lists equal to the registries, colours, the cell magic."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT

from nnspec.diagnostics import Reporter
from nnspec.jupyter import load_ipython_extension
from nnspec.ops import registry as ops
from nnspec.syntax.format import format_text
from nnspec.syntax.tokens import KEYWORDS, RESERVED

EDITORS = ROOT / "editors"


def test_the_grammar_is_that_of_the_registries() -> None:
    module = runpy.run_path(str(EDITORS / "generate.py"))
    assert module["GRAMMAR"].read_text() == module["grammar"](), "run: python editors/generate.py"
    written = module["GRAMMAR"].read_text()
    assert all(re.search(rf"\b{word}\b", written) for word in (*ops.names(), *KEYWORDS, *RESERVED))


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EDITORS / "vscode/package.json").read_text())
    named = [package["main"]]
    for kind in ("languages", "grammars", "snippets"):
        named += [entry.get("path") or entry["configuration"] for entry in package["contributes"][kind]]
    for name in named:
        assert (EDITORS / "vscode" / name).is_file()
    for path in (EDITORS / "vscode").rglob("*.json"):
        json.loads(path.read_text())


def test_snippets_are_specs_in_canonical_form() -> None:
    snippets = json.loads((EDITORS / "vscode/snippets/nn.json").read_text())
    for snippet in snippets.values():
        text = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", "\n".join(snippet["body"])) + "\n"
        if not text.startswith("->"):
            assert format_text(text, "snippet.nn", Reporter()) == text


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.nn")), ids=lambda path: path.name)
def test_pygments_knows_every_character(path: Path) -> None:
    token = pytest.importorskip("pygments.token")
    from nnspec.pygments_lexer import NnspecLexer

    text = path.read_text()
    found = list(NnspecLexer().get_tokens(text))
    assert "".join(word for _, word in found) == text
    assert not [word for kind, word in found if kind in token.Error]
    assert (token.Keyword.Declaration, "model") in found


class Shell:
    """The two methods of a notebook's shell that the magic uses."""

    def __init__(self) -> None:
        self.magics: dict[str, object] = {}
        self.names: dict[str, object] = {}

    def register_magic_function(self, function: object, magic_kind: str, magic_name: str) -> None:
        self.magics[magic_kind + magic_name] = function

    def push(self, names: dict[str, object]) -> None:
        self.names.update(names)


def test_a_cell_becomes_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    load_ipython_extension(shell)
    nn = shell.magics["cellnn"]
    assert callable(nn)
    nn("net", "model Net { input x: float32[3]; output y = x -> dense(2) }\n")
    assert shell.names["net"].model == "Net"  # type: ignore[attr-defined]  # a Spec
    assert "dense(2)" in capsys.readouterr().out
    nn("bad", "model Net { input x: float32[3]; output y = x -> dens(2) }\n")
    assert "bad" not in shell.names
    assert "cell.nn:1:" in capsys.readouterr().err
    nn("a b", "")
    assert "no name" in capsys.readouterr().err
