"""What kind of thing an expression is, known before any shape (decision 1): nothing is built here.

Kinds: "number", "bool", "string", "list", "layer", "tensor", "poison", and "word" for a name that
only its position gives a meaning (an initialiser, a schedule, `same`).
"""

from __future__ import annotations

from typing import Any

from nnspec.ir.dims import Dim
from nnspec.ir.graph import Value
from nnspec.ops import registry
from nnspec.passes.context import Context
from nnspec.passes.numbers import FUNCTIONS
from nnspec.passes.scope import MISSING, Instance, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.syntax import nodes

LOGIC = frozenset({"and", "or", "==", "!=", "<", "<=", ">", ">="})
SIZE_NAMES = ("channels", "height", "width", "length", "features", "size")


class Callee:
    """What a name in call position means.

    `kind` is "local" (a named layer or recipe), "repeat", "block", "op", "penalty", or "" for an unknown name.
    """

    __slots__ = ("kind", "target")

    def __init__(self, kind: str, target: Any = None) -> None:
        self.kind = kind
        self.target = target


class Kinds(Context):
    def callee(self, name: str, scope: Scope) -> Callee:
        """Blocks and models, then the registry; a tensor or number of that name is not called."""
        found = scope.find(name)
        if isinstance(found, Instance | Recipe):
            return Callee("local", found)
        if isinstance(found, Thunk) and self.thunk_kind(found) in ("layer", "poison"):
            return Callee("local", found)
        if (declared := self.program.callable(scope.path, name)) is not None:
            return Callee("block", declared)
        if name == "repeat":
            return Callee("repeat")
        row = registry.lookup(name)
        if row is None:
            return Callee("penalty" if name in registry.regularisers() else "")
        if row.kind == "block":
            return Callee("block", self.prelude(name))
        return Callee("op", row)

    def prelude(self, name: str) -> nodes.Block:
        raise NotImplementedError

    def thunk_kind(self, thunk: Thunk) -> str:
        if thunk.kind is None:
            if thunk.busy:
                return "poison"
            thunk.busy = True
            try:
                thunk.kind = self.kind(thunk.expr, thunk.scope)
            finally:
                thunk.busy = False
        return thunk.kind

    def kind(self, expr: nodes.Expr, scope: Scope) -> str:
        self.depth += 1
        try:
            if self.depth > 900 or id(expr) in self.program.poisoned:
                return "poison"
            return self._kind(expr, scope)
        finally:
            self.depth -= 1

    def _kind(self, expr: nodes.Expr, scope: Scope) -> str:
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if isinstance(expr, nodes.Number):
            return "number"
        if isinstance(expr, nodes.Name):
            return self._kind_of_name(expr.id, scope)
        if isinstance(expr, nodes.Call):
            return self._kind_of_call(expr, scope)
        if isinstance(expr, nodes.Pipeline):
            first = self.kind(expr.steps[0].value, scope)
            return first if first in ("layer", "poison") else "tensor" if len(expr.steps) > 1 else first
        if isinstance(expr, nodes.Binary):
            return self._kind_of_binary(expr, scope)
        if isinstance(expr, nodes.Unary):
            inner = self.kind(expr.operand, scope)
            return inner if inner in ("tensor", "layer", "poison") else "bool" if expr.op == "not" else "number"
        if isinstance(expr, nodes.Attribute):
            return self._kind_of_attribute(expr, scope)
        if isinstance(expr, nodes.Index):
            return self._kind_of_index(expr, scope)
        if isinstance(expr, nodes.If):
            return self._kind_of_if(expr, scope)
        if isinstance(expr, nodes.For):
            return self.body_kind(expr.body, scope, self._kinds_of_targets(expr, scope))
        if isinstance(expr, nodes.Bool):
            return "bool"
        if isinstance(expr, nodes.String):
            return "string"
        if isinstance(expr, nodes.List | nodes.Range):
            return "list"
        return "poison"

    def kind_of_value(self, found: Any) -> str:
        if isinstance(found, Thunk):
            return self.thunk_kind(found)
        if isinstance(found, Value | Several):
            return "tensor"
        if isinstance(found, bool):
            return "bool"
        if isinstance(found, int | float | Dim):
            return "number"
        if isinstance(found, Recipe | Instance):
            return "layer"
        if isinstance(found, str):
            return "string"
        if isinstance(found, tuple):
            return "list"
        if isinstance(found, Poisoned | Unavailable):
            return "poison"
        if isinstance(found, _Static):
            return found.kind
        return "word"

    def _kind_of_name(self, name: str, scope: Scope) -> str:
        found = scope.find(name)
        if found is not MISSING:
            return self.kind_of_value(found)
        callee = self.callee(name, scope)
        if callee.kind == "block":
            return "layer"
        if callee.kind == "op":
            return "layer" if callee.target.op.tensors else "word"
        return "word"

    def _kind_of_call(self, call: nodes.Call, scope: Scope) -> str:
        name = call.callee.id
        callee = self.callee(name, scope)
        if callee.kind == "repeat":
            return "layer"
        if callee.kind in ("", "op") and self.is_arithmetic(call, scope):
            return "number"
        if callee.kind in ("local", "penalty"):
            return "tensor"
        if callee.kind == "block":
            return self._applied(call, scope, len(block_tensors(callee.target)))
        if callee.kind == "op":
            op = callee.target.op
            if op.variadic:
                return "tensor" if call.arguments else "layer"
            if not op.tensors:
                return "tensor"
            return self._applied(call, scope, len(op.tensors), op)
        return "word"

    def _applied(self, call: nodes.Call, scope: Scope, places: int, op: Any = None) -> str:
        """A tensor where all `places` are filled, else a layer; neither where that hangs on what is not known."""
        if self.count_tensors(call, scope, places, op) < places:
            return "layer"
        return "tensor" if self.count_tensors(call, scope, places, op, certain=True) >= places else "poison"

    def is_arithmetic(self, call: nodes.Call, scope: Scope) -> bool:
        """`max(3, 4)`: a function of numbers with numbers alone."""
        if call.callee.id not in FUNCTIONS or not call.arguments:
            return False
        return all(not a.name and self.kind(a.value, scope) == "number" for a in call.arguments)

    def count_tensors(
        self, call: nodes.Call, scope: Scope, places: int, op: Any = None, *, certain: bool = False
    ) -> int:
        """How many tensor places the arguments fill: those that are tensors and lead, or are named.

        What is not known, because of an error, counts as a tensor unless only `certain` ones are asked for.
        """
        names = op.tensors if op is not None else ()
        count = 0
        leading = True
        positional = [a for a in call.arguments if not a.name]
        for argument in call.arguments:
            if argument.name:
                count += argument.name in names
            elif leading:
                kind = self.kind(argument.value, scope)
                if (
                    kind == "tensor"
                    or (kind == "poison" and not certain)
                    or (
                        op is not None and stands_for_tensor(op, len(positional), places) and kind in ("number", "bool")
                    )
                ):
                    count += 1
                else:
                    leading = False
        return min(count, places)

    def _kind_of_binary(self, expr: nodes.Binary, scope: Scope) -> str:
        kinds: set[str] = set()
        op, left = expr.op, expr.left
        kinds.add(self.kind(expr.right, scope))
        while isinstance(left, nodes.Binary):
            kinds.add(self.kind(left.right, scope))
            left = left.left
        kinds.add(self.kind(left, scope))
        for kind in ("tensor", "layer", "poison"):
            if kind in kinds:
                return kind
        return "bool" if op in LOGIC else "number"

    def _kind_of_attribute(self, expr: nodes.Attribute, scope: Scope) -> str:
        base: nodes.Expr = expr
        while isinstance(base, nodes.Attribute):
            base = base.value
        inner = self.kind(base, scope)
        of_size = expr.name == "shape" or expr.name in SIZE_NAMES
        if inner == "layer" and not (of_size and expr.value is not base):
            return "tensor"
        if inner == "poison":
            return inner
        return "list" if expr.name == "shape" else "number"

    def _kind_of_index(self, expr: nodes.Index, scope: Scope) -> str:
        inner = self.kind(expr.value, scope)
        if inner != "list":
            return inner
        if len(expr.items) != 1 or isinstance(expr.items[0], nodes.Slice):
            return "list"
        value: nodes.Expr | None = expr.value
        if isinstance(value, nodes.Attribute):
            return "number"
        if isinstance(value, nodes.Name) and isinstance(thunk := scope.find(value.id), Thunk):
            value, scope = thunk.expr, thunk.scope
        if isinstance(value, nodes.List) and value.items:
            return self.kind(value.items[0], scope)
        return "number"

    def _kind_of_if(self, expr: nodes.If, scope: Scope) -> str:
        first = self.body_kind(expr.then, scope)
        if first != "poison" or expr.otherwise is None:
            return first
        return self.body_kind(expr.otherwise, scope)

    def _kinds_of_targets(self, expr: nodes.For, scope: Scope) -> dict[str, str]:
        """What the loop's names stand for, by the first entry of the list; numbers unless known."""
        iterable = expr.iterable
        if isinstance(iterable, nodes.Name) and isinstance(thunk := scope.find(iterable.id), Thunk):
            iterable, scope = thunk.expr, thunk.scope
        first: tuple[nodes.Expr, ...] = ()
        if isinstance(iterable, nodes.List) and iterable.items:
            item = iterable.items[0]
            first = item.items if isinstance(item, nodes.List) and len(expr.targets) > 1 else (item,)
        kinds = [self.kind(item, scope) for item in first]
        return {n.id: kinds[i] if i < len(kinds) else "number" for i, n in enumerate(expr.targets)}

    def body_kind(self, body: nodes.Body, scope: Scope, targets: dict[str, str] | None = None) -> str:
        """The kind of a body's value, its own names included. `targets` are the kinds of a loop's names."""
        if body.result is None:
            return "poison"
        if not body.statements and not targets:
            return self.kind(body.result, scope)
        inner = Scope(scope.path, scope)
        for name, kind in (targets or {}).items():
            inner.names[name] = _Static(kind)
        for statement in body.statements:
            if isinstance(statement, nodes.Let):
                inner.names[statement.name.id] = Thunk(statement.value, inner, "let")
            elif isinstance(statement, nodes.LayerDecl):
                inner.names[statement.name.id] = _Static("layer")
            elif isinstance(statement, nodes.Bind):
                several = len(statement.names) > 1
                for named in statement.names:
                    inner.names[named.id] = _Static("tensor") if several else Thunk(statement.value, inner, "bind")
            elif isinstance(statement, nodes.Output | nodes.Param | nodes.Noise | nodes.Input | nodes.Target):
                inner.names[statement.name.id] = _Static("tensor")
        return self.kind(body.result, inner)


class _Static:
    """A name of which only the kind is known: its body is not being elaborated now."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


def block_tensors(declared: nodes.Block | nodes.Model) -> tuple[nodes.Name, ...]:
    """The tensor places of a block; those of a model are its inputs."""
    if isinstance(declared, nodes.Block):
        return declared.tensors
    return tuple(s.name for s in declared.body.statements if isinstance(s, nodes.Input))


def stands_for_tensor(op: Any, positional: int, places: int) -> bool:
    """Whether a number may fill a tensor place of a call (`where(c, 1, 0)`, `maximum(x, 0)`)."""
    return bool(op.variadic or ((op.elementwise or op.family == "loss") and positional >= places))
