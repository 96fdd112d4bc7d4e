"""Parameters, and the tree of modules that own them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Init = Callable[[np.random.Generator, tuple[int, ...]], Array]


class Parameter:
    """A tensor of the model: its value, and the gradient that backward passes add up.

    One that is not `trainable` is a buffer, or frozen: no optimizer moves it.
    """

    def __init__(
        self, shape: tuple[int, ...], init: Init, trainable: bool = True
    ) -> None:
        self.shape = shape
        self.init = init
        self.trainable = trainable
        self.value: Array = np.zeros(shape)
        self.grad: Array = np.zeros(shape)

    def reset(self, rng: np.random.Generator, dtype: Any) -> None:
        """A fresh value in a dtype, and no gradient."""
        self.value = np.asarray(self.init(rng, self.shape)).astype(dtype)
        self.grad = np.zeros(self.shape, dtype)


class Module:
    """Something that owns parameters: a layer, a block, the model.

    `forward` returns its result and a cache; `backward` takes the gradient of the
    result and that cache, adds to the gradients of the parameters and returns the
    gradient of the input. `renamed` says what members are called in paths of parameters
    where it is not the attribute's name.
    """

    renamed: ClassVar[dict[str, str]] = {}
    frozen = False  # runs as in evaluation, also while the rest is trained
    dtype: Any = np.float32  # of the numbers it makes itself
    planned: tuple[Any, ...] = ()  # steps with their arrays, by size of batch


def named_members(owner: Any, path: str = "") -> dict[str, Any]:
    """Every module and parameter below `owner` by its path, in the order of
    construction.
    """
    found: dict[str, Any] = {}
    renamed: dict[str, str] = owner.renamed if isinstance(owner, Module) else {}
    members = owner if isinstance(owner, dict) else vars(owner)
    for attribute, member in members.items():
        name = renamed.get(attribute, attribute)
        inner = ".".join(part for part in (path, name) if part)
        if isinstance(member, Module | Parameter):
            found[inner] = member
        if isinstance(member, Module | dict):
            found.update(named_members(member, inner))
    return found


def named_parameters(model: Module) -> dict[str, Parameter]:
    """Every parameter and buffer of a model by its path."""
    members = named_members(model).items()
    return {path: member for path, member in members if isinstance(member, Parameter)}


def initialise(model: Any, dtype: Any = np.float32, seed: int = 0) -> Any:
    """Draw every parameter anew, in a dtype. Returns the model."""
    rng = np.random.default_rng(seed)
    model.dtype = dtype
    for member in named_members(model).values():
        if isinstance(member, Parameter):
            member.reset(rng, dtype)
        else:
            member.dtype = dtype
    return model


def state(model: Module) -> dict[str, Array]:
    """A copy of every parameter and buffer by path."""
    return {path: p.value.copy() for path, p in named_parameters(model).items()}


def load_state(model: Module, values: dict[str, Array]) -> None:
    """Set every parameter and buffer; ValueError names what is missing, extra or
    misshapen.
    """
    parameters = named_parameters(model)
    if parameters.keys() != values.keys():
        odd = sorted(parameters.keys() ^ values.keys())
        raise ValueError(f"missing or extra parameters: {', '.join(odd)}")
    for path, parameter in parameters.items():
        if values[path].shape != parameter.shape:
            shapes = f"{list(values[path].shape)} for {list(parameter.shape)}"
            raise ValueError(f"{path} has the wrong shape, {shapes}")
        parameter.value[...] = values[path]
