"""What an optimizer and a schedule are to the compiler: checked records of numbers."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ops.base import Op
from nnspec.record import Record


class Schedule(Record):
    """A learning rate as a function of the step t (from 1) and the epoch (from 1).

    Subclasses hold their numbers and define `rate(step, epoch, steps, epochs) -> float` in float64;
    `steps` and `epochs` are the totals of the run. Emitted code never sees a schedule: it is handed numbers.
    """

    name: ClassVar[str] = ""

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        raise NotImplementedError(type(self).__name__)


class Optimizer(Record):
    """An optimizer with every hyperparameter explicit. `lr` is a Schedule (`Constant` for a number).

    `slots` names its state tensors per parameter in PyTorch's words (`momentum_buffer`, `exp_avg`,
    `exp_avg_sq`, `sum`, `square_avg`); the step count is kept once a run.
    """

    name: ClassVar[str] = ""
    slots: ClassVar[tuple[str, ...]] = ()
    lr: Schedule

    def state_names(self) -> tuple[str, ...]:
        """The slots that are in use with these numbers (sgd without momentum keeps nothing)."""
        return self.slots


class Measure(Op):
    """A metric: tensors prediction and target, one number for a batch. Not part of any graph.

    `bind` checks the shapes (raises ShapeError) and makes the settings canonical, as for ops.
    """

    family: ClassVar[str] = "metric"
    tensors: ClassVar[tuple[str, ...]] = ("prediction", "target")
    higher_is_better: ClassVar[bool] = False
