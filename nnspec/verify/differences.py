"""Finite differences: bprop against the loss itself, along one random direction (decision 24)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnspec.verify.compare import disagreement
from nnspec.verify.setup import random
from nnspec.verify.tolerances import TOLERANCES, TOO_DEEP, depth_of_norms

if TYPE_CHECKING:
    from nnspec.backends.base import Array, Driver, State
    from nnspec.ir.graph import Graph
    from nnspec.verify.compare import Ledger

STEP = 1e-6
_BLOCKS_GRADIENT = {"StopGradient": "stop_gradient", "Bernoulli": "bernoulli"}


def check_differences(graph: Graph, driver: Driver, state: State, batch: State, seed: int, ledger: Ledger) -> list[str]:
    """Add the row of the derivative along a random unit direction; returns notes on what was not checked."""
    blocked = _blocked(graph)
    if blocked:
        return [f"finite differences were left out: {blocked} has another gradient than its function, by definition"]
    depth = depth_of_norms(graph)
    if depth >= TOO_DEEP:
        return [f"finite differences were left out: after {depth} batch norms in a row they say nothing"]
    driver.load(state)
    _, gradients = driver.gradients(batch)
    if not gradients:
        return []
    allowed = TOLERANCES["differences"]
    figures: list[tuple[float, Array, Array]] = []
    for attempt in range(2):
        direction = _direction(gradients, seed, attempt)
        slope = np.array(
            (_loss(driver, state, direction, batch, STEP) - _loss(driver, state, direction, batch, -STEP)) / (2 * STEP)
        )
        wanted = np.array(sum(float(np.vdot(direction[path], g)) for path, g in gradients.items()))
        figures.append((disagreement(wanted, slope, allowed)[1], wanted, slope))
        if figures[-1][0] <= 1:
            break
    _, wanted, slope = min(figures, key=lambda f: f[0])
    ledger.add("differences", "along a random direction", driver.name, wanted, slope, allowed)
    return []


def _blocked(graph: Graph) -> str:
    objectives = graph.training.objectives if graph.training is not None else ()
    modules = [*graph.root.modules(), *(objective.module for objective in objectives)]
    for module in modules:
        for item in module.flat():
            name = _BLOCKS_GRADIENT.get(type(getattr(item, "op", None)).__name__)
            if name:
                return name
    return ""


def _direction(gradients: State, seed: int, attempt: int) -> dict[str, Array]:
    parts = {
        path: random(seed, f"direction/{attempt}/{path}").standard_normal(g.shape) for path, g in gradients.items()
    }
    length = np.sqrt(sum(float(np.vdot(p, p)) for p in parts.values()))
    return {path: p / length for path, p in parts.items()}


def _loss(driver: Driver, state: State, direction: State, batch: State, distance: float) -> float:
    driver.load(
        {path: value + distance * direction[path] if path in direction else value for path, value in state.items()}
    )
    return driver.gradients(batch)[0]
