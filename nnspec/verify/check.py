"""The check itself: every backend takes the same step from the same state, k times.

Each step starts every backend from the reference's state, because two equal programs that only sum in another
order drift apart when they run freely. Compared are the outputs, the loss, every gradient, running statistics,
and the update that each optimizer makes of the reference's gradients.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from nnspec.verify.compare import Ledger
from nnspec.verify.differences import check_differences
from nnspec.verify.locate import locate
from nnspec.verify.report import Report
from nnspec.verify.setup import open_drivers, projections, random_batch, start_state, with_noise
from nnspec.verify.tolerances import UPDATES, tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnspec.backends.base import Array, Driver, State
    from nnspec.ir.graph import Graph
    from nnspec.verify.tolerances import Tolerance


def verify(
    graph: Graph,
    backends: Sequence[str] = ("numpy", "torch", "jax"),
    *,
    steps: int = 20,
    dtype: str = "float64",
    batch: int = 8,
    seed: int = 0,
    device: str = "cpu",
    optimize: int = 1,
    data: State | None = None,
    weights: State | None = None,
) -> Report:
    """Hold every backend to the first one.

    `data` are real examples to use instead of random ones, `weights` parameters and buffers to start from by path.

    Raises ModuleNotFoundError for a backend whose framework is missing and `Unsupported` for an op that a
    backend lacks. A disagreement is not an exception: ask `report.ok`.
    """
    if not backends:
        raise ValueError("verify needs at least one backend")
    with TemporaryDirectory(prefix="nnspec-verify-") as folder:
        drivers = open_drivers(graph, tuple(backends), dtype, device, optimize, Path(folder))
        given = (
            with_noise(graph, data, len(next(iter(data.values()))), seed, dtype)
            if data
            else random_batch(graph, batch, seed, dtype)
        )
        check = _Check(graph, drivers, given, dtype, seed, weights)
        check.run(steps if graph.training is not None else 1)
        divergence = None
        if any(not row.ok for row in check.ledger.rows()) and len(backends) > 1:
            divergence = locate(graph, tuple(backends), check.start, given, dtype, device, Path(folder))
    return Report(
        model=graph.name,
        dtype=dtype,
        steps=steps if graph.training is not None else 1,
        batch=check.size,
        reference=backends[0],
        backends=tuple(backends),
        tolerance=check.allowed,
        rows=check.ledger.rows(),
        notes=tuple(check.notes),
        divergence=divergence,
        free_running=tuple(check.drift.items()),
    )


class _Check:
    def __init__(
        self,
        graph: Graph,
        drivers: dict[str, Driver],
        batch: dict[str, Array],
        dtype: str,
        seed: int,
        weights: State | None,
    ) -> None:
        self.graph = graph
        self.drivers = drivers
        self.reference = next(iter(drivers))
        self.dtype, self.seed = dtype, seed
        self.allowed = tolerance(dtype, graph)
        self.start = (
            start_state(graph, seed, dtype)
            if weights is None
            else {path: array.astype(dtype) for path, array in weights.items()}
        )
        self.size = len(next(iter(batch.values()))) if batch else 1
        self.batch = batch
        self.ledger = Ledger()
        self.notes: list[str] = []
        self.drift: dict[str, float] = {}

    def run(self, steps: int) -> None:
        state: State = self.start
        driver = self.drivers[self.reference]
        driver.load(state)
        self.batch.update(
            projections(self.graph, driver.outputs(self.batch), self.seed, self.dtype)
            if self.graph.training is None
            else {}
        )
        optimizer: State = driver.optimizer_state() if self.graph.training is not None else {}
        for step in range(1, steps + 1):
            state, optimizer = self.step(step, steps, state, optimizer)
        if self.graph.training is not None:
            self.evaluate(state)
            self.free_run(min(steps, 20))
        if self.dtype == "float64":
            self.notes += check_differences(self.graph, driver, self.start, self.batch, self.seed, self.ledger)

    def step(self, step: int, steps: int, state: State, optimizer: State) -> tuple[State, State]:
        """One step of every backend from one state, an update for each objective; the reference's state after it."""
        training = self.graph.training
        objectives = [o.pattern for o in training.objectives] if training is not None else [""]
        for index, pattern in enumerate(objectives):
            named = f"minimize({pattern})" if len(objectives) > 1 else "minimize"
            # Between the updates of a step, an optimizer's own count of steps is that of the last whole step.
            before = {**optimizer, "step": np.array(step - 1, dtype=np.int64)} if optimizer else optimizer
            state, optimizer = self.objective(index, named, self.rates(step, steps), step, state, before)
        return state, {**optimizer, "step": np.array(step, dtype=np.int64)} if optimizer else optimizer

    def objective(
        self, index: int, named: str, rates: tuple[float, ...], step: int, state: State, optimizer: State
    ) -> tuple[State, State]:
        reference = self.drivers[self.reference]
        wanted = self.forward(reference, state, step, index)
        after = self.updated(reference, wanted[2], optimizer, rates, index)
        for name, driver in self.drivers.items():
            if name == self.reference:
                continue
            outputs, loss, gradients = self.forward(driver, state, step, index)
            for key, value in outputs.items():
                self.ledger.add("output", key, name, value, wanted[0][key], self.allowed)
            self.ledger.add("loss", named, name, np.array(loss), np.array(wanted[1]), self.allowed)
            for path, value in wanted[2].items():
                self.ledger.add("gradient", path, name, gradients[path], value, self.allowed)
            if after is not None:
                found = self.updated(driver, wanted[2], optimizer, rates, index)
                assert found is not None
                for path, value in after[0].items():
                    self.ledger.add("update", path, name, found[0][path], value, self.update_tolerance(path))
                for path, value in after[1].items():
                    if path.endswith("/ema"):
                        self.ledger.add("average", path, name, found[1][path], value, self.update_tolerance(path))
        return after if after is not None else (state, optimizer)

    def forward(
        self, driver: Driver, state: State, step: int, objective: int
    ) -> tuple[dict[str, Array], float, dict[str, Array]]:
        driver.load(state)
        outputs = driver.outputs(self.batch, training=True)
        driver.load(state)  # running statistics moved
        loss, gradients = driver.gradients(self.batch, step=step, objective=objective)
        return outputs, loss, gradients

    def updated(
        self, driver: Driver, gradients: State, optimizer: State, rates: tuple[float, ...], objective: int
    ) -> tuple[dict[str, Array], dict[str, Array]] | None:
        if self.graph.training is None:
            return None
        driver.load_optimizer(optimizer)
        driver.update(gradients, rates, objective)
        return driver.state(), driver.optimizer_state()

    def rates(self, step: int, steps: int) -> tuple[float, ...]:
        if self.graph.training is None:
            return ()
        groups = self.graph.training.groups
        return tuple(g.optimizer.lr.rate(step, 1, steps, 1) if g.optimizer is not None else 0.0 for g in groups)

    def update_tolerance(self, path: str) -> Tolerance:
        from nnspec.backends.values import group_index

        training = self.graph.training
        index = group_index(self.graph, path)
        optimizer = training.groups[index].optimizer if training is not None and index is not None else None
        return (
            UPDATES.get((optimizer.name, self.dtype), (self.allowed, ""))[0] if optimizer is not None else self.allowed
        )

    def evaluate(self, state: State) -> None:
        """Loss and metrics in evaluation mode, where running statistics are used."""
        found = {}
        for name, driver in self.drivers.items():
            driver.load(state)
            loss, metrics = driver.evaluate(self.batch)
            found[name] = {"loss": loss, **metrics}
        for name, values in found.items():
            if name != self.reference:
                for key, value in values.items():
                    self.ledger.add(
                        "evaluation", key, name, np.array(value), np.array(found[self.reference][key]), self.allowed
                    )

    def free_run(self, steps: int) -> None:
        """How far the losses of freely running backends drift apart: shown, not judged (decision 22)."""
        order = np.tile(np.arange(self.size), (steps, 1))
        rates = np.array([self.rates(k, steps) for k in range(1, steps + 1)])
        curves = {}
        for name, driver in self.drivers.items():
            driver.load(self.start)
            driver.load_optimizer(_fresh(driver))
            curves[name] = driver.train_steps(self.batch, order, rates, first_step=1)
        wanted = curves[self.reference]
        for name, curve in curves.items():
            if name != self.reference:
                scale = np.maximum(np.abs(wanted), np.finfo(np.float64).tiny)
                self.drift[name] = float(np.max(np.abs(curve - wanted) / scale))


def _fresh(driver: Driver) -> dict[str, Array]:
    """The optimizer state before the first step: every slot zero."""
    return {key: np.zeros_like(value) for key, value in driver.optimizer_state().items()}
