"""Facts about the fields and parameters of a program that all emitters need."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from nnspec.backends.choices import value_of
from nnspec.backends.program import Apply
from nnspec.backends.source import literal
from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.flatten import flatten
from nnspec.ops.index import Index, Slice
from nnspec.passes.cost import DEFAULT_BATCH
from nnspec.passes.rates import last_match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.backends.base import Options
    from nnspec.backends.program import ClassDef, Program
    from nnspec.ir.graph import Field, Graph, Node, Parameter, Training, Value

DEFAULT_DIM = 16  # the size of an open dim that declares none, in the sample data of an emitted file


def sample_batch(program: Program, size: int) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """dtype, shape with batch axis and number of classes of every input and target."""
    env = sample_dims(program.graph)
    found = {}
    for field in program.graph.fields:
        if field.role != "noise":
            kind = field.value.type
            found[field.name] = (kind.dtype, (size, *(evaluate(n, env) for n in kind.shape)), kind.classes)
    return found


def sample_dims(graph: Graph) -> dict[str, int]:
    """A size for every open dim: its default, else one for which no table is too short."""
    env = {name: size or DEFAULT_DIM for name, size in graph.dims.items()}
    for node, inputs, _ in flatten(graph) if graph.dims else ():
        for stop, size in open_ends(node, inputs):
            for name in stop.symbols():
                while graph.dims[name] is None and env[name] > 1 and evaluate(stop, env) > size:
                    env[name] -= 1
    return env


def open_ends(node: Node, inputs: tuple[Value, ...]) -> Iterator[tuple[Dim, int]]:
    """The open ends of slices of axes whose size is known, each with that size."""
    if isinstance(node.op, Index):
        for item, size in zip(node.op.items, inputs[0].type.shape, strict=True):
            if isinstance(item, Slice) and isinstance(item.stop, Dim) and isinstance(size, int):
                yield item.stop, size


def times_read(definition: ClassDef, name: str) -> int:
    """How often a variable is read by the operations of a class; more than once by anything else."""
    found = 2 * (name in definition.returns)
    for statement in definition.statements():
        if isinstance(statement, Apply):
            found += sum(argument in (name, f"*{name}") for argument in statement.arguments)
        else:
            found += 2
    return found


def field_of(graph: Graph, value: Value) -> Field | None:
    """The input, target or noise that a value is, if it is one."""
    for field in graph.fields:
        if field.value is value:
            return field
    return None


# What moves entries and changes none, so that an index stays one.
_MOVING = ("Identity", "Reshape", "Flatten", "Permute", "Flip", "Roll", "ExpandBatch", "StopGradient")
_TABLES = {"Embedding": "vocab", "OneHot": "classes"}


def index_limits(graph: Graph) -> list[tuple[Field, int, Node]]:
    """The fields of whole numbers that are indices as they are: each with the number of rows of the table that an op
    looks them up in, and that op."""
    sources = {field.value: field for field in graph.fields if field.value.type.is_integer}
    found = []
    for node, inputs, outputs in flatten(graph) if sources else ():
        kind, field = type(node.op).__name__, sources.get(inputs[0]) if inputs else None
        if field is not None and kind in _MOVING:
            sources.update(dict.fromkeys(outputs, field))
        rows = getattr(node.op, _TABLES[kind]) if field is not None and kind in _TABLES else None
        if field is not None and isinstance(rows, int):
            found.append((field, rows, node))
    return found


def trainable(graph: Graph) -> list[Parameter]:
    """Every parameter that some optimizer updates, in order."""
    frozen = frozen_paths(graph)
    return [p for p in graph.root.parameters() if p.trainable and p.path not in frozen]


def group_index(graph: Graph, path: str) -> int | None:
    """Which optimizer group a parameter belongs to: the last whose pattern matches its path."""
    if graph.training is None:
        return None
    found = None
    for index, group in enumerate(graph.training.groups):
        if matches(path, group.pattern):
            found = index
    return found


def objective_index(graph: Graph, path: str) -> int | None:
    """Which objective a parameter is updated for."""
    if graph.training is None:
        return None
    return last_match(path, [objective.pattern for objective in graph.training.objectives])


def is_frozen(graph: Graph, path: str) -> bool:
    """Whether `optimizer("...") = frozen` holds what lies at a path still."""
    index = group_index(graph, path)
    return index is not None and graph.training is not None and graph.training.groups[index].optimizer is None


def frozen_paths(graph: Graph) -> set[str]:
    """Paths of the parameters that `optimizer("...") = frozen` holds still."""
    if graph.training is None:
        return set()
    groups = graph.training.groups
    found = set()
    for parameter in graph.root.parameters():
        index = group_index(graph, parameter.path)
        if index is None or groups[index].optimizer is None:
            found.add(parameter.path)
    return found


def matches(path: str, pattern: str) -> bool:
    """Whether a glob selects a path: the whole of it, or the tree below it ("head" selects "head.weight")."""
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")


def pattern_test(pattern: str) -> str:
    """Source of the same question about a variable `path`."""
    below = f"path.startswith({literal(pattern + '.')})"
    if any(c in pattern for c in "*?["):
        return f"fnmatchcase(path, {literal(pattern)}) or {below}"
    return f"path == {literal(pattern)} or {below}"


def in_bfloat16(graph: Graph, options: Options) -> bool:
    """Whether the loss is computed in bfloat16, from parameters in float32; never where backends are compared."""
    wanted = str(graph.training.settings.get("precision", "")) if graph.training is not None else ""
    return not options.verify and value_of(options.choices, "precision", wanted) == "bfloat16"


def micro_batch(training: Training) -> int:
    """The examples that are run at a time under `accumulate`; 0 where a step takes one batch."""
    count, batch = training.settings.get("accumulate", 1), training.settings.get("batch", DEFAULT_BATCH)
    return batch if isinstance(batch, int) and count != 1 else 0


def reference_field(program: Program) -> str:
    """A field whose length is the number of examples of a batch; empty where there is none."""
    return next((f.name for f in program.graph.fields if f.role != "noise"), "")
