"""Optimizers, with PyTorch's update rules and defaults (g the gradient, w the parameter, lr the rate)."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ops.base import Positive, Probability, Real
from nnspec.optim.base import Optimizer, Schedule
from nnspec.optim.schedules import Constant


class Sgd(Optimizer):
    """w -= lr * g; with momentum m: v = m * v + g (v = g at the first step), w -= lr * v.

    Nesterov's form uses g + m * v in place of v (Sutskever et al., 2013).
    Settings:
        lr: learning rate, a number or a schedule
        momentum: how much of the last velocity is kept
        nesterov: whether the gradient is taken a step ahead
    """

    name: ClassVar[str] = "sgd"
    slots: ClassVar[tuple[str, ...]] = ("momentum_buffer",)
    lr: Schedule
    momentum: Probability = 0.0
    nesterov: bool = False

    def state_names(self) -> tuple[str, ...]:
        return self.slots if self.momentum else ()


class Adagrad(Optimizer):
    """s += g^2, w -= lr * g / (sqrt(s) + eps), s from 0 (Duchi et al., 2011).

    Settings:
        lr: learning rate, a number or a schedule
        eps: added to the denominator
        eps_inside: whether it is added under the root, as in g / sqrt(s + eps)
    """

    name: ClassVar[str] = "adagrad"
    slots: ClassVar[tuple[str, ...]] = ("sum",)
    lr: Schedule = Constant(1e-2)
    eps: Positive = 1e-10
    eps_inside: bool = False


class Rmsprop(Optimizer):
    """s = alpha * s + (1 - alpha) * g^2, w -= lr * g / (sqrt(s) + eps), s from 0 (Hinton, 2012).

    With momentum m: v = m * v + g / (sqrt(s) + eps), w -= lr * v.
    Settings:
        lr: learning rate, a number or a schedule
        alpha: how much of the mean square is kept
        eps: added to the denominator
        momentum: how much of the last velocity is kept
        eps_inside: whether it is added under the root, as in g / sqrt(s + eps)
    """

    name: ClassVar[str] = "rmsprop"
    slots: ClassVar[tuple[str, ...]] = ("square_avg", "momentum_buffer")
    lr: Schedule = Constant(1e-2)
    alpha: Probability = 0.99
    eps: Positive = 1e-8
    momentum: Probability = 0.0
    eps_inside: bool = False

    def state_names(self) -> tuple[str, ...]:
        return self.slots if self.momentum else self.slots[:1]


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= lr * m' / (sqrt(v') + eps) (Kingma and Ba, 2015).

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t), t the step from 1.
    Settings:
        lr: learning rate, a number or a schedule
        beta1: how much of the mean gradient is kept
        beta2: how much of the mean square is kept
        eps: added to the denominator
        eps_inside: whether it is added under the root, as in m' / sqrt(v' + eps)
    """

    name: ClassVar[str] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    lr: Schedule = Constant(1e-3)
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    eps: Positive = 1e-8
    eps_inside: bool = False


class AdamW(Optimizer):
    """Adam after w -= lr * decay * w: the decay does not pass through the moments (Loshchilov and Hutter, 2019).

    Settings:
        lr: learning rate, a number or a schedule
        decay: share of the weights that a rate of 1 would take away
        beta1: how much of the mean gradient is kept
        beta2: how much of the mean square is kept
        eps: added to the denominator
        eps_inside: whether it is added under the root, as in m' / sqrt(v' + eps)
    """

    name: ClassVar[str] = "adamw"
    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    lr: Schedule = Constant(1e-3)
    decay: Real = 0.01
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    eps: Positive = 1e-8
    eps_inside: bool = False


class Lion(Optimizer):
    """w -= lr * (sign(b1 m + (1 - b1) g) + decay * w), then m = b2 m + (1 - b2) g (Chen et al., 2023).

    Every entry moves by lr, so rates are 3 to 10 times smaller than Adam's.
    Settings:
        lr: learning rate, a number or a schedule
        decay: share of the weights that a rate of 1 would take away
        beta1: how much of the mean gradient decides the direction
        beta2: how much of the mean gradient is kept
    """

    name: ClassVar[str] = "lion"
    slots: ClassVar[tuple[str, ...]] = ("exp_avg",)
    lr: Schedule = Constant(1e-4)
    decay: Real = 0.0
    beta1: Probability = 0.9
    beta2: Probability = 0.99
