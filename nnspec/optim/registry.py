"""Which name of `train { }` is which class. Nothing is imported until a name is looked up."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnspec.optim.base import Measure, Optimizer, Schedule

OPTIMIZERS = {
    "sgd": "Sgd",
    "adagrad": "Adagrad",
    "rmsprop": "Rmsprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "lion": "Lion",
}

SCHEDULES = {
    "step_decay": "StepDecay",
    "exponential": "Exponential",
    "linear": "Linear",
    "cosine": "Cosine",
    "inverse_sqrt": "InverseSqrt",
    "one_cycle": "OneCycle",
    "plateau": "Plateau",
}

METRICS = {"accuracy": "Accuracy", "mse": "Mse", "mae": "Mae", "rmse": "Rmse"}


def optimizer(name: str) -> type[Optimizer] | None:
    found: type[Optimizer] | None = _load("optimizers", OPTIMIZERS.get(name))
    return found


def optimizers() -> tuple[str, ...]:
    return tuple(OPTIMIZERS)


def schedule(name: str) -> type[Schedule] | None:
    found: type[Schedule] | None = _load("schedules", SCHEDULES.get(name))
    return found


def schedules() -> tuple[str, ...]:
    return tuple(SCHEDULES)


def metric(name: str) -> type[Measure] | None:
    found: type[Measure] | None = _load("metrics", METRICS.get(name))
    return found


def metrics() -> tuple[str, ...]:
    return tuple(METRICS)


@cache
def _load(module: str, name: str | None) -> Any:
    return None if name is None else getattr(import_module(f"nnspec.optim.{module}"), name)
