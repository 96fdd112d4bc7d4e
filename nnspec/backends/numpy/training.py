"""The functions beside the model: outputs, loss and its reverse, optimizer, training steps, evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.choices import value_of
from nnspec.backends.metrics import key as metric_key
from nnspec.backends.metrics import objective_keys
from nnspec.backends.numpy import metrics
from nnspec.backends.numpy.choose import shards
from nnspec.backends.numpy.objective import ObjectivePrinter
from nnspec.backends.numpy.planned import Planned
from nnspec.backends.numpy.stepping import StepPrinter
from nnspec.backends.open_sizes import noise_shape
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import field_of, frozen_paths, trainable
from nnspec.ir.graph import Layer, Module

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.numpy.forward import ClassPrinter
    from nnspec.backends.numpy.steps import Facts
    from nnspec.backends.program import ClassDef, Program
    from nnspec.ir.graph import Field, Graph, Parameter, Value
    from nnspec.optim.base import Optimizer

_INSIDE = ("eps_inside", False)
# class, and (field of ours, argument of the class, its default there)
_FORMS: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "sgd": ("SGD", ()),
    "momentum": ("Momentum", (("momentum", 0.9), ("nesterov", False))),
    "adagrad": ("Adagrad", (("eps", 1e-10), _INSIDE)),
    "rmsprop": ("RMSprop", (("alpha", 0.99), ("eps", 1e-8), _INSIDE)),
    "rmsprop_momentum": ("RMSpropMomentum", (("alpha", 0.99), ("eps", 1e-8), ("momentum", 0.9), _INSIDE)),
    "adam": ("Adam", (("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8), _INSIDE)),
    "adamw": ("AdamW", (("decay", 0.01), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8), _INSIDE)),
    "lion": ("Lion", (("decay", 0.0), ("beta1", 0.9), ("beta2", 0.99))),
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
        self.several = len(program.objectives) > 1
        self.results: list[Value] = [*program.graph.outputs.values(), *program.graph.taps.values()]
        self.planned: Planned | None = None
        wanted = options.optimize and value_of(options.choices, "step") != "textbook"
        if wanted and program.training is not None and trainable(program.graph):
            planned = Planned(program, self.locate)
            self.planned = None if planned.reason else planned

    # ---------------------------------------------------------------- what the model's backward is handed

    def prepare(self) -> None:
        """Plan the objective, which says whose gradients the model's `backward` takes."""
        facts = self.root.plan.facts
        if not self.program.objectives:
            names = list(self.program.graph.outputs)
            facts.outputs = [i for i in facts.outputs if i < len(names)]
            return
        definitions = [m.definition for m in self.program.objectives]
        taken = {name for d in definitions for name in (*d.inputs, *d.captures)}
        self.penalties = _penalised(self.program, "weights" if "weights" not in taken else "penalised")
        if self.planned is not None:
            for known in self.known.values():
                known.bare = True
        self.losses = [ObjectivePrinter(self, minimized) for minimized in self.program.objectives]
        facts.outputs = [i for i in facts.outputs if any(i in loss.gradients for loss in self.losses)]
        for loss in self.losses:
            loss.settle(facts.outputs)

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
        for loss in self.losses:
            loss.print_loss(out)
            if self.planned is None:
                loss.print_backward(out)
        if self.planned is not None:
            self.print_planned(self.planned, out)
        if self.several:
            entries = [
                f"{literal(m.objective.pattern)}: (loss{m.suffix}, backward{m.suffix})" for m in self.program.objectives
            ]
            out.blank(2)
            out.line(f"OBJECTIVES = {{{', '.join(entries)}}}")
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

    def loss_header(self, suffix: str = "") -> str:
        given = f"model: {self.model}, batch: dict[str, Array], step: int = 1, training: bool = False"
        return f"def loss{suffix}({given}) -> {'Array' if self.planned is not None else 'tuple[Array, Cache]'}:"

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
        kind = "dict[str, list[Optimizer]]" if self.several else "list[Optimizer]"
        with out.indented(f"def make_optimizer(model: {self.model}) -> {kind}:"):
            for_each = "For each objective, an" if self.several else "An"
            out.docstring(f"{for_each} optimizer for each group of parameters; rates are handed to every update.")
            if self.frozen:
                out.line(f"freeze(model, {literal(patterns)}, {literal(trained)})")
            if self.several:
                objectives = tuple(m.objective.pattern for m in self.program.objectives)
                out.line(f"found = objective_groups(model, {literal(patterns)}, {literal(objectives)})")
                made = ", ".join(self.made("groups"))
                out.line(f"return {{name: [{made}] for name, groups in found.items()}}")
            else:
                out.line(f"groups = parameter_groups(model, {literal(patterns)})")
                out.line(f"return [{', '.join(self.made('groups'))}]")
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
            if training.settings.get("ema"):
                out.line("optimizer[-1].update(0.0)")

    def made(self, groups: str) -> list[str]:
        """An object for each group of parameters, and one that averages."""
        training = self.program.training
        assert training is not None
        found = [
            _make(group.optimizer, f"{groups}[{i}]") if group.optimizer is not None else f"Frozen({groups}[{i}])"
            for i, group in enumerate(training.groups)
        ]
        decay = training.settings.get("ema")
        return [*found, f"Average({groups}, {literal(decay)})"] if decay else found

    # ---------------------------------------------------------------- steps

    def print_gradients(self, out: Writer) -> None:
        out.blank(2)
        result = "tuple[float, dict[str, Array]]"
        given = f"model: {self.model}, batch: dict[str, Array], step: int = 1"
        if self.several:
            given += f", objective: str = {literal(self.program.objectives[0].objective.pattern)}"
        with out.indented(f"def gradients({given}) -> {result}:"):
            if self.several:
                out.docstring("An objective of a batch and its gradient by every parameter that is updated for it.")
            else:
                out.docstring("The loss of a batch and its gradient by every trained parameter.")
            out.line("parameters = named_parameters(model)")
            with out.indented("for parameter in parameters.values():"):
                out.line("parameter.grad[...] = 0.0")
            if self.planned is not None:
                out.line(f"value = backpropagate(model, batch, {self.all_rows()}{self.step_rng('step')})")
            else:
                if self.several:
                    out.line("loss, backward = OBJECTIVES[objective]")
                out.line("value, cache = loss(model, batch, step, training=True)")
                out.line("backward(model, np.ones_like(value), cache)")
            if self.several:
                out.line("patterns = tuple(OBJECTIVES)")
                trained = "p.trainable and objective_of(n, patterns) == objective"
            else:
                trained = "p.trainable"
            out.line(f"found = {{n: p.grad.copy() for n, p in parameters.items() if {trained}}}")
            out.line("return float(value), found")

    def print_steps(self, out: Writer) -> None:
        if self.planned is not None:
            self.print_planned_steps(f"model: {self.model}, optimizer: list[Optimizer]", out)
        else:
            StepPrinter(self).print(out)

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
            rest = "" if self.planned is not None else ", _"
            names = [f"value{m.suffix}" for m in self.program.objectives]
            for name, minimized in zip(names, self.program.objectives, strict=True):
                out.line(f"{name}{rest} = loss{minimized.suffix}(model, batch)")
            entries = []
            if self.several:
                out.line(f"value = {' + '.join(names)}")
                keys = objective_keys(training)
                entries = [f"{literal(k)}: float({n})" for k, n in zip(keys, names, strict=True)]
            if training.metrics:
                entries += self.measured(wanted, reads_model, out)
            out.line(f"return float(value), {{{', '.join(entries)}}}")

    def measured(self, wanted: set[Value], reads_model: bool, out: Writer) -> list[str]:
        """The entries of the metrics, after the call of the model that they read."""
        training = self.program.training
        assert training is not None
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
        return entries


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
    for item in (item for m in program.objectives for item in m.definition.module.flat()):
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
