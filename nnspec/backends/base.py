"""The protocol of emitted text, seen from nnspec: what `train`, `verify`, `eval` and `predict` drive.

Each backend has `emit(graph, options) -> str` (in `backends/<name>/emit.py`) and a `Driver`
(in `backends/<name>/driver.py`) that imports the emitted file and speaks NumPy arrays on this side and
the framework's tensors on the other. Nothing else in nnspec knows a framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from nnspec.backends.choices import Choices
from nnspec.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from nnspec.diagnostics import Span

    Array = np.ndarray[Any, Any]
    State = Mapping[str, Array]


class Options(Record):
    """How to emit. `optimize` 0 is the textbook form, 1 the planned form; `verify` replaces what is
    random by what is not (decision 23) and keeps batch norm in training mode. `choices` is what was chosen for a
    run (`backends/choices.py`); without any, the emitter takes what holds for a short run on a CPU."""

    optimize: int = 1
    verify: bool = False
    choices: Choices = ()


class Unsupported(Exception):
    """A square of the table that is empty: this op on this backend, with the reason, at the layer's place."""

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span


class Driver(Protocol):
    """One emitted module, running. All arrays are NumPy; state is keyed by parameter path.

    `batch` and `data` map field names (inputs, targets, noise where given) to arrays with a leading example axis.
    `seed` is the run's seed; noise in training depends on (seed, step) alone.
    """

    name: str

    def __init__(
        self,
        source: Path,
        *,
        dtype: str = "float32",
        device: str = "auto",
        seed: int = 0,
        choices: Choices = (),
    ) -> None:
        """Import the emitted file, build its model (float dtype "float32" or "float64") on the device.

        `choices` that concern how text is run (threads, compilation) are followed here.
        """

    def load(self, state: State) -> None:
        """Set every parameter and buffer; missing, extra or misshapen ones raise ValueError naming them."""

    def state(self) -> dict[str, Array]: ...

    def optimizer_state(self) -> dict[str, Array]:
        """`<path>/<slot>` for every slot (`conv1.weight/exp_avg`) and `step`; the moving average of `ema` is a slot."""

    def load_optimizer(self, state: State) -> None: ...

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]: ...

    def gradients(self, batch: State, *, step: int = 1, objective: int = 0) -> tuple[float, dict[str, Array]]:
        """Loss and gradient of every trainable parameter, in training mode; nothing is updated but
        running statistics. Of several objectives the one with this index, and the parameters that are its own."""

    def update(self, gradients: State, lr: tuple[float, ...], objective: int = 0) -> None:
        """One optimizer update from these gradients, for one objective; `lr` has one rate a group."""

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        """len(order) steps, order (k, b) of example indices, lr (k, groups); the loss of each step (k,).

        With several objectives the losses are (k, objectives)."""

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        """Loss and metrics of a batch in evaluation mode (the loss averaged over it, metrics likewise).

        Of several objectives it is the sum, with the value of each among the metrics as `loss(pattern)`."""
