"""What a run takes in memory, before it starts, and what there is.

The estimate adds four things: what the process holds already (the framework, the data), the parameters with their
gradients and the optimizer's state, the activations of a step, and those of an evaluation. The factors were fitted to
the measured peaks of `tests/test_memory.py`, which holds them within 20 %.
"""

from __future__ import annotations

import os
import sys
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from nnspec.ir.dims import evaluate
from nnspec.ir.graph import CallValue
from nnspec.passes.cost import bytes_of, slots_of, totals
from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.evaluate import LEAST, MOST

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph

MIB = 1 << 20


class Form(Record):
    """How a backend uses memory, each in multiples of the values that a pass computes, which are counted once each:
    `step` of a training step, `evaluation` of an evaluation. `added` says whether both stand side by side, as where a
    step keeps its arrays. `fixed` and `convolutions` are bytes that the first step of any model, of one with
    convolutions, takes besides."""

    step: float
    evaluation: float
    added: bool
    fixed: int
    convolutions: int


FORMS = {
    "numpy": Form(1.5, 0.7, True, 5 * MIB, 8 * MIB),
    "torch": Form(1.1, 0.6, False, 15 * MIB, 15 * MIB),
    "jax": Form(1.5, 0.8, False, 150 * MIB, 50 * MIB),
}


class Estimate(Record):
    """Bytes: held by the process already, for parameters with all that belongs to them, for a step, for evaluation."""

    held: int
    parameters: int
    step: int
    evaluation: int
    fixed: int
    added: bool

    @property
    def peak(self) -> int:
        both = self.step + self.evaluation if self.added else max(self.step, self.evaluation)
        return self.held + self.parameters + both + self.fixed

    def __str__(self) -> str:
        parts = [
            f"{mb(self.parameters)} for parameters, gradients and the optimizer's state",
            f"{mb(self.step)} a step",
        ]
        if self.evaluation:
            parts.append(f"{mb(self.evaluation)} for evaluation")
        parts.append(f"{mb(self.held + self.fixed)} for data and framework")
        return f"{mb(self.peak)}: " + ", ".join(parts)


def estimate(
    graph: Graph, backend: str, *, batch: int, evaluated: int = 0, dtype: str = "float32", held: int | None = None
) -> Estimate:
    """The peak of a run. `batch` examples are computed at a time, `evaluated` are in the largest part that is measured.

    `held` is what the process holds already, by default asked of the system: then the data has been read.
    """
    form, wide = FORMS[backend], 2 if dtype == "float64" else 1
    every = list(graph.root.parameters())
    weights = 4 * wide * sum(prod(p.shape) for p in every)
    slots = slots_of(graph)
    each = wide * (totals(graph, 1)["memory"] - totals(graph, 0)["memory"])
    at_once = min(max(batch, LEAST), MOST, evaluated)
    convolutions = any(type(layer.op).__name__.startswith("Conv") for layer in graph.root.all_layers())
    return Estimate(
        resident() if held is None else held,
        # The values, their gradients and the slots; a checkpoint takes a copy of values and slots, and a best one.
        weights * (2 + slots) + weights * (1 + slots) + (weights if evaluated else 0),
        int(form.step * each * batch),
        int(form.evaluation * each * at_once),
        form.fixed + (form.convolutions if convolutions else 0),
        form.added,
    )


def made_up(graph: Graph) -> int:
    """Bytes of the examples that `random(n)` will make."""
    settings = graph.data.settings if graph.data is not None else {}
    calls = [value for value in settings.values() if isinstance(value, CallValue) and value.name == "random"]
    count = sum(int(str(call.args[0])) for call in calls if call.args)
    sizes = {name: size or 1 for name, size in graph.dims.items()}
    return count * sum(evaluate(bytes_of(f.value.type), sizes) for f in graph.fields if f.role != "noise")


def require(found: Estimate, what: str) -> None:
    """Raise TrainError where an estimate is more than this process can ever have."""
    limit, whose = available()
    if limit and found.peak > limit:
        raise TrainError(
            f"{what} would take {found}; {whose} {mb(limit)}",
            help="a smaller batch (--set train.batch=...) or a smaller model; --allow-memory tries all the same",
        )


def available() -> tuple[int, str]:
    """The most bytes that the process can have, and who says so; 0 where that is not known."""
    found = [(total, "this machine has") for total in (_machine(),) if total]
    found += [(limit, "its control group allows") for limit in _groups()]
    return min(found, default=(0, ""))


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # systems without sysconf, or without these names
        return 0


def _groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """The limits of the control groups around this process, of version 2 and of version 1."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        top, name = (root, "memory.max") if not controllers else (root / "memory", "memory.limit_in_bytes")
        group = top / place.lstrip("/")
        for folder in [group, *group.parents]:
            text = _text(folder / name)
            if text.isdigit():  # "max" is no limit
                limits.append(int(text))
            if folder == top:
                break
    return limits


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # the group of a container is often not there under its own name
        return ""


def resident() -> int:
    """Bytes of memory that this process holds now (at its most, where the system tells no more)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        if sys.platform == "win32":
            return 0
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def mb(count: int) -> str:
    """`66 MB`, in millions of bytes."""
    return f"{count / 1e6:,.0f} MB"
