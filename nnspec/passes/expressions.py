"""The value of an expression: numbers are computed, tensors are built, layers stay recipes until they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.ir.graph import Choice, Module, Sequence, Value
from nnspec.ir.types import TensorType
from nnspec.ops.core import Identity
from nnspec.passes.indexing import Indexing
from nnspec.passes.naming import NameScope, OneName, count_layers, has_label
from nnspec.passes.scope import MISSING, POISON, At, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


class Expressions(Indexing):
    def evaluate(self, expr: nodes.Expr, scope: Scope) -> Any:
        """The value, or POISON after saying why there is none."""
        if id(expr) in self.program.poisoned:
            self.broken = True
            return POISON
        self.deepen(expr)
        self.work(expr)
        value = _EVALUATE[type(expr)](self, expr, scope)
        self.depth -= 1
        return value

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
                f"`{_word(step.label)}:` labels a layer, and this is none",
                help=f"`=` gives a setting or names a value: {_word(step.label)} = ...",
            )
            return self.evaluate(inner, scope)
        number = names.number() if names.numbered and key is None else key
        sequence = Sequence(names.full(key or ""), number or "", Value(_NOTHING, step.span), step.span)
        frame = self.frame
        with self.items_into(sequence.items):
            if key is not None and count_layers(inner) == 1 and not has_label(inner):
                frame.names = OneName(names, key)
            else:
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

    def loop(self, expr: nodes.For, scope: Scope) -> Any:
        kind = self.kind(expr, scope)
        if kind == "layer":
            return Recipe(expr, scope)
        if kind == "tensor":
            self.error(
                "E0227",
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
        self.broken = True
        if isinstance(expr, nodes.Shape):
            self.error("E0207", expr, "`: [...]` asserts the shape of the step before it")
        return POISON


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


def _word(label: nodes.StepLabel | None) -> str:
    """A label's text where it is one plain word, `h` for any other."""
    parts = label.parts if label is not None else ()
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else "h"
