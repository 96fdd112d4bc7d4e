"""Metrics of a batch in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.ir.graph import Metric


def source(metric: Metric, prediction: str, target: str) -> str:
    """Source of the metric, a scalar tensor averaged over the batch."""
    if metric.name != "accuracy":
        if metric.prediction.type.rank != metric.target.type.rank:  # [1] meets a scalar: never broadcast
            prediction, target = f"{prediction}.flatten()", f"{target}.flatten()"
        error = f"({prediction} - {target})"
        return {
            "mse": f"{error}.square().mean()",
            "mae": f"{error}.abs().mean()",
            "rmse": f"{error}.square().mean().sqrt()",
        }[metric.name]
    kind = metric.prediction.type
    axis = metric.settings.get("axis")
    if kind.rank == 0 or (kind.shape == (1,) and metric.target.type.rank <= 1 and metric.target.type.classes <= 2):
        return f"(({prediction} > 0).flatten() == ({target} > 0).flatten()).to({prediction}).mean()"
    along = (
        int(axis) if isinstance(axis, int) else (0 if kind.rank > 2 else kind.rank - 1)
    )  # the class axis of cross_entropy
    wanted = f"{target}.argmax({along + 1})" if metric.target.type.is_float else target
    top = metric.settings.get("top", 1)
    if top in (1, None):
        return f"({prediction}.argmax({along + 1}) == {wanted}).to({prediction}).mean()"
    best = f"{prediction}.topk({literal(top)}, {along + 1}).indices"
    return f"({best} == {wanted}.unsqueeze({along + 1})).any({along + 1}).to({prediction}).mean()"
