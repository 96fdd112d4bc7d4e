"""What functions beside the model are made of: groups, penalties, noise, state."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from nnspec.backends.numpy.runtime.module import (
    Module,
    Parameter,
    named_members,
    named_parameters,
)
from nnspec.backends.numpy.runtime.optimizers import Optimizer

Array = np.ndarray[Any, Any]
Cache = Any


class Average:
    """The moving average of parameters, for use in their place.

    It is w after the first step, then d * a + (1 - d) * w.
    """

    def __init__(self, groups: list[dict[str, Parameter]], decay: float) -> None:
        self.parameters = {p: found for group in groups for p, found in group.items()}
        self.decay = decay
        self.step = 0
        values = {path: p.value.copy() for path, p in self.parameters.items()}
        self.memory = {"ema": values}

    def zero_gradients(self) -> None:
        """Nothing: gradients are for those that update."""

    def gradients(self) -> list[Array]:
        """None."""
        return []

    def update(self, lr: float) -> None:
        """Take in the parameters as they are now."""
        share = 1.0 - self.decay if self.step else 1.0
        self.step += 1
        for path, average in self.memory["ema"].items():
            average += share * (self.parameters[path].value - average)


class Frozen(Optimizer):
    """Leaves its parameters as they are."""

    def update(self, lr: float) -> None:
        self.step += 1


def group_of(path: str, patterns: tuple[str, ...]) -> int | None:
    """The last pattern that selects a path: all of it, or a part of the tree."""
    found = None
    for index, pattern in enumerate(patterns):
        if fnmatchcase(path, pattern) or path.startswith(f"{pattern}."):
            found = index
    return found


def parameter_groups(
    model: Module, patterns: tuple[str, ...]
) -> list[dict[str, Parameter]]:
    """The trained parameters that each pattern selects; the last match wins."""
    groups: list[dict[str, Parameter]] = [{} for _ in patterns]
    for path, parameter in named_parameters(model).items():
        index = group_of(path, patterns)
        if index is not None and parameter.trainable:
            groups[index][path] = parameter
    return groups


def objective_groups(
    model: Module, patterns: tuple[str, ...], objectives: tuple[str, ...]
) -> dict[str, list[dict[str, Parameter]]]:
    """For each objective, those of the groups that are updated for it."""
    found: dict[str, list[dict[str, Parameter]]] = {}
    for name in objectives:
        found[name] = [
            {
                path: p
                for path, p in group.items()
                if objective_of(path, objectives) == name
            }
            for group in parameter_groups(model, patterns)
        ]
    return found


def objective_of(path: str, objectives: tuple[str, ...]) -> str:
    """For which objective a parameter is updated: "*" where nothing else matches."""
    named = tuple(name for name in objectives if name != "*")
    index = group_of(path, named)
    return "*" if index is None else named[index]


def freeze(model: Module, patterns: tuple[str, ...], trained: tuple[int, ...]) -> None:
    """Hold what no trained group selects: not updated, run as in evaluation."""
    for path, member in named_members(model).items():
        if group_of(path, patterns) not in trained:
            if isinstance(member, Parameter):
                member.trainable = False
            else:
                member.frozen = True


def l2_penalty_forward(weights: list[Parameter]) -> tuple[Any, Cache]:
    """Half the sum of the squares of all weights."""
    return 0.5 * sum(np.vdot(w.value, w.value) for w in weights), weights


def l2_penalty_backward(dy: Any, weights: Cache) -> None:
    """Adds dy * w to the gradient of each weight w."""
    for w in weights:
        w.grad += dy * w.value


def l1_penalty_forward(weights: list[Parameter]) -> tuple[Any, Cache]:
    """The sum of the absolute values of all weights."""
    return sum(np.sum(np.abs(w.value)) for w in weights), weights


def l1_penalty_backward(dy: Any, weights: Cache) -> None:
    """Adds dy * sign(w) to the gradient of each weight w; at 0 that is 0."""
    for w in weights:
        w.grad += dy * np.sign(w.value)


def noise_generator(seed: int, step: int) -> np.random.Generator:
    """Random numbers that depend on the seed and the step alone."""
    return np.random.Generator(np.random.Philox(key=(seed % 2**64, step)))


def first_of(pair: tuple[Array, Cache]) -> tuple[Array, Cache]:
    """The result without the batch axis that was lent to the input."""
    return pair[0][0], pair[1]


def clip_norm(gradients: list[Array], limit: float) -> None:
    """Scale gradients so that the norm of all together is at most the limit."""
    norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients)))
    factor = min(1.0, limit / (norm + 1e-6))
    for g in gradients:
        g *= factor


def clip_value(gradients: list[Array], limit: float) -> None:
    """Cut every entry of the gradients to [-limit, limit]."""
    for g in gradients:
        np.clip(g, -limit, limit, out=g)


def top_accuracy(logits: Array, label: Array, top: int, axis: int) -> float:
    """The share of labels that are among the `top` largest logits along an axis."""
    best = np.argsort(-logits, axis=axis, kind="stable").take(range(top), axis=axis)
    return float(np.mean(np.any(best == np.expand_dims(label, axis), axis=axis)))


def optimizer_state(optimizers: list[Optimizer]) -> dict[str, Array]:
    """A copy of what is remembered of each parameter, as `path/slot`, and the step."""
    found = {"step": np.array(max((o.step for o in optimizers), default=0))}
    for optimizer in optimizers:
        for slot, memory in optimizer.memory.items():
            found |= {f"{path}/{slot}": value.copy() for path, value in memory.items()}
    return found


def load_optimizer_state(optimizers: list[Optimizer], values: dict[str, Array]) -> None:
    """Put back what `optimizer_state` gave; what it lacks was not remembered yet: 0."""
    for optimizer in optimizers:
        optimizer.step = int(values["step"])
        for slot, memory in optimizer.memory.items():
            for path, value in memory.items():
                value[...] = values.get(f"{path}/{slot}", 0.0)
