"""What is chosen for NumPy beyond the spec: the form of a step, and how many threads share a batch (see
`backends/choices.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.choices import Choice, value_of
from nnspec.backends.numpy.planned import obstacle
from nnspec.passes.cost import batch_of, totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.backends.base import Options
    from nnspec.backends.choices import Choices, Run
    from nnspec.backends.numpy.planned import Planned
    from nnspec.backends.program import Program
    from nnspec.ir.graph import Graph

FORMS: dict[str, tuple[str, ...]] = {"step": ("planned", "textbook"), "threads": ()}

# Multiply-adds of one thread's part of a step that are worth a thread: about 0.2 ms, some ten times what handing
# over a part and waiting for it costs. Measured on two cores with LeNet-5 and an MLP.
WORTH = 4e6
# Multiply-adds of a part for each parameter: every part brings a whole set of gradients, which are written and added.
# Two parts of 512-512-512-10 lose up to 64 examples a batch and gain from 128 on.
FOR_EACH = 64
MOST = 2


def choose(graph: Graph, run: Run, wanted: Mapping[str, str]) -> Choices:
    """The planned step where there is one; the number of threads from the work in a batch alone, never from the
    machine, so that bits do not depend on it (decision 26)."""
    reason = obstacle(graph)
    if reason or wanted.get("step") == "textbook":
        return (Choice("step", "textbook", reason or "asked for"), Choice("threads", "1", "the step is not planned"))
    planned = Choice("step", "planned", "every size is known: all arrays are made once")
    if "threads" in wanted:
        return planned, Choice("threads", wanted["threads"], "asked for")
    costs, count = totals(graph, run.batch), by_work(graph, run.batch)
    least = max(WORTH, FOR_EACH * costs["parameters"])
    work = costs["macs"] * run.batch
    why = f"{work / 1e6:,.1f} million multiply-adds a batch, of which {least / 1e6:,.1f} million are worth a thread"
    return planned, Choice("threads", str(count), why)


def by_work(graph: Graph, batch: int) -> int:
    """The parts that a batch is worth."""
    costs = totals(graph, batch)
    least = max(WORTH, FOR_EACH * costs["parameters"])
    return max(1, min(MOST, batch, int(costs["macs"] * batch / least)))


def shards(program: Program, options: Options, planned: Planned) -> int:
    """How many parts a batch has in emitted text."""
    if not planned.shardable:
        return 1
    chosen = value_of(options.choices, "threads")
    return int(chosen) if chosen else by_work(program.graph, batch_of(program.graph))
