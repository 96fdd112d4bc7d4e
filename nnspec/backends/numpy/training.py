"""The functions beside the model: outputs, loss and its reverse, optimizer, training steps, evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.choices import value_of
from nnspec.backends.metrics import key as metric_key
from nnspec.backends.numpy import metrics
from nnspec.backends.numpy.backward import Backward
from nnspec.backends.numpy.choose import shards
from nnspec.backends.numpy.forward import ClassPrinter, print_forward, print_return, print_unpack
from nnspec.backends.numpy.members import Members, inner_writer
from nnspec.backends.numpy.planned import Planned
from nnspec.backends.numpy.steps import Plan, kept
from nnspec.backends.open_sizes import noise_shape
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import field_of, frozen_paths
from nnspec.ir.graph import Layer, Module

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.numpy.steps import Facts
    from nnspec.backends.program import ClassDef, Program
    from nnspec.ir.graph import Field, Graph, Parameter, Value
    from nnspec.optim.base import Optimizer

# class, and (field of ours, argument of the class, its default there)
_FORMS: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "sgd": ("SGD", ()),
    "momentum": ("Momentum", (("momentum", 0.9), ("nesterov", False))),
    "adagrad": ("Adagrad", (("eps", 1e-10),)),
    "rmsprop": ("RMSprop", (("alpha", 0.99), ("eps", 1e-8))),
    "rmsprop_momentum": ("RMSpropMomentum", (("alpha", 0.99), ("eps", 1e-8), ("momentum", 0.9))),
    "adam": ("Adam", (("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8))),
    "adamw": ("AdamW", (("decay", 0.01), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8))),
}


class Functions:
    """Prints what stands beside the classes. `root` is the printer of the model, planned and not yet printed."""

    def __init__(self, program: Program, options: Options, printers: dict[ClassDef, ClassPrinter]) -> None:
        self.program = program
        self.options = options
        self.printers = printers
        self.root = printers[program.root]
        self.known: dict[ClassDef, Facts] = {d: p.plan.facts for d, p in printers.items()}
        self.model = program.root.name
        self.noises = program.fields("noise")
        self.rng = self.root.plan.facts.rng or bool(self.noises)
        self.results: list[Value] = [*program.graph.outputs.values(), *program.graph.taps.values()]
        self.planned: Planned | None = None
        if options.optimize and program.training is not None and value_of(options.choices, "step") != "textbook":
            planned = Planned(program, self.locate)
            self.planned = None if planned.reason else planned

    # ---------------------------------------------------------------- what the model's backward is handed

    def prepare(self) -> None:
        """Plan the objective, which says whose gradients the model's `backward` takes."""
        facts = self.root.plan.facts
        if self.program.objective is None:
            names = list(self.program.graph.outputs)
            facts.outputs = [i for i in facts.outputs if i < len(names)]
            return
        objective, training = self.program.objective, self.program.training
        assert training is not None
        taken = {*objective.inputs, *objective.captures}
        self.penalties = _penalised(self.program, "weights" if "weights" not in taken else "penalised")
        members = Members(objective, {})
        places = {i: self.results.index(v) for i, v in enumerate(training.reads) if v in self.results}
        needing = {i for i, place in places.items() if place in facts.outputs}
        if self.planned is not None:
            needing = set()
            for known in self.known.values():
                known.bare = True
        self.plan = Plan(objective, members, self.known, "model", self.penalties).walk(needing)
        self.model_cache = self.plan.pool.fresh("model_cache")
        self.forward, self.body = inner_writer(1), inner_writer(1)
        reverse = Backward(self.plan)
        (result,) = self.plan.returned
        self.given = reverse.variable(result)
        if result in self.plan.needs and self.planned is None:
            reverse.have.add(result)
            reverse.reverse(self.plan.entries, self.body)
        gradients = {places[i]: reverse.variable(("in", i)) for i in sorted(needing) if ("in", i) in reverse.have}
        facts.outputs = [i for i in facts.outputs if i in gradients]
        self.handed = [gradients[i] for i in facts.outputs]
        self.keeps = kept(self.plan.entries)
        print_forward(self.plan, self.plan.entries, self.forward)

    # ---------------------------------------------------------------- printing

    def print(self, out: Writer) -> None:
        if self.rng:
            settings = self.program.training.settings if self.program.training is not None else {}
            seed = int(settings.get("seed", 0) or 0)  # type: ignore[call-overload]  # a checked number
            out.blank(2)
            out.line(f"SEED = {seed}  # of the noise; each step draws its own from (SEED, step)")
        self.print_noise(out)
        self.print_outputs(out)
        if self.program.training is None:
            if self.options.verify:
                self.print_projection(out)
                self.print_gradients(out)
            return
        self.print_weights(out)
        self.print_loss(out)
        if self.planned is not None:
            self.print_planned(self.planned, out)
        else:
            self.print_backward(out)
        self.print_optimizer(out)
        self.print_gradients(out)
        self.print_steps(out)
        self.print_evaluate(out)

    def call(self, training: str) -> str:
        """`model.forward(batch["image"], training)`."""
        fields = [field_of(self.program.graph, v) for v in self.program.graph.root.inputs]
        given = [f"batch[{literal(f.name)}]" for f in fields if f is not None]
        facts = self.root.plan.facts
        given += [training] if facts.training else []
        given += ["rng"] if facts.rng else []
        return f"model.forward({', '.join(given)})"

    def start(self, step: str, out: Writer) -> None:
        """The random numbers of a step, and what of the batch is noise."""
        if self.rng:
            out.line(f"rng = noise_generator(SEED, {step})")
        if self.noises:
            out.line("batch = with_noise(model, batch, rng)")

    def print_noise(self, out: Writer) -> None:
        """Fields that are drawn for each example, unless the batch brings them."""
        if not self.noises:
            return
        out.blank(2)
        given = f"model: {self.model}, batch: dict[str, Array], rng: np.random.Generator"
        with out.indented(f"def with_noise({given}) -> dict[str, Array]:"):
            out.docstring("The batch and a fresh draw of what the model calls noise, unless it brings it.")
            first = next((f for f in self.program.graph.fields if f.role != "noise"), None)
            out.line(f"size = len(batch[{literal(first.name)}])" if first is not None else "size = 1")
            entries = ", ".join(f"{literal(f.name)}: {_draw(f, self.program.graph)}" for f in self.noises)
            out.line(f"drawn = {{{entries}}}")
            out.line("return {name: e.astype(model.dtype) for name, e in drawn.items()} | batch")

    def print_outputs(self, out: Writer) -> None:
        out.blank(2)
        given = f"model: {self.model}, batch: dict[str, Array], training: bool = False"
        given += ", step: int = 0" if self.rng else ""
        with out.indented(f"def outputs({given}) -> dict[str, Array]:"):
            out.docstring("The results of the model by name.")
            self.start("step", out)
            names = list(self.program.graph.outputs)
            returned = self.program.root.returns
            targets = [n if i < len(names) else "_" for i, n in enumerate(returned)]
            out.line(f"{', '.join([*targets, *self.rest])} = {self.call('training')}")
            pairs = [f"{literal(n)}: {v}" for n, v in zip(names, returned, strict=False)]
            out.line(f"return {{{', '.join(pairs)}}}")

    def print_projection(self, out: Writer) -> None:
        """Without an objective, agreement is checked on a fixed random projection of the outputs."""
        names = list(self.program.graph.outputs)
        returned = self.program.root.returns
        floats = [i for i, v in enumerate(self.program.graph.outputs.values()) if v.type.is_float]
        out.blank(2)
        with out.indented(self.loss_header()):
            out.docstring("The outputs, each weighted with what the batch brings for it, summed.")
            self.start("step", out)
            targets = [n if i in floats else "_" for i, n in enumerate(returned)]
            out.line(f"{', '.join([*targets, 'cache'])} = {self.call('training')}")
            terms = [f"np.sum({returned[i]} * batch[{literal(names[i] + '.weight')}])" for i in floats]
            out.line(f"value = np.asarray({' + '.join(terms) or '0.0'})")
            out.line("return value, (cache, batch)")
        out.blank(2)
        with out.indented(f"def backward(model: {self.model}, dvalue: Array, cache: Cache) -> None:"):
            out.docstring("Backpropagation: adds to the gradient of every parameter.")
            handed = [f"dvalue * batch[{literal(names[i] + '.weight')}]" for i in self.root.plan.facts.outputs]
            if handed:
                out.line("cache, batch = cache")
                out.line(f"model.backward({', '.join([*handed, 'cache'])})")

    def print_weights(self, out: Writer) -> None:
        """A selector for each set of parameters that a penalty reads."""
        parameters = [p for p in self.program.graph.root.parameters() if p.role != "buffer"]
        for paths, name in self.penalties.items():
            out.blank(2)
            with out.indented(f"def {name}(model: {self.model}) -> list[Parameter]:"):
                if set(paths) == {p.path for p in parameters if len(p.shape) > 1}:
                    out.docstring("What a regulariser acts on: every weight, no bias and no scale.")
                    out.line("parameters = named_parameters(model).values()")
                    out.line("return [p for p in parameters if len(p.shape) > 1]")
                else:
                    out.docstring("What a regulariser acts on.")
                    out.line(f"names = {literal(tuple(paths))}")
                    out.line("parameters = named_parameters(model)")
                    out.line("return [parameters[name] for name in names]")

    def loss_header(self, step: str = "step") -> str:
        given = f"model: {self.model}, batch: dict[str, Array], {step}: int = 1, training: bool = False"
        return f"def loss({given}) -> {'Array' if self.planned is not None else 'tuple[Array, Cache]'}:"

    def print_loss(self, out: Writer) -> None:
        objective, training = self.program.objective, self.program.training
        assert objective is not None and training is not None
        out.blank(2)
        with out.indented(self.loss_header()):
            cache = "" if self.planned is not None else ", and a cache for `backward`"
            out.docstring(f"What training minimises, averaged over the batch{cache}.")
            self.start("step", out)
            if training.uses_step:
                out.line(f"{objective.inputs[len(training.reads)]} = np.asarray(step, model.dtype)")
            reads_model = self.read_values(out)
            for name, captured in zip(objective.captures, objective.module.captures, strict=True):
                out.line(f"{name} = model{self.locate(captured)}")
            self.forward.flush(out)
            self.names = ([self.model_cache] if reads_model and self.handed else []) + self.captured() + self.keeps
            if self.planned is not None:
                out.line(f"return {', '.join(objective.returns)}")
            else:
                print_return(objective.returns, self.names, out)

    def captured(self) -> list[str]:
        """Layers of the model that the reverse of the objective reads."""
        assert self.program.objective is not None
        return [n for n in self.program.objective.captures if any(f"{n}." in line for line in self.body.lines)]

    def read_values(self, out: Writer) -> bool:
        """Bind the names that the objective reads; says whether the model was run."""
        objective, training = self.program.objective, self.program.training
        assert objective is not None and training is not None
        reads = list(zip(training.reads, objective.inputs, strict=False))
        wanted = {value: name for value, name in reads if value in self.results}
        if wanted:
            targets = [wanted.get(value, "_") for value in self.results]
            cache = [self.model_cache] if self.handed else self.rest
            out.line(f"{', '.join([*targets, *cache])} = {self.call('training')}")
        for value, name in reads:
            field = field_of(self.program.graph, value)
            if value not in self.results and field is not None:
                out.line(f"{name} = batch[{literal(field.name)}]")
        return bool(wanted)

    def locate(self, captured: object) -> str:
        """What stands after `model` for a layer or module by where it lives in the tree."""
        assert isinstance(captured, Layer | Module)
        source, owner = (
            self.locate(captured.owner) if captured.owner is not None and captured.owner.owner is not None else "",
            captured.owner,
        )
        for definition, printer in self.printers.items():
            if owner in definition.modules:
                return source + printer.members.locate(captured.name)
        raise AssertionError(f"{captured.path} has no class")

    def print_backward(self, out: Writer) -> None:
        out.blank(2)
        with out.indented(f"def backward(model: {self.model}, {self.given}: Array, cache: Cache) -> None:"):
            out.docstring("Backpropagation: adds to the gradient of every parameter.")
            print_unpack(self.names, out)
            if len(self.names) == 1:
                out.lines.pop()
                out.line(f"{self.names[0]} = cache")
            self.body.flush(out)
            if self.handed:
                out.line(f"model.backward({', '.join([*self.handed, self.model_cache])})")

    # ---------------------------------------------------------------- the optimizer

    def print_optimizer(self, out: Writer) -> None:
        training = self.program.training
        assert training is not None
        frozen = frozen_paths(self.program.graph)
        frozen = {
            p for p in frozen if p in {q.path for q in self.program.graph.root.parameters() if q.role != "buffer"}
        }
        patterns = tuple(group.pattern for group in training.groups)
        trained = tuple(i for i, group in enumerate(training.groups) if group.optimizer is not None)
        self.frozen = bool(frozen) or len(trained) < len(patterns)
        out.blank(2)
        with out.indented(f"def make_optimizer(model: {self.model}) -> list[Optimizer]:"):
            out.docstring("An optimizer for each group of parameters; rates are handed to every update.")
            if self.frozen:
                out.line(f"freeze(model, {literal(patterns)}, {literal(trained)})")
            out.line(f"groups = parameter_groups(model, {literal(patterns)})")
            made = [
                _make(group.optimizer, f"groups[{i}]") if group.optimizer is not None else f"Frozen(groups[{i}])"
                for i, group in enumerate(training.groups)
            ]
            out.line(f"return [{', '.join(made)}]")
        out.blank(2)
        with out.indented("def update(optimizer: list[Optimizer], lr: Sequence[float]) -> None:"):
            out.docstring("One update from the gradients that the parameters hold.")
            for name in ("clip_value", "clip_norm"):
                limit = training.settings.get(name)
                if isinstance(limit, int | float) and not isinstance(limit, bool):
                    out.line("found = [g for one in optimizer for g in one.gradients()]")
                    out.line(f"{name}(found, {literal(float(limit))})")
            with out.indented("for one, rate in zip(optimizer, lr):"):
                out.line("one.update(float(rate))")

    # ---------------------------------------------------------------- steps

    def print_gradients(self, out: Writer) -> None:
        out.blank(2)
        result = "tuple[float, dict[str, Array]]"
        with out.indented(f"def gradients(model: {self.model}, batch: dict[str, Array], step: int = 1) -> {result}:"):
            out.docstring("The loss of a batch and its gradient by every trained parameter.")
            out.line("parameters = named_parameters(model)")
            with out.indented("for parameter in parameters.values():"):
                out.line("parameter.grad[...] = 0.0")
            if self.planned is not None:
                out.line(f"value = backpropagate(model, batch, {self.all_rows()}{self.step_rng('step')})")
            else:
                out.line("value, cache = loss(model, batch, step, training=True)")
                out.line("backward(model, np.ones_like(value), cache)")
            out.line("found = {n: p.grad.copy() for n, p in parameters.items() if p.trainable}")
            out.line("return float(value), found")

    def print_steps(self, out: Writer) -> None:
        head = f"model: {self.model}, optimizer: list[Optimizer]"
        if self.planned is not None:
            self.print_planned_steps(head, out)
            return
        out.blank(2)
        given = f"{head}, batch: dict[str, Array], lr: Sequence[float], step: int"
        with out.indented(f"def train_step({given}) -> float:"):
            out.docstring("One update from one batch; `lr` has a rate for each group of parameters.")
            with out.indented("for one in optimizer:"):
                out.line("one.zero_gradients()")
            out.line("value, cache = loss(model, batch, step, training=True)")
            out.line("backward(model, np.ones_like(value), cache)")
            out.line("update(optimizer, lr)")
            out.line("return float(value)")
        out.blank(2)
        given = f"{head}, data: dict[str, Array], order: Array, lr: Array, first_step: int = 1"
        with out.indented(f"def train_steps({given}) -> Array:"):
            out.docstring("One update for each row of `order`, the examples of a batch; their losses.")
            out.line("losses = np.empty(len(order))")
            with out.indented("for k, (rows, rates) in enumerate(zip(order, lr)):"):
                out.line("batch = {name: values[rows] for name, values in data.items()}")
                out.line("losses[k] = train_step(model, optimizer, batch, rates, first_step + k)")
            out.line("return losses")

    @property
    def rest(self) -> list[str]:
        """What stands behind the results of `forward` where its cache is not wanted."""
        return [] if self.planned is not None else ["_"]

    # ---------------------------------------------------------------- the planned step

    def print_planned(self, planned: Planned, out: Writer) -> None:
        """`Step`, and what runs it."""
        out.blank(2)
        parts = shards(self.program, self.options, planned)
        out.line(f"PARTS = {parts}  # of a batch, each run by a thread")
        out.blank(2)
        planned.print(out, self.model)
        out.blank(2)
        rng = ", rng: Any" if planned.rng else ""
        given = f"model: {self.model}, data: dict[str, Array], rows: Array{rng}"
        with out.indented(f"def backpropagate({given}) -> Any:"):
            out.docstring("The loss of a batch, `rows` of the data; leaves every parameter its gradient.")
            if planned.adds:
                with out.indented("for parameter in named_parameters(model).values():"):
                    out.line("parameter.grad[...] = 0.0")
            handed = ", rng" if planned.rng else ""
            first = next(p for p in self.program.graph.root.parameters() if p.role != "buffer")
            out.line(f"step = shards(model, Step, len(rows), PARTS, model{self.locate_parameter(first)}.grad)")
            out.line(f"value = step.run(data, rows{handed})")
            for factor, node in planned.penalties:
                selector = self.penalties[tuple(node.op.paths)]  # type: ignore[attr-defined]  # a Penalty
                kind = node.op.kind  # type: ignore[attr-defined]
                out.line(f"penalty, held = {kind}_penalty_forward({selector}(model))")
                out.line(f"{kind}_penalty_backward({literal(factor)}, held)")
                out.line(f"value = value + {literal(factor)} * penalty")
            out.line("return value")

    def locate_parameter(self, parameter: Parameter) -> str:
        """What stands after `model` for one of its parameters."""
        for layer in self.program.graph.root.all_layers():
            for name, found in layer.parameters.items():
                if found is parameter:
                    return self.locate(layer) + (f".{name}" if name else "")
        raise AssertionError(f"{parameter.path} has no layer")

    def all_rows(self) -> str:
        first = next(f for f in self.program.graph.fields if f.role != "noise")
        return f"np.arange(len(batch[{literal(first.name)}]))"

    def step_rng(self, step: str) -> str:
        assert self.planned is not None
        return f", noise_generator(SEED, {step})" if self.planned.rng else ""

    def print_planned_steps(self, head: str, out: Writer) -> None:
        out.blank(2)
        given = f"{head}, batch: dict[str, Array], lr: Sequence[float], step: int"
        with out.indented(f"def train_step({given}) -> float:"):
            out.docstring("One update from one batch; `lr` has a rate for each group of parameters.")
            out.line(f"value = backpropagate(model, batch, {self.all_rows()}{self.step_rng('step')})")
            out.line("update(optimizer, lr)")
            out.line("return float(value)")
        out.blank(2)
        given = f"{head}, data: dict[str, Array], order: Array, lr: Array, first_step: int = 1"
        with out.indented(f"def train_steps({given}) -> Array:"):
            out.docstring("One update for each row of `order`, the examples of a batch; their losses.")
            out.line("losses = np.empty(len(order))")
            with out.indented("for k, (rows, rates) in enumerate(zip(order, lr.tolist())):"):
                out.line(f"losses[k] = backpropagate(model, data, rows{self.step_rng('first_step + k')})")
                out.line("update(optimizer, rates)")
            out.line("return losses")

    def print_evaluate(self, out: Writer) -> None:
        training = self.program.training
        assert training is not None
        wanted = {v for m in training.metrics for v in (m.prediction, m.target)}
        reads_model = any(value in wanted for value in self.results)
        out.blank(2)
        result = "tuple[float, dict[str, float]]"
        with out.indented(f"def evaluate(model: {self.model}, batch: dict[str, Array]) -> {result}:"):
            out.docstring("Loss and metrics of a batch, noise layers off and running statistics in use.")
            if self.noises or (self.root.plan.facts.rng and reads_model):
                self.start("0", out)
            out.line(f"{'value' if self.planned is not None else 'value, _'} = loss(model, batch)")
            if not training.metrics:
                out.line("return float(value), {}")
                return
            names = dict(zip(self.results, self.program.root.returns, strict=True))
            targets = [name if value in wanted else "_" for value, name in names.items()]
            if reads_model:
                out.line(f"{', '.join([*targets, *self.rest])} = {self.call('False').replace(', False)', ')')}")
            entries = []
            for metric in training.metrics:
                read = []
                for value in (metric.prediction, metric.target):
                    field = field_of(self.program.graph, value)
                    read.append(names[value] if value in names else f"batch[{literal(field.name)}]" if field else "")
                name = literal(metric_key(metric, training.metrics))
                entries.append(f"{name}: float({metrics.source(metric, *read)})")
            out.line(f"return float(value), {{{', '.join(entries)}}}")


