"""From text to syntax tree: `parse`, the node classes in `nodes`, comments for a formatter, the grammar's text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnspec.diagnostics import Reporter
    from nnspec.syntax import nodes
    from nnspec.syntax.lexer import Comment


def parse(text: str, path: str, reporter: Reporter) -> nodes.File:
    """The tree of a file, with everything that could not be parsed reported (E01xx) and left out.

    `path` is how spans name the file. Never raises for what a file may hold: a broken statement keeps
    its name with a `Poison` value where it has one, and is left out where it has none.
    """
    from nnspec.syntax.parser import parse_file

    return parse_file(text, path, reporter)


def parse_value(text: str, path: str, reporter: Reporter) -> nodes.Expr:
    """One value, as in `--set NAME=value`; `Poison` where it cannot be parsed."""
    from nnspec.syntax.parser import parse_expression

    return parse_expression(text, path, reporter)


def comments(text: str, path: str) -> tuple[Comment, ...]:
    """Every comment of a file with its place, in order: what a formatter puts back."""
    from nnspec.syntax.lexer import comments

    return comments(text, path)


def grammar_text() -> str:
    """The grammar as text: from the package where it was installed, else from the checkout beside it."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (package, os.path.dirname(package)):
        path = os.path.join(folder, "grammar", "nnspec.lark")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as stream:
                return stream.read()
    raise FileNotFoundError(f"grammar/nnspec.lark is neither in {package} nor beside it")
