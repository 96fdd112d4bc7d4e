"""Writes the TextMate grammar of editors/vscode from the compiler's tables: `python editors/generate.py`.

`python editors/generate.py --tokens FILE...` prints what the language server paints, which `vscode/grammar.mjs`
compares with the grammar.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nnspec.ir.types import DTYPES
from nnspec.lsp.analysis import Syntax
from nnspec.lsp.memory import Memory
from nnspec.lsp.tables import CALLS
from nnspec.ops import registry as ops
from nnspec.optim import registry as optim
from nnspec.passes.keys import DATA_KEYS, SOURCES, TRAIN_KEYS
from nnspec.syntax.tokens import KEYWORDS, RESERVED

GRAMMAR = Path(__file__).parent / "vscode" / "syntaxes" / "nn.tmLanguage.json"


def grammar() -> str:
    """The grammar as JSON."""
    patterns = [
        _rule("comment.line.number-sign.nn", "#.*$"),
        {
            "name": "string.quoted.double.nn",
            "begin": '"',
            "end": '"|$',
            "patterns": [_rule("constant.character.escape.nn", r"\\.")],
        },
        {
            "match": r"^\s*(block|model)\s+([A-Za-z_]\w*)",
            "captures": {"1": {"name": "keyword.declaration.nn"}, "2": {"name": "entity.name.type.nn"}},
        },
        _rule("keyword.declaration.nn", rf"(?<=^|[{{;])\s*{_any(KEYWORDS)}(?=\s+[A-Za-z_\"0-9]|\s*\{{)"),
        _rule("constant.language.nn", _any({"true", "false"})),
        _rule("keyword.control.nn", _any(RESERVED - {"true", "false"})),
        _rule("entity.name.label.nn", r"(?:[A-Za-z_]\w*)?(?:\{[^{}]*\}\w*)+(?=\s*:)|[A-Za-z_]\w*(?=\s*:\s*[A-Za-z_(])"),
        _rule("support.type.nn", _any({*DTYPES, "float64", "bfloat16"})),
        _rule("support.type.property-name.nn", rf"^\s*{_any({*TRAIN_KEYS, *DATA_KEYS})}(?=\s*(=|\(\"))"),
        _rule("variable.parameter.nn", r"[A-Za-z_]\w*(?=\s*=[^=])"),
        _rule("support.function.layer.nn", _any(ops.names())),
        _rule("support.function.nn", _any({*ops.initialisers(), *ops.regularisers(), *SOURCES, *CALLS, *_training()})),
        _rule("constant.numeric.nn", r"\b\d[\d_]*(\.\d[\d_]*)?([eE][+-]?\d+)?"),
        _rule("keyword.operator.arrow.nn", "->"),
        _rule("keyword.operator.nn", r"\.\.|//|[=!<>]=|[-+*/%^<>=]"),
        _rule("variable.other.property.nn", r"\.[A-Za-z0-9_]+"),
    ]
    found = {"name": "nnspec", "scopeName": "source.nn", "fileTypes": ["nn"], "patterns": patterns}
    return json.dumps(found, indent=2) + "\n"


def _rule(name: str, match: str) -> dict[str, object]:
    return {"name": name, "match": match}


def _any(words: object) -> str:
    return rf"\b({'|'.join(sorted(words))})\b"  # type: ignore[call-overload]  # any collection of words


def _training() -> set[str]:
    return {*optim.optimizers(), *optim.schedules(), *optim.metrics()}


def tokens(paths: list[str]) -> str:
    """Texts with the kinds of their words as JSON: line, column (from 1), length, kind, whether nnspec declares it."""
    found = []
    for path in paths:
        syntax = Syntax(path, Path(path).read_text(encoding="utf-8"), Memory(), {})
        painted = [(line, column, length, kind, bool(bits & 2)) for line, column, length, kind, bits in syntax.painted]
        found.append({"path": path, "text": syntax.text, "tokens": painted})
    return json.dumps(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tokens"]:
        sys.stdout.write(tokens(sys.argv[2:]) + "\n")
    else:
        GRAMMAR.write_text(grammar(), encoding="utf-8")
