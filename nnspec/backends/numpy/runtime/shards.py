"""A batch shared by threads: each has a part, with arrays and gradients of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nnspec.backends.numpy.runtime.module import Module, Parameter, named_parameters
from nnspec.kernels.planned import Gradients, Team

Array = np.ndarray[Any, Any]


class Places:
    """A gradient of its own for each parameter, for a member of a team."""

    def __init__(self) -> None:
        self.found: dict[int, Array] = {}

    def __call__(self, parameter: Parameter) -> Array:
        if id(parameter) not in self.found:
            self.found[id(parameter)] = np.zeros_like(parameter.value)
        return self.found[id(parameter)]


class Shared:
    """Places for gradients of parameters that several layers read: one for each of
    them.
    """

    def __init__(self, gradients: Gradients) -> None:
        self.gradients = gradients
        self.parts: dict[int, tuple[Array, list[Array]]] = {}

    def __call__(self, parameter: Parameter) -> Array:
        whole = self.gradients(parameter)
        _, parts = self.parts.setdefault(id(parameter), (whole, []))
        parts.append(np.zeros_like(parameter.value))
        return parts[-1]

    def add_up(self) -> None:
        """The gradient of each parameter is the sum of its parts."""
        for whole, (first, *rest) in self.parts.values():
            whole[...] = first
            for part in rest:
                whole += part


KEPT = (
    3  # sizes of batches whose arrays a model keeps: a whole batch, the last one, ...
)


def shards(model: Module, make: Any, n: int, parts: int, of: Array) -> Shards:
    """The planned steps for batches of n examples, made once: anew where `of`, an array
    of the model, is a new one.
    """
    for found in model.planned:
        if found.n == n and found.of is of:
            same: Shards = found
            return same
    made = Shards(model, make, n, parts, of)
    kept = [old for old in model.planned if old.of is of]
    model.planned = (*kept[1 - KEPT :], made)
    return made


class Shards:
    """The steps of a team on a batch of n examples.

    The number of parts decides the bits of a sum, so it depends on nothing but
    `parts` and n.
    """

    def __init__(self, model: Module, make: Any, n: int, parts: int, of: Array) -> None:
        self.n = n
        count = max(1, min(parts, n))
        self.parts = [slice(n * i // count, n * (i + 1) // count) for i in range(count)]
        self.of = of
        self.team = Team(count)
        self.places = [Places() for _ in range(count - 1)]
        self.threads: ThreadPoolExecutor | None = None
        if count > 1:  # what overflows is looked at by who reads the loss
            self.threads = ThreadPoolExecutor(count - 1, "part", ignore_overflow)
        every = named_parameters(model).values()
        self.learnt = [p for p in every if p.trainable]
        where: list[Gradients] = [lambda parameter: parameter.grad, *self.places]
        self.steps = [
            make(model, p.stop - p.start, n, model.dtype, where[i], self.team, i)
            for i, p in enumerate(self.parts)
        ]

    def run(self, data: dict[str, Array], rows: Array, *rng: Any) -> Any:
        """The loss of the examples `rows`; gradients are in their places after."""
        if self.threads is None:
            return self.one(0, data, rows, *rng)
        self.team.gather()
        others = [
            self.threads.submit(self.one, member, data, rows)
            for member in range(1, len(self.steps))
        ]
        try:
            loss = self.one(0, data, rows)
        finally:
            for other in others:
                other.exception()  # waits: none is at work when this ends
        for other, places in zip(others, self.places, strict=True):
            loss = loss + other.result()
            for parameter in self.learnt:
                parameter.grad += places(parameter)
        return loss

    def one(self, member: int, data: dict[str, Array], rows: Array, *rng: Any) -> Any:
        """The part of one member."""
        part = rows[self.parts[member]]
        batch = {name: values.take(part, axis=0) for name, values in data.items()}
        try:
            return self.steps[member].run(batch, *rng)
        except BaseException:
            self.team.leave()  # nobody waits for one that does not come
            raise


def ignore_overflow() -> None:
    """For a thread of a team."""
    np.seterr(all="ignore")
