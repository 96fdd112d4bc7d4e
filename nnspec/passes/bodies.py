"""Statements: what the lines of a model or block declare."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.dims import Dim, divide_exactly, is_at_least, same
from nnspec.ir.graph import Declare, Field, Layer, Node, Parameter, Value
from nnspec.ir.types import DTYPES, TensorType
from nnspec.ops.base import Initialiser, ShapeError
from nnspec.ops.core import FreeParameter
from nnspec.passes import numbers
from nnspec.passes.calls import Declared
from nnspec.passes.kinds import block_tensors
from nnspec.passes.layers import Layers
from nnspec.passes.numbers import is_number, kind_of
from nnspec.passes.scope import POISON, Instance, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


class Requirement:
    """A `require` that is decided when the whole model is known."""

    __slots__ = ("condition", "scope", "use")

    def __init__(self, condition: nodes.Expr, scope: Scope, use: Span | None) -> None:
        self.condition = condition
        self.scope = scope
        self.use = use


class Bodies(Layers):
    requirements: list[Requirement]

    def body(self, body: nodes.Body, scope: Scope) -> Any:
        """Runs the statements of a pair of braces; the value of their last expression."""
        self.statements(body, scope)
        if body.result is None:
            self.error("E0209", body, "these braces have no value", help="their last line is an expression")
            return POISON
        return self.evaluate(body.result, scope)

    def body_of(self, declared: Declared, scope: Scope) -> Any:
        """The value of a block, or of a model used as one: its only output."""
        if isinstance(declared, nodes.Block):
            return self.body(declared.body, scope)
        outputs = [s for s in declared.body.statements if isinstance(s, nodes.Output)]
        self.statements(declared.body, scope)
        if declared.body.result is not None:
            self.evaluate(declared.body.result, scope)
        if len(outputs) != 1:
            count = len(outputs) or "no"
            help = "a model with one output can be used as a block"
            self.error(
                "E0208", declared.name, f"{declared.name.id} is used as a block and has {count} outputs", help=help
            )
            return POISON
        return scope.find(outputs[0].name.id)

    def statements(self, body: nodes.Body, scope: Scope) -> None:
        for statement in body.statements:
            self.statement(statement, scope)

    def statement(self, statement: nodes.Statement, scope: Scope) -> None:
        if isinstance(statement, nodes.Bind):
            self._bind(statement, scope)
        elif isinstance(statement, nodes.Let):
            self._let(statement, scope)
        elif isinstance(statement, nodes.LayerDecl):
            self._layer(statement, scope)
        elif isinstance(statement, nodes.Output):
            self._output(statement, scope)
        elif isinstance(statement, nodes.Input):
            self._input(statement, scope)
        elif isinstance(statement, nodes.Target):
            self._target(statement, scope)
        elif isinstance(statement, nodes.Param):
            self._param(statement, scope)
        elif isinstance(statement, nodes.Noise):
            self._noise(statement, scope)
        elif isinstance(statement, nodes.Dim):
            self._dim(statement, scope)
        elif isinstance(statement, nodes.Require):
            self.requirements.append(Requirement(statement.condition, scope, self.frame.use))

    def define(self, name: nodes.Name, value: Any, scope: Scope) -> None:
        """Gives a name its meaning; each name once in its braces."""
        if name.id in scope.names and name.id in scope.spans and scope.spans[name.id] != name.span:
            first = Label(scope.spans[name.id], "first here")
            self.error("E0204", name, f"{name.id} is named twice", labels=(first,), help="each name is given once")
            return
        scope.names[name.id] = value
        scope.spans[name.id] = name.span

    # ------------------------------------------------------------ values

    def _bind(self, statement: nodes.Bind, scope: Scope) -> None:
        value = self.evaluate(statement.value, scope)
        if len(statement.names) == 1:
            self.define(statement.names[0], self._named(value, statement.names[0], statement.value), scope)
            return
        values: tuple[Any, ...]
        if isinstance(value, Several):
            values = value.values
        elif isinstance(value, tuple):
            values = value
        else:
            values = ()
            if not isinstance(value, Poisoned):
                count = len(statement.names)
                self.error(
                    "E0208",
                    statement.value,
                    f"this is {kind_of(value)}, {count} names stand before it",
                    help="split gives several",
                )
        if values and len(values) != len(statement.names):
            self.error("E0208", statement.value, f"this gives {len(values)} tensors for {len(statement.names)} names")
            values = ()
        for index, name in enumerate(statement.names):
            self.define(name, self._named(values[index], name, statement.value) if values else POISON, scope)

    def _named(self, value: Any, name: nodes.Name, node: nodes.Expr) -> Any:
        """A tensor or number as `h = ...` names it."""
        if isinstance(value, Recipe | Instance):
            help = f"let {name.id} = ... names a recipe, layer {name.id} = ... one layer; h = x -> layer a tensor"
            self.error("E0211", node, f"{name.id} would name a layer, and `=` names a tensor or a number", help=help)
            return POISON
        if isinstance(value, Several):
            count = len(value.values)
            self.error(
                "E0208",
                node,
                f"this gives {count} tensors for one name",
                help=f"{name.id}, {name.id}2 = ... names several",
            )
            return POISON
        if isinstance(value, Value) and not value.name:
            value.name = name.id
        return value

    def _let(self, statement: nodes.Let, scope: Scope) -> None:
        thunk = Thunk(statement.value, scope, "let")
        self.define(statement.name, thunk, scope)
        kind = self.thunk_kind(thunk)
        if kind in ("tensor", "number", "bool", "string", "list"):
            self.force(thunk, statement.value)

    def _output(self, statement: nodes.Output, scope: Scope) -> None:
        value = self.tensor(statement.value, scope, f"the output {statement.name.id}")
        self.define(statement.name, self._named(value, statement.name, statement.value), scope)
        if len(self.frames) > 1 or not isinstance(value, Value):
            return
        self.graph.outputs[statement.name.id] = value

    # ------------------------------------------------------------ fields

    def type_of(self, type: nodes.TypeExpr, scope: Scope, batched: bool = True) -> TensorType | None:
        """A declared type, None after reporting what is wrong with it."""
        if type.dtype not in DTYPES:
            self.error(
                "E0218",
                type,
                f"unknown dtype {type.dtype}",
                help=did_you_mean(type.dtype, DTYPES, f"known: {', '.join(DTYPES)}"),
            )
            return None
        classes = 0
        if type.dtype == "class":
            if len(type.arguments) != 1:
                self.error("E0208", type, "class takes the number of classes", help="as in class(10)")
                return None
            found = self.size(type.arguments[0], scope, "the number of classes")
            if not isinstance(found, int):
                if isinstance(found, Dim):
                    self.error("E0310", type.arguments[0], "the number of classes cannot be an open size")
                return None
            classes = found
        elif type.arguments:
            self.error("E0208", type, f"{type.dtype} takes sizes in brackets", help=f"as in {type.dtype}[10]")
            return None
        shape = [self.size(size, scope, "a size") for size in type.sizes or ()]
        if any(s is None for s in shape):
            return None
        return TensorType(type.dtype, tuple(s for s in shape if s is not None), batched, classes)

    def size(self, expr: nodes.Expr, scope: Scope, what: str) -> int | Dim | None:
        """A whole number >= 1 or an open size."""
        value = self.number(expr, scope, what)
        if isinstance(value, Poisoned):
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, float):
            self.error("E0306", expr, f"{what} is a whole number, not {numbers.show(value)}")
            return None
        if not is_at_least(value, 1):
            self.error("E0306", expr, f"{what} is at least 1, not {value}")
            return None
        if isinstance(value, int) and value > 2**31 - 1:
            self.error("E0309", expr, f"a size of {value:,} is beyond the largest, {2**31 - 1:,}")
            return None
        found: int | Dim = value
        return found

    def _input(self, statement: nodes.Input, scope: Scope) -> None:
        if len(self.frames) > 1:
            self._passed(statement, scope)
            return
        type = self.type_of(statement.type, scope)
        if type is None:
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        self.graph.fields.append(Field(statement.name.id, value, "input"))

    def _passed(self, statement: nodes.Input, scope: Scope) -> None:
        """An input of a model used as a block: what it is declared as must be what it was given."""
        value = scope.names.get(statement.name.id)
        if not isinstance(value, Value):
            self.error(
                "E0207",
                statement,
                "an input stands in a model",
                help="a block names its tensors in its head: block B(x) { ... }",
            )
            return
        for size, given in zip(statement.type.sizes or (), value.type.shape, strict=False):
            self._settle(size, given, scope)
        declared = self.type_of(statement.type, scope)
        if declared is None:
            return
        fits = declared.dtype == value.type.dtype and len(declared.shape) == value.type.rank
        if not fits or not all(same(a, b) for a, b in zip(declared.shape, value.type.shape, strict=True)):
            node = self.frame.use or statement.span
            label = Label(statement.span, f"declared as {declared}")
            self.error(
                "E0303", node, f"{statement.name.id} of {self.frame.module.title} gets {value.type}", labels=(label,)
            )

    def _settle(self, size: nodes.Expr, given: int | Dim, scope: Scope) -> None:
        """Solves `16 * H` against a given size for an open size that has no value yet."""
        if not any(isinstance(v, Dim) and id(v) in self.unsettled for v in scope.names.values()):
            return
        declared = self.number(size, scope, "a size")
        if not isinstance(declared, Dim) or (form := declared.linear()) is None:
            return
        symbol, factor, offset = form
        name = next(
            (n for n, v in scope.names.items() if isinstance(v, Dim) and id(v) in self.unsettled and str(v) == symbol),
            None,
        )
        if name is not None and (found := divide_exactly(given - offset, factor)) is not None:
            scope.names[name] = found

    unsettled: dict[int, Dim]

    def _target(self, statement: nodes.Target, scope: Scope) -> None:
        if len(self.frames) > 1:
            message = f"{statement.name.id} is a target of {self.frame.module.title}, which is used as a block here"
            self.define(statement.name, Unavailable(message, "only the model that is compiled has targets"), scope)
            return
        type = self.type_of(statement.type, scope)
        if type is None:
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        self.graph.fields.append(Field(statement.name.id, value, "target"))

    def _noise(self, statement: nodes.Noise, scope: Scope) -> None:
        type = self.type_of(statement.type, scope)
        distribution: Any = POISON
        if statement.distribution is None:
            self.error(
                "E0209", statement, "a noise needs its distribution", help="as in noise e: float32[20] = normal(1)"
            )
        else:
            distribution = self.initialiser(statement.distribution, f"the distribution of {statement.name.id}", scope)
        if type is not None and not type.is_float:
            self.error("E0302", statement.type, f"a noise is float32, not {type.dtype}")
            type = None
        if type is None or not isinstance(distribution, Initialiser):
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        path = self.frame.module.path
        self.graph.fields.append(
            Field(f"{path}.{statement.name.id}" if path else statement.name.id, value, "noise", distribution)
        )

    def _dim(self, statement: nodes.Dim, scope: Scope) -> None:
        for name, default in statement.entries:
            symbol = Dim.symbol(name.id)
            if len(self.frames) > 1:  # settled by what the model is given as a block
                self.unsettled[id(symbol)] = symbol
                self.define(name, symbol, scope)
                continue
            expr = self.overrides.get(name.id, default)
            size: int | Dim | None = None
            if expr is not None:
                size = self.size(expr, scope, f"the size of {name.id}")
                if isinstance(size, Dim):
                    self.error(
                        "E0310",
                        expr,
                        f"the size of {name.id} is a whole number",
                        help="it is what is used where data does not say",
                    )
                    size = None
            self.graph.dims[name.id] = size if isinstance(size, int) else None
            self.define(name, symbol, scope)

    # ------------------------------------------------------------ parameters and layers

    def own_name(self, name: nodes.Name) -> bool:
        """Takes a name among the labels of the body: a `layer` or `param` is stored under it."""
        first = self.frame.names.claim(name.id, name.span)
        if first is None or first == name.span:
            return True
        self.error("E0213", name, f"{name.id} is the name of another layer here", labels=(Label(first, "first here"),))
        return False

    def _param(self, statement: nodes.Param, scope: Scope) -> None:
        self.define(statement.name, POISON, scope)
        type = self.type_of(statement.type, scope, batched=False)
        init: Any = POISON
        if statement.initialiser is None:
            help = f"as in param {statement.name.id}: ... = zeros"
            self.error("E0209", statement, "a param needs an initialiser", help=help)
        else:
            init = self.initialiser(statement.initialiser, f"the initialiser of {statement.name.id}", scope)
        if type is None or not isinstance(init, Initialiser) or not self.own_name(statement.name):
            return
        if not type.is_float:
            self.error("E0302", statement.type, f"a param is float32, not {type.dtype}")
            return
        op, names = FreeParameter(type.shape, init), self.frame.names
        module = self.frame.module
        layer = Layer(op, names.full(statement.name.id), names.path(statement.name.id), module, statement.span)
        try:
            for local, declared in op.params().items():
                self.make_parameter(
                    layer, local, Parameter(layer.path, declared.shape, init, declared.role, statement.span)
                )
        except ShapeError as error:
            self.error(error.code, statement.type, error.message, help=error.help)
            return
        module.layers.append(layer)
        value = Value(type, statement.span, statement.name.id)
        self.frame.items.append(Declare(layer, statement.span))
        self.frame.items.append(Node(op, (), (value,), statement.span, layer))
        self.grow(statement.span)
        scope.names[statement.name.id] = value

    def _layer(self, statement: nodes.LayerDecl, scope: Scope) -> None:
        kind = self.kind(statement.value, scope)
        if kind not in ("layer", "poison"):
            what = {"tensor": "a tensor", "bool": "true or false"}.get(kind, f"a {kind}")
            self.error(
                "E0207",
                statement.value,
                f"`layer` names a layer, this is {what}",
                help=f"{statement.name.id} = ... names a value",
            )
        value = self.evaluate(statement.value, scope) if kind == "layer" else POISON
        if not isinstance(value, Recipe) or not self.own_name(statement.name):
            self.define(statement.name, value if isinstance(value, Instance) else POISON, scope)
            return
        names = self.frame.names
        declare = Declare(self.frame.module, statement.span)
        instance = Instance(
            statement.name.id,
            names.full(statement.name.id),
            statement.value,
            scope,
            self.frame.module,
            declare,
            statement.span,
        )
        instance.extra = self._extra_tensors(instance) or ()
        self.frame.items.append(declare)
        self.declared.append((self.frame.items, declare, instance))
        self.define(statement.name, instance, scope)

    declared: list[tuple[list[Any], Declare, Instance]]

    def _extra_tensors(self, instance: Instance) -> tuple[Value, ...] | None:
        """The tensors that a named layer holds (`layer update = matmul(links)`), evaluated where it is declared."""
        expr, scope = self.plain_layer(instance.expr, instance.scope)
        if not isinstance(expr, nodes.Call):
            return ()
        callee = self.callee(expr.callee.id, scope)
        if callee.kind == "block":
            places = [t.id for t in block_tensors(callee.target)]
        elif callee.kind == "op" and not callee.target.op.variadic:
            places = list(callee.target.op.tensors)
        else:
            return ()
        found: list[Any] = [
            self.tensor(argument.value, scope, f"an argument of {expr.callee.id}")
            for argument in expr.arguments
            if argument.name in places or (not argument.name and self.kind(argument.value, scope) == "tensor")
        ]
        if any(isinstance(v, Poisoned) for v in found):
            instance.bound = POISON
            return None
        return tuple(found)

    # ------------------------------------------------------------ require

    def check_requirement(self, requirement: Requirement, scope: Scope) -> None:
        """Refuses a model that breaks a `require`; says what the two sides are."""
        condition = requirement.condition
        value = self.evaluate(condition, scope)
        if value is True or isinstance(value, Poisoned):
            return
        if not isinstance(value, bool):
            self.error(
                "E0207",
                condition,
                f"`require` takes true or false, this is {kind_of(value)}",
                help="as in require parameters < 1_000_000",
            )
            return
        labels: tuple[Label, ...] = ()
        if isinstance(condition, nodes.Binary):
            sides = [self.evaluate(side, scope) for side in (condition.left, condition.right)]
            if all(is_number(s) for s in sides):
                shown = " ".join((_grouped(sides[0]), condition.op, _grouped(sides[1])))
                labels = (Label(condition.span, f"{shown} is false"),)
        self.error("E0320", condition, "the model breaks this requirement", labels=labels)


def _grouped(value: Any) -> str:
    return f"{value:_}" if isinstance(value, int) else numbers.show(value)
