"""Comparing numbers of two backends. Nothing here returns a verdict that could be dropped: it returns the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnspec.verify.report import Row
from nnspec.verify.tolerances import Tolerance

if TYPE_CHECKING:
    from nnspec.backends.base import Array


def disagreement(found: Array, wanted: Array, allowed: Tolerance) -> tuple[float, float]:
    """The largest |a - b| and the largest share of the tolerance used. Shapes must be equal.

    NaN agrees with NaN and an infinity with the same infinity; anything else against them is infinitely far.
    """
    a, b = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} cannot be compared")
    if not a.size:
        return 0.0, 0.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(a - b))
        share = gap / (allowed.atol + allowed.rtol * np.abs(b))
    lost = ~same & ~(np.isfinite(a) & np.isfinite(b))
    gap, share = np.where(lost, np.inf, gap), np.where(lost, np.inf, share)
    return float(gap.max()), float(share.max())


class Ledger:
    """Keeps, for each quantity, the worst disagreement of every backend over all steps."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}

    def add(self, kind: str, name: str, backend: str, found: Array, wanted: Array, allowed: Tolerance) -> None:
        worst = self._found.setdefault((kind, name), {})
        gap, share = disagreement(found, wanted, allowed)
        before = worst.get(backend, (0.0, 0.0))
        worst[backend] = max(before[0], gap), max(before[1], share)

    def rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(kind, name, {b: w[0] for b, w in worst.items()}, {b: w[1] for b, w in worst.items()})
            for (kind, name), worst in self._found.items()
        )
