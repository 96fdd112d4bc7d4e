"""Which tolerance a model is held to: wider only where many batch norms follow each other, in float64."""

from __future__ import annotations

import pytest

import nnspec
from nnspec.verify.tolerances import TOLERANCES, depth_of_norms, tolerance

BLOCK = "block Unit(x) { (x -> conv(2, 1) -> batch_norm) + (x -> batch_norm -> relu -> batch_norm) }"


@pytest.mark.parametrize(
    ("units", "depth", "atol"), [(1, 2, 1e-12), (20, 40, 1e-12), (21, 42, 1e-9), (40, 80, 1e-9), (41, 82, 1e-8)]
)
def test_the_longest_chain_of_batch_norms_decides(units: int, depth: int, atol: float) -> None:
    spec = f"model M {{ input x: float32[2, 3, 3]\n output y = x -> repeat({units}, Unit) }}\n{BLOCK}\n"
    graph = nnspec.load(spec).graph
    assert depth_of_norms(graph) == depth  # branches side by side count once
    assert tolerance("float64", graph).atol == atol
    assert tolerance("float32", graph) == TOLERANCES["float32"]
