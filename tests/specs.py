"""Specs given as text, through the same stages as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph


def graph_of(text: str, model: str | None = None) -> Graph:
    """The graph of a spec. Raises SpecError with all that is wrong with it."""
    import nnspec

    return nnspec.load(text, model=model).graph
