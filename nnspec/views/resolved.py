"""A model with every default made explicit: one line an operation, written as the language writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnspec.ir.graph import Call, Choice, Declare, Graph, Loop, Module, Node, Sequence, Value
from nnspec.views.wording import full, quoted, show, title

if TYPE_CHECKING:
    from nnspec.ir.graph import DataSpec, Item, Objective, Training

INDENT = "    "


def resolved(graph: Graph) -> str:
    """The whole spec: the model operation by operation, then its data and its training."""
    lines = list(_Writer(graph).model())
    if graph.data is not None:
        lines += ["", *_data(graph.data)]
    if graph.training is not None:
        lines += ["", *_train(graph, graph.training)]
    return "\n".join(lines)


class _Writer:
    """Names values as it goes: the user's names where there are any, else v1, v2, ..."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names: dict[Value, str] = {field.value: field.name for field in graph.fields}
        self.taken: set[str] = set(self.names.values()) | set(graph.outputs)
        self.count = 0

    def model(self) -> Iterator[str]:
        yield f"model {self.graph.name} {{"
        for name, size in self.graph.dims.items():
            yield f"{INDENT}dim {name}" + (f" = {size}" if size is not None else "")
        for field in self.graph.fields:
            drawn = f" = {show(field.noise)}" if field.noise is not None else ""
            yield f"{INDENT}{field.role} {field.name}: {field.value.type}{drawn}"
        yield ""
        yield from self.items(self.graph.root.items, INDENT)
        for name, value in self.graph.outputs.items():
            yield f"{INDENT}output {name} = {self.name(value)}    # {value.type}"
        yield "}"

    def objective(self, objective: Objective) -> Iterator[str]:
        """The operations of one `minimize`, and its value."""
        module = objective.module
        for formal, actual in zip(module.inputs, objective.reads, strict=False):
            self.names[formal] = self.name(actual)
        yield from self.items(module.items, INDENT)
        key = "minimize" if objective.pattern == "*" else f"minimize({quoted(objective.pattern)})"
        yield f"{INDENT}{key} = {self.name(module.outputs[0])}"

    def items(self, items: list[Item], indent: str) -> Iterator[str]:
        for item in items:
            if isinstance(item, Node):
                yield indent + self.node(item)
            elif isinstance(item, Call):
                yield from self.call(item, indent)
            elif isinstance(item, Loop):
                yield from self.loop(item, indent)
            elif isinstance(item, Sequence):
                yield from self.items(item.items, indent)
            elif isinstance(item, Choice):
                yield from self.choice(item, indent)
            elif isinstance(item, Declare):
                continue  # said where it is used

    def choice(self, choice: Choice, indent: str) -> Iterator[str]:
        """The branch that was taken; what leaves it has the name of what it leaves with."""
        items = choice.items
        if choice.result is not None and items and isinstance(last := items[-1], Node):
            yield from self.items(items[:-1], indent)
            self.names[choice.result] = self.name(last.inputs[0])
        else:
            yield from self.items(items, indent)

    def node(self, node: Node) -> str:
        arguments = [*(self.name(v) for v in node.inputs), *full(node.op)]
        word = title(node.op)
        written = f"{word}({', '.join(arguments)})"
        if not word[0].isalpha():
            written = f" {word} ".join(arguments) if len(arguments) > 1 else f"{word}{arguments[0]}"
        label = f"{node.layer.path}: " if node.layer is not None else ""
        outputs = ", ".join(self.name(v) for v in node.outputs)
        types = ", ".join(str(v.type) for v in node.outputs)
        return f"{outputs} = {label}{written}    # {types}"

    def call(self, call: Call, indent: str) -> Iterator[str]:
        module: Module = call.module
        settings = [f"{name} = {_setting(value)}" for name, value in module.settings.items()]
        head = ", ".join(self.name(v) for v in call.inputs) + ("; " + ", ".join(settings) if settings else "")
        yield f"{indent}# {module.path}: {module.title or 'composition'}({head})"
        for formal, actual in zip(module.inputs, call.inputs, strict=False):
            self.names[formal] = self.name(actual)
        yield from self.items(module.items, indent + INDENT)
        for actual, result in zip(call.outputs, module.outputs, strict=False):
            if actual is not result:
                self.names[actual] = self.name(result)

    def loop(self, loop: Loop, indent: str) -> Iterator[str]:
        for index, iteration in enumerate(loop.iterations):
            values = loop.values[index] if index < len(loop.values) else ()
            if loop.variables:
                pairs = zip(loop.variables, values, strict=False)
                yield f"{indent}# for {', '.join(f'{n} = {show(v)}' for n, v in pairs)}"
            yield from self.items(iteration, indent)

    def name(self, value: Value) -> str:
        if value not in self.names:
            name = value.name
            while not name or name in self.taken:
                self.count += 1
                name = f"v{self.count}"
            self.taken.add(name)
            self.names[value] = name
        return self.names[value]


def _setting(value: object) -> str:
    from nnspec.record import Record

    return "..." if isinstance(value, Record) and hasattr(value, "span") else show(value)


def _data(data: DataSpec) -> Iterator[str]:
    yield "data {"
    for key, value in data.settings.items():
        yield f"{INDENT}{key} = {show(value)}"
    for entry in data.keyed:
        yield f"{INDENT}{entry.key}({quoted(entry.pattern)}) = {show(entry.value)}"
    yield "}"


def _train(graph: Graph, training: Training) -> Iterator[str]:
    yield "train {"
    writer = _Writer(graph)
    list(writer.model())  # gives the values of the model the names they had there
    for objective in training.objectives:
        yield from writer.objective(objective)
    for group in training.groups:
        key = "optimizer" if group.pattern == "*" else f"optimizer({quoted(group.pattern)})"
        yield f"{INDENT}{key} = {show(group.optimizer) if group.optimizer is not None else 'frozen'}"
    if training.metrics:
        metrics = [
            f"{m.name}({', '.join([writer.name(m.prediction), writer.name(m.target), *_given(m.settings)])})"
            for m in training.metrics
        ]
        yield f"{INDENT}metrics = [{', '.join(metrics)}]"
    for key, value in training.settings.items():
        yield f"{INDENT}{key} = {show(value)}"
    yield "}"


def _given(settings: dict[str, object]) -> list[str]:
    return [f"{name} = {show(value)}" for name, value in settings.items()]
