"""Sending a tensor through a layer: steps, compositions, labels, `if`, recipes."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.dims import Dim
from nnspec.ir.graph import Choice, Sequence, Value
from nnspec.ir.types import show_shape
from nnspec.ops.core import Identity
from nnspec.passes import numbers
from nnspec.passes.kinds import block_tensors
from nnspec.passes.naming import NameScope
from nnspec.passes.numbers import NumberError, is_number, kind_of
from nnspec.passes.scope import MISSING, POISON, At, Instance, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.passes.skipping import Skipping
from nnspec.syntax import nodes


class Layers(Skipping):
    def through(self, expr: nodes.Expr, scope: Scope, x: Any, at: At, span: Span | None = None) -> Any:
        """What the layer `expr` makes of the tensor `x`. `span` is the step where that differs from `expr`."""
        if id(expr) in self.program.poisoned:
            self.broken = True
            return POISON
        self.deepen(expr)
        self.work(expr)
        value = self._through(expr, scope, x, at)
        self.depth -= 1
        return value

    def _through(self, expr: nodes.Expr, scope: Scope, x: Any, at: At) -> Any:
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if isinstance(expr, nodes.Name):
            return self._through_name(expr, scope, x, at)
        if isinstance(expr, nodes.Call):
            return self._through_call(expr, scope, x, at)
        if isinstance(expr, nodes.Pipeline):
            return self._through_pipeline(expr, scope, x, at)
        if isinstance(expr, nodes.If):
            return self._through_if(expr, scope, x, at)
        if isinstance(expr, nodes.For):
            return self.through_for(expr, scope, x, at)
        if isinstance(expr, nodes.Index):
            found = self.evaluate(expr, scope)
            if isinstance(found, Recipe | Instance):
                return self._through_found(found, expr, x, at)
            if isinstance(found, Poisoned):
                return POISON
        return self._no_layer(expr, scope)

    def _no_layer(self, expr: nodes.Expr, scope: Scope) -> Poisoned:
        kind = self.kind(expr, scope)
        if kind == "poison" or isinstance(expr, nodes.Poison):
            self.broken = True
            return POISON
        if isinstance(expr, nodes.Binary | nodes.Unary):
            help = f"-> binds looser than {expr.op}: write (x -> f) {expr.op} y"
            self.error("E0210", expr, "a step is a layer, and there is no arithmetic on layers", help=help)
            return POISON
        text = {"tensor": "a tensor", "bool": "true or false", "layer": "a layer in a form that cannot be a step"}.get(
            kind, f"a {kind}"
        )
        self.error("E0222", expr, f"a step is a layer, this is {text}")
        return POISON

    # ------------------------------------------------------------ steps

    def _through_call(self, call: nodes.Call, scope: Scope, x: Any, at: At) -> Any:
        callee = self.callee(call.callee.id, scope)
        if callee.kind == "repeat":
            return self.through_repeat(call, scope, x, at)
        if callee.kind == "":
            return self.unknown_callee(call, scope)
        if callee.kind == "penalty":
            self.error(
                "E0222", call, f"{call.callee.id} is no layer", help=f"{call.callee.id}(weights) stands in minimize"
            )
            return POISON
        if callee.kind == "local":
            if call.arguments:
                name = call.callee.id
                self.error("E0208", call, f"{name} is a layer already, it takes no settings", help=f"x -> {name}")
                return POISON
            return self._through_name(call.callee, scope, x, at)
        return self._apply(call, callee, scope, x, call.arguments, at)

    def _apply(
        self, node: nodes.Expr, callee: Any, scope: Scope, x: Any, arguments: tuple[nodes.Argument, ...], at: At
    ) -> Any:
        """An op or block as a step."""
        name = node.callee.id if isinstance(node, nodes.Call) else node.id if isinstance(node, nodes.Name) else ""
        piped: tuple[Value, ...]
        if isinstance(x, Several) and callee.kind == "op" and callee.target.op.variadic:
            piped = x.values
        elif isinstance(x, Several):
            count = len(x.values)
            self.error(
                "E0227",
                node,
                f"{name} gets {count} tensors from the step before, one is expected",
                help="name them: a, b = ...",
            )
            return POISON
        else:
            piped = (x,)  # perhaps POISON: what the call itself gets wrong is found all the same
        if callee.kind == "block":
            if not block_tensors(callee.target):
                self.error("E0226", node, f"{name} takes no tensors, this step gives it one")
                return POISON
            return self.use_block(node, callee.target, piped, arguments, scope, at)
        if not callee.target.op.tensors:
            self.error("E0226", node, f"{name} takes no tensor, this step gives it one")
            return POISON
        return self.use_op(node, callee.target, piped, arguments, scope, at)

    def _through_name(self, expr: nodes.Name, scope: Scope, x: Any, at: At) -> Any:
        found = scope.find(expr.id)
        if isinstance(found, Instance | Recipe):
            return self._through_found(found, expr, x, at)
        if isinstance(found, Thunk) and self.thunk_kind(found) == "layer":
            if found.busy:
                self.error("E0215", expr, f"{expr.id} needs its own value")
                return POISON
            found.busy = True
            try:
                return self.through(found.expr, found.scope, x, at, expr.span)
            finally:
                found.busy = False
        callee = self.callee(expr.id, scope)
        if callee.kind in ("block", "op"):
            return self._apply(expr, callee, scope, x, (), at)
        if found is MISSING:
            return self.unknown_callee(expr, scope)
        if isinstance(found, Thunk):
            found = self.force(found, expr)
        if isinstance(found, Unavailable):
            self.error("E0219", expr, found.message, help=found.help)
        elif not isinstance(found, Poisoned):
            help = f"{expr.id} was named by a let or `h = ...`; layers are named by let or layer"
            self.error("E0222", expr, f"a step is a layer, {expr.id} is {kind_of(found)}", help=help)
        return POISON

    def _through_found(self, found: Recipe | Instance, node: nodes.Expr, x: Any, at: At) -> Any:
        if isinstance(found, Instance):
            return self.use_instance(found, node, x, at)
        return self.through(found.expr, found.scope, x, at, node.span)

    def assert_shape(self, expr: nodes.Shape, scope: Scope, value: Any) -> Any:
        sizes = [self.number(size, scope, "a size") for size in expr.sizes]
        if isinstance(value, Poisoned) or any(isinstance(s, Poisoned) for s in sizes):
            return value
        if isinstance(value, Several):
            self.error("E0227", expr, f"the step before gives {len(value.values)} tensors, one is expected")
            return POISON
        found = value.type.shape
        if len(found) == len(sizes) and all(_same_size(a, b) for a, b in zip(found, sizes, strict=True)):
            return value
        self.error(
            "E0307",
            expr,
            f"the shape is {show_shape(found)}, not {numbers.show(tuple(sizes))}",
            labels=self.origin(value, expr),
            help=f": {show_shape(found)}",
        )
        return value

    # ------------------------------------------------------------ compositions

    def _through_pipeline(self, expr: nodes.Pipeline, scope: Scope, x: Any, at: At) -> Any:
        if at.key is None:
            return self._steps(expr, scope, x, at.names)
        sequence = Sequence(at.names.full(at.key), at.key if at.names.numbered else "", x, expr.span)
        inner = NameScope(at.names.module, at.names.full(at.key), numbered=True)
        with self.items_into(sequence.items):
            value = self._steps(expr, scope, x, inner)
        if isinstance(value, Value) and isinstance(x, Value):
            sequence.output = value
            self.frame.items.append(sequence)
        else:
            self.frame.items.extend(sequence.items)
        return value

    def _steps(self, expr: nodes.Pipeline, scope: Scope, x: Any, names: NameScope) -> Any:
        for step in expr.steps:
            if isinstance(step.value, nodes.Shape):
                x = self.assert_shape(step.value, scope, x)
            else:
                x = self.through(step.value, scope, x, self.step_place(step, names, scope))
        return x

    def step_place(self, step: nodes.Step, names: NameScope, scope: Scope) -> At:
        """Where a step of a pipeline gets its name: its label, the next number, or what it turns out to be."""
        if step.label is not None:
            if names.numbered:
                names.number()
            return At(names, self.claim(step, names, scope), step.label)
        if names.numbered and not self.is_loop(step.value, scope):
            return At(names, names.number())
        return At(names)

    def is_loop(self, expr: nodes.Expr, scope: Scope) -> bool:
        """`repeat` and `for` are written out in place; parentheses round them make one step."""
        if isinstance(expr, nodes.For):
            return True
        return isinstance(expr, nodes.Call) and self.callee(expr.callee.id, scope).kind == "repeat"

    def claim(self, step: nodes.Step, names: NameScope, scope: Scope) -> str | None:
        """The text of a label, taken in its scope; None without one or after an error in it."""
        if step.label is None:
            return None
        text = ""
        for part in step.label.parts:
            if isinstance(part, str):
                text += part
                continue
            value = self.evaluate(part, scope)
            if isinstance(value, Poisoned):
                return names.running("poison")
            if (
                not isinstance(value, int | str)
                or isinstance(value, bool)
                or (isinstance(value, str) and not value.isidentifier())
            ):
                self.error(
                    "E0207",
                    part,
                    f"a label holds whole numbers, not {numbers.show(value) if is_number(value) else kind_of(value)}",
                )
                return names.running("poison")
            text += str(value)
        if not text.replace("_", "a").isalnum():
            self.error("E0213", step.label, f"{text} is no name", help="labels hold letters, digits and underscores")
            return names.running("poison")
        first = names.claim(text, step.label.span)
        if first is not None:
            where = (Label(first, "first here"),) if first != step.label.span else ()
            help = (
                "parentheses round the body make each copy a step of its own"
                if not where
                else "each label names one layer"
            )
            self.error("E0213", step.label, f"the label {text} is used twice", labels=where, help=help)
            return names.running(text + "_")
        return text

    # ------------------------------------------------------------ if

    def _through_if(self, expr: nodes.If, scope: Scope, x: Any, at: At) -> Any:
        chosen = self.condition(expr.condition, scope)
        if chosen is None:
            return POISON
        choice = Choice(expr, 0 if chosen else 1, expr.span)
        with self.items_into(choice.items):
            if not chosen:
                self.skip_names(expr.then, scope)
            taken = expr.then if chosen else expr.otherwise
            value = x if taken is None else self._through_body(taken, Scope(scope.path, scope), x, at)
            if chosen and expr.otherwise is not None:
                self.skip_names(expr.otherwise, scope)
            if isinstance(value, Value):
                value = self.operation(Identity(), (value,), expr)
                choice.result = value if isinstance(value, Value) else None
        self.frame.items.append(choice)
        return value

    def _through_body(self, body: nodes.Body, scope: Scope, x: Any, at: At) -> Any:
        self.statements(body, scope)
        if body.result is None:
            self.error("E0209", body, "these braces have no value", help="their last line is an expression")
            return POISON
        return self.through(body.result, scope, x, at)


def _same_size(found: Any, wanted: Any) -> bool:
    if isinstance(found, Dim) or isinstance(wanted, Dim):
        return bool(found == wanted)
    try:
        return bool(numbers.binary("==", found, wanted))
    except NumberError:
        return False
