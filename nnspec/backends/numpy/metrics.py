"""Metrics of a batch in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.ir.graph import Metric


def source(metric: Metric, prediction: str, target: str) -> str:
    """Source of the metric, a number averaged over the batch."""
    if metric.name != "accuracy":
        if metric.prediction.type.rank != metric.target.type.rank:  # [1] meets a scalar: never broadcast
            prediction, target = f"{prediction}.ravel()", f"{target}.ravel()"
        error = f"{prediction} - {target}"
        return {
            "mse": f"np.mean(({error}) ** 2)",
            "mae": f"np.mean(np.abs({error}))",
            "rmse": f"np.sqrt(np.mean(({error}) ** 2))",
        }[metric.name]
    kind, wanted = metric.prediction.type, metric.target.type
    axis = metric.settings.get("axis")
    if kind.rank == 0 or (kind.shape == (1,) and wanted.rank <= 1 and wanted.classes <= 2):
        return f"np.mean(({prediction} > 0).ravel() == ({target} > 0).ravel())"
    along = 1 + (int(axis) if isinstance(axis, int) else 0 if kind.rank > 2 else kind.rank - 1)
    names = f"{target}.argmax(axis={along})" if wanted.is_float else target
    top = metric.settings.get("top", 1)
    if top in (1, None):
        return f"np.mean({prediction}.argmax(axis={along}) == {names})"
    return f"top_accuracy({prediction}, {names}, {literal(top)}, {along})"
