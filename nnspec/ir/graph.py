"""The typed graph: modules that own layers, and the operations that connect values.

A `Graph` is what one `model` becomes. It is a tree of `Module`s (the model, every use of a block,
every composition bound by `layer`), each traced once into a straight line of items in the order of
the text. Only a `Call` crosses from one module into another; `Sequence`, `Loop` and `Choice` merely
group items of the same module, so that emitters can print the structure that the author wrote.

    Model root
      Node   conv1  (Layer conv1: weight, bias)
      Call   Bottleneck at layer1.0
        Module: Node ..., Choice(if stride != 1 ...), Node add, Node relu

Values are single-assignment. Equality of Values, Layers, Modules is identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnspec.diagnostics import Span
from nnspec.ir.types import TensorType
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.ops.base import Initialiser, Op
    from nnspec.optim.base import Optimizer
    from nnspec.syntax.nodes import Expr


class Value:
    """One tensor. `name` is the user's name for it, or empty; `span` is the step that made it."""

    __slots__ = ("name", "span", "type")

    def __init__(self, type: TensorType, span: Span, name: str = "") -> None:
        self.type = type
        self.span = span
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name or 'value'}: {self.type}>"


class Parameter:
    """One stored tensor: trainable (`weight`, `bias`, `scale`, `param`) or a buffer.

    `role`: "weight" (regularised by `weights`), "bias", "scale" (of a normalisation), "param" (a free
    parameter), "buffer" (running statistics; not trained, but part of the state). `path` is the whole
    path in the model, `conv1.weight`. Shapes are whole numbers. `trainable` is False for frozen ones.
    """

    __slots__ = ("init", "path", "role", "shape", "span", "trainable")

    def __init__(self, path: str, shape: tuple[int, ...], init: Initialiser, role: str, span: Span) -> None:
        self.path = path
        self.shape = shape
        self.init = init
        self.role = role
        self.span = span
        self.trainable = role != "buffer"


class Layer:
    """One op instance that owns state: its parameters by local name, in declaration order.

    `name` is its name in the module that owns it (`conv1`, or `features.0` inside a numbered
    composition); `path` is the whole path. Several Nodes share a Layer when the spec says `layer`.
    Ops without parameters that draw noise (`dropout`) have a Layer too: its path seeds the noise.
    A free `param W` is a Layer with op `FreeParameter` and one parameter, whose local name is "".
    """

    __slots__ = ("name", "op", "owner", "parameters", "path", "span")

    def __init__(self, op: Op, name: str, path: str, owner: Module, span: Span) -> None:
        self.op = op
        self.name = name
        self.path = path
        self.owner = owner
        self.span = span
        self.parameters: dict[str, Parameter] = {}


