"""`repeat` and `for`: copies of a layer one after the other, or one tensor a turn."""

from __future__ import annotations

from typing import Any

from nnspec.ir.graph import Loop, Value
from nnspec.passes import numbers
from nnspec.passes.context import MAX_NODES
from nnspec.passes.layers import Layers
from nnspec.passes.naming import NameScope, OneName, count_layers
from nnspec.passes.numbers import kind_of
from nnspec.passes.scope import POISON, At, Poisoned, Scope, Several
from nnspec.syntax import nodes


class Loops(Layers):
    def through_repeat(self, call: nodes.Call, scope: Scope, x: Any, at: At) -> Any:
        positional = [a.value for a in call.arguments if not a.name]
        if len(positional) != 2 or len(call.arguments) != 2:
            self.error("E0208", call, "repeat takes a number and a layer", help="as in repeat(3, dense(10) -> relu)")
            return POISON
        count = self.number(positional[0], scope, "the first argument of repeat")
        if isinstance(count, Poisoned):
            return POISON
        if isinstance(count, float) and count.is_integer():
            count = int(count)
        if not isinstance(count, int) or count < 0:
            self.error("E0306", positional[0], f"repeat takes a whole number >= 0, not {numbers.show(count)}")
            return POISON
        if self.kind(positional[1], scope) not in ("layer", "poison"):
            found = self.kind(positional[1], scope)
            self.error(
                "E0222",
                positional[1],
                f"repeat chains copies of a layer, this is a {found}",
                help="as in repeat(3, dense(10))",
            )
            return POISON
        copies: list[tuple[Scope, nodes.Body | nodes.Expr, tuple[object, ...]]] = [(scope, positional[1], ())] * min(
            count, MAX_NODES + 1
        )
        return self._chain(call, "repeat", (), copies, x, at)

    def through_for(self, expr: nodes.For, scope: Scope, x: Any, at: At) -> Any:
        turns = self.turns(expr, scope)
        if turns is None:
            return POISON
        copies: list[tuple[Scope, nodes.Body | nodes.Expr, tuple[object, ...]]] = [
            (s, expr.body, values) for s, values in turns
        ]
        return self._chain(expr, "for", tuple(n.id for n in expr.targets), copies, x, at)

    def turns(self, expr: nodes.For, scope: Scope) -> list[tuple[Scope, tuple[object, ...]]] | None:
        """The scope of each turn of a `for`, and the values of its names."""
        items = self.evaluate(expr.iterable, scope)
        if isinstance(items, Poisoned):
            return None
        if not isinstance(items, tuple):
            self.error(
                "E0207",
                expr.iterable,
                f"`for` goes through a list or a range, this is {kind_of(items)}",
                help="as in 1..4 or [64, 128]",
            )
            return None
        names = [n.id for n in expr.targets]
        turns: list[tuple[Scope, tuple[object, ...]]] = []
        for item in items:
            values = item if len(names) > 1 else (item,)
            if not isinstance(values, tuple) or len(values) != len(names):
                has = f"{len(values)}" if isinstance(values, tuple) else "one value"
                self.error("E0227", expr.iterable, f"`for` unpacks {len(names)} names, an item has {has}")
                return None
            inner = Scope(scope.path, scope)
            inner.names.update(zip(names, values, strict=True))
            turns.append((inner, values))
        return turns

    def _chain(
        self,
        syntax: nodes.Expr,
        word: str,
        variables: tuple[str, ...],
        copies: list[tuple[Scope, nodes.Body | nodes.Expr, tuple[object, ...]]],
        x: Any,
        at: At,
    ) -> Any:
        """Copies one after the other: numbered on in a composition, `repeat1.0`, ... as a step of a body."""
        per_copy = at.key is None and not at.names.numbered
        name, names = "", at.names
        if per_copy:
            name = at.names.running(word)
        elif at.key is not None:
            name = at.key
        if name:
            names = NameScope(at.names.module, at.names.full(name), numbered=True)
        if not copies:
            return x
        label = at.key if at.key is not None and at.names.numbered else ""
        loop = Loop(at.names.full(name) if name else "", label, variables, True, syntax, syntax.span)
        before, self.repeats = self.repeats, self.repeats * len(copies)
        if self.repeats > MAX_NODES:
            self.give_up(
                "E0309",
                syntax.span,
                f"the loops repeat this {self.repeats:,} times, at most {MAX_NODES:,} operations make a model",
            )
        for inner, body, values in copies:
            iteration: list[Any] = []
            loop.inputs.append(x)
            with self.items_into(iteration):
                x = self._copy(body, inner, x, names, per_copy)
            loop.values.append(values)
            loop.iterations.append(iteration)
            loop.results.append(x)
            if isinstance(x, Poisoned):
                break
        self.repeats = before
        if all(isinstance(v, Value) for v in (*loop.inputs, *loop.results)):
            self.frame.items.append(loop)
        return x

    def _copy(self, body: nodes.Body | nodes.Expr, scope: Scope, x: Any, names: NameScope, per_copy: bool) -> Any:
        if isinstance(body, nodes.Body):
            if any(isinstance(s, nodes.Param | nodes.LayerDecl) for s in body.statements):
                return self._copy_with_names(body, scope, x, names)
            self.statements(body, scope)
            if body.result is None:
                self.error("E0209", body, "the body of a `for` has no value", help="its last line is a layer")
                return POISON
            expr = body.result
        else:
            expr = body
        if isinstance(expr, nodes.Pipeline) and (not per_copy or len(expr.steps) == 1):
            return self._steps(expr, scope, x, names)
        if self.is_loop(expr, scope) and not per_copy:
            return self.through(expr, scope, x, At(names))
        return self.through(expr, scope, x, At(names, names.number()))

    def _copy_with_names(self, body: nodes.Body, scope: Scope, x: Any, names: NameScope) -> Any:
        """A copy that declares a `param` or `layer` of its own is one step, under whose number these are stored."""
        key = names.number()
        frame, outer = self.frame, self.frame.names
        frame.names = NameScope(names.module, names.full(key))
        try:
            return self._through_body(body, scope, x, At(names, key))
        finally:
            frame.names = outer

    def several(self, expr: nodes.Expr, scope: Scope) -> Any:
        """A `for` over tensors: one tensor a turn, for a call that takes any number."""
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if not isinstance(expr, nodes.For):
            return self.evaluate(expr, scope)
        kind = self.kind(expr, scope)
        if kind == "layer":
            self.error(
                "E0223",
                expr,
                "here each turn of a `for` gives a tensor, this gives a layer",
                help="for ... { x -> layer }",
            )
            return POISON
        turns = self.turns(expr, scope)
        if turns is None:
            return POISON
        frame, outer = self.frame, self.frame.names
        name = outer.number() if outer.numbered else outer.running("for")
        loop = Loop(
            outer.full(name), name if outer.numbered else "", tuple(n.id for n in expr.targets), False, expr, expr.span
        )
        names = NameScope(outer.module, outer.full(name), numbered=True)
        before, self.repeats = self.repeats, self.repeats * max(len(turns), 1)
        if self.repeats > MAX_NODES:
            self.give_up(
                "E0309",
                expr.span,
                f"the loops repeat this {self.repeats:,} times, at most {MAX_NODES:,} operations make a model",
            )
        for inner, values in turns:
            iteration: list[Any] = []
            key = names.number()
            steps = count_layers(expr.body)
            frame.names = OneName(names, key) if steps <= 1 else NameScope(outer.module, names.full(key), numbered=True)
            with self.items_into(iteration):
                value = self.body(expr.body, inner)
                value = self.as_tensor(value, expr.body.result or expr, "the body of this `for`")
            frame.names = outer
            loop.values.append(values)
            loop.iterations.append(iteration)
            loop.results.append(value)
        self.repeats = before
        if any(isinstance(v, Poisoned) for v in loop.results):
            return POISON
        frame.items.append(loop)
        return Several(tuple(loop.results))
