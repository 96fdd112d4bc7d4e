"""The grammar file, the tables made of it, and what parsing a spec imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnspec.syntax import _tables, grammar_text, tables
from nnspec.syntax.build import Builder
from nnspec.syntax.generate import TARGET, generate
from nnspec.syntax.tokens import BODY_WORDS, FILE_WORDS, KEYWORDS, RESERVED, Problems


def test_the_tables_are_those_of_the_grammar() -> None:
    assert TARGET.read_text(encoding="utf-8") == generate(grammar_text())


def test_a_changed_grammar_gives_other_tables() -> None:
    changed = grammar_text().replace('"^" negative', '"^" postfix')
    assert changed != grammar_text()
    assert TARGET.read_text(encoding="utf-8") != generate(changed)


def test_an_ambiguous_grammar_is_refused() -> None:
    from lark.exceptions import GrammarError

    with pytest.raises(GrammarError, match="Reduce/Reduce"):
        generate(grammar_text().replace("?item: version", "?item: pipeline | version"))


def test_every_rule_has_a_comment_of_its_own() -> None:
    above = ""
    for line in grammar_text().split("\n"):
        if re.match(r"[!?]*_?[a-z]\w*:", line):
            assert above.startswith("// "), line
        above = line


def test_words_of_the_grammar_and_of_the_lexer_are_the_same() -> None:
    words = {kind for row in tables.ACTIONS for kind in row if kind.isalpha() and kind.islower()}
    assert words == KEYWORDS | RESERVED
    assert FILE_WORDS | BODY_WORDS | {"let"} == KEYWORDS


def test_every_rule_has_its_function() -> None:
    from nnspec.diagnostics import Reporter

    functions = set(Builder("t", Problems("t", Reporter())).rules)
    assert functions == {builder for _, _, builder, _, _ in tables.RULES} - {"", "="}


def test_tables_are_small() -> None:
    assert len(TARGET.read_text(encoding="utf-8")) < 60_000
    assert set(_tables.START) == {"file", "value"}


def test_parsing_imports_no_parser_generator_and_nothing_heavy() -> None:
    code = (
        "import sys; from nnspec.diagnostics import Reporter; from nnspec.syntax import parse\n"
        "parse('let a = 3', 't', Reporter())\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    root = Path(__file__).resolve().parent.parent
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not set(result.stdout.split()) & {"lark", "numpy", "click", "rich", "dataclasses", "inspect", "pickle"}


def test_the_grammar_is_found_in_the_package_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nnspec.syntax

    monkeypatch.setattr(nnspec.syntax, "__file__", str(tmp_path / "nnspec" / "syntax" / "__init__.py"))
    with pytest.raises(FileNotFoundError, match=r"nnspec\.lark"):
        grammar_text()
    for folder, text in ((tmp_path, "beside"), (tmp_path / "nnspec", "inside")):
        (folder / "grammar").mkdir(parents=True)
        (folder / "grammar" / "nnspec.lark").write_text(text, encoding="utf-8")
        assert grammar_text() == text
