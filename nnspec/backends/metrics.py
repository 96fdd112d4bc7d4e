"""The names under which metrics are reported, the same on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnspec.ir.graph import Metric, Training


def key(metric: Metric, metrics: Sequence[Metric]) -> str:
    """`accuracy`, `accuracy_top5`; with the prediction's name where several would be called the same."""
    alike = [m for m in metrics if _short(m) == _short(metric)]
    return _short(metric) if len(alike) == 1 else f"{_short(metric)}_{metric.prediction.name}"


def objective_keys(training: Training) -> list[str]:
    """The names of the values of several objectives, `loss(D)`; `loss` is their sum. None for an only one."""
    patterns = [objective.pattern for objective in training.objectives]
    return [f"loss({pattern})" for pattern in patterns] if len(patterns) > 1 else []


def _short(metric: Metric) -> str:
    top = metric.settings.get("top", 1)
    return metric.name if top in (1, None) else f"{metric.name}_top{top}"
