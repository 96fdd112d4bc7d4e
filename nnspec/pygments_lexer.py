"""A Pygments lexer for `.nn` files (entry point `nnspec`): words from the registries, so it is never behind them."""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from nnspec.ir.types import DTYPES
from nnspec.ops import registry as ops
from nnspec.optim import registry as optim
from nnspec.syntax.tokens import KEYWORDS, RESERVED

_CONSTANTS = ("true", "false")
_BUILTINS = sorted({*ops.names(), *ops.initialisers(), *optim.optimizers(), *optim.schedules(), *optim.metrics()})


class NnspecLexer(RegexLexer):  # type: ignore[misc]  # pygments carries no types
    """Colours for the language of nnspec."""

    name = "nnspec"
    aliases: ClassVar[list[str]] = ["nnspec", "nn"]
    filenames: ClassVar[list[str]] = ["*.nn"]
    mimetypes: ClassVar[list[str]] = ["text/x-nnspec"]
    url = "https://pypi.org/project/nnspec/"
    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"(?:[^"\\\n]|\\.)*"', String.Double),
            (r"\b(block|model)(\s+)([A-Za-z_]\w*)", bygroups(Keyword.Declaration, Whitespace, Name.Class)),
            (words(_CONSTANTS, prefix=r"\b", suffix=r"\b(?!\s*=[^=])"), Keyword.Constant),
            (words(sorted(RESERVED - {*_CONSTANTS}), prefix=r"\b", suffix=r"\b(?!\s*=[^=])"), Keyword),
            (words(sorted(KEYWORDS), prefix=r"^[ \t]*", suffix=r"\b(?=\s+[A-Za-z_\"{0-9]|\s*\{)"), Keyword.Declaration),
            (r"(?:[A-Za-z_]\w*)?\{[A-Za-z_]\w*\}\w*(?=\s*:)", Name.Label),
            (r"[A-Za-z_]\w*(?=\s*:\s*[A-Za-z_(])", Name.Label),
            (words(sorted({*DTYPES, "float64", "bfloat16"}), prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"[A-Za-z_]\w*(?=\s*=[^=])", Name.Variable),
            (words(_BUILTINS, prefix=r"\b", suffix=r"\b"), Name.Builtin),
            (r"\.[A-Za-z0-9_]+", Name.Attribute),
            (r"[A-Za-z_]\w*", Name),
            (r"\d[\d_]*(?:\.\d[\d_]*)?[eE][+-]?\d+|\d[\d_]*\.\d[\d_]*", Number.Float),
            (r"\d[\d_]*", Number.Integer),
            (r"->|\.\.|//|[=!<>]=|[-+*/%^<>=]", Operator),
            (r"[()\[\]{},;:]", Punctuation),
        ]
    }
