"""The function of one objective and its reverse, which hands the model the gradients of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.describe import loss_doc
from nnspec.backends.numpy.backward import Backward
from nnspec.backends.numpy.forward import print_forward, print_return, print_unpack
from nnspec.backends.numpy.members import Members, inner_writer
from nnspec.backends.numpy.steps import Plan, kept
from nnspec.backends.source import literal
from nnspec.backends.values import field_of

if TYPE_CHECKING:
    from nnspec.backends.numpy.training import Functions
    from nnspec.backends.program import Minimized
    from nnspec.backends.source import Writer


class ObjectivePrinter:
    """Plans an objective when it is made; `gradients` maps places among the model's results to their gradients."""

    def __init__(self, beside: Functions, minimized: Minimized) -> None:
        self.beside = beside
        self.minimized = minimized
        self.definition = objective = minimized.definition
        members = Members(objective, {})
        places = {i: beside.results.index(v) for i, v in enumerate(minimized.objective.reads) if v in beside.results}
        needing = {i for i, place in places.items() if place in beside.root.plan.facts.outputs}
        if beside.planned is not None:
            needing = set()
        self.plan = Plan(objective, members, beside.known, "model", beside.penalties).walk(needing)
        self.model_cache = self.plan.pool.fresh("model_cache")
        self.forward, self.body = inner_writer(1), inner_writer(1)
        reverse = Backward(self.plan)
        (result,) = self.plan.returned
        self.given = reverse.variable(result)
        if result in self.plan.needs and beside.planned is None:
            reverse.have.add(result)
            reverse.reverse(self.plan.entries, self.body)
        self.gradients = {places[i]: reverse.variable(("in", i)) for i in sorted(needing) if ("in", i) in reverse.have}
        self.keeps = kept(self.plan.entries)
        self.unread: dict[int, str] = {}  # results that this objective does not read, by the name they are kept under
        print_forward(self.plan, self.plan.entries, self.forward)

    def settle(self, outputs: list[int]) -> None:
        """`outputs` are the places whose gradients the model's `backward` takes, for all objectives."""
        self.handed = []
        for place in outputs if self.gradients else ():
            if place not in self.gradients:
                self.unread[place] = self.plan.pool.fresh(self.beside.program.root.returns[place])
            self.handed.append(self.gradients.get(place) or f"np.zeros_like({self.unread[place]})")

    def print_loss(self, out: Writer) -> None:
        objective, beside = self.definition, self.beside
        out.blank(2)
        with out.indented(beside.loss_header(suffix=self.minimized.suffix)):
            cache = "" if beside.planned is not None else ", and a cache for `backward`"
            out.docstring(f"{loss_doc(beside.program, self.minimized).removesuffix('.')}{cache}.")
            beside.start("step", out)
            if self.minimized.step:
                out.line(f"{self.minimized.step} = np.asarray(step, model.dtype)")
            reads_model = self.read_values(out)
            for name, captured in zip(objective.captures, objective.module.captures, strict=True):
                out.line(f"{name} = model{beside.locate(captured)}")
            self.forward.flush(out)
            cached = [self.model_cache] if reads_model and self.handed else []
            self.names = [*cached, *self.unread.values(), *self.captured(), *self.keeps]
            if beside.planned is not None:
                out.line(f"return {', '.join(objective.returns)}")
            else:
                print_return(objective.returns, self.names, out)

    def captured(self) -> list[str]:
        """Layers of the model that the reverse of the objective reads."""
        return [n for n in self.definition.captures if any(f"{n}." in line for line in self.body.lines)]

    def read_values(self, out: Writer) -> bool:
        """Bind the names that the objective reads; says whether the model was run."""
        beside = self.beside
        reads = list(zip(self.minimized.objective.reads, self.definition.inputs, strict=False))
        wanted = {value: name for value, name in reads if value in beside.results}
        if wanted:
            targets = [wanted.get(v, self.unread.get(k, "_")) for k, v in enumerate(beside.results)]
            cache = [self.model_cache] if self.handed else beside.rest
            out.line(f"{', '.join([*targets, *cache])} = {beside.call('training')}")
        for value, name in reads:
            field = field_of(beside.program.graph, value)
            if value not in beside.results and field is not None:
                out.line(f"{name} = batch[{literal(field.name)}]")
        return bool(wanted)

    def print_backward(self, out: Writer) -> None:
        beside, suffix = self.beside, self.minimized.suffix
        out.blank(2)
        with out.indented(f"def backward{suffix}(model: {beside.model}, {self.given}: Array, cache: Cache) -> None:"):
            out.docstring("Backpropagation: adds to the gradient of every parameter.")
            print_unpack(self.names, out)
            if len(self.names) == 1:
                out.lines.pop()
                out.line(f"{self.names[0]} = cache")
            self.body.flush(out)
            if self.handed:
                out.line(f"model.backward({', '.join([*self.handed, self.model_cache])})")
