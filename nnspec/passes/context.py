"""The state of one elaboration: where items go, what was reported, how much was built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.ir.dims import Overlong, overlong
from nnspec.ir.graph import Graph, Item, Module, Parameter, Value
from nnspec.ir.types import TensorType, product
from nnspec.ops import registry
from nnspec.passes.naming import NameScope
from nnspec.passes.numbers import NumberError
from nnspec.passes.program import Abandoned, Program
from nnspec.passes.scope import At, FileScope, Instance, Scope
from nnspec.syntax import nodes

if TYPE_CHECKING:
    from nnspec.passes.applying import Made

MAX_NODES = 100_000
MAX_STEPS = 200_000  # expressions evaluated, entries of lists compared
MAX_SIZE = 2**31 - 1
MAX_AXES = 32  # of a tensor: what NumPy, PyTorch and JAX all have
MAX_PARAMETERS = 10**12
MAX_DEPTH = 300  # of expressions inside expressions, blocks inside blocks


class GiveUp(Exception):
    """The model grew beyond a limit (already reported): there is nothing sensible to go on with."""


class Frame:
    """One module being traced: the list that new items join, and the naming scope of its body."""

    __slots__ = ("items", "module", "names", "use")

    def __init__(self, module: Module, names: NameScope, use: Span | None) -> None:
        self.module = module
        self.names = names
        self.items: list[Item] = module.items
        self.use = use  # the call that led here, for "in this use"


class Context:
    """Base of the elaborator: shared state and the reporting of errors."""

    def __init__(self, program: Program, reporter: Reporter, overrides: Mapping[str, object]) -> None:
        self.program = program
        self.reporter = reporter
        self.overrides = {name: _as_expr(value, program.main.span) for name, value in overrides.items()}
        self.graph: Graph
        self.frames: list[Frame] = []
        self.active: list[tuple[object, str]] = []  # blocks being traced, to refuse one that uses itself
        self.files: dict[str, FileScope] = {}
        self.spans: list[Span] = []  # of the call being made, for ops that lowering adds
        self.now = program.main.span  # of what is worked out now
        self.depth = 0
        self.count = 0
        self.room = MAX_NODES - program.operations  # operations that the models before this one have left over
        self.together = " in all models of a file" if program.operations else ""
        self.repeats = 1  # product of the lengths of the loops around
        self.total = 0  # parameters so far
        self.failed = program.reported
        self.broken = False  # something has no value, whether this or an earlier stage said why
        self.damaged = reporter.failed  # errors before this model: lines may be missing from it
        self.parameters: dict[str, Parameter] = {}
        self.steps_made: dict[int, Made] = {}  # by id of the step, see passes.applying

    # ------------------------------------------------------------ where we are

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def file_scope(self, path: str) -> FileScope:
        if path not in self.files:
            self.files[path] = FileScope(self.program, path, self.overrides)
        return self.files[path]

    @contextmanager
    def items_into(self, items: list[Item]) -> Iterator[None]:
        """New items of the current module join `items` for a while (a Sequence, an iteration, a branch)."""
        frame = self.frame
        before, frame.items = frame.items, items
        try:
            yield
        finally:
            frame.items = before

    def deepen(self, node: nodes.Node) -> None:
        """One expression or block further in; `self.depth -= 1` follows when it is done."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.give_up("E0309", node.span, f"this is nested more than {MAX_DEPTH} deep")

    # ------------------------------------------------------------ reporting

    @property
    def incomplete(self) -> bool:
        """Whether what seems to be missing may be the echo of something reported."""
        return self.broken or self.damaged

    def error(
        self,
        code: str,
        node: nodes.Node | Span,
        message: str,
        *,
        labels: tuple[Label, ...] = (),
        help: str = "",
    ) -> None:
        """Reports once a place and code; stays silent about what an earlier stage has reported."""
        place = node if isinstance(node, Span) else node.span
        self.broken = True
        if isinstance(node, nodes.Node) and self.is_poisoned(node):
            return
        span, frames = self.in_sight(place)
        if (code, span) in self.failed and frames and frames[-1].use is not None:
            return
        self.failed.add((code, span))
        if span != place:  # what nnspec's own blocks are made of is not the reader's to mend
            labels = tuple(Label(span, label.text) for label in labels if label.span == place)
            if not message[:1].isalpha():  # the operator that failed stands in none of the reader's lines
                message = f"{self.frames[len(frames)].module.title}: {message.partition(': ')[2] or message}"
        self.reporter.error(code, span, message, labels=(*labels, *_use_label(span, frames)), help=help)

    def in_sight(self, span: Span) -> tuple[Span, list[Frame]]:
        """The place in the user's files that led to `span`, and the modules around that place."""
        prelude, depth = str(registry.prelude_path()), len(self.frames)
        while span.path == prelude and depth and (use := self.frames[depth - 1].use) is not None:
            span, depth = use, depth - 1
        return span, self.frames[:depth]

    def number_error(self, node: nodes.Node, error: NumberError) -> None:
        self.error("E0308", node, error.message, help=error.help)

    def give_up(self, code: str, span: Span, message: str, help: str = "") -> None:
        self.error(code, span, message, help=help)
        raise GiveUp

    def is_poisoned(self, node: nodes.Node) -> bool:
        """Whether an earlier stage reported this node or one inside it."""
        stack: list[Any] = [node]
        poisoned = self.program.poisoned
        while stack:
            found = stack.pop()
            if isinstance(found, nodes.Node):
                if id(found) in poisoned or isinstance(found, nodes.Poison):
                    return True
                stack += [getattr(found, name) for name in found._fields if name != "span"]
            elif isinstance(found, tuple):
                stack += found
        return False

    # ------------------------------------------------------------ limits

    def grow(self, span: Span, by: int = 1) -> None:
        """Counts what was built."""
        self.count += by
        if self.count > self.room:
            message = f"the model has more operations than {MAX_NODES:,}{self.together}"
            self.give_up("E0309", span, message, "fewer repetitions, or smaller blocks")

    def work(self, node: nodes.Node, by: int = 1) -> None:
        """Counts what was computed, also where nothing is built: loops of numbers end, too."""
        self.now = node.span
        self.program.steps += by
        if self.program.abandoned:
            raise Abandoned
        if self.program.steps > MAX_STEPS:
            message = f"the file takes more than {MAX_STEPS:,} steps to work out"
            self.give_up("E0309", node.span, message, "fewer repetitions, or shorter lists")

    def check_type(self, type: TensorType, span: Span) -> bool:
        if type.rank > MAX_AXES:
            self.error("E0309", span, f"a tensor has at most {MAX_AXES} axes, this has {type.rank:,}")
            return False
        if any(not isinstance(size, int) for size in type.shape) and overlong(product(type.shape)):
            raise Overlong
        for size in type.shape:
            if isinstance(size, int) and size > MAX_SIZE:
                self.error("E0309", span, f"a size of {size:,} is beyond the largest, {MAX_SIZE:,}")
                return False
        return True

    # ------------------------------------------------------------ defined by the classes that follow

    def kind(self, expr: nodes.Expr, scope: Scope) -> str:
        raise NotImplementedError

    def evaluate(self, expr: nodes.Expr, scope: Scope) -> Any:
        raise NotImplementedError

    def call(self, call: nodes.Call, scope: Scope, at: At | None = None) -> Any:
        raise NotImplementedError

    selecting = False  # in `minimize`, where parameters are known and derivatives are computed in the model

    def penalty(self, call: nodes.Call, scope: Scope) -> Any:
        raise NotImplementedError

    def gradient_in_model(self, call: nodes.Call, row: Any) -> Any:
        raise NotImplementedError

    def use_block(
        self,
        node: nodes.Expr,
        declared: nodes.Block | nodes.Model,
        piped: tuple[Value, ...],
        arguments: tuple[nodes.Argument, ...],
        scope: Scope,
        at: At,
    ) -> Any:
        raise NotImplementedError

    def through(self, expr: nodes.Expr, scope: Scope, x: Any, at: At, span: Span | None = None) -> Any:
        raise NotImplementedError

    def through_repeat(self, call: nodes.Call, scope: Scope, x: Any, at: At) -> Any:
        raise NotImplementedError

    def through_for(self, expr: nodes.For, scope: Scope, x: Any, at: At) -> Any:
        raise NotImplementedError

    def use_instance(self, instance: Instance, node: nodes.Expr, x: Any, at: At) -> Any:
        raise NotImplementedError

    def several(self, expr: nodes.Expr, scope: Scope) -> Any:
        raise NotImplementedError

    def claim(self, step: nodes.Step, names: NameScope, scope: Scope) -> str | None:
        raise NotImplementedError

    def step_place(self, step: nodes.Step, names: NameScope, scope: Scope) -> At:
        raise NotImplementedError

    def assert_shape(self, expr: nodes.Shape, scope: Scope, value: Any) -> Any:
        raise NotImplementedError

    def skip_names(self, body: nodes.Body, scope: Scope) -> None:
        raise NotImplementedError

    def statements(self, body: nodes.Body, scope: Scope) -> None:
        raise NotImplementedError

    def body(self, body: nodes.Body, scope: Scope) -> Any:
        raise NotImplementedError

    def body_of(self, declared: nodes.Block | nodes.Model, scope: Scope) -> Any:
        raise NotImplementedError

    def schedule(self, expr: nodes.Expr, scope: Scope, what: str) -> Any:
        raise NotImplementedError


def _use_label(span: Span, frames: list[Frame]) -> tuple[Label, ...]:
    """The use of the block that an error inside it came from."""
    if not frames or (use := frames[-1].use) is None or use == span:
        return ()
    return (Label(use, f"in this use of {frames[-1].module.title}"),)


def _as_expr(value: object, span: Span) -> nodes.Expr:
    """A `--set` value as syntax."""
    if isinstance(value, nodes.Expr):
        return value
    if isinstance(value, bool):
        return nodes.Bool(span, value)
    if isinstance(value, int | float):
        number = nodes.Number(span, abs(value))
        return number if value >= 0 else nodes.Unary(span, "-", number)
    if isinstance(value, str):
        return nodes.String(span, value)
    if isinstance(value, list | tuple):
        return nodes.List(span, tuple(_as_expr(item, span) for item in value))
    raise TypeError(f"no expression for {type(value).__name__}")