def _make(optimizer: Optimizer, group: str) -> str:
    """`Adam(groups[0], beta2=0.99)`."""
    kind = optimizer.name
    momentum = getattr(optimizer, "momentum", 0.0)
    if kind == "sgd" and momentum:
        kind = "momentum"
    if kind == "rmsprop" and momentum:
        kind = "rmsprop_momentum"
    name, settings = _FORMS[kind]
    given = [f"{n}={literal(getattr(optimizer, n))}" for n, default in settings if getattr(optimizer, n) != default]
    return f"{name}({', '.join([group, *given])})"


def _penalised(program: Program, name: str) -> dict[tuple[str, ...], str]:
    """The functions that select the weights under penalties, by the paths they select."""
    found: dict[tuple[str, ...], str] = {}
    assert program.objective is not None
    for item in program.objective.module.flat():
        paths = getattr(getattr(item, "op", None), "paths", None)
        if paths is not None and tuple(paths) not in found:
            found[tuple(paths)] = name if not found else f"{name}_{len(found) + 1}"
    return found


def _draw(field: Field, graph: Graph) -> str:
    shape = noise_shape(graph, field)
    init = field.noise
    values = dict(init.settings) if init is not None else {}
    if init is not None and init.name == "uniform":
        return f"rng.uniform({literal(float(values['a']))}, {literal(float(values['b']))}, {shape})"
    return f"rng.normal(0.0, {literal(float(values.get('std', 1.0)))}, {shape})"
