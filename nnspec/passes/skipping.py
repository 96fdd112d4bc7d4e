"""Names in the branch of an `if` that is not taken: its layers are counted all the same (decision 6)."""

from __future__ import annotations

from nnspec.passes.blocks import Blocks
from nnspec.passes.naming import NameScope
from nnspec.passes.scope import MISSING, Recipe, Scope, Thunk
from nnspec.syntax import nodes


class Skipping(Blocks):
    skipped: dict[int, dict[str, int]]

    def skip_names(self, body: nodes.Body, scope: Scope) -> None:
        """Counts the layers of an untaken branch (decision 6)."""
        names = self.frame.names
        if not names.numbered:
            for statement in body.statements:
                if isinstance(statement, nodes.Bind | nodes.Output):
                    self._skip(statement.value, scope, names)
            if body.result is not None:
                self._skip(body.result, scope, names)

    def _skip(self, expr: nodes.Expr, scope: Scope, names: NameScope) -> None:
        if isinstance(expr, nodes.Pipeline):
            for step in expr.steps:
                if step.label is None:
                    self._skip(step.value, scope, names)
        elif isinstance(expr, nodes.Paren):
            self._skip(expr.value, scope, names)
        elif isinstance(expr, nodes.Name | nodes.Call):
            self._skip_use(expr, scope, names)
        elif isinstance(expr, nodes.Binary):
            self._skip(expr.left, scope, names)
            self._skip(expr.right, scope, names)
        elif isinstance(expr, nodes.Unary):
            self._skip(expr.operand, scope, names)
        elif isinstance(expr, nodes.Index):
            self._skip(expr.value, scope, names)
        elif isinstance(expr, nodes.For):
            names.running("for")
        elif isinstance(expr, nodes.If):
            for body in (expr.then, expr.otherwise):
                if body is not None:
                    self.skip_names(body, scope)

    def _skip_recipe(self, recipe: Thunk | Recipe, names: NameScope) -> None:
        """Counts a recipe once for all its uses: recipes made of recipes double at every step."""
        key = id(recipe.expr)
        if key not in self.skipped:
            tally = NameScope(names.module)
            self._skip(recipe.expr, recipe.scope, tally)
            self.skipped[key] = tally.counters
        for base, count in self.skipped[key].items():
            names.counters[base] = names.counters.get(base, 0) + count

    def _skip_use(self, expr: nodes.Name | nodes.Call, scope: Scope, names: NameScope) -> None:
        name = expr.id if isinstance(expr, nodes.Name) else expr.callee.id
        found = scope.find(name)
        if isinstance(found, Thunk | Recipe):
            if self.kind_of_value(found) == "layer" and not (isinstance(found, Thunk) and found.busy):
                self._skip_recipe(found, names)
            return
        callee = self.callee(name, scope)
        if callee.kind == "repeat":
            names.running("repeat")
            return
        if isinstance(expr, nodes.Name) and found is not MISSING:
            return
        if callee.kind == "block":
            from nnspec.passes.naming import snake_case

            names.running(snake_case(callee.target.name.id))
        elif callee.kind == "op" and not (isinstance(expr, nodes.Call) and self.is_arithmetic(expr, scope)):
            names.running(callee.target.name)
        if isinstance(expr, nodes.Call):
            for argument in expr.arguments:
                if self.kind(argument.value, scope) == "tensor":
                    self._skip(argument.value, scope, names)
