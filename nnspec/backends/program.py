"""The structure of emitted code, the same for every target: classes, their members and statements.

`build(graph)` turns the module tree into a `Program`: one `ClassDef` a block. Uses of a block that
differ only in numbers, or in the branch of an `if` that they take, are merged into one class; what
differs becomes a constructor argument. Emitters walk `ClassDef.body` and ask each `OpUse` for its
settings; a setting that is the same in every use answers with a literal, one that varies with an
expression over the constructor's arguments (`4 * width`) or the loop's variables.

    for definition in program.classes:            # children first, the model last
        for statement in definition.body:
            match statement:
                case Apply():      ...            # y = op(x)   or   y = self.conv1(x)
                case Invoke():     ...            # y = self.block1(x)
                case Group():      ...            # a labelled composition: features.0, features.1, ...
                case ForEach():    ...            # repeat and for
                case Branch():     ...            # if
                case Construct():  ...            # where a shared layer or a free param is made
    program.objectives                            # likewise for each `minimize`, a ClassDef without members

All variable names are settled here, legal and unique in their function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nnspec.backends.express import VARIES, Argument, Scope, Variable, express
from nnspec.backends.source import literal
from nnspec.ir.dims import Dim

if TYPE_CHECKING:
    from nnspec.diagnostics import Span
    from nnspec.ir.graph import Call, Choice, Field, Graph, Layer, Loop, Module, Node, Objective, Sequence, Training
    from nnspec.ir.types import TensorType
    from nnspec.ops.base import Op

__all__ = [
    "VARIES",
    "Apply",
    "Argument",
    "Branch",
    "ClassDef",
    "Construct",
    "ForEach",
    "Group",
    "Invoke",
    "LoopKey",
    "Member",
    "OpUse",
    "Program",
    "Statement",
]

Key = tuple[Any, ...]  # the structural place of a value in its class, equal in all uses


class OpUse:
    """One operation as it stands in a class: possibly many nodes, one for every use of the class.

    `op`, `inputs`, `outputs` are those of the first use; ranks, dtypes and batchedness are the same in
    all, and so is every setting that is not a number or a tuple of numbers.
    """

    def __init__(self, nodes: list[Node], scope: Scope, coordinates: list[Key], deterministic: bool = False) -> None:
        self.nodes = nodes
        self.scope = scope
        self.coordinates = coordinates
        self.frozen = False  # all uses stand under `optimizer("...") = frozen`, which run as in evaluation
        self.deterministic = deterministic  # nothing is drawn: agreement between backends is checked (decision 23)

    @property
    def op(self) -> Op:
        return self.nodes[0].op

    @property
    def span(self) -> Span:
        return self.nodes[0].span

    @property
    def layer(self) -> Layer | None:
        return self.nodes[0].layer

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        return tuple(v.type for v in self.nodes[0].inputs)

    @property
    def outputs(self) -> tuple[TensorType, ...]:
        return tuple(v.type for v in self.nodes[0].outputs)

    def value(self, setting: str) -> Any:
        """The setting when it is the same in every use, else `VARIES`: for dropping defaults."""
        first = getattr(self.op, setting)
        return first if all(getattr(n.op, setting) == first for n in self.nodes) else VARIES

    def code(self, setting: str) -> str:
        """Source for a setting: `64`, `4 * width`, `(2, 1)`."""
        return self.express(lambda n: getattr(n.op, setting), setting)

    def scalar(self, setting: str) -> str:
        """Like `code`, but a tuple of equal numbers becomes the number: `3` for `(3, 3)`."""
        return self.express(lambda n: _collapse(getattr(n.op, setting)), setting)

    def is_default(self, setting: str, default: Any) -> bool:
        """Whether the setting is `default` in every use; for tuples, whether each entry is."""
        value = self.value(setting)
        return value is not VARIES and (value == default or _collapse(value) == default)

    def size(self, input: int, axis: int, hint: str = "") -> str:
        """Source for a size of an input (`axis` in example axes): what a constructor needs."""
        return self.express(
            lambda n: n.inputs[input].type.shape[axis], hint or ("in_features" if axis < 0 else "in_channels")
        )

    def parameter_shape(self, local: str) -> str:
        """Source of the shape of one of the layer's parameters: `(4 * width, in_channels, 1, 1)`."""

        def size(axis: int) -> str:
            return self.express(lambda n: n.layer.parameters[local].shape[axis] if n.layer else 0, hints[min(axis, 2)])

        hints = ("out_channels", "in_channels", "kernel")
        rank = len(self.layer.parameters[local].shape) if self.layer is not None else 0
        sizes = [size(axis) for axis in range(rank)]
        return "(" + ", ".join(sizes) + ("," if rank == 1 else "") + ")"

    @property
    def is_open(self) -> bool:
        """Whether an output has an open size, known only in `forward`."""
        return any(not isinstance(n, int) for t in self.outputs for n in t.shape)

    @property
    def is_settled(self) -> bool:
        """Whether a constant is known when the model is made: neither its sizes nor its numbers are open."""
        return not self.is_open and not has_open(getattr(self.nodes[0].op, "value", None))

    def express(self, read: Callable[[Node], Any], hint: str) -> str:
        """Source for anything that can be read off a node; `hint` names a new argument if one is needed."""
        values = [read(n) for n in self.nodes]
        written = self.nodes[0].written.get(hint)
        return express(self.scope, self.coordinates, values, hint, written)


