"""Objective and metrics of a part: means over its examples, in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import batches, count

if TYPE_CHECKING:
    from nnspec.backends.base import Driver

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Array]

LEAST, MOST = 256, 1024  # examples at a time: a function of the batch, so that sums have one order


def evaluate(driver: Driver, part: Arrays, batch: int) -> dict[str, float]:
    """`loss` and each metric of a part: means over its examples (a root mean square over their squares)."""
    sums: dict[str, float] = {}
    total = count(part)
    for piece in pieces(part, batch):
        with np.errstate(all="ignore"):  # a loss may well be infinite; whoever reads it sees that
            loss, metrics = driver.evaluate(piece)
        for name, value in {"loss": loss, **metrics}.items():
            sums[name] = sums.get(name, 0.0) + float(value) ** _power(name) * count(piece)
    return {name: (value / total) ** (1 / _power(name)) for name, value in sums.items()}


def _power(metric: str) -> int:
    return 2 if metric.startswith("rmse") else 1


def outputs(driver: Driver, part: Arrays, batch: int) -> Arrays:
    """Every output for every example of a part, in order."""
    found = [driver.outputs(piece) for piece in pieces(part, batch)]
    return {name: np.concatenate([np.asarray(piece[name]) for piece in found]) for name in found[0]}


def pieces(part: Arrays, batch: int) -> list[Arrays]:
    """A part in pieces that fit memory: at least the training batch, where that is not the whole set."""
    size = min(max(batch, LEAST), MOST)
    return [{name: array[o] for name, array in part.items()} for o in batches(np.arange(count(part)), size)]


def gradient_norm(driver: Driver, part: Arrays, batch: int, step: int, objectives: int = 1) -> float:
    """The norm of the objective's gradient over all examples of a part; running statistics are put back.

    Of several objectives it is the norm of all their gradients, each by its own parameters.
    """
    state = {name: np.array(array) for name, array in driver.state().items()}
    total: Arrays = {}
    for piece in pieces(part, batch):
        for index in range(objectives):
            _, gradients = driver.gradients(piece, step=max(step, 1), objective=index)
            for name, gradient in gradients.items():
                total[name] = total.get(name, np.zeros(())) + np.asarray(gradient, np.float64) * count(piece)
    driver.load(state)
    return float(np.sqrt(sum(float((g * g).sum()) for g in total.values()))) / count(part)
