"""Who makes a value and who reads it: the flat view of a model and its objectives on which lints look."""

from __future__ import annotations

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.ir.flatten import FlatNode
from nnspec.ir.graph import Graph, Value
from nnspec.ops import registry

# What changes neither the numbers nor what a layer before it means to one after it.
_PASSING = frozenset({"identity", "flatten", "reshape"})


class Flow:
    """`makers` and `readers` of every value; `ends` are values that leave the model."""

    def __init__(
        self, graph: Graph, line: list[FlatNode], objectives: list[list[FlatNode]], reporter: Reporter
    ) -> None:
        self.graph, self.line, self.reporter = graph, line, reporter
        self.makers: dict[Value, FlatNode] = {}
        self.readers: dict[Value, list[FlatNode]] = {}
        for item in (item for part in (line, *objectives) for item in part):
            for value in item.outputs:
                self.makers[value] = item
            for value in item.inputs:
                self.readers.setdefault(value, []).append(item)
        self.ends = {*graph.outputs.values(), *graph.taps.values()}
        self._prelude = str(registry.prelude_path())
        self._said: set[tuple[str, Span]] = set()

    def maker(self, value: Value) -> FlatNode | None:
        """The op that computed a value, past reshapes; None for inputs."""
        found = self.makers.get(value)
        while found is not None and _name(found) in _PASSING and found.inputs:
            found = self.makers.get(found.inputs[0])
        return found

    def only_reader(self, value: Value) -> FlatNode | None:
        """The op that alone reads a value, or None where there are several or the value leaves the model."""
        readers = self.readers.get(value, [])
        return readers[0] if len(readers) == 1 and value not in self.ends else None

    def is_target(self, value: Value) -> bool:
        """Whether a value is a target of the model, reshaped or not."""
        value = self.source(value)
        return any(field.role == "target" and field.value is value for field in self.graph.fields)

    def source(self, value: Value) -> Value:
        """The value that was reshaped to this one."""
        while (maker := self.makers.get(value)) is not None and _name(maker) in _PASSING and maker.inputs:
            value = maker.inputs[0]
        return value

    def warn(self, code: str, span: Span, message: str, labels: tuple[Label, ...] = (), help: str = "") -> None:
        """Says it once a place. Code of nnspec's own blocks is not the reader's to mend: nothing is said of it."""
        if span.path == self._prelude or (code, span) in self._said:
            return
        self._said.add((code, span))
        kept = tuple(label for label in labels if label.span.path != self._prelude)
        self.reporter.warning(code, span, message, labels=kept, help=help)


def _name(item: FlatNode) -> str:
    """The op's word in the language; ops that only lowering makes have the name of their class in lower case."""
    return item.node.op.name or type(item.node.op).__name__.lower()
