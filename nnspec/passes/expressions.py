"""The value of an expression: numbers are computed, tensors are built, layers stay recipes until they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.diagnostics import Label
from nnspec.ir.dims import Dim
from nnspec.ir.graph import Choice, Layer, Module, Node, Sequence, Value
from nnspec.ir.types import TensorType, product
from nnspec.ops.base import Op
from nnspec.ops.core import Identity, ReadParameter
from nnspec.passes import numbers
from nnspec.passes.kinds import SIZE_NAMES
from nnspec.passes.naming import NameScope
from nnspec.passes.numbers import NumberError, is_number, kind_of
from nnspec.passes.scope import MISSING, POISON, At, Instance, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.passes.settings import Settings
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

MAX_ITEMS = 100_000  # of a range or list


class Expressions(Settings):
    def evaluate(self, expr: nodes.Expr, scope: Scope) -> Any:
        """The value, or POISON after saying why there is none."""
        if id(expr) in self.program.poisoned:
            return POISON
        self.deepen(expr)
        value = _EVALUATE[type(expr)](self, expr, scope)
        self.depth -= 1
        return value

    def tensor(self, expr: nodes.Expr, scope: Scope, what: str = "this") -> Any:
        """The value as a tensor; a number stands for a constant."""
        value = self.evaluate(expr, scope)
        return self.as_tensor(value, expr, what)

    def as_tensor(self, value: Any, node: nodes.Expr, what: str = "this", like: tuple[Value, ...] = ()) -> Any:
        if isinstance(value, Value | Poisoned):
            return value
        if is_number(value) or isinstance(value, bool):
            return self.constant(value, node, tuple(v.type for v in like))
        if isinstance(value, Several):
            count = len(value.values)
            self.error("E0208", node, f"{what} gives {count} tensors, one is expected", help="name them: a, b = ...")
        else:
            self.error("E0207", node, f"{what} is {kind_of(value)}, a tensor is expected", help=_layer_help(value))
        return POISON

    def number(self, expr: nodes.Expr, scope: Scope, what: str) -> Any:
        """The value as a number, or POISON."""
        value = self.evaluate(expr, scope)
        if is_number(value) or isinstance(value, Poisoned):
            return value
        self.error("E0207", expr, f"{what} is a number, not {kind_of(value)}")
        return POISON

    def condition(self, expr: nodes.Expr, scope: Scope) -> bool | None:
        """What an `if` decides, None after reporting that it cannot."""
        value = self.evaluate(expr, scope)
        if isinstance(value, bool):
            return value
        if not isinstance(value, Poisoned):
            help = "where(c, a, b) chooses entry by entry" if isinstance(value, Value) else ""
            self.error("E0207", expr, f"`if` needs true or false, this is {kind_of(value)}", help=help)
        return None

    # ------------------------------------------------------------ names

    def name(self, expr: nodes.Name, scope: Scope) -> Any:
        found = scope.find(expr.id)
        if isinstance(found, Thunk):
            return self.force(found, expr)
        if isinstance(found, Unavailable):
            self.error("E0219", expr, found.message, help=found.help)
            return POISON
        if found is not MISSING:
            return found
        if self.callee(expr.id, scope).kind in ("block", "op"):
            return Recipe(expr, scope)
        help = did_you_mean(expr.id, scope.known())
        self.error("E0201", expr, f"unknown name {expr.id}", help=help)
        return POISON

    def force(self, thunk: Thunk, node: nodes.Expr) -> Any:
        """The value of a `let` or setting, in its own scope."""
        if thunk.cached is not MISSING:
            return thunk.cached
        if thunk.busy:
            self.error("E0215", node, "this needs its own value")
            return POISON
        thunk.busy = True
        try:
            if self.thunk_kind_busy(thunk) == "tensor":
                self.error(
                    "E0207",
                    thunk.expr,
                    "`let` names a number or a recipe, this is a tensor",
                    help="name a tensor with `h = ...`",
                )
                value: Any = POISON
            else:
                value = self.evaluate(thunk.expr, thunk.scope)
        finally:
            thunk.busy = False
        thunk.cached = value
        return value

    def thunk_kind_busy(self, thunk: Thunk) -> str:
        if thunk.kind is None:
            thunk.kind = self.kind(thunk.expr, thunk.scope)
        return thunk.kind

    # ------------------------------------------------------------ operators

    def unary(self, expr: nodes.Unary, scope: Scope) -> Any:
        value = self.evaluate(expr.operand, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Value):
            return self.operation(operator_class("not" if expr.op == "not" else "neg")(), (value,), expr)
        if isinstance(value, Recipe | Instance | Several):
            return self._no_arithmetic(expr, value)
        try:
            return numbers.unary(expr.op, value)
        except NumberError as error:
            self.number_error(expr, error)
            return POISON

    def binary(self, expr: nodes.Binary, scope: Scope) -> Any:
        """Long sums nest to the left: the spine is walked, not recursed into."""
        spine = [expr]
        while isinstance(left := spine[-1].left, nodes.Binary):
            spine.append(left)
        value = self.evaluate(spine[-1].left, scope)
        for node in reversed(spine):
            if node.op in ("and", "or") and value is (node.op == "or"):
                continue  # what stands on the right does not matter, so it may be impossible
            right = self.evaluate(node.right, scope)
            value = self._combine(node, value, right)
        return value

    def _combine(self, expr: nodes.Binary, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, Poisoned):
                return POISON
            if isinstance(value, Recipe | Instance | Several):
                return self._no_arithmetic(expr, value)
        if isinstance(left, Value) or isinstance(right, Value):
            return self._tensor_binary(expr, left, right)
        try:
            return numbers.binary(expr.op, left, right)
        except NumberError as error:
            self.number_error(expr, error)
            return POISON

    def _tensor_binary(self, expr: nodes.Binary, left: Any, right: Any) -> Any:
        if expr.op in ("//", "%"):
            self.error("E0207", expr, f"tensors have no `{expr.op}`", help="numbers have it; tensors take + - * / ^")
            return POISON
        both = tuple(v for v in (left, right) if isinstance(v, Value))
        a = self.as_tensor(left, expr.left, "the left side", both)
        b = self.as_tensor(right, expr.right, "the right side", both)
        if isinstance(a, Poisoned) or isinstance(b, Poisoned):
            return POISON
        return self.operation(operator_class(expr.op)(), (a, b), expr)

    def _no_arithmetic(self, expr: nodes.Binary | nodes.Unary, value: Any) -> Poisoned:
        if isinstance(value, Several):
            self.error(
                "E0208", expr, f"this is {len(value.values)} tensors, not one", help="name them first: a, b = ..."
            )
            return POISON
        help = "give each layer its tensor first, in parentheses: (x -> f) + x"
        self.error("E0210", expr, f"there is no arithmetic on layers: -> binds looser than {expr.op}", help=help)
        return POISON

    # ------------------------------------------------------------ lists

    def list_value(self, expr: nodes.List, scope: Scope) -> Any:
        values = tuple(self.evaluate(item, scope) for item in expr.items)
        if any(isinstance(v, Poisoned) for v in values):
            return POISON
        for item, value in zip(expr.items, values, strict=True):
            if isinstance(value, Value | Several):
                self.error(
                    "E0207",
                    item,
                    "a list holds numbers and layers, this is a tensor",
                    help="concat and stack join tensors",
                )
                return POISON
        return values

    def range_value(self, expr: nodes.Range, scope: Scope) -> Any:
        ends = [self.number(end, scope, "the end of a range") for end in (expr.start, expr.stop)]
        for end, value in zip((expr.start, expr.stop), ends, strict=True):
            if isinstance(value, Poisoned):
                return POISON
            if isinstance(value, float) and value.is_integer():
                continue
            if not isinstance(value, int):
                self.error("E0207", end, f"the ends of a range are whole numbers, not {numbers.show(value)}")
                return POISON
        start, stop = int(ends[0]), int(ends[1])
        if stop - start >= MAX_ITEMS:
            self.error("E0309", expr, f"a range has at most {MAX_ITEMS:,} numbers, this has {stop - start + 1:,}")
            return POISON
        return tuple(range(start, stop + 1))

    def index(self, expr: nodes.Index, scope: Scope) -> Any:
        value = self.evaluate(expr.value, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Value):
            return self._index_tensor(expr, value, scope)
        if not isinstance(value, tuple | Several):
            self.error("E0207", expr, f"[...] reads parts of a tensor or a list, this is {kind_of(value)}")
            return POISON
        entries: tuple[Any, ...] = value.values if isinstance(value, Several) else value
        item = expr.items[0]
        if len(expr.items) != 1 or isinstance(item, nodes.Slice):
            return self._slice_list(expr, entries, scope)
        place = self.number(item, scope, "an index")
        if isinstance(place, Poisoned):
            return POISON
        if not isinstance(place, int) or not -len(entries) <= place < len(entries):
            self.error("E0305", item, f"there is no entry {numbers.show(place)} in a list of {len(entries)}")
            return POISON
        return entries[place]

    def _slice_list(self, expr: nodes.Index, entries: tuple[Any, ...], scope: Scope) -> Any:
        item = expr.items[0]
        if len(expr.items) != 1 or not isinstance(item, nodes.Slice):
            self.error("E0208", expr, "a list has one index")
            return POISON
        ends = self._slice_ends(item, scope)
        if ends is None:
            return POISON
        if any(isinstance(e, Dim) for e in ends) or ends[2] == 0:
            self.error("E0207", expr, "the ends of a slice of a list are whole numbers")
            return POISON
        return entries[slice(*ends)]

    def _slice_ends(self, item: nodes.Slice, scope: Scope) -> list[Any] | None:
        ends: list[Any] = []
        for part in (item.lower, item.upper, item.step):
            value = None if part is None else self.number(part, scope, "the end of a slice")
            if isinstance(value, Poisoned):
                return None
            if isinstance(value, float):
                assert part is not None
                self.error("E0207", part, f"the ends of a slice are whole numbers, not {numbers.show(value)}")
                return None
            ends.append(value)
        return ends

    def _index_tensor(self, expr: nodes.Index, value: Value, scope: Scope) -> Any:
        from nnspec.ops.index import Index
        from nnspec.ops.index import Slice as TensorSlice

        items: list[Any] = []
        for item in expr.items:
            if isinstance(item, nodes.Slice):
                ends = self._slice_ends(item, scope)
                if ends is None:
                    return POISON
                items.append(TensorSlice(ends[0], ends[1], 1 if ends[2] is None else ends[2]))
                continue
            place = self.number(item, scope, "an index")
            if isinstance(place, Poisoned):
                return POISON
            if not isinstance(place, int):
                self.error("E0207", item, f"an index is a whole number, not {numbers.show(place)}")
                return POISON
            items.append(place)
        return self.operation(Index(tuple(items)), (value,), expr)

    # ------------------------------------------------------------ attributes

    def attribute(self, expr: nodes.Attribute, scope: Scope) -> Any:
        names: list[str] = []
        base: nodes.Expr = expr
        while isinstance(base, nodes.Attribute):
            names.append(base.name)
            base = base.value
        value = self.evaluate(base, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Instance):
            return self.read_parameter(expr, value, ".".join(reversed(names)))
        if isinstance(value, Recipe):
            message = "this is a recipe: every use of it has parameters of its own"
            self.error("E0216", expr, message, help="`layer enc = ...` names one layer, whose enc.weight can be read")
            return POISON
        if isinstance(value, Value) and len(names) == 1:
            return self._size(expr, value)
        self.error("E0216", expr, f"{kind_of(value)} has no {names[-1]}")
        return POISON

    def _size(self, expr: nodes.Attribute, value: Value) -> Any:
        shape, name = value.type.shape, expr.name
        if name == "shape":
            return shape
        if name == "size":
            return product(shape)
        axis = {"channels": 0, "length": 0, "height": -2, "width": -1, "features": -1}.get(name)
        if axis is None:
            known = ("shape", *SIZE_NAMES)
            self.error(
                "E0216", expr, f"a tensor has no {name}", help=did_you_mean(name, known, f"it has {', '.join(known)}")
            )
            return POISON
        if not -len(shape) <= axis < len(shape):
            self.error("E0305", expr, f"a tensor of shape {numbers.show(shape)} has no {name}")
            return POISON
        return shape[axis]

    def read_parameter(self, expr: nodes.Attribute, instance: Instance, wanted: str) -> Any:
        """`enc.weight`: a node that reads one parameter of a named layer."""
        made = instance.bound
        if made is None and self.reporter.failed:
            return POISON  # its first use may be what was reported
        if made is None:
            help = "use the layer before this line"
            self.error("E0219", expr, f"{instance.name} has no parameters before its first use", help=help)
            return POISON
        if isinstance(made, Poisoned):
            return POISON
        layers: list[Layer] = (
            list(made.module.all_layers()) if made.module is not None else [made.layer] if made.layer else []
        )
        root = made.module.path if made.module is not None else made.layer.path if made.layer else ""
        known: list[str] = []
        for layer in layers:
            for local, parameter in layer.parameters.items():
                name = parameter.path[len(root) + 1 :] if root else parameter.path
                known.append(name)
                if name == wanted:
                    output = Value(ReadParameter(local, parameter.shape).infer(), expr.span)
                    self.frame.items.append(
                        Node(ReadParameter(local, parameter.shape), (), (output,), expr.span, layer)
                    )
                    self.grow(expr.span)
                    return output
        otherwise = f"it has {', '.join(known[:8])}" if known else "it has no parameters"
        self.error(
            "E0216", expr, f"{instance.name} has no parameter {wanted}", help=did_you_mean(wanted, known, otherwise)
        )
        return POISON

    # ------------------------------------------------------------ pipelines and braces

    def pipeline(self, expr: nodes.Pipeline, scope: Scope) -> Any:
        if self.kind(expr, scope) == "layer":
            return Recipe(expr, scope)
        first, *rest = expr.steps
        value = self.labelled(first, scope) if first.label is not None else self.evaluate(first.value, scope)
        names = self.frame.names
        for index, step in enumerate(rest):
            value = self.step_input(value, expr.steps[index].value)
            if isinstance(step.value, nodes.Shape):
                value = self.assert_shape(step.value, scope, value)
            else:
                value = self.through(step.value, scope, value, self.step_place(step, names, scope))
        return value

    def step_input(self, value: Any, node: nodes.Expr) -> Any:
        if isinstance(value, Value | Poisoned | Several):
            return value
        return self.as_tensor(value, node, "the start of this pipeline")

    def labelled(self, step: nodes.Step, scope: Scope) -> Any:
        """A tensor with a label: a call takes it as its name, other expressions number their layers under it."""
        names = self.frame.names
        key = self.claim(step, names, scope)
        inner = step.value
        while isinstance(inner, nodes.Paren):
            inner = inner.value
        if isinstance(inner, nodes.Call) and self.callee(inner.callee.id, scope).kind in ("block", "op"):
            return self.call(inner, scope, At(names, key, step.label))
        if isinstance(inner, nodes.Name | nodes.Number | nodes.Attribute | nodes.List):
            self.error(
                "E0214",
                step.label or step,
                "a label names a layer, this step has none",
                help="name a value with `h = ...`",
            )
            return self.evaluate(inner, scope)
        number = names.number() if names.numbered and key is None else key
        sequence = Sequence(names.full(key or ""), number or "", Value(_NOTHING, step.span), step.span)
        frame = self.frame
        with self.items_into(sequence.items):
            frame.names = NameScope(names.module, names.full(key or ""), numbered=True)
            try:
                value = self.evaluate(inner, scope)
            finally:
                frame.names = names
        if isinstance(value, Value) and sequence.items:
            sequence.output = value
            sequence.input = _first_input(sequence) or value
            frame.items.append(sequence)
        else:
            frame.items.extend(sequence.items)
        return value

    def claim(self, step: nodes.Step, names: NameScope, scope: Scope) -> str | None:
        raise NotImplementedError

    def step_place(self, step: nodes.Step, names: NameScope, scope: Scope) -> At:
        raise NotImplementedError

    def assert_shape(self, expr: nodes.Shape, scope: Scope, value: Any) -> Any:
        raise NotImplementedError

    def choose(self, expr: nodes.If, scope: Scope) -> Any:
        """`if` for its value; for layers the choice is made where they are used."""
        if self.kind(expr, scope) == "layer":
            return Recipe(expr, scope)
        chosen = self.condition(expr.condition, scope)
        if chosen is None:
            return POISON
        if expr.otherwise is None:
            self.error("E0209", expr, "this `if` has no value without an `else`", help="else { ... } gives it one")
            return POISON
        choice = Choice(expr, 0 if chosen else 1, expr.span)
        with self.items_into(choice.items):
            value = self.branch(expr, chosen, scope)
            if isinstance(value, Value):
                value = self.operation(Identity(), (value,), expr)
                if isinstance(value, Value):
                    choice.result = value
        if choice.items:
            self.frame.items.append(choice)
        return value

    def branch(self, expr: nodes.If, chosen: bool, scope: Scope) -> Any:
        """The taken branch; what stands in the other one is counted, so that names do not depend on the choice."""
        if not chosen:
            self.skip_names(expr.then, scope)
        taken = expr.then if chosen else expr.otherwise
        assert taken is not None
        value = self.body(taken, Scope(scope.path, scope))
        if chosen and expr.otherwise is not None:
            self.skip_names(expr.otherwise, scope)
        return value

    def skip_names(self, body: nodes.Body, scope: Scope) -> None:
        raise NotImplementedError

    def loop(self, expr: nodes.For, scope: Scope) -> Any:
        kind = self.kind(expr, scope)
        if kind == "layer":
            return Recipe(expr, scope)
        if kind == "tensor":
            self.error(
                "E0208",
                expr,
                "a `for` over tensors gives several",
                help="concat(for ... { ... }) or stack(...) joins them",
            )
        elif kind != "poison":
            self.error("E0207", expr, f"the body of a `for` is a layer or a tensor, this is {kind}")
        return POISON

    def paren(self, expr: nodes.Paren, scope: Scope) -> Any:
        if self.kind(expr, scope) == "layer":
            value = self.evaluate(expr.value, scope)
            return Recipe(expr, scope) if isinstance(value, Recipe) else value
        return self.evaluate(expr.value, scope)

    def no_value(self, expr: nodes.Expr, scope: Scope) -> Any:
        """`: [..]` stands only in pipelines; Poison was reported by the parser."""
        if isinstance(expr, nodes.Shape):
            self.error("E0207", expr, "`: [...]` asserts the shape of the step before it")
        return POISON

    def origin(self, value: Value, node: nodes.Node) -> tuple[Label, ...]:
        """Where a tensor came from, as a label."""
        if value.span == node.span:
            return ()
        return (Label(value.span, f"gives {numbers.show(value.type.shape) if value.type.rank else 'a scalar'}"),)


def operator_class(op: str) -> type[Op]:
    from nnspec.ops import arithmetic

    return {
        "+": arithmetic.Add,
        "-": arithmetic.Sub,
        "*": arithmetic.Mul,
        "/": arithmetic.Div,
        "^": arithmetic.Pow,
        "<": arithmetic.Less,
        "<=": arithmetic.LessEqual,
        ">": arithmetic.Greater,
        ">=": arithmetic.GreaterEqual,
        "==": arithmetic.Equal,
        "!=": arithmetic.NotEqual,
        "and": arithmetic.And,
        "or": arithmetic.Or,
        "not": arithmetic.Not,
        "neg": arithmetic.Neg,
    }[op]


def _layer_help(value: Any) -> str:
    return "give the layer its tensor: x -> layer" if isinstance(value, Recipe | Instance) else ""


def _first_input(sequence: Sequence) -> Value | None:
    """The first value from outside that the items read."""
    made: set[Value] = set()
    module = Module("", "", None, "", "", None, sequence.span)
    module.items = sequence.items
    for item in module.flat():
        for value in item.inputs:
            if value not in made:
                return value
        made.update(item.outputs)
    return None


_NOTHING = TensorType("float32", ())

_EVALUATE: dict[type[nodes.Expr], Callable[[Expressions, Any, Scope], Any]] = {
    nodes.Number: lambda self, expr, scope: expr.value,
    nodes.String: lambda self, expr, scope: expr.value,
    nodes.Bool: lambda self, expr, scope: expr.value,
    nodes.Name: Expressions.name,
    nodes.List: Expressions.list_value,
    nodes.Range: Expressions.range_value,
    nodes.Attribute: Expressions.attribute,
    nodes.Index: Expressions.index,
    nodes.Unary: Expressions.unary,
    nodes.Binary: Expressions.binary,
    nodes.Call: lambda self, expr, scope: self.call(expr, scope),
    nodes.Pipeline: Expressions.pipeline,
    nodes.Paren: Expressions.paren,
    nodes.If: Expressions.choose,
    nodes.For: Expressions.loop,
    nodes.Shape: Expressions.no_value,
    nodes.Poison: Expressions.no_value,
}
