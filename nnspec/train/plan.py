"""How a run is cut into epochs, batches, chunks of steps, and which learning rate each step has."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.metrics import key
from nnspec.ir.graph import CallValue
from nnspec.optim import registry
from nnspec.optim.schedules import Constant, Plateau
from nnspec.record import Record
from nnspec.train.checkpoint import Plateaus
from nnspec.train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.ir.graph import Training

    Array = np.ndarray[Any, Any]

CHUNK_SECONDS = 0.5  # between two looks at signals, progress and the finiteness of losses
BATCH = 32


class Plan(Record):
    """`examples` in the training part, `batch` of them a step, `steps` in all over `epochs` epochs.

    Under `accumulate` a step takes as many batches, so `batch` is the number in all of them.

    `chunk` steps run as one call. The last epoch may be cut short by `steps`.
    """

    examples: int
    batch: int
    steps: int
    epochs: int
    chunk: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return ceil(self.examples / self.batch)

    def steps_in(self, epoch: int) -> int:
        """Steps of an epoch counted from 1."""
        return min(self.steps_per_epoch, self.steps - (epoch - 1) * self.steps_per_epoch)

    def chunks(self, order: Array, epoch: int, done: int) -> Iterator[Array]:
        """The batches of an epoch after its first `done` steps, as arrays (k, b) of example indices.

        Chunks hold batches of one size, so the last smaller batch of an epoch is a chunk of its own.
        """
        end = self.steps_in(epoch)
        full = min(self.examples // self.batch, end)
        for start in range(0, full, self.chunk):
            stop = min(start + self.chunk, full)
            if stop > done:
                first = max(start, done)
                yield order[first * self.batch : stop * self.batch].reshape(stop - first, self.batch)
        if end > full and done < end:
            yield order[full * self.batch :][None]

    def chunked(self, seconds: float) -> Plan:
        """This plan with chunks of about half a second, equal in size as far as they can be."""
        full = max(1, self.examples // self.batch)
        pieces = max(1, min(full, ceil(full * seconds / CHUNK_SECONDS)))
        return self.replace(chunk=ceil(full / pieces))


def plan_run(training: Training, examples: int, epochs: int | None = None) -> Plan:
    """The plan of a `train` block over so many examples; `epochs` overrides what it says.

    Raises TrainError when neither says how long to train.
    """
    settings = training.settings
    batch = settings.get("batch", BATCH)
    count = int(str(settings.get("accumulate", 1)))
    size = examples if batch == "full" else min(int(str(batch)) * count, examples)
    per_epoch = ceil(examples / size)
    if epochs is None and settings.get("steps") is not None:
        steps = int(str(settings["steps"]))
        return Plan(examples, size, steps, ceil(steps / per_epoch))
    if epochs is None and settings.get("epochs") is None:
        raise TrainError("train says neither epochs nor steps", help="add epochs = 20, or run with --epochs 20")
    total = epochs if epochs is not None else int(str(settings["epochs"]))
    return Plan(examples, size, per_epoch * total, total)


def rates(
    training: Training,
    plan: Plan,
    first_step: int,
    epoch: int,
    count: int,
    plateaus: tuple[Plateaus, ...] = (),
) -> Array:
    """The learning rate of each group (frozen: 0) in `count` steps from `first_step`: float64 (count, groups).

    `plateaus` is what `Progress` knows of the rates that are cut when the objective stays as it is.
    """
    schedules = [group.optimizer.lr if group.optimizer is not None else None for group in training.groups]
    found = np.zeros((count, len(schedules)))
    for group, schedule in enumerate(schedules):
        if isinstance(schedule, Constant):  # asked once: a step of a small model is soon done
            found[:, group] = schedule.rate(first_step, epoch, plan.steps, plan.epochs)
        elif schedule is not None:
            steps = range(first_step, first_step + count)
            found[:, group] = [schedule.rate(step, epoch, plan.steps, plan.epochs) for step in steps]
    for group, (schedule, state) in enumerate(zip(schedules, plateaus, strict=False)):
        if isinstance(schedule, Plateau) and state:
            found[:, group] *= schedule.factor ** (state[2] or 0)
    return found


def next_plateaus(training: Training, value: float, before: tuple[Plateaus, ...]) -> tuple[Plateaus, ...]:
    """What `Progress` keeps of plateaus after an epoch whose objective came to `value`."""
    found: list[Plateaus] = []
    for group, state in zip(training.groups, before or ((),) * len(training.groups), strict=True):
        schedule = group.optimizer.lr if group.optimizer is not None else None
        if isinstance(schedule, Plateau):
            best, epochs, cuts = state or (None, 0, 0)
            found.append(schedule.after(value, best, int(epochs or 0), int(cuts or 0)))
        else:
            found.append(())
    return tuple(found) if any(found) else ()


class Watch(Record):
    """What `best` and `stop` look at: `name` is "loss" or a metric, larger is better where `rises`.

    `patience` epochs without a better value end the run (0: never). `gradient` ends it when the norm
    of the gradient over all training examples is below (0: never).
    """

    name: str = "loss"
    rises: bool = False
    patience: int = 0
    gradient: float = 0.0

    def better(self, value: float, best: float | None) -> bool:
        if value != value:  # NaN is never better
            return False
        return best is None or (value > best if self.rises else value < best)


def watch(training: Training, has_validation: bool) -> Watch:
    """What `stop = patience(n)`, `patience(n, accuracy)` or `gradient_below(x)` asks for. Raises TrainError."""
    stop = training.settings.get("stop")
    if not isinstance(stop, CallValue):
        return Watch()
    values = [*stop.args, *stop.kwargs.values()]
    if stop.name == "gradient_below":
        return Watch(gradient=float(str(values[0])))
    if not has_validation:
        raise TrainError(
            f"stop = patience({values[0]}) watches the validation part, and the data has none",
            help="give it a share: split = [0.8, 0.1, 0.1]",
        )
    name = str(values[1]) if len(values) > 1 else "loss"
    rises = {key(m, training.metrics): higher_is_better(m.name) for m in training.metrics}
    if name != "loss" and name not in rises:
        known = ", ".join(["loss", *rises])
        raise TrainError(f"stop watches {name}, which is no metric of the run", help=f"known: {known}")
    return Watch(name, rises.get(name, False), int(str(values[0])))


def higher_is_better(metric: str) -> bool:
    measure = registry.metric(metric)
    return measure is not None and measure.higher_is_better
