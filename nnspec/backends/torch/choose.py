"""What is chosen for torch beyond the spec (see `backends/choices.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnspec.backends.choices import Choices, Run
    from nnspec.ir.graph import Graph

FORMS: dict[str, tuple[str, ...]] = {}


def choose(graph: Graph, run: Run, wanted: Mapping[str, str]) -> Choices:
    """Nothing to choose."""
    return ()