class Node:
    """One operation. `op` is canonical (see `Op.bind`); `inputs` and `outputs` are Values.

    `label` is the key of this step in the Sequence it stands in ("0", "relu1", "conv1"; "" outside).
    `written` maps a setting to the expression it was written as, for emitters that want to print
    `4 * width` instead of a number; only settings that were given and are no plain literal.
    """

    __slots__ = ("inputs", "label", "layer", "op", "outputs", "span", "written")

    def __init__(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        span: Span,
        layer: Layer | None = None,
        label: str = "",
        written: dict[str, Expr] | None = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.span = span
        self.layer = layer
        self.label = label
        self.written = written or {}


class Call:
    """A use of a module: `inputs` pair with `module.inputs`, then `captures` with `module.captures`."""

    __slots__ = ("inputs", "label", "module", "outputs", "span")

    def __init__(
        self, module: Module, inputs: tuple[Value, ...], outputs: tuple[Value, ...], span: Span, label: str = ""
    ) -> None:
        self.module = module
        self.inputs = inputs
        self.outputs = outputs
        self.span = span
        self.label = label


class Sequence:
    """A composition that gives its steps numbers or labels of their own under `name` (a naming scope).

    `name` is its name in the owning module (`features`); items carry `label`s. `input` and `output`
    are the values at its ends. It has no formals: its items may read any earlier value of the module.
    Unlabelled parentheses add no Sequence in a body, and are one numbered step in a composition.
    """

    __slots__ = ("input", "items", "label", "name", "output", "span")

    def __init__(self, name: str, label: str, input: Value, span: Span) -> None:
        self.name = name
        self.label = label
        self.input = input
        self.output = input
        self.items: list[Item] = []
        self.span = span


class Loop:
    """`repeat(n, f)` or `for i in ... { f }`, written out: one list of items an iteration.

    `variables` are the loop names (empty for repeat), `values` their values an iteration. `carried`
    loops pipe a value through (`inputs[k]` enters iteration k and `results[k]` leaves it, which is
    `inputs[k + 1]`); the others (a `for` over tensors) give `results` to a call side by side.
    `name` is its naming scope in the module (`repeat1`, `layer1`); "" where its copies are numbered
    on in the composition around it.
    """

    __slots__ = ("carried", "inputs", "iterations", "label", "name", "results", "span", "syntax", "values", "variables")

    def __init__(
        self, name: str, label: str, variables: tuple[str, ...], carried: bool, syntax: Expr, span: Span
    ) -> None:
        self.name = name
        self.label = label
        self.variables = variables
        self.carried = carried
        self.syntax = syntax
        self.span = span
        self.values: list[tuple[object, ...]] = []
        self.iterations: list[list[Item]] = []
        self.inputs: list[Value] = []
        self.results: list[Value] = []


class Choice:
    """`if c { ... } else { ... }` decided at compile time: only the taken branch has items.

    `taken` is 0 for the first branch, 1 for `else`. When the `if` has a tensor for value, the last item is
    a Node with op `Identity` whose output is `result`: a Value of its own, so that every use of a block
    reads the same place whichever branch it took; else `result` is None.
    `syntax` identifies the `if` (the same node object in every use of a block) and holds the condition.
    """

    __slots__ = ("items", "result", "span", "syntax", "taken")

    def __init__(self, syntax: Expr, taken: int, span: Span) -> None:
        self.syntax = syntax
        self.taken = taken
        self.span = span
        self.items: list[Item] = []
        self.result: Value | None = None


class Declare:
    """The place of `layer enc = ...` or `param W`: where emitted code constructs what later items share.

    Layers and modules without a Declare are constructed where their only use stands.
    """

    __slots__ = ("span", "target")

    def __init__(self, target: Layer | Module, span: Span) -> None:
        self.target = target
        self.span = span


Item = Node | Call | Sequence | Loop | Choice | Declare


class Module:
    """One traced body: the model itself, one use of a block, or a composition bound by `layer`.

    `kind` is "model", "block" or "layer". `definition` is the declaration it was traced from (the same
    object for every use of a block), `title` the name it was declared under. `settings` are the values
    of its settings (numbers, strings, lists; recipes as their syntax). `name` is its name in `owner`,
    `path` its whole path ("" for the model). `layers` and `children` are what it owns, in order.
    `captures` are Values, Layers and Modules of an enclosing module that its body reads; emitted code
    passes them in. Filled by `passes.lift`.
    """

    __slots__ = (
        "captures",
        "children",
        "definition",
        "inputs",
        "items",
        "kind",
        "layers",
        "name",
        "outputs",
        "owner",
        "path",
        "settings",
        "span",
        "title",
    )

    def __init__(
        self, kind: str, title: str, definition: object, name: str, path: str, owner: Module | None, span: Span
    ) -> None:
        self.kind = kind
        self.title = title
        self.definition = definition
        self.name = name
        self.path = path
        self.owner = owner
        self.span = span
        self.settings: dict[str, object] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.items: list[Item] = []
        self.layers: list[Layer] = []
        self.children: list[Module] = []
        self.captures: list[Value | Layer | Module] = []

    def flat(self) -> Iterator[Node | Call]:
        """The nodes and calls of this module in order, groups opened, calls not entered."""
        return _flat(self.items)

    def modules(self) -> Iterator[Module]:
        """This module and all it owns, outermost first."""
        left = [self]
        while left:
            module = left.pop()
            yield module
            left += reversed(module.children)

    def all_layers(self) -> Iterator[Layer]:
        for module in self.modules():
            yield from module.layers

    def parameters(self) -> Iterator[Parameter]:
        """Every stored tensor once, buffers included, in the order of `all_layers`."""
        for layer in self.all_layers():
            yield from layer.parameters.values()


def _flat(items: list[Item]) -> Iterator[Node | Call]:
    for item in items:
        if isinstance(item, Node | Call):
            yield item
        elif isinstance(item, Loop):
            for iteration in item.iterations:
                yield from _flat(iteration)
        elif not isinstance(item, Declare):
            yield from _flat(item.items)


class Field(Record):
    """An `input`, `target` or `noise` of the model: its name and the value that stands for it."""

    name: str
    value: Value
    role: str  # "input", "target", "noise"
    noise: Initialiser | None = None  # the distribution of a noise


class Group(Record):
    """An optimizer for the parameters whose path matches `pattern` ("*" for all); None: frozen."""

    pattern: str
    optimizer: Optimizer | None
    span: Span | None = None  # of what was written for it


class Objective(Record):
    """What one `minimize` says: the scalar that the parameters under `pattern` ("*": all) are updated to lower.

    `module` is a module of its own: its inputs are, in order, the values listed in `reads` (fields, outputs, named
    tensors of the model), then the step `t` where `uses_step`; its only output is the scalar, already averaged over
    the batch. `weights` read in it are captures.
    """

    pattern: str
    module: Module
    reads: tuple[Value, ...]
    uses_step: bool
    span: Span


class Training(Record):
    """The `train` block, every value checked.

    `objectives` in the order written: one update each a step, of the parameters of which it is the last match.
    `settings` holds the plain keys (epochs, steps, batch, seed, precision, clip_norm, ...).
    """

    objectives: tuple[Objective, ...]
    groups: tuple[Group, ...]
    metrics: tuple[Metric, ...]
    settings: dict[str, object]
    span: Span

    @property
    def objective(self) -> Module:
        """The module of the first objective, of most specs the only one."""
        return self.objectives[0].module

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.objectives[0].reads

    @property
    def uses_step(self) -> bool:
        return any(objective.uses_step for objective in self.objectives)


class Metric(Record):
    """`accuracy(logits, label, top = 5)`: the metric's name, what it reads, its settings."""

    name: str
    prediction: Value
    target: Value
    settings: dict[str, object]
    span: Span | None = None


class CallValue(Record):
    """A call among the values of `data` or `train`: `sklearn("digits")`, `patience(5)`, `csv("f.csv", y = "price")`.

    `args` and the values of `kwargs` are plain Python: numbers, bools, strings (a bare word such as
    `standard` is its text), lists, and CallValues.
    """

    name: str
    args: tuple[object, ...]
    kwargs: dict[str, object]
    span: Span


class Keyed(Record):
    """`key("pattern") = value` in `data`, e.g. `normalize("price") = standard`. The last match wins."""

    key: str
    pattern: str
    value: object
    span: Span


class DataSpec(Record):
    """The `data` block: plain Python values only, as `CallValue` says (see `nnspec.data`).

    `settings` has the plain keys, `keyed` the entries with a pattern, `spans` the place of each plain
    key's entry (for errors that only the data can show: a missing file, a label out of range).
    """

    settings: dict[str, object]
    span: Span
    keyed: tuple[Keyed, ...] = ()
    spans: dict[str, Span] = {}  # noqa: RUF012  # never mutated; empty where a spec was built by hand


class Graph:
    """One compiled model: the root module, its fields and outputs, how it is trained and on what.

    `taps` are named tensors of the model that only the objective or a metric reads; emitted code
    returns them beside the outputs. `dims` maps each open size to its default (None if it has none).
    """

    def __init__(self, root: Module) -> None:
        self.root = root
        self.fields: list[Field] = []
        self.outputs: dict[str, Value] = {}
        self.taps: dict[str, Value] = {}
        self.dims: dict[str, int | None] = {}
        self.training: Training | None = None
        self.data: DataSpec | None = None
        self.path = ""  # of the spec, as the user named it

    @property
    def name(self) -> str:
        return self.root.title
