"""The functions beside the model: outputs, loss, optimizer, training steps, evaluation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.describe import loss_doc
from nnspec.backends.metrics import objective_keys
from nnspec.backends.open_sizes import noise_shape
from nnspec.backends.program import Apply
from nnspec.backends.source import Writer, literal
from nnspec.backends.torch.module import ForwardWriter, ModulePrinter, derives
from nnspec.backends.torch.optimizers import print_optimizer
from nnspec.backends.torch.steps import StepPrinter
from nnspec.backends.values import field_of, in_bfloat16, is_frozen, times_read
from nnspec.ir.graph import Layer

if TYPE_CHECKING:
    from collections.abc import Container

    from nnspec.backends.base import Options
    from nnspec.backends.program import Minimized, Program
    from nnspec.ir.graph import Field, Graph, Training, Value


def print_training(program: Program, options: Options, out: Writer) -> None:
    _print_noise(program, out)
    _print_outputs(program, out)
    if program.training is None:
        if options.verify:
            _print_projection(program, out)
        return
    _print_weights(program, out)
    for minimized in program.objectives:
        _print_loss(program, minimized, options, out)
    kind = print_optimizer(program, options, out)
    seed = _print_seed(program, out)
    start = _print_start(program, out)
    StepPrinter(program, kind, start, seed, options).print(out)
    _print_evaluate(program, out)


def _batch(program: Program) -> str:
    return "with_noise(batch)" if program.fields("noise") else "batch"


def call_model(program: Program, wanted: Container[Value]) -> str:
    """`logits = model(batch["image"])`; what is not wanted goes to `_`."""
    names = [field_of(program.graph, v) for v in program.graph.root.inputs]
    given = ", ".join(f"batch[{literal(f.name)}]" for f in names if f is not None)
    results = [*program.graph.outputs.values(), *program.graph.taps.values()]
    targets = [name if v in wanted else "_" for v, name in zip(results, program.root.returns, strict=True)]
    return f"{', '.join(targets)} = model({given})"


def _print_noise(program: Program, out: Writer) -> None:
    """Fields that are drawn for each example, unless the batch brings them."""
    noises = program.fields("noise")
    if not noises:
        return
    out.blank(2)
    with out.indented("def with_noise(batch: Tensors) -> Tensors:"):
        out.docstring("The batch and a fresh draw of what the model calls noise, unless the batch brings it.")
        first = next((f for f in program.graph.fields if f.role != "noise"), None)
        reference = f"batch[{literal(first.name)}]" if first is not None else ""
        out.line(f"size = len({reference})" if reference else "size = 1")
        floats = next((f for f in program.fields("input") if f.value.type.is_float), None)
        like = f", dtype=batch[{literal(floats.name)}].dtype" if floats is not None else ""
        like += f", device={reference}.device" if reference else ""
        entries = ", ".join(f"{literal(f.name)}: {_draw(f, program.graph, like)}" for f in noises)
        out.line(f"return {{{entries}, **batch}}")


def _draw(field: Field, graph: Graph, like: str) -> str:
    shape = noise_shape(graph, field)
    init = field.noise
    values = dict(init.settings) if init is not None else {}
    if init is not None and init.name == "uniform":
        a, b = float(values["a"]), float(values["b"])
        return f"torch.rand({shape}{like}) * {literal(b - a)} + {literal(a)}"
    std = float(values.get("std", 1.0))
    return f"torch.randn({shape}{like})" + (f" * {literal(std)}" if std != 1.0 else "")


def _print_outputs(program: Program, out: Writer) -> None:
    out.blank(2)
    with out.indented(f"def outputs(model: {program.root.name}, batch: Tensors) -> Tensors:"):
        out.docstring("The results of the model by name.")
        if program.fields("noise"):
            out.line("batch = with_noise(batch)")
        names = list(program.graph.outputs)
        if len(names) == 1 and not program.graph.taps:
            out.line(f"return {{{literal(names[0])}: {call_model(program, ()).split(' = ', 1)[1]}}}")
            return
        out.line(call_model(program, list(program.graph.outputs.values())))
        pairs = [f"{literal(n)}: {v}" for n, v in zip(names, program.root.returns, strict=False)]
        out.line(f"return {{{', '.join(pairs)}}}")


def _print_projection(program: Program, out: Writer) -> None:
    """Without an objective, agreement is checked on a fixed random projection of the outputs."""
    out.blank(2)
    with out.indented(f"def loss(model: {program.root.name}, batch: Tensors, step: int = 1) -> Tensor:"):
        out.docstring("The outputs, each weighted with the tensor of its name that the batch brings, summed.")
        out.line("found = outputs(model, batch)")
        floats = [n for n, v in program.graph.outputs.items() if v.type.is_float]
        terms = [f"(found[{literal(n)}] * batch[{literal(n + '.weight')}]).sum()" for n in floats]
        out.line(f"return {' + '.join(terms) or 'torch.zeros(())'}")


def _print_weights(program: Program, out: Writer) -> None:
    """A selector for each set of parameters that a penalty reads."""
    for name, paths in penalised(program).items():
        out.blank(2)
        with out.indented(f"def {name}(model: nn.Module) -> list[Tensor]:"):
            everything = {p.path for p in program.graph.root.parameters() if p.role != "buffer" and len(p.shape) > 1}
            if set(paths) == everything:
                out.docstring("What a regulariser acts on: every weight, no bias and no scale.")
                out.line("return [p for p in model.parameters() if p.ndim > 1]")
            else:
                out.docstring("What a regulariser acts on.")
                out.line(f"names = {literal(tuple(paths))}")
                out.line("return [model.get_parameter(name) for name in names]")


def penalised(program: Program) -> dict[str, tuple[str, ...]]:
    """The sets of paths under penalties, each with the name of the function that selects them."""
    found: dict[str, tuple[str, ...]] = {}
    for item in (item for one in program.objectives for item in one.definition.module.flat()):
        paths = getattr(getattr(item, "op", None), "paths", None)
        if paths is not None and tuple(paths) not in found.values():
            found["weights" if not found else f"weights_{len(found) + 1}"] = tuple(paths)
    return found


def _print_loss(program: Program, minimized: Minimized, options: Options, out: Writer) -> None:
    objective = minimized.definition
    body = ForwardWriter(1, objective)
    printer = ModulePrinter(objective, bool(options.optimize))
    printer.penalties = {paths: name for name, paths in penalised(program).items()}
    reads = list(zip(minimized.objective.reads, objective.inputs, strict=False))
    for value, name in reads:
        field = field_of(program.graph, value)
        if field is not None and times_read(objective, name) == 1:
            printer.aliases[name] = f"batch[{literal(field.name)}]"
    reads = [(value, name) for value, name in reads if name not in printer.aliases and times_read(objective, name)]
    printer.forward(objective.body, body, result=objective.returns[0])
    given = f"batch: Tensors, {minimized.step or 'step'}: int = 1"
    out.blank(2)
    if in_bfloat16(program.graph, options):
        out.line("@in_bfloat16")
    with out.indented(f"def loss{minimized.suffix}(model: {program.root.name}, {given}) -> Tensor:"):
        out.docstring(loss_doc(program, minimized))
        if program.fields("noise"):
            out.line("batch = with_noise(batch)")
        _read_values(program, reads, body, out)
        for name, captured in zip(objective.captures, objective.module.captures, strict=True):
            free = isinstance(captured, Layer) and "" in captured.parameters  # a `param`, which is a tensor itself
            read = "get_parameter" if free else "get_submodule"
            out.line(f"{name} = model.{read}({literal(captured.path)})")  # type: ignore[union-attr]  # no value is captured
    out.lines.extend(body.lines)


def _read_values(program: Program, reads: list[tuple[Value, str]], body: Writer, out: Writer) -> None:
    """Bind the names that an expression over the model's values reads; a field read once stands where it is read."""
    graph = program.graph
    results = [*graph.outputs.values(), *graph.taps.values()]
    wanted = {value: name for value, name in reads if field_of(graph, value) is None}
    if wanted:
        targets = [wanted.get(value, "_") for value in results]
        call = call_model(program, ()).split(" = ", 1)[1]
        out.line(f"{', '.join(targets)} = {call}")
        for value, name in wanted.items():
            if targets[results.index(value)] != name:
                out.line(f"{name} = {targets[results.index(value)]}")
    for value, name in reads:
        field = field_of(graph, value)
        if field is None:
            continue
        source, read = f"batch[{literal(field.name)}]", re.compile(rf"(?<![.\w]){name}\b(?!=[^=])")
        if sum(len(read.findall(line)) for line in body.lines) == 1:
            body.lines = [read.sub(source, line) for line in body.lines]
        else:
            out.line(f"{name} = {source}")


