"""What emitted files of several objectives have in common: which parameters each is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import Writer, literal
from nnspec.backends.values import pattern_test

if TYPE_CHECKING:
    from nnspec.backends.program import Program


def print_objective_of(program: Program, out: Writer) -> None:
    """The function that says for which objective a parameter is updated: the last pattern that matches, else "*"."""
    ordered = sorted(program.objectives, key=lambda m: m.objective.pattern != "*")
    first, *others = [m.objective.pattern for m in ordered]
    out.blank(2)
    with out.indented("def objective_of(path: str) -> str:"):
        out.docstring("For which objective a parameter is updated.")
        for pattern in reversed(others):
            with out.indented(f"if {pattern_test(pattern)}:"):
                out.line(f"return {literal(pattern)}")
        out.line(f"return {literal(first)}")