def has_open(value: Any) -> bool:
    """Whether an open size is, or is among, the numbers of a setting."""
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(has_open, value)))


def _collapse(value: Any) -> Any:
    if isinstance(value, tuple) and value and all(v == value[0] for v in value):
        return value[0]
    return value


class LoopKey:
    """A part of a member's path that differs by iteration: `keys[k]` in iteration k of `loop`."""

    def __init__(self, loop: ForEach, keys: tuple[str, ...]) -> None:
        self.loop = loop
        self.keys = keys

    def source(self) -> str:
        """The loop variable that holds the key."""
        return self.loop.key(list(self.keys))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LoopKey) and self.loop is other.loop and self.keys == other.keys

    def __hash__(self) -> int:
        return hash((id(self.loop), self.keys))


class Member:
    """Something a class owns and its statements use. `path` is relative to the class, in parts.

    Parts are strings, or `LoopKey`s inside a loop. `captured` is the name of a forward argument when the
    layer or module belongs to an enclosing class and is passed in. `absolute` is the whole path in the model of the
    first use. `deep` is the way to a layer inside another member (`body.0.weight`): pairs of a class and a name in it,
    from this class inwards; `path` is then empty. `free` says that it is a free `param`, not a layer.
    """

    def __init__(
        self,
        path: tuple[str | LoopKey, ...],
        absolute: str,
        captured: str = "",
        deep: tuple[tuple[ClassDef, str], ...] = (),
        free: bool = False,
    ) -> None:
        self.path = path
        self.absolute = absolute
        self.captured = captured
        self.deep = deep
        self.free = free


class Statement:
    """Base of statements. `span` is where it stands in the spec.

    `unread`: nobody reads its value and it changes nothing, so that `forward` leaves it out; its member stays.
    """

    span: Span
    unread = False


class Apply(Statement):
    """`targets = op(arguments)`. `member` is where its layer lives (None: no state).

    An argument `*xs` hands over the list that a `for` over tensors made.
    """

    def __init__(self, use: OpUse, member: Member | None, inputs: tuple[Key, ...], outputs: tuple[Key, ...]) -> None:
        self.use = use
        self.member = member
        self.inputs, self.outputs = inputs, outputs
        self.arguments: tuple[str, ...] = ()
        self.targets: tuple[str, ...] = ()
        self.dies: frozenset[str] = frozenset()  # variables that nobody reads after this statement
        self.span = use.span


