"""Runs an emitted PyTorch file for `train`, `verify`, `eval` and `predict`: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nnspec.backends.loading import import_file, require_same_names

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.backends.base import Array, State
    from nnspec.backends.choices import Choices

_COUNTER = ".num_batches_tracked"  # torch's own; not part of the state that backends share


class Driver:
    """PyTorch behind the protocol of `nnspec.backends.base.Driver`."""

    name = "torch"

    def __init__(
        self,
        source: Path,
        *,
        dtype: str = "float32",
        device: str = "auto",
        seed: int = 0,
        choices: Choices = (),
    ) -> None:
        self.device = _device(device)
        self.dtype = getattr(torch, dtype)
        self.module = import_file(source)
        if hasattr(self.module, "SEED"):
            self.module.SEED = seed  # type: ignore[attr-defined]  # the emitted constant
        with self._working():
            self.model = self.module.initialise(self.module.Model()).to(self.device, self.dtype)
        made = self.module.make_optimizer(self.model) if hasattr(self.module, "make_optimizer") else []
        self.optimizer = made
        self.optimizers = made if isinstance(made, list) else [made]
        self._data: tuple[Any, dict[str, torch.Tensor]] | None = None
        self._steps = 0

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The working float as torch's default, for constants made inside emitted functions; put back afterwards."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device(self.device):
                yield
        finally:
            torch.set_default_dtype(before)

    # ---------------------------------------------------------------- state

    def load(self, state: State) -> None:
        held = self._tensors()
        require_same_names(set(state), set(held), "the state")
        with torch.no_grad():
            for path, tensor in held.items():
                if tuple(state[path].shape) != tuple(tensor.shape):
                    raise ValueError(
                        f"the state: {path} has shape {tuple(state[path].shape)}, the model {tuple(tensor.shape)}"
                    )
                tensor.copy_(torch.as_tensor(np.array(state[path])))

    def state(self) -> dict[str, Array]:
        return {path: tensor.detach().cpu().numpy().copy() for path, tensor in self._tensors().items()}

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {k: v for k, v in self.model.state_dict().items() if not k.endswith(_COUNTER)}

    def _slots(self) -> Iterator[tuple[str, torch.nn.Parameter, dict[str, Any]]]:
        paths = {id(p): path for path, p in self.model.named_parameters()}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    yield paths[id(parameter)], parameter, optimizer.state[parameter]

    def optimizer_state(self) -> dict[str, Array]:
        found: dict[str, Array] = {"step": np.array(self._steps, dtype=np.int64)}
        for path, _, slots in self._slots():
            for name, value in slots.items():
                if name != "step" and value is not None:
                    found[f"{path}/{name}"] = value.detach().cpu().numpy().copy()
        return found

    def load_optimizer(self, state: State) -> None:
        self._steps = int(state["step"])
        for path, parameter, slots in self._slots():
            own = {key.rsplit("/", 1)[1]: value for key, value in state.items() if key.rsplit("/", 1)[0] == path}
            slots.clear()
            for name, value in own.items():
                slots[name] = torch.as_tensor(np.array(value)).to(parameter.device, parameter.dtype)
            if own and set(own) != {"momentum_buffer"}:
                slots["step"] = torch.tensor(float(self._steps), dtype=torch.float32)

    # ---------------------------------------------------------------- running

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]:
        with self._working(), torch.no_grad():
            self._mode(training)
            found = self.module.outputs(self.model, self._batch(batch))
        return {name: value.cpu().numpy() for name, value in found.items()}

    def _mode(self, training: bool) -> None:
        if training and hasattr(self.module, "start_training"):
            self.module.start_training(self.model)
        else:
            self.model.train(training)

    def gradients(self, batch: State, *, step: int = 1) -> tuple[float, dict[str, Array]]:
        with self._working():
            self.model.train()
            prepared = self._batch(batch)
            if hasattr(self.module, "gradients"):
                value, found = self.module.gradients(self.model, prepared, step)
            else:
                value, found = self._projected(prepared)
        return float(value.detach()), {path: g.detach().cpu().numpy().copy() for path, g in found.items()}

    def _projected(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        value = self.module.loss(self.model, batch)
        named = dict(self.model.named_parameters())
        if not named or not value.requires_grad:
            return value, {path: torch.zeros_like(p) for path, p in named.items()}
        return value, dict(
            zip(named, torch.autograd.grad(value, list(named.values()), materialize_grads=True), strict=True)
        )

    def update(self, gradients: State, lr: tuple[float, ...]) -> None:
        self._steps += 1
        with self._working():
            for path, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.as_tensor(np.array(gradients[path])).to(parameter.device, parameter.dtype)
            self.module.update(self.optimizer, lr)

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        with self._working():
            held = self._held(data)
            rows = torch.as_tensor(np.ascontiguousarray(order), dtype=torch.int64, device=self.device)
            losses = self.module.train_steps(self.model, self.optimizer, held, rows, lr.tolist(), first_step)
        self._steps += len(order)
        return np.asarray(losses.cpu().numpy(), dtype=np.float64)

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        with self._working():
            value, metrics = self.module.evaluate(self.model, self._batch(batch))
        return float(value), {name: float(m) for name, m in metrics.items()}

    # ---------------------------------------------------------------- data

    def _held(self, data: State) -> dict[str, torch.Tensor]:
        """The data set on the device, moved once as long as the same arrays come."""
        key = tuple((name, id(array)) for name, array in data.items())
        if self._data is None or self._data[0] != key:
            self._data = key, self._batch(data)
        return self._data[1]

    def _batch(self, batch: Mapping[str, Array]) -> dict[str, torch.Tensor]:
        return {name: self._tensor(array) for name, array in batch.items()}

    def _tensor(self, array: Array) -> torch.Tensor:
        tensor = torch.as_tensor(np.ascontiguousarray(array))
        if tensor.is_floating_point():
            return tensor.to(self.device, self.dtype)
        return tensor.to(self.device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith(("cuda", "gpu")) and not torch.cuda.is_available():
        raise OSError(f"device {name}: this PyTorch sees no CUDA device")
    try:
        return torch.empty(0, device="cuda" if name == "gpu" else name).device
    except (RuntimeError, NotImplementedError) as error:  # no such kind of device, or none of it here
        raise OSError(f"device {name}: this PyTorch has none") from error


def automatic_device() -> str:
    """The kind of device that `auto` comes to: "cpu" or "cuda"."""
    return _device("auto").type
