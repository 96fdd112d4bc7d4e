"""Training, evaluation and prediction: what drives emitted code. Heavy modules load when a name is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnspec.train.errors import Diverged, Interrupted, TrainError
    from nnspec.train.loop import Epoch
    from nnspec.train.run import Result, Start, resume, train
    from nnspec.train.use import Evaluation, Prediction, evaluate_run, predict

HOMES = {
    "Diverged": "errors",
    "Epoch": "loop",
    "Evaluation": "use",
    "Interrupted": "errors",
    "Prediction": "use",
    "Result": "run",
    "Start": "run",
    "TrainError": "errors",
    "evaluate_run": "use",
    "predict": "use",
    "resume": "run",
    "train": "run",
}

__all__ = [
    "Diverged",
    "Epoch",
    "Evaluation",
    "Interrupted",
    "Prediction",
    "Result",
    "Start",
    "TrainError",
    "evaluate_run",
    "predict",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"nnspec.train.{HOMES[name]}"), name)