def _print_seed(program: Program, out: Writer) -> str:
    """What a step does first where something is drawn in it; empty where nothing is."""
    training = program.training
    if training is None or not (program.root.noisy or program.fields("noise")):
        return ""
    seed = int(training.settings.get("seed", 0) or 0)  # type: ignore[call-overload]  # a checked number
    out.blank(2)
    out.line(f"SEED = {seed}  # of the noise; each step draws its own from (SEED, step)")
    return "torch.manual_seed(SEED + 1_000_003 * step)"


def _is_stateful(layer: Layer) -> bool:
    return any(p.role == "buffer" for p in layer.parameters.values())


def _print_start(program: Program, out: Writer) -> str:
    """How a step puts the model in training: frozen batch norms keep to their running statistics."""
    layers = program.graph.root.all_layers()
    held = [k.path for k in layers if _is_stateful(k) and is_frozen(program.graph, k.path)]
    if not held:
        return "model.train()"
    out.blank(2)
    with out.indented(f"def start_training(model: {program.root.name}) -> None:"):
        out.docstring("Training, where what is frozen runs as in evaluation.")
        out.line("model.train()")
        with out.indented(f"for name in {literal(tuple(held))}:"):
            out.line("model.get_submodule(name).eval()")
    return "start_training(model)"


