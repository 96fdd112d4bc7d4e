"""The training loop: drives emitted code in chunks of steps, evaluates, saves, and knows when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.metrics import objective_keys
from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train.checkpoint import Checkpoint, Progress, averaged
from nnspec.train.errors import Diverged, Interrupted
from nnspec.train.evaluate import evaluate, gradient_norm
from nnspec.train.plan import Plan, Watch, next_plateaus, rates
from nnspec.train.saving import Every, Stop, Timer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nnspec.backends.base import Driver
    from nnspec.ir.graph import Training
    from nnspec.train.examples import Examples
    from nnspec.train.logs import Mark

    Array = np.ndarray[Any, Any]

LOOK_SHARE = 0.01  # of the time of a run that may be spent on looking whether weights are finite


class Epoch(Record):
    """What one epoch came to. `train` and `validation` hold `loss` and metrics by name; `seconds` is wall time."""

    epoch: int
    epochs: int
    step: int
    steps: int
    train: dict[str, float]
    validation: dict[str, float] | None
    lr: tuple[float, ...]
    seconds: float
    improved: bool


class Hooks(Record):
    """Who is told: `on_epoch(Epoch)` after each epoch, `on_step(step, steps)` after each chunk of steps."""

    on_epoch: Callable[[Epoch], None] | None = None
    on_step: Callable[[int, int], None] | None = None


class Loop:
    """One run over `examples` by a `driver` whose weights are loaded. `run()` trains to the end.

    `write(name, record)` appends a line to `metrics` or `timings`; `mark()` says how far metrics have come; `folder`
    takes the checkpoints; `facts` go into each checkpoint beside the progress. With `progress` it goes on from there:
    then the driver holds the weights and the optimizer's state of that moment.
    """

    gradients = False  # whether the gradients of every step are looked at (`nans.Careful`)

    def __init__(
        self,
        driver: Driver,
        examples: Examples,
        training: Training,
        plan: Plan,
        watch: Watch,
        folder: Path,
        *,
        write: Callable[[str, dict[str, Any]], None],
        facts: dict[str, Any],
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        mark: Callable[[], Mark] | None = None,
        every: Every | None = None,
    ) -> None:
        self.driver, self.examples, self.training = driver, examples, training
        self.plan, self.watch, self.folder = plan, watch, folder
        self.write, self.facts, self.hooks = write, facts, hooks or Hooks()
        self.progress = progress or Progress()
        self.objectives = objective_keys(training)  # empty for an only one
        self.arrays: Mapping[str, Array] = {}
        self.gathered: Mapping[str, Array] = {}
        self.pending: Checkpoint | None = None  # a new best that is not on disk yet
        self.mark = mark
        self.timer = Timer(every or Every(), self.progress)
        self.looked_at, self.look_cost = 0.0, 0.0  # when the weights were last looked at, and how long that took
        self.stop = Stop()

    def run(self) -> Progress:
        """Train until the epochs are over or the stopping rule holds.

        Raises Diverged and Interrupted, both with a checkpoint to go on from.
        """
        if self.progress.step == 0:
            self.save(force=True)
        with self.stop.listening():
            while not self.progress.finished:
                self.epoch()
        return self.progress

    # ---------------------------------------------------------------- one epoch

    def epoch(self) -> None:
        started = time.perf_counter()
        epoch = self.progress.epoch
        # The arrays of the epoch before are alive until here: a driver may know arrays by their identity.
        self.arrays = self.examples.epoch(epoch)
        order = self.examples.order(epoch)
        for chunk in self.plan.chunks(order, epoch, self.progress.done):
            for part in self.examples.portions(chunk):
                self.steps(self.arrays, part)
        report = self.close_epoch(time.perf_counter() - started)
        if self.hooks.on_epoch is not None:
            self.hooks.on_epoch(report)
        self.pause(force=bool(self.progress.finished))

    def steps(self, arrays: Mapping[str, Array], chunk: Array) -> None:
        """One call of the emitted code; what it returns is looked at before anything is saved."""
        count, size = chunk.shape
        first = self.progress.step + 1
        lr = rates(self.training, self.plan, first, self.progress.epoch, count, self.progress.plateaus)
        # Those of the chunk before stay alive until here, for the same reason as the arrays of an epoch.
        self.gathered, places = self.examples.gathered(arrays, chunk)
        with np.errstate(all="ignore"):  # what is not finite is found below, and said once
            found = self.driver.train_steps(self.gathered, places, lr, first_step=first)
        each = np.asarray(found, dtype=np.float64).reshape(count, -1)  # steps, objectives
        losses = each.sum(axis=1)
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            raise self.diverged(f"the objective is {losses[bad[0]]}", first + int(bad[0]))
        # Added step by step, so that the sum does not depend on where chunks are cut.
        total, sums = self.progress.loss_sum, self.progress.losses or (0.0,) * len(self.objectives)
        for loss, row in zip(losses.tolist(), each.tolist(), strict=True):
            total += loss * size
            sums = tuple(s + value * size for s, value in zip(sums, row, strict=False))
        self.progress = self.progress.replace(
            step=self.progress.step + count,
            done=self.progress.done + count,
            loss_sum=total,
            seen=self.progress.seen + count * size,
            losses=sums,
        )
        if self.hooks.on_step is not None:
            self.hooks.on_step(self.progress.step, self.plan.steps)
        self.pause()

    def pause(self, *, force: bool = False) -> None:
        """Between two chunks: save where that is due, and end where a signal has asked for it."""
        asked = self.stop.number if not self.progress.finished else 0
        self.look()
        self.save(force=force or bool(asked))
        if asked:
            raise Interrupted(self.progress.step, self.folder, asked)

    def close_epoch(self, seconds: float) -> Epoch:
        """Evaluate, watch, write the line of the epoch, and move on to the next."""
        p = self.progress
        train = {"loss": p.loss_sum / p.seen}
        train.update({name: total / p.seen for name, total in zip(self.objectives, p.losses, strict=False)})
        part = self.examples.parts.get("validation")
        with averages(self.driver, self.training):
            validation = evaluate(self.driver, part, self.plan.batch) if part is not None else None
        value = (validation or train).get(self.watch.name, float("nan"))
        improved = self.watch.better(value, p.best)
        if improved:
            p = p.replace(best=value, best_epoch=p.epoch)
        lr = tuple(rates(self.training, self.plan, p.step, p.epoch, 1, p.plateaus)[0].tolist())
        record: dict[str, Any] = {"epoch": p.epoch, "step": p.step, "train": train}
        if validation is not None:
            record["validation"] = validation
        record["lr"] = list(lr)
        self.write("metrics", record)
        self.write("timings", {"epoch": p.epoch, "seconds": round(seconds, 6), "examples": p.seen})
        report = Epoch(p.epoch, self.plan.epochs, p.step, self.plan.steps, train, validation, lr, seconds, improved)
        plateaus = next_plateaus(self.training, (validation or train)["loss"], p.plateaus)
        self.progress = p.replace(
            epoch=p.epoch + 1,
            done=0,
            loss_sum=0.0,
            seen=0,
            losses=(),
            plateaus=plateaus,
            finished=self.finished(p),
        )
        if improved:
            with averages(self.driver, self.training):
                weights = {name: np.array(array) for name, array in self.weights().items()}  # training goes on
                self.pending = Checkpoint(weights, {}, self.progress, self.facts)
        return report

    def finished(self, p: Progress) -> str:
        """Why the run is over after this epoch, or an empty string."""
        if self.watch.patience and p.epoch - p.best_epoch >= self.watch.patience:
            return "patience"
        if self.watch.gradient:
            count = len(self.training.objectives)
            norm = gradient_norm(self.driver, self.examples.parts["train"], self.plan.batch, p.step, count)
            if norm < self.watch.gradient:
                return "gradient_below"
        return "steps" if p.step >= self.plan.steps else ""

    # ---------------------------------------------------------------- checkpoints

    def weights(self) -> Mapping[str, Array]:
        """The state, which must be finite: nothing broken is ever saved."""
        state: Mapping[str, Array] = self.driver.state()
        for name, array in state.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise self.diverged(f"{name} holds {array[~np.isfinite(array)][0]}", self.progress.step)
        return state

    def look(self) -> None:
        """Stop at weights that are not finite, which no loss has shown yet: looked for in 1 % of the time."""
        started = time.monotonic()
        if started - self.looked_at >= self.look_cost / LOOK_SHARE:
            self.weights()
            self.looked_at = time.monotonic()
            self.look_cost = self.looked_at - started

    def save(self, *, force: bool = False) -> None:
        """Write `last`, and before it a `best` that waits, unless one was written a moment ago."""
        if not force and not self.timer.due(self.progress):
            return
        started = time.monotonic()
        weights, optimizer = dict(self.weights()), dict(self.driver.optimizer_state())
        if self.pending is not None:
            checkpoints.save(self.folder / "best", self.pending, keep=False)
            self.pending = None
        found = Checkpoint(weights, optimizer, self.progress, self.facts)
        checkpoints.save(self.folder / "last", found.replace(metrics=self.mark()) if self.mark is not None else found)
        self.timer.saved(self.progress, time.monotonic() - started)

    def diverged(self, what: str, step: int) -> Diverged:
        epoch = self.progress.epoch if self.progress.done or step > self.progress.step else self.progress.epoch - 1
        return Diverged(f"diverged: {what} at step {step} (epoch {max(epoch, 1)})", step, self.folder / "last")


@contextmanager
def averages(driver: Driver, training: Training) -> Iterator[None]:
    """The driver with the averaged weights of `ema`, which evaluation uses; its own are put back."""
    if not training.settings.get("ema"):
        yield
        return
    weights = {name: np.array(array) for name, array in driver.state().items()}
    driver.load(averaged(weights, driver.optimizer_state()))
    try:
        yield
    finally:
        driver.load(weights)


def seconds_a_step(driver: Driver, arrays: Mapping[str, Array], order: Array, lr: Array) -> float:
    """The time of one step, tried twice (the first may compile) on the first batch; state is put back after."""
    state = {name: np.array(array) for name, array in driver.state().items()}
    optimizer = {name: np.array(array) for name, array in driver.optimizer_state().items()}
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        np.asarray(driver.train_steps(arrays, order[None], lr, first_step=1))
        seconds = time.perf_counter() - started
    driver.load(state)
    driver.load_optimizer(optimizer)
    return seconds if isfinite(seconds) else 0.0
