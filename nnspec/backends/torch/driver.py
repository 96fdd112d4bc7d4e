"""Runs an emitted PyTorch file for `train`, `verify`, `eval` and `predict`: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nnspec.backends import memory
from nnspec.backends.choices import value_of
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
        self.threads = int(value_of(choices, "threads", "0"))
        if value_of(choices, "freed_memory") == "kept":
            memory.keep()
        self.dtype = getattr(torch, dtype)
        self.module = import_file(source)
        if hasattr(self.module, "SEED"):
            self.module.SEED = seed  # type: ignore[attr-defined]  # the emitted constant
        with self._working():
            self.model = self.module.initialise(self.module.Model()).to(self.device, self.dtype)
        made = self.module.make_optimizer(self.model) if hasattr(self.module, "make_optimizer") else []
        self.optimizer = made
        self.optimizers = list(_flat(made))
        self.objectives = tuple(getattr(self.module, "OBJECTIVES", ()))
        self.derives = hasattr(self.module, "derivative")
        self.compiled = not self.derives and value_of(choices, "step") == "compile" and hasattr(self.module, "backward")
        if self.compiled:
            self.module.backward = _compiled(self.module.backward, self.device)  # type: ignore[attr-defined]  # emitted
        self._data: tuple[Any, dict[str, torch.Tensor]] | None = None
        self._steps = 0

    @contextmanager
    def _working(self) -> Iterator[None]:
        """What emitted functions find: the working float and device as torch's defaults for the constants they make,
        and the number of threads; all put back afterwards.

        The CPU is the default anyway, and naming it would cost every call of torch some microseconds. The number
        of threads is set only to change it: once it was set, matrix products are slower (a step of GPT by 5 %),
        because torch then takes from MKL the choice of fewer threads for a product.
        """
        dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
        changed = self.threads not in (0, threads)
        torch.set_default_dtype(self.dtype)
        if changed:
            torch.set_num_threads(self.threads)
        try:
            with torch.device(self.device) if self.device.type != "cpu" else nullcontext():
                yield
        finally:
            torch.set_default_dtype(dtype)
            if changed:
                torch.set_num_threads(threads)

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

    def _slots(self) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        """Every trained parameter by path, with the tensors that its optimizer keeps for it, by name."""
        paths = {id(p): path for path, p in self.model.named_parameters()}
        for optimizer in self.optimizers:
            if isinstance(optimizer, torch.optim.Optimizer):
                for group in optimizer.param_groups:
                    for p in group["params"]:
                        yield paths[id(p)], optimizer.state[p]
            else:
                for k, p in enumerate(optimizer.params):
                    yield paths[id(p)], {name: tensors[k] for name, tensors in optimizer.state.items()}

    def optimizer_state(self) -> dict[str, Array]:
        found: dict[str, Array] = {"step": np.array(self._steps, dtype=np.int64)}
        for path, slots in self._slots():
            for name, value in slots.items():
                if name != "step" and value is not None:
                    found[f"{path}/{name}"] = value.detach().cpu().numpy().copy()
        return found

    def load_optimizer(self, state: State) -> None:
        """A slot that `state` lacks, as before the first step, is zero."""
        self._steps = int(state["step"])
        for optimizer in self.optimizers:
            if isinstance(optimizer, torch.optim.Optimizer):
                self._load_textbook(optimizer, state)
                continue
            for count in getattr(optimizer, "steps", ()):
                count.fill_(self._steps)
        for path, slots in self._slots():
            for name, slot in slots.items():
                if name != "step" and f"{path}/{name}" in state:  # copied in place: a slot has its parameter's layout
                    slot.copy_(torch.as_tensor(np.array(state[f"{path}/{name}"])))
                elif name != "step":
                    slot.zero_()

    def _load_textbook(self, optimizer: torch.optim.Optimizer, state: State) -> None:
        """Make the slots of torch.optim, which has none before the first step."""
        paths = {id(p): path for path, p in self.model.named_parameters()}
        for group in optimizer.param_groups:
            for p in group["params"]:
                slots = optimizer.state[p]
                slots.clear()
                own = [key.rpartition("/")[2] for key in state if key.rpartition("/")[0] == paths[id(p)]]
                slots.update({name: torch.zeros_like(p, requires_grad=False) for name in own})
                if own and own != ["momentum_buffer"]:
                    slots["step"] = torch.tensor(float(self._steps), dtype=torch.float32)

    # ---------------------------------------------------------------- running

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]:
        # Derivatives among the outputs need what inference mode leaves out.
        with self._working(), torch.no_grad() if self.derives else torch.inference_mode():
            self._mode(training)
            self._same_noise()
            found = self.module.outputs(self.model, self._batch(batch))
        return {name: value.detach().cpu().numpy() for name, value in found.items()}

    def _same_noise(self) -> None:
        """Outside of steps, which seed themselves, noise is the same in every call, whatever came before."""
        if hasattr(self.module, "SEED"):
            torch.manual_seed(self.module.SEED)

    def _mode(self, training: bool) -> None:
        if training and hasattr(self.module, "start_training"):
            self.module.start_training(self.model)
        elif training or self.model.training:  # walking over all modules of a small model takes as long as running it
            self.model.train(training)

    def gradients(self, batch: State, *, step: int = 1, objective: int = 0) -> tuple[float, dict[str, Array]]:
        with self._working():
            self.model.train()
            prepared = self._batch(batch)
            if hasattr(self.module, "gradients"):
                value, found = self.module.gradients(self.model, prepared, step, *self._objective(objective))
            else:
                value, found = self._projected(prepared)
        return float(value.detach()), {path: g.detach().cpu().numpy().copy() for path, g in found.items()}

    def _objective(self, index: int) -> tuple[str, ...]:
        """What emitted functions of several objectives take beside: nothing where there is one."""
        return self.objectives[index : index + 1]

    def _projected(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        value = self.module.loss(self.model, batch)
        named = dict(self.model.named_parameters())
        if not named or not value.requires_grad:
            return value, {path: torch.zeros_like(p) for path, p in named.items()}
        return value, dict(
            zip(named, torch.autograd.grad(value, list(named.values()), materialize_grads=True), strict=True)
        )

    def update(self, gradients: State, lr: tuple[float, ...], objective: int = 0) -> None:
        self._steps += objective == max(len(self.objectives) - 1, 0)
        with self._working():
            for path, parameter in self.model.named_parameters():
                if parameter.requires_grad and path in gradients:
                    parameter.grad = torch.empty_like(parameter, requires_grad=False)  # in the parameter's layout
                    parameter.grad.copy_(torch.as_tensor(np.array(gradients[path])))
            self.module.update(self.optimizer, lr, *self._objective(objective))

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        with self._working(), _tracing() if self.compiled else nullcontext():
            held = self._held(data)
            rows = torch.as_tensor(np.ascontiguousarray(order), dtype=torch.int64, device=self.device)
            losses = self.module.train_steps(self.model, self.optimizer, held, rows, lr.tolist(), first_step)
        self._steps += len(order)
        return np.asarray(losses.cpu().numpy(), dtype=np.float64)

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        with self._working():
            self._same_noise()
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


def _flat(made: Any) -> Iterator[Any]:
    """The optimizers of a list, of a dict of lists, or one alone."""
    if isinstance(made, Mapping):
        made = [one for several in made.values() for one in several]
    yield from made if isinstance(made, list) else [made]


def _compiled(backward: Any, device: torch.device) -> Any:
    """Loss and gradients as one compiled function, for each size of batch anew: what a batch gives must not depend
    on the sizes that came before. On CUDA its kernels are launched as one recorded graph."""
    mode = "reduce-overhead" if device.type == "cuda" else None
    return torch.compile(backward, dynamic=False, mode=mode)


@contextmanager
def _tracing() -> Iterator[None]:
    """The settings under which torch's compiler takes `backward()` into its graph, where it can."""
    import torch._dynamo.config as config

    with ExitStack() as stack:
        if hasattr(config, "trace_autograd_ops"):  # before torch 2.13 forwards and backwards are two graphs
            stack.enter_context(config.patch(trace_autograd_ops=True))
        yield


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