def _print_evaluate(program: Program, out: Writer) -> None:
    training = program.training
    assert training is not None
    out.blank(2)
    derived = any(isinstance(s, Apply) and derives(s) for d in program.classes for s in d.statements())
    out.line("@torch.no_grad()" if derived else "@torch.inference_mode()")
    result = "tuple[Tensor, Tensors]"
    with out.indented(f"def evaluate(model: {program.root.name}, batch: Tensors) -> {result}:"):
        out.docstring("Loss and metrics of a batch, with noise layers off and running statistics in use.")
        out.line("model.eval()")
        if program.fields("noise"):
            out.line("batch = with_noise(batch)")
        losses = [f"loss{m.suffix}(model, batch)" for m in program.objectives]
        if not training.metrics and len(losses) == 1:
            out.line(f"return {losses[0]}, {{}}")
            return
        entries = []
        if len(losses) == 1:
            out.line(f"value = {losses[0]}")
        else:
            names = [f"value{m.suffix}" for m in program.objectives]
            for name, loss in zip(names, losses, strict=True):
                out.line(f"{name} = {loss}")
            out.line(f"value = {' + '.join(names)}")
            entries = [f"{literal(k)}: {n}" for k, n in zip(objective_keys(training), names, strict=True)]
        if training.metrics:
            entries += _measured(program, training, out)
        out.line(f"return value, {{{', '.join(entries)}}}")


def _measured(program: Program, training: Training, out: Writer) -> list[str]:
    """The entries of the metrics, after the call of the model that they read."""
    results = [*program.graph.outputs.values(), *program.graph.taps.values()]
    names = dict(zip(results, program.root.returns, strict=True))
    out.line(call_model(program, [v for m in training.metrics for v in (m.prediction, m.target)]))
    entries = []
    for metric in training.metrics:
        read = []
        for wanted in (metric.prediction, metric.target):
            field = field_of(program.graph, wanted)
            read.append(f"batch[{literal(field.name)}]" if field is not None else names[wanted])
        entries.append(f"{literal(metric_key(metric, training.metrics))}: {measure(metric, *read)}")
    return entries


def metric_key(metric: object, metrics: object) -> str:
    from nnspec.backends.metrics import key

    return key(metric, metrics)  # type: ignore[arg-type]  # the records of ir.graph


def measure(metric: object, prediction: str, target: str) -> str:
    from nnspec.backends.torch.metrics import source

    return source(metric, prediction, target)  # type: ignore[arg-type]
