"""The planned training step: the whole model and its loss as one straight line over buffers that are made once.

`Planned(program, locate)` settles what is done how; where `reason` is not empty the step keeps its textbook form
(open sizes, frozen groups, noise as an input). `print` writes the class `Step`.

Every op with a row in `units.py` becomes an object that owns its arrays; any other is done by its textbook functions,
in rows layout. Gradients live in a pool of arrays that are lent from the last reader of one to the next: which, is
settled here. `dx` may be changed in place as soon as nobody else reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.marks import Part, mark
from nnspec.backends.numpy.members import inner_writer
from nnspec.backends.numpy.planned_bprop import Bprop
from nnspec.backends.numpy.planned_line import PARAMETERS, Placed, reaching, remembers
from nnspec.backends.source import literal
from nnspec.backends.values import frozen_paths
from nnspec.ir.flatten import flatten_training

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.backends.program import Program
    from nnspec.backends.source import Writer
    from nnspec.ir.graph import Graph, Layer


class Planned(Bprop):
    """The plan of one step, settled when it is made; see `PlannedLine` for what it says of itself."""

    def __init__(self, program: Program, locate: Callable[[Layer], str]) -> None:
        super().__init__(program, locate)
        self.reason = obstacle(program.graph)
        if not self.reason:
            self.settle()

    def settle(self) -> None:
        every, self.result = flatten_training(self.graph)
        wanted = reaching(every, self.result)
        self.line = [Placed(flat) for flat in every if id(flat) in wanted]
        if any(remembers(flat) for flat in every if id(flat) not in wanted):
            self.reason = "a part without a loss keeps running statistics"
            return
        self.makers = {value: placed for placed in self.line for value in placed.flat.outputs}
        for placed in self.line:
            for value in placed.flat.inputs:
                self.readers.setdefault(value, []).append(placed)
        for field in self.graph.fields:
            self.names[field.value] = self.variables.fresh(field.name)
            self.layouts[field.value] = "rows"
        self.choose()
        self.find_needed()
        for placed in self.line:
            start = len(self.body.lines)
            self.forward(placed)
            mark(self.body.lines, start, Part(placed.flat.node))
        if self.result not in self.names:
            self.reason = "the objective reads no data"
            return
        self.body.line()
        self.backward()
        self.shardable &= not self.adds and not self.rng

    def print(self, out: Writer, model: str) -> None:
        """The class `Step`."""
        made = inner_writer(2)
        for placed in self.order:
            start = len(made.lines)
            if placed.kind in PARAMETERS and placed.attribute:
                made.line(f"self.{placed.attribute} = {placed.arguments[0]}")
                if placed.needed:
                    place = "shared" if any(p.path in self.shared for p in self.learnt(placed)) else "gradients"
                    parameter = placed.arguments[0].removesuffix(".value")
                    made.line(f"self.d{placed.attribute} = {place}({parameter})")
            elif placed.unit is not None and placed.attribute:
                made.line(f"self.{placed.attribute} = {placed.unit.kind}({', '.join(placed.arguments)})")
            mark(made.lines, start, Part(placed.flat.node))
        lines = "\n".join([*made.lines, *self.body.lines])
        head = []
        if "self.model" in lines:
            head.append("self.model = model")
        if "self.dtype" in lines:
            head.append("self.dtype = dtype")
        if self.pool.sizes:
            head.append(f"pool = [np.empty(n * size, dtype) for size in {literal(tuple(self.pool.sizes))}]")
        if re.search(r"\bscratch\b", lines):
            head.append("scratch: dict[Any, Array] = {}")
        if self.shared:
            head.append("self.shared = shared = Shared(gradients)")
        arguments = "n: int, total: int, dtype: Any, gradients: Gradients, team: Team, member: int"
        with out.indented("class Step:"):
            out.docstring(
                "Loss and gradients of n examples, in arrays that are made once.\n\n"
                "They are the part of a batch of `total` that a member of the team has. d... is the\n"
                "gradient of what it is called after; the arrays of the pool are lent to one\n"
                "gradient after the other."
            )
            out.blank()
            with out.indented(f"def __init__(self, model: {model}, {arguments}) -> None:"):
                for line in head:
                    out.line(line)
                made.flush(out)
            out.blank()
            rng = ", rng: Any" if self.rng else ""
            with out.indented(f"def run(self, batch: dict[str, Array]{rng}) -> Any:"):
                out.docstring("Fprop and bprop: what these examples add to the loss.")
                for field in self.graph.fields:
                    if re.search(rf"\b{self.names[field.value]}\b", "\n".join(self.body.lines)):
                        out.line(f"{self.names[field.value]} = batch[{literal(field.name)}]")
                self.body.flush(out)
                if self.shared:
                    out.line("self.shared.add_up()")
                out.line(f"return {self.names[self.result]}")


def obstacle(graph: Graph) -> str:
    """What keeps a step from being planned, as far as the graph says at once; empty if nothing does."""
    training = graph.training
    if training is None:
        return "nothing is trained"
    if len(training.objectives) > 1:
        return "there are several objectives"
    if training.settings.get("accumulate", 1) != 1:
        return "a step takes several batches"
    if graph.dims:
        return "sizes are open"
    if any(field.role == "noise" for field in graph.fields):
        return "noise is an input"
    if not graph.fields:
        return "there are no examples"
    buffers = {p.path for p in graph.root.parameters() if p.role == "buffer"}
    if frozen_paths(graph) - buffers:
        return "a part is frozen"
    return "the objective reads the number of the step" if training.uses_step else ""
