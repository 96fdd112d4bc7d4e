"""Runs an emitted NumPy file for `train`, `verify`, `eval` and `predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.loading import import_file, require_same_names

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.backends.base import Array, State
    from nnspec.backends.choices import Choices


class Driver:
    """An emitted NumPy file behind the protocol of `nnspec.backends.base.Driver`.

    What overflows becomes an infinity without a warning, as on other backends; `train` looks at every loss.
    """

    name = "numpy"

    def __init__(
        self,
        source: Path,
        *,
        dtype: str = "float32",
        device: str = "auto",
        seed: int = 0,
        choices: Choices = (),
    ) -> None:
        if device not in ("auto", "cpu"):
            raise OSError(f"device {device}: NumPy runs on the cpu")
        self.dtype = np.dtype(dtype)
        self.module: Any = import_file(source)
        if hasattr(self.module, "SEED"):
            setattr(self.module, "SEED", seed)  # noqa: B010  # a constant of the emitted file
        self.model = self.module.initialise(self.module.Model(), self.dtype.type, seed)
        self.made = self.module.make_optimizer(self.model) if hasattr(self.module, "make_optimizer") else []
        self.objectives = tuple(self.made) if isinstance(self.made, dict) else ()
        self.optimizer = [one for k in self.objectives for one in self.made[k]] if self.objectives else self.made
        self._data: tuple[Any, dict[str, Array]] | None = None

    # ---------------------------------------------------------------- state

    def load(self, state: State) -> None:
        held = self.module.state(self.model)
        require_same_names(set(state), set(held), "the state")
        for path, array in held.items():
            if state[path].shape != array.shape:
                raise ValueError(f"the state: {path} has shape {state[path].shape}, the model {array.shape}")
        self.module.load_state(self.model, dict(state))

    def state(self) -> dict[str, Array]:
        found: dict[str, Array] = self.module.state(self.model)
        return found

    def optimizer_state(self) -> dict[str, Array]:
        found: dict[str, Array] = self.module.optimizer_state(self.optimizer)
        return found

    def load_optimizer(self, state: State) -> None:
        self.module.load_optimizer_state(self.optimizer, dict(state))

    # ---------------------------------------------------------------- running

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]:
        with np.errstate(all="ignore"):
            found = self.module.outputs(self.model, self._batch(batch), training)
        return {name: np.asarray(value) for name, value in found.items()}

    def gradients(self, batch: State, *, step: int = 1, objective: int = 0) -> tuple[float, dict[str, Array]]:
        given = self.objectives[objective : objective + 1]
        with np.errstate(all="ignore"):
            value, found = self.module.gradients(self.model, self._batch(batch), step, *given)
        return float(value), found

    def update(self, gradients: State, lr: tuple[float, ...], objective: int = 0) -> None:
        optimizers = self.made[self.objectives[objective]] if self.objectives else self.made
        for optimizer in optimizers:
            for path, parameter in optimizer.parameters.items():
                parameter.grad[...] = gradients[path]
        with np.errstate(all="ignore"):
            self.module.update(optimizers, lr)

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        held = self._held(data)
        with np.errstate(all="ignore"):
            losses: Array = self.module.train_steps(self.model, self.made, held, order, lr, first_step)
        return losses

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        with np.errstate(all="ignore"):
            value, metrics = self.module.evaluate(self.model, self._batch(batch))
        return float(value), dict(metrics)

    # ---------------------------------------------------------------- data

    def _held(self, data: State) -> dict[str, Array]:
        """The data set in the working dtype, converted once as long as the same arrays come."""
        key = tuple((name, id(array)) for name, array in data.items())
        if self._data is None or self._data[0] != key:
            self._data = key, self._batch(data)
        return self._data[1]

    def _batch(self, batch: State) -> dict[str, Array]:
        return {name: self._array(np.asarray(array)) for name, array in batch.items()}

    def _array(self, array: Array) -> Array:
        return array.astype(self.dtype, copy=False) if array.dtype.kind == "f" else array
