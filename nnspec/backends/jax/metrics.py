"""Metrics of a batch in JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.ir.graph import Metric


def measure(metric: Metric, prediction: str, target: str) -> str:
    """Source of the metric, a scalar averaged over the batch."""
    if metric.name != "accuracy":
        if metric.prediction.type.rank != metric.target.type.rank:  # [1] meets a scalar: never broadcast
            prediction, target = f"{prediction}.ravel()", f"{target}.ravel()"
        error = f"{prediction} - {target}"
        return {
            "mse": f"jnp.square({error}).mean()",
            "mae": f"jnp.abs({error}).mean()",
            "rmse": f"jnp.sqrt(jnp.square({error}).mean())",
        }[metric.name]
    kind = metric.prediction.type
    if kind.rank == 0 or (kind.shape == (1,) and metric.target.type.rank <= 1 and metric.target.type.classes <= 2):
        return f"(({prediction} > 0).ravel() == ({target} > 0).ravel()).mean(dtype=float)"
    given = metric.settings.get("axis")
    axis = int(given) if isinstance(given, int) else (0 if kind.rank > 2 else kind.rank - 1)  # as in cross_entropy
    wanted = f"{target}.argmax({axis + 1})" if metric.target.type.is_float else target
    top = metric.settings.get("top", 1)
    if top in (1, None):
        return f"({prediction}.argmax({axis + 1}) == {wanted}).mean(dtype=float)"
    along = "" if axis == kind.rank - 1 else f", axis={axis + 1}"
    return f"top_accuracy({prediction}, {wanted}, {literal(top)}{along})"
