"""Schedules against torch's, optimizers' numbers against torch's defaults, metrics' rules."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from nnspec.ir.types import TensorType
from nnspec.ops.base import ShapeError
from nnspec.optim import registry
from nnspec.optim.base import Schedule
from nnspec.optim.metrics import Accuracy, Mse
from nnspec.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    Formula,
    InverseSqrt,
    Linear,
    OneCycle,
    Plateau,
    StepDecay,
)

STEPS = 40


def rates(schedule: Schedule) -> list[float]:
    return [schedule.rate(step, 1, STEPS, 1) for step in range(1, STEPS + 1)]


def torch_rates(scheduler: str, **settings: Any) -> list[float]:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **settings)
    found = []
    for _ in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:To get the last learning rate")
@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (StepDecay(0.1, 7), "StepLR", {"step_size": 7}),
        (StepDecay(0.1, 3, 0.5), "StepLR", {"step_size": 3, "gamma": 0.5}),
        (Exponential(0.1, 0.9), "ExponentialLR", {"gamma": 0.9}),
        (Cosine(0.1), "CosineAnnealingLR", {"T_max": STEPS}),
        (Cosine(0.1, 0, 0.01), "CosineAnnealingLR", {"T_max": STEPS, "eta_min": 0.01}),
        (Linear(0.1), "LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": STEPS}),
        (OneCycle(0.1), "OneCycleLR", {"max_lr": 0.1, "total_steps": STEPS + 1}),
    ],
)
def test_rates_are_those_of_torch(ours: Schedule, theirs: str, settings: dict[str, Any]) -> None:
    found = [ours.rate(s, 1, STEPS + 1, 1) for s in range(1, STEPS + 1)] if theirs == "OneCycleLR" else rates(ours)
    assert found == pytest.approx(torch_rates(theirs, **settings), rel=1e-12, abs=1e-16)


def test_warm_up_rises_to_the_highest_rate_and_the_cosine_falls_from_it() -> None:
    found = rates(Cosine(0.2, warmup=10))
    assert found[:10] == pytest.approx([0.02 * step for step in range(1, 11)])
    assert found[10] == pytest.approx(0.2)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[25] == pytest.approx(0.1)


def test_inverse_sqrt_peaks_at_its_warm_up() -> None:
    found = rates(InverseSqrt(0.2, warmup=10))
    assert max(found) == found[9] == pytest.approx(0.2)
    assert found[39] == pytest.approx(0.1)


def test_constants_formulas_and_overlong_runs() -> None:
    assert rates(Constant(0.3)) == [0.3] * STEPS
    assert rates(Formula("0.1 / t", lambda t, epoch: 0.1 / t))[4] == pytest.approx(0.02)
    assert Formula("0.1 / t", lambda t, epoch: 0.1 / t) == Formula("0.1 / t", lambda t, epoch: 0.0)
    assert Cosine(0.1).rate(99, 3, STEPS, 1) == pytest.approx(0.0)


@pytest.mark.torch
@pytest.mark.parametrize("lr", [0.1, 1e-8])
def test_plateaus_are_those_of_torch(lr: float) -> None:
    import torch

    values = [3.0, 2.0, 2.0, 1.99999, 2.5, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, -1.0, -1.0, -1.00001, -1.0, -2.0]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    ours, state = Plateau(lr, 2, 0.5), (None, 0, 0)
    for value in values:
        theirs.step(value)
        state = ours.after(value, *state)  # type: ignore[assignment]  # None becomes a number
        assert ours.rate(1, 1, 1, 1) * 0.5 ** state[2] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in registry.optimizers() if name != "lion"])
def test_defaults_are_those_of_torch(name: str) -> None:
    import torch

    ours = registry.optimizer(name)
    assert ours is not None
    theirs = inspect.signature(
        getattr(
            torch.optim,
            {"adamw": "AdamW", "rmsprop": "RMSprop"}.get(name, name.upper() if name == "sgd" else name.title()),
        )
    )
    wanted = {k: p.default for k, p in theirs.parameters.items()}
    wanted |= dict(zip(("beta1", "beta2"), wanted.get("betas", ()), strict=False)) | {"decay": wanted["weight_decay"]}
    given = {k: v for k, v in ours._defaults.items() if k not in ("lr", "eps_inside")}
    assert given == {k: wanted[k] for k in given}
    if "lr" in ours._defaults:
        assert ours._defaults["lr"] == Constant(wanted["lr"])


def test_the_order_of_settings_is_the_language_s() -> None:
    def fields(name: str) -> tuple[str, ...]:
        found = registry.optimizer(name)
        assert found is not None
        return found._fields

    assert fields("sgd") == ("lr", "momentum", "nesterov")
    assert fields("adam") == ("lr", "beta1", "beta2", "eps", "eps_inside")
    assert fields("adamw")[:2] == ("lr", "decay")


ACCURACY = [
    ((10,), TensorType("class", (), True, 10), 0),
    ((4, 10), TensorType("class", (4,), True, 10), 1),
    ((3, 8, 8), TensorType("class", (8, 8), True, 3), 0),
    ((), TensorType("class", (), True, 2), None),
    ((1,), TensorType("class", (), True, 2), None),
    ((10,), TensorType("float32", (10,)), 0),
]


@pytest.mark.parametrize(("shape", "target", "axis"), ACCURACY)
def test_accuracy_reads_the_class_axis_of_cross_entropy(
    shape: tuple[int, ...], target: TensorType, axis: int | None
) -> None:
    assert Accuracy().bind(TensorType("float32", shape), target).axis == axis


def test_metrics_refuse_what_does_not_compare() -> None:
    logits = TensorType("float32", (10,))
    for metric, target in [
        (Accuracy(), TensorType("class", (), True, 9)),
        (Accuracy(), TensorType("class", (3,), True, 10)),
        (Accuracy(11), TensorType("class", (), True, 10)),
        (Mse(), TensorType("float32", (9,))),
    ]:
        with pytest.raises(ShapeError):
            metric.bind(logits, target)