class Invoke(Statement):
    """`targets = member(arguments)`: a use of another class. `calls` are the merged Calls.

    `constructor` lists (argument name, source) for building the member; `passed` are the captures handed over
    after the arguments: names of variables, or Members of this class.
    """

    def __init__(
        self, calls: list[Call], target: ClassDef, member: Member, inputs: tuple[Key, ...], outputs: tuple[Key, ...]
    ) -> None:
        self.calls = calls
        self.definition = target
        self.member = member
        self.inputs, self.outputs = inputs, outputs
        self.arguments: tuple[str, ...] = ()
        self.targets: tuple[str, ...] = ()
        self.dies: frozenset[str] = frozenset()
        self.passed: list[Any] = []  # keys, later names; or Members
        self.scope: Scope | None = None
        self.coordinates: list[Key] = []
        self.span = calls[0].span

    @property
    def constructor(self) -> list[tuple[Argument, str]]:
        """Source for each constructor argument of the class, in order. Ask after that class was printed."""
        assert self.scope is not None
        return [
            (a, express(self.scope, self.coordinates, [a.values.get(c.module) for c in self.calls], a.name, None))
            for a in self.definition.ordered_arguments()
        ]


class Group(Statement):
    """A composition under a name of its own. `chain`: one value runs straight through it, nothing else reads inside.

    `name` is its path relative to the class; `input` and `output` are variables.
    """

    def __init__(self, name: tuple[str | LoopKey, ...], label: str, sequence: Sequence) -> None:
        self.name = name
        self.label = label
        self.body: list[Statement] = []
        self.chain = False
        self.entry: Key = ()
        self.exit: Key = ()
        self.input = self.output = ""
        self.dies: frozenset[str] = frozenset()
        self.span = sequence.span


class ForEach(Statement):
    """`repeat` or `for`, rolled: the body stands once.

    `count` iterations; `variables` are those the body's expressions need, `rows` the source of their values an
    iteration (a list of tuples if several). `carried`: `carry` enters and leaves each iteration (starting as
    `initial`; the body leaves its value in `result`); else each iteration's `result` is collected in the
    list `collected`. `keys` maps nothing by itself: members in the body have `LoopKey`s of this loop.
    """

    def __init__(self, loop: Loop, name: tuple[str | LoopKey, ...], count: int) -> None:
        self.loop = loop
        self.name = name
        self.count = count
        self.carried = loop.carried
        self.scope: Scope | None = None
        self.body: list[Statement] = []
        self.chain = False
        self.entry: Key = ()
        self.inner: Key = ()
        self.exit: Key = ()
        self.last: Key = ()
        self.initial = self.carry = self.result = self.collected = ""
        self.span = loop.span

    def key(self, keys: list[str]) -> str:
        """The loop variable that runs through these keys; made on first need."""
        assert self.scope is not None
        for variable in self.scope.variables:
            if variable.keys == keys:
                return variable.name
        variable = Variable(self.scope.names.fresh("key"), {}, lambda k: literal(keys[k]), keys)
        self.scope.variables.insert(sum(v.keys is not None for v in self.scope.variables), variable)
        return variable.name

    def used(self, lines: list[str]) -> list[str]:
        """The loop variables that these printed lines read."""
        assert self.scope is not None
        words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))
        return [v.name for v in self.scope.variables if v.name in words]

    def header(self, lines: list[str]) -> str:
        """What stands after `for`: `_ in range(3)`, `width in (64, 128)`, `width, stride in [(64, 1), (128, 2)]`."""
        assert self.scope is not None
        names = self.used(lines)
        columns = [[v.row(k) for k in range(self.count)] for v in self.scope.variables if v.name in names]
        if not names:
            return f"_ in range({self.count})"
        if len(names) == 1:
            cells = columns[0]
            listed = _range(cells) or "(" + ", ".join(cells) + ("," if len(cells) == 1 else "") + ")"
            return f"{names[0]} in {listed}"
        rows = ["(" + ", ".join(cells) + ")" for cells in zip(*columns, strict=True)]
        return f"{', '.join(names)} in [{', '.join(rows)}]"


def _range(cells: list[str]) -> str:
    if len(cells) < 3 or not all(c.isdigit() for c in cells):
        return ""
    numbers = [int(c) for c in cells]
    if any(b - a != 1 for a, b in pairwise(numbers)):
        return ""
    return f"range({numbers[-1] + 1})" if numbers[0] == 0 else f"range({numbers[0]}, {numbers[-1] + 1})"


