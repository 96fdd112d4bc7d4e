"""The functions beside the model: state by path, outputs, loss, optimizer, training steps, evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.describe import loss_doc
from nnspec.backends.jax.init import ClassInit
from nnspec.backends.jax.metrics import measure
from nnspec.backends.jax.module import ClassPrinter
from nnspec.backends.jax.optimizers import has_labels
from nnspec.backends.jax.steps import StepPrinter
from nnspec.backends.marks import mark, unmarked
from nnspec.backends.metrics import key as metric_key
from nnspec.backends.metrics import objective_keys
from nnspec.backends.open_sizes import noise_shape
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import field_of, in_bfloat16, times_read
from nnspec.ir.graph import Layer, Module

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.jax.facts import Facts
    from nnspec.backends.program import ClassDef, Minimized, Program
    from nnspec.ir.graph import Field, Graph, Value

BATCH = "batch: Arrays"


class TrainingPrinter:
    """Prints what stands beside the classes of a program."""

    def __init__(self, program: Program, options: Options, facts: Facts, printed: dict[ClassDef, ClassInit]) -> None:
        self.program = program
        self.options = options
        self.facts = facts
        self.printed = printed
        self.model = program.root.name
        self.needs = facts.needs[program.root]
        self.noises = program.fields("noise")
        self.has_key = self.needs.key or bool(self.noises)
        self.several = len(program.objectives) > 1
        self.losses = [(m, ClassPrinter(m.definition, facts, dict(printed), {})) for m in program.objectives]
        self.uses_step = program.training is not None and program.training.uses_step

    def print(self, renamed: dict[str, str], out: Writer) -> None:
        self.print_state(renamed, out)
        self.print_noise(out)
        self.print_outputs(out)
        if self.program.training is None:
            if self.options.verify:
                self.print_projection(out)
                StepPrinter(self).print_gradients(out)
            return
        self.print_weights(out)
        for minimized, printer in self.losses:
            self.print_loss(minimized, printer, out)
        StepPrinter(self).print(out)
        self.print_evaluate(out)

    # ---------------------------------------------------------------- state by path

    def print_state(self, renamed: dict[str, str], out: Writer) -> None:
        """`renamed` maps fields to parts of paths that no field can be called."""
        path = 'keystr(keys, simple=True, separator=".")'
        if renamed or (self.program.training is not None and has_labels(self.program)):
            out.blank(2)
            with out.indented("def path_of(keys: Any) -> str:"):
                out.docstring("The name of a leaf, as PyTorch would have it: `features.0.weight`.")
                if renamed:
                    out.line(f"path = {path}")
                    out.line(f"names = {{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in renamed.items())}}}")
                    out.line('return ".".join(names.get(part, part) for part in path.split("."))')
                else:
                    out.line(f"return {path}")
            path = "path_of(keys)"
        out.blank(2)
        with out.indented(f"def to_state(model: {self.model}) -> Arrays:"):
            out.docstring("Every parameter and running statistic by its path: `features.0.weight`.")
            out.line("leaves = tree_leaves_with_path(model)")
            out.line(f"return {{{path}: leaf for keys, leaf in leaves}}")
        out.blank(2)
        with out.indented(f"def from_state(model: {self.model}, state: Arrays) -> {self.model}:"):
            out.docstring("The model with the arrays of a state: `safetensors.numpy.load_file(path)` reads one.")
            out.line("leaves = [jnp.array(state[k], leaf.dtype) for k, leaf in to_state(model).items()]")
            out.line("return jax.tree.unflatten(jax.tree.structure(model), leaves)")

    def init_arguments(self) -> str:
        return "key" if self.printed[self.program.root].needs_key else ""

    # ---------------------------------------------------------------- calling the model

    def print_noise(self, out: Writer) -> None:
        """Fields that are drawn for each example, unless the batch brings them."""
        if not self.noises:
            return
        out.blank(2)
        header = f"def with_noise({BATCH}, key: Array | None) -> Arrays:"
        with out.indented(header):
            out.docstring("The batch and a fresh draw of what the model calls noise, unless the batch brings it.")
            with out.indented("if key is None:"):
                out.line("return batch")
            first = next((f for f in self.program.graph.fields if f.role != "noise"), None)
            out.line("keys = key_stream(key)")
            out.line(f"size = len(batch[{literal(first.name)}])" if first is not None else "size = 1")
            entries = ", ".join(f"{literal(f.name)}: {_draw(f, self.program.graph)}" for f in self.noises)
            out.line(f"return {{{entries}, **batch}}")

    def arguments(self, *names: str) -> str:
        """Those of training, key and step that this model has, as parameters of a function."""
        known = {
            "training": "training: bool = False" if self.needs.training else "",
            "key": "key: Array | None = None" if self.has_key else "",
            "step": "step: int = 1" if self.uses_step else "",
        }
        return "".join(f", {known[name]}" for name in names if known[name])

    def passed(self, *names: str) -> str:
        """The same, handed on by name."""
        has = {"training": self.needs.training, "key": self.has_key, "step": self.uses_step}
        return "".join(f", {name}={name}" for name in names if has[name])

    def bind_noise(self, out: Writer) -> str:
        """Draw the noise fields; the key that is left for the model."""
        if not self.noises:
            return "key"
        if not self.needs.key:
            out.line("batch = with_noise(batch, key)")
            return ""
        out.line("keys = key_stream(key)")
        out.line("batch = with_noise(batch, next(keys))")
        return "next(keys)"

    def call_model(self, targets: list[str], key: str, training: str, keep: bool) -> str:
        """`logits = model(batch["image"])`; `keep` binds the model with its new running statistics."""
        fields = [field_of(self.program.graph, v) for v in self.program.graph.root.inputs]
        given = [f"batch[{literal(f.name)}]" for f in fields if f is not None]
        if self.needs.training and training != "False":
            given.append(f"training={training}")
        if self.needs.key and key:
            given.append(f"key={key}")
        names = [*targets, *(["model" if keep else "_"] if self.needs.own else [])]
        return f"{', '.join(names)} = model({', '.join(given)})"

    def print_outputs(self, out: Writer) -> None:
        out.blank(2)
        header = f"def outputs(model: {self.model}, {BATCH}{self.arguments('training', 'key')}) -> Arrays:"
        with out.indented(header):
            out.docstring("The results of the model by name.")
            key = self.bind_noise(out)
            names, returns = list(self.program.graph.outputs), self.program.root.returns
            targets = [r if k < len(names) else "_" for k, r in enumerate(returns)]
            if len(set(targets[: len(names)])) < len(names):
                targets = [f"y{k}" if k < len(names) else "_" for k in range(len(returns))]
            call = self.call_model(targets, key, "training", keep=False)
            if len(returns) == 1 and len(names) == 1:
                out.line(f"return {{{literal(names[0])}: {call.partition(' = ')[2]}{'[0]' * self.needs.own}}}")
                return
            out.line(call)
            pairs = [f"{literal(n)}: {v}" for n, v in zip(names, targets, strict=False)]
            out.line(f"return {{{', '.join(pairs)}}}")

    # ---------------------------------------------------------------- the objective

    def print_projection(self, out: Writer) -> None:
        """Without an objective, agreement is checked on a fixed random projection of the outputs."""
        out.blank(2)
        result = f"tuple[Array, {self.model}]" if self.needs.own else "Array"
        with out.indented(f"def loss(model: {self.model}, {BATCH}{self.arguments('training', 'key')}) -> {result}:"):
            out.docstring("The outputs, each weighted with the tensor of its name that the batch brings, summed.")
            key = self.bind_noise(out)
            outputs = list(self.program.graph.outputs.items())
            floats = [k for k, (_, v) in enumerate(outputs) if v.type.is_float]
            targets = [f"y{k}" if k in floats else "_" for k in range(len(self.program.root.returns))]
            out.line(self.call_model(targets, key, "training", keep=True))
            terms = [f"(y{k} * batch[{literal(outputs[k][0] + '.weight')}]).sum()" for k in floats]
            total = " + ".join(terms) or "jnp.zeros(())"
            if self.needs.own:
                out.line(f"value = {total}")
                total = "value, model"
            out.line(f"return {total}")

    def print_weights(self, out: Writer) -> None:
        """A selector for each set of parameters that a penalty reads."""
        for paths, name in self.penalised().items():
            out.blank(2)
            with out.indented(f"def {name}(model: {self.model}) -> list[Array]:"):
                trained = [p for p in self.program.graph.root.parameters() if p.role != "buffer"]
                everything = {p.path for p in trained if len(p.shape) > 1}
                if set(paths) == everything:
                    out.docstring("What a regulariser acts on: every weight, no bias and no scale.")
                    out.line("return [leaf for leaf in jax.tree.leaves(model) if leaf.ndim > 1]")
                else:
                    out.docstring("What a regulariser acts on.")
                    out.line(f"names = {literal(list(paths))}")
                    out.line("state = to_state(model)")
                    out.line("return [state[name] for name in names]")

    def penalised(self) -> dict[tuple[str, ...], str]:
        """The sets of paths under penalties, each with the name of the function that selects them."""
        found: dict[tuple[str, ...], str] = {}
        for item in (item for m in self.program.objectives for item in m.definition.module.flat()):
            paths = getattr(getattr(item, "op", None), "paths", None)
            if paths is not None and tuple(paths) not in found:
                found[tuple(paths)] = "weights" if not found else f"weights_{len(found) + 1}"
        return found

    def print_loss(self, minimized: Minimized, printer: ClassPrinter, out: Writer) -> None:
        objective, step = minimized.definition, minimized.step
        body = Writer()
        body.depth = 1
        printer.weights = self.penalised()
        reads = list(zip(minimized.objective.reads, objective.inputs, strict=False))
        for read, name in reads:  # a field that is read once is read where it is needed
            field = field_of(self.program.graph, read)
            if field is not None and times_read(objective, name) == 1:
                printer.inlined[name] = f"batch[{literal(field.name)}]", False
        reads = [(read, name) for read, name in reads if name not in printer.inlined and times_read(objective, name)]
        printer.forward(objective.body, body)
        (result,) = objective.returns
        value = printer.argument(result)
        out.blank(2)
        kind = f"tuple[Array, {self.model}]" if self.needs.own else "Array"
        arguments = self.arguments("step", "training", "key")
        if in_bfloat16(self.program.graph, self.options):
            out.line("@in_bfloat16")
        with out.indented(f"def loss{minimized.suffix}(model: {self.model}, {BATCH}{arguments}) -> {kind}:"):
            doc = loss_doc(self.program, minimized).removesuffix(".")
            out.docstring(f"{doc}; and the model with its statistics moved on." if self.needs.own else f"{doc}.")
            key = self.bind_noise(out)
            self.read_values(reads, key, out)
            if step and step != "step":
                out.line(f"{step} = step")
            for index, name in enumerate(objective.captures):
                source = self.locate(objective.module.captures[index])
                if source != name:
                    out.line(f"{name} = {source}")
        if body.lines and body.lines[-1].startswith(f"    {value} = ") and result in objective.returns:
            last, parts = unmarked(body.lines.pop())
            source, _, note = last.removeprefix(f"    {value} = ").partition("  # ")
            start = len(body.lines)
            body.line(f"value = {source}" if self.needs.own else f"return {source}", note)
            mark(body.lines, start, *parts)
            value = "value"
        if self.needs.own:
            body.line(f"return {value}, model")
        elif not any(line.startswith("    return ") for line in body.lines):
            body.line(f"return {value}")
        out.lines.extend(body.lines)

    def read_values(self, reads: list[tuple[Value, str]], key: str, out: Writer) -> None:
        """Bind the names that an expression over the model's values reads."""
        graph = self.program.graph
        results = [*graph.outputs.values(), *graph.taps.values()]
        wanted: dict[Value, str] = {}
        for value, name in reads:
            if field_of(graph, value) is None:
                wanted.setdefault(value, name)
        if wanted or self.needs.own:
            targets = [wanted.pop(value, "_") for value in results]
            out.line(self.call_model(targets, key, "training", keep=True))
            for value, name in reads:
                if value in results and targets[results.index(value)] != name:
                    out.line(f"{name} = {targets[results.index(value)]}")
        for value, name in reads:
            field = field_of(graph, value)
            if field is not None:
                out.line(f"{name} = batch[{literal(field.name)}]")

    def locate(self, captured: Value | Layer | Module) -> str:
        """Where a layer or block that the objective reads stands in the model."""
        assert isinstance(captured, Layer | Module)
        owner = captured.owner
        if owner is None:
            return "model"
        definition = next(d for d in self.program.classes if owner in d.modules)
        return self.locate(owner) + self.printed[definition].locate(captured.name)

    def print_evaluate(self, out: Writer) -> None:
        training = self.program.training
        assert training is not None
        out.blank(2)
        out.line("@jax.jit")
        arguments = f"model: {self.model}, {BATCH}{self.arguments('step', 'key')}"
        with out.indented(f"def evaluate({arguments}) -> tuple[Array, Arrays]:"):
            off = ["noise layers off"] * self.needs.training + ["running statistics in use"] * self.needs.own
            out.docstring(f"Loss and metrics of a batch{', with ' + ' and '.join(off) if off else ''}.")
            rest = ", _" if self.needs.own else ""
            names = [f"value{m.suffix}" for m in self.program.objectives]
            for name, minimized in zip(names, self.program.objectives, strict=True):
                out.line(f"{name}{rest} = loss{minimized.suffix}(model, batch{self.passed('step', 'key')})")
            entries = []
            if self.several:
                out.line(f"value = {' + '.join(names)}")
                entries = [f"{literal(k)}: {n}" for k, n in zip(objective_keys(training), names, strict=True)]
            if training.metrics:
                entries += self.print_metrics(out)
            out.line(f"return value, {{{', '.join(entries)}}}")

    def print_metrics(self, out: Writer) -> list[str]:
        """The entries of the metrics, after the call of the model that they read."""
        graph, training = self.program.graph, self.program.training
        assert training is not None
        results = [*graph.outputs.values(), *graph.taps.values()]
        read = {v for m in training.metrics for v in (m.prediction, m.target)}
        names = {v: r if v in read else "_" for v, r in zip(results, self.program.root.returns, strict=True)}
        key = self.bind_noise(out)
        if read & set(results):
            out.line(self.call_model([names[v] for v in results], key, "False", keep=False))
        entries = []
        for metric in training.metrics:
            sources = []
            for wanted in (metric.prediction, metric.target):
                field = field_of(graph, wanted)
                sources.append(f"batch[{literal(field.name)}]" if field is not None else names[wanted])
            entries.append(f"{literal(metric_key(metric, training.metrics))}: {measure(metric, *sources)}")
        return entries


def _draw(field: Field, graph: Graph) -> str:
    """A fresh draw of a noise field for `size` examples."""
    shape = noise_shape(graph, field)
    values = dict(field.noise.settings) if field.noise is not None else {}
    if field.noise is not None and field.noise.name == "uniform":
        low, high = literal(float(values["a"])), literal(float(values["b"]))
        return f"jax.random.uniform(next(keys), {shape}, minval={low}, maxval={high})"
    std = float(values.get("std", 1.0))
    return (
        f"{literal(std)} * jax.random.normal(next(keys), {shape})"
        if std != 1.0
        else f"jax.random.normal(next(keys), {shape})"
    )
