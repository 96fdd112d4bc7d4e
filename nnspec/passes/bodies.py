"""Statements: what the lines of a model or block declare."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.graph import Declare, Layer, Node, Parameter, Value
from nnspec.ops.base import Initialiser, ShapeError
from nnspec.ops.core import FreeParameter
from nnspec.passes import numbers
from nnspec.passes.blocks import Declared
from nnspec.passes.fields import Fields
from nnspec.passes.kinds import block_tensors
from nnspec.passes.numbers import is_number, kind_of
from nnspec.passes.scope import POISON, Instance, Poisoned, Recipe, Scope, Several, Thunk
from nnspec.syntax import nodes


class Requirement:
    """A `require` that is decided when the whole model is known."""

    __slots__ = ("condition", "scope", "use")

    def __init__(self, condition: nodes.Expr, scope: Scope, use: Span | None) -> None:
        self.condition = condition
        self.scope = scope
        self.use = use


class Bodies(Fields):
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
            if declared.body.result is None and self.program.reported:
                self.statements(declared.body, scope)
                self.broken = True  # the checker has said that the block has no value
                return POISON
            return self.body(declared.body, scope)
        outputs = [s for s in declared.body.statements if isinstance(s, nodes.Output)]
        self.statements(declared.body, scope)
        if declared.body.result is not None:
            self.evaluate(declared.body.result, scope)
        if len(outputs) != 1:
            count = len(outputs) or "no"
            help = "a model with one output can be used as a block"
            self.error(
                "E0227", declared.name, f"{declared.name.id} is used as a block and has {count} outputs", help=help
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
                    "E0227",
                    statement.value,
                    f"this is {kind_of(value)}, {count} names stand before it",
                    help="split gives several",
                )
        if values and len(values) != len(statement.names):
            self.error("E0227", statement.value, f"this gives {len(values)} tensors for {len(statement.names)} names")
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
                "E0227",
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
            self.error(error.code, statement.initialiser or statement, error.message, help=error.help)
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
                "E0224",
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
