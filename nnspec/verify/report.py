"""What a consistency check found: rows for people and programs, and the verdict."""

from __future__ import annotations

from nnspec.diagnostics import Span
from nnspec.record import Record
from nnspec.verify.tolerances import TOLERANCES, Tolerance


class Row(Record):
    """The largest disagreement with the reference in one quantity over all steps.

    `kind` is "output", "loss", "gradient", "update", "evaluation" or "differences"; `name` the output's or
    parameter's. For each other backend: the largest |a - b|, and the largest share of the tolerance that it used
    up (above 1 is a disagreement), infinite where one has NaN and the other not.
    """

    kind: str
    name: str
    difference: dict[str, float]
    share: dict[str, float]

    @property
    def ok(self) -> bool:
        return all(share <= 1.0 for share in self.share.values())

    @property
    def worst(self) -> float:
        return max(self.share.values(), default=0.0)


class Divergence(Record):
    """The first layer, in the order of the text, whose value (or gradient) differs."""

    layer: str
    what: str  # "value" or "gradient"
    backend: str
    share: float
    span: Span


class Report(Record):
    """The result for one model. `reference` is the backend the others are held against."""

    model: str
    dtype: str
    steps: int
    batch: int
    reference: str
    backends: tuple[str, ...]
    tolerance: Tolerance
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    divergence: Divergence | None = None
    differences: Tolerance = TOLERANCES["differences"]  # of bprop against finite differences
    free_running: tuple[tuple[str, float], ...] = ()  # (backend, largest relative gap of the loss when it runs alone)

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def summary(self) -> list[Row]:
        """The worst row of each kind."""
        worst: dict[str, Row] = {}
        for row in self.rows:
            if row.kind not in worst or row.worst > worst[row.kind].worst:
                worst[row.kind] = row
        return list(worst.values())