class Branch(Statement):
    """An `if` whose branch differs between the uses of the class. Both bodies leave their value in `target`.

    `condition` is source over constructor arguments, `flag` a name under which the class keeps it. Where it
    `varies` between the copies of a loop around it, the condition is over the loop's variables too, nothing keeps
    it, and neither branch has members.
    A branch that no use takes is empty.
    """

    def __init__(self, choice: Choice, exit: Key) -> None:
        self.choice = choice
        self.condition = ""
        self.varies = False
        self.flag = ""
        self.then: list[Statement] = []
        self.otherwise: list[Statement] = []
        self.exit = exit
        self.target = ""
        self.span = choice.span


class Construct(Statement):
    """Where a shared layer, a `layer` composition or a free `param` is made; it computes nothing.

    Exactly one of `use` (a layer, with the node of its first use) and `invoke` is set.
    """

    def __init__(self, use: OpUse | None, invoke: Invoke | None, member: Member, span: Span) -> None:
        self.use = use
        self.invoke = invoke
        self.member = member
        self.span = span


class ClassDef:
    """One class of the emitted file.

    `name` is its name, `arguments` its constructor's (settled while members are printed), `inputs` the
    forward arguments, `captures` further forward arguments (values, layers or modules of an enclosing
    class), `returns` the variables it returns, `results` the keys of what they hold then. `modules` are its uses.
    """

    def __init__(self, name: str, modules: list[Module]) -> None:
        self.name = name
        self.modules = modules
        self.given: frozenset[str] = frozenset()  # variables that carry the author's names
        self.scope = Scope(self)
        self.body: list[Statement] = []
        self.inputs: list[str] = []
        self.captures: list[str] = []
        self.returns: list[str] = []
        self.results: frozenset[Any] = frozenset()
        self.arguments: list[Argument] = []
        self.numbers: dict[Key, OpUse] = {}  # constants that are written where they are used
        self.chain = False  # whether one value runs straight through its body
        self.training = False  # whether its forward behaves differently in training (noise, batch norm)
        self.stateful = False  # whether it updates running statistics
        self.noisy = False  # whether it draws random numbers

    @property
    def module(self) -> Module:
        return self.modules[0]

    def ordered_arguments(self) -> list[Argument]:
        """Constructor arguments as printed: sizes of inputs, then settings in their order, those with defaults last."""
        order = list(self.module.settings)

        def rank(argument: Argument) -> tuple[bool, bool, int]:
            place = order.index(argument.name) if argument.setting and argument.name in order else 0
            return argument.default is not None, argument.setting, place

        return sorted(self.arguments, key=rank)

    def annotation(self, name: str, tensor: str, module: str) -> str:
        """The type of a forward argument: captured layers and modules are not tensors."""
        if name in self.captures:
            from nnspec.ir.graph import Value

            return tensor if isinstance(self.module.captures[self.captures.index(name)], Value) else module
        return tensor

    def statements(self) -> Iterator[Statement]:
        """Every statement, nested ones too, in order."""
        return walk(self.body)


def walk(body: list[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Group | ForEach):
            yield from walk(statement.body)
        elif isinstance(statement, Branch):
            yield from walk(statement.then)
            yield from walk(statement.otherwise)


class Minimized:
    """One `minimize`: what the graph says of it, its function, and what ends the names of emitted functions for it.

    `suffix` is empty for an only objective, else as in `loss_d`.
    """

    def __init__(self, objective: Objective, definition: ClassDef, suffix: str) -> None:
        self.objective = objective
        self.definition = definition
        self.suffix = suffix

    @property
    def step(self) -> str:
        """What its function calls the number of the step."""
        return self.definition.inputs[len(self.objective.reads)] if self.objective.uses_step else ""


class Program:
    """All that an emitter prints. `classes` are in order of need, the model (`root`) last."""

    def __init__(self, graph: Graph, deterministic: bool = False) -> None:
        self.graph = graph
        self.deterministic = deterministic
        self.classes: list[ClassDef] = []
        self.objectives: list[Minimized] = []

    @property
    def objective(self) -> ClassDef | None:
        """The function of the first objective, of most specs the only one."""
        return self.objectives[0].definition if self.objectives else None

    @property
    def root(self) -> ClassDef:
        return self.classes[-1]

    @property
    def training(self) -> Training | None:
        return self.graph.training

    def fields(self, role: str) -> list[Field]:
        return [f for f in self.graph.fields if f.role == role]
