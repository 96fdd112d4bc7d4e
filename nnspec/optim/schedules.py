"""Learning rates as functions of the step t (from 1), computed in float64; all lengths are counted in steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from nnspec.ir.dims import evaluate
from nnspec.ir.types import Size
from nnspec.ops.base import Positive, Probability, Real, Whole
from nnspec.optim.base import Schedule


class Constant(Schedule):
    """The same rate at every step: what a plain number means."""

    value: Real

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.value)


class Formula(Schedule):
    """A rate written as a formula of `t` (the step, from 1) and `epoch` (from 1): `sgd(0.1 / t)`.

    `function(t, epoch)` computes it; `text` is how it was written, and what makes two formulas equal.
    """

    text: str
    function: Callable[[int, int], float]
    _unequal: ClassVar[frozenset[str]] = frozenset({"function"})

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.function(step, epoch))


class StepDecay(Schedule):
    """lr * factor^floor((t - 1) / every).

    Settings:
        lr: the first rate
        every: steps from one cut to the next
        factor: what a cut leaves of the rate
    """

    name: ClassVar[str] = "step_decay"
    lr: Positive
    every: Size
    factor: Positive = 0.1

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.lr * self.factor ** ((step - 1) // evaluate(self.every, {})))


class Exponential(Schedule):
    """lr * factor^(t - 1).

    Settings:
        lr: the first rate
        factor: what each step leaves of the rate
    """

    name: ClassVar[str] = "exponential"
    lr: Positive
    factor: Positive

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.lr * self.factor ** (step - 1))


class Linear(Schedule):
    """From lr at the first step in a straight line towards end, which the step after the last would have.

    Settings:
        lr: the first rate
        end: where the line leads
    """

    name: ClassVar[str] = "linear"
    lr: Positive
    end: Real = 0.0

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return self.lr + (self.end - self.lr) * _progress(step - 1, steps)


class Cosine(Schedule):
    """lr * t / warmup up to step `warmup`, then end + (lr - end) * (1 + cos(pi p)) / 2 (Loshchilov and Hutter, 2017).

    p goes from 0 at the first step after the warm-up towards 1, which the step after the last would have
    (torch's CosineAnnealingLR with T_max the number of steps).
    Settings:
        lr: the highest rate
        warmup: steps of the rise
        end: where the curve leads
    """

    name: ClassVar[str] = "cosine"
    lr: Positive
    warmup: Whole = 0
    end: Real = 0.0

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        if step <= self.warmup:
            return self.lr * step / self.warmup
        progress = _progress(step - 1 - self.warmup, steps - self.warmup)
        return self.end + (self.lr - self.end) * (1.0 + math.cos(math.pi * progress)) / 2.0


class InverseSqrt(Schedule):
    """lr * min(t / warmup, sqrt(warmup / t)): the highest rate at step `warmup` (Vaswani et al., 2017).

    Settings:
        lr: the highest rate
        warmup: steps of the rise
    """

    name: ClassVar[str] = "inverse_sqrt"
    lr: Positive
    warmup: Positive

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.lr * min(step / self.warmup, math.sqrt(self.warmup / step)))


class OneCycle(Schedule):
    """Up from lr / 25 in the first 30 % of the steps, then down to lr / 250,000, both half a cosine (Smith, 2018).

    The numbers are those of torch's OneCycleLR.
    Settings:
        lr: the highest rate
    """

    name: ClassVar[str] = "one_cycle"
    lr: Positive

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        first, last = self.lr / 25.0, self.lr / 25.0 / 1e4
        top = 0.3 * steps - 1.0
        t = step - 1
        if t <= top:
            return _half_cosine(first, self.lr, t / top if top > 0 else 1.0)
        return _half_cosine(self.lr, last, min((t - top) / max(steps - 1 - top, 1e-12), 1.0))


class Plateau(Schedule):
    """lr, times factor after every `patience` + 1 epochs in a row without a better objective.

    The objective is that of the validation part, of the training part where there is none. Better is lower by a
    share of 1e-4; a cut of 1e-8 or less is not made. The numbers are those of torch's ReduceLROnPlateau.
    Settings:
        lr: the first rate
        patience: epochs without a better objective that are let pass
        factor: what a cut leaves of the rate
    """

    name: ClassVar[str] = "plateau"
    lr: Positive
    patience: Whole
    factor: Probability = 0.1

    def rate(self, step: int, epoch: int, steps: int, epochs: int) -> float:
        return float(self.lr)

    def after(self, value: float, best: float | None, bad: int, cuts: int) -> tuple[float | None, int, int]:
        """The best objective, the epochs since and the number of cuts, after an epoch that came to `value`."""
        if best is None or value < best * (1.0 - 1e-4):
            return value, 0, cuts
        if bad < evaluate(self.patience, {}):
            return best, bad + 1, cuts
        now = self.lr * self.factor**cuts
        return best, 0, cuts + (now - now * self.factor > 1e-8)


def _progress(done: int, total: int) -> float:
    """In [0, 1], also when a run goes on after its planned end."""
    return min(max(done / max(total, 1), 0.0), 1.0)


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * progress) + 1.0)
