"""Calls: which arguments are tensors, what is missing, and the uses of ops that follow."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Reporter
from nnspec.ir.graph import Value
from nnspec.ops import registry
from nnspec.passes import numbers
from nnspec.passes.expressions import Expressions
from nnspec.passes.kinds import Callee, block_tensors
from nnspec.passes.numbers import NumberError, is_number, show
from nnspec.passes.scope import POISON, At, Poisoned, Recipe, Scope, Several, Thunk
from nnspec.passes.settings import slots_of
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

Declared = nodes.Block | nodes.Model


class Calls(Expressions):
    def prelude(self, name: str) -> nodes.Block:
        """The block behind a registry row of kind "block"."""
        path = str(registry.prelude_path())
        if path not in self.program.files:
            from nnspec.syntax import parse

            with open(path, encoding="utf-8") as file:
                self.program.files[path] = parse(file.read(), path, Reporter())
        block = self.program.block(path, name)
        assert block is not None, f"the prelude has no block {name}"
        return block

    # ------------------------------------------------------------ calls that are no step

    def call(self, call: nodes.Call, scope: Scope, at: At | None = None) -> Any:
        """A call with all its tensors, or a recipe where the first is missing. `at` is given by a label."""
        name = call.callee.id
        callee = self.callee(name, scope)
        if callee.kind == "repeat":
            return Recipe(call, scope)
        if callee.kind in ("", "op") and self.is_arithmetic(call, scope):
            return self._arithmetic(call, scope)
        if callee.kind == "local":
            return self._call_local(call, callee.target, scope, at)
        if callee.kind == "":
            return self.unknown_callee(call, scope)
        if callee.kind == "penalty":
            return self.penalty(call, scope)
        if self.kind(call, scope) == "layer":
            return self._recipe(call, callee, scope)
        if callee.kind == "op" and name == "gradient" and self.selecting:
            if self.frame.module.kind == "objective":
                return self.gradient_in_model(call, callee.target)
            help = "compute it in the model and name it there: minimize reads the name"
            self.error("E0405", call, "a derivative inside a block that minimize uses", help=help)
            return POISON
        at = at if at is not None else self.here()
        if callee.kind == "block":
            return self.use_block(call, callee.target, (), call.arguments, scope, at)
        return self.use_op(call, callee.target, (), call.arguments, scope, at)

    def here(self) -> At:
        """The next name for a layer that stands in an expression."""
        names = self.frame.names
        return At(names, names.number() if names.numbered else None)

    def unknown_callee(self, call: nodes.Call | nodes.Name, scope: Scope) -> Poisoned:
        name = call.callee if isinstance(call, nodes.Call) else call
        found = scope.find(name.id)
        known = [
            *self.program.names(scope.path, nodes.Block),
            *self.program.names(scope.path, nodes.Model),
            *registry.names(),
        ]
        self.broken = True
        if isinstance(found, Poisoned) or (isinstance(found, Thunk) and self.thunk_kind(found) == "poison"):
            return POISON
        if self.is_poisoned(call):
            return POISON
        self.error("E0202", name, f"unknown layer {name.id}", help=did_you_mean(name.id, [*scope.known(), *known]))
        return POISON

    def _arithmetic(self, call: nodes.Call, scope: Scope) -> Any:
        values = [self.evaluate(a.value, scope) for a in call.arguments]
        if any(isinstance(v, Poisoned) for v in values):
            return POISON
        try:
            return numbers.function(call.callee.id, values)
        except NumberError as error:
            self.number_error(call, error)
            return POISON

    def _call_local(self, call: nodes.Call, found: Any, scope: Scope, at: At | None) -> Any:
        """`enc(x)`: a named layer or recipe with its tensor."""
        target = self.force(found, call.callee) if isinstance(found, Thunk) else found
        if isinstance(target, Poisoned):
            return POISON
        arguments = call.arguments
        if len(arguments) != 1 or arguments[0].name:
            name = call.callee.id
            self.error(
                "E0208",
                call,
                f"{name} is a layer already: it takes one tensor and no settings",
                help=f"{name}(x), or x -> {name}",
            )
            return POISON
        at = at if at is not None else self.here()
        value = self.tensor(arguments[0].value, scope, f"the argument of {call.callee.id}")
        return self.through(call.callee, scope, value, at, call.span)

    def _recipe(self, call: nodes.Call, callee: Callee, scope: Scope) -> Any:
        """A call whose first tensor alone is missing is a layer."""
        places = len(block_tensors(callee.target)) if callee.kind == "block" else len(callee.target.op.tensors)
        op = callee.target.op if callee.kind == "op" else None
        if op is not None and op.variadic:
            self.error("E0226", call, f"{call.callee.id} needs its tensors", help=f"{call.callee.id}(a, b)")
            return POISON
        given = self.count_tensors(call, scope, places, op)
        if given != places - 1:
            self.error(
                "E0226",
                call,
                f"{call.callee.id} takes {places} tensors, {given or 'none'} {'are' if given != 1 else 'is'} given",
                help="only the first may be missing: that makes it a layer",
            )
            return POISON
        return Recipe(call, scope)

    # ------------------------------------------------------------ ops

    def use_op(
        self,
        node: nodes.Expr,
        row: Any,
        piped: tuple[Value, ...],
        arguments: tuple[nodes.Argument, ...],
        scope: Scope,
        at: At,
    ) -> Any:
        """An op with its tensors: those piped in, then those among the arguments."""
        made = self.steps_made.get(id(node))
        if made is not None and made.fits(node, row, piped):
            return self.again(made, piped[0], node.span, self._settled(at, row.name))
        op = row.op
        at = self._settled(at, row.name)
        tensors, rest, named = self.tensor_arguments(node, row.name, op, piped, arguments, scope)
        settings = self.settings(node, row.name, slots_of(op), rest, named, scope)
        if tensors is None or isinstance(settings, Poisoned):
            return POISON
        if rest and row.family == "arithmetic" and _by_name(op):
            help = f"{row.name}(x, axis = {show(settings[0].get('axis', 0))})"
            help = f"{row.name}imum(a, b) compares tensors; {help}" if row.name in ("max", "min") else help
            self.error("E0208", rest[0], f"{row.name} takes its axis by name", help=help)
            return POISON
        values, written = settings
        if rest and slots_of(op)[0].name == "eps" and values["eps"] >= 1:  # elsewhere the features come first
            message = f"eps of {row.name} is a small number, {show(values['eps'])} is none"
            help = f"{row.name} finds the number of features by itself: leave it out"
            self.error("E0306", rest[0], message, help=help)
            return POISON
        result = self.operation(op(**values), tensors, node, at, None, written)
        if len(piped) == 1 and all(_is_literal(argument.value) for argument in arguments):
            self.remember(node, row, piped[0], result)
        return result

    def _settled(self, at: At, base: str) -> At:
        """Takes the running name now, so that names follow the order of the text."""
        if at.key is not None:
            return at
        if at.names.numbered:
            return At(at.names, at.names.number(), at.label)
        return At(at.names, at.names.running(base), at.label)

    def tensor_arguments(
        self,
        node: nodes.Expr,
        name: str,
        op: Any,
        piped: tuple[Value, ...],
        arguments: tuple[nodes.Argument, ...],
        scope: Scope,
    ) -> tuple[tuple[Value, ...] | None, list[nodes.Expr], list[nodes.Argument]]:
        """The tensors of an op's call (None if one failed), its positional and its named settings."""
        if not arguments and len(piped) == len(op.tensors) and not op.variadic:
            return (None if any(isinstance(v, Poisoned) for v in piped) else piped), [], []
        positional = [a.value for a in arguments if not a.name]
        named = [a for a in arguments if a.name]
        if op.variadic:
            values = self._any_number(name, piped, positional, scope, op.elementwise)
            if values is not None and len(values) == 0:
                self.error("E0226", node, f"{name} needs tensors", help=f"{name}(a, b)")
                return None, [], named
            return values, [], named
        places = len(op.tensors)
        by_name = {a.name: a.value for a in named if a.name in op.tensors}
        named = [a for a in named if a.name not in op.tensors]
        count = self._leading(op, positional, places - len(piped) - len(by_name), scope)
        given: dict[str, nodes.Expr] = dict(by_name)
        free = [t for t in op.tensors[len(piped) :] if t not in by_name]
        given.update(zip(free, positional[:count], strict=False))
        missing = [t for t in op.tensors[len(piped) :] if t not in given]
        if missing:
            self.error(
                "E0226", node, f"{name} needs its {' and '.join(missing)}", help=f"{name}({', '.join(op.tensors)})"
            )
            return None, positional[count:][: len(slots_of(op))], named
        extra = [e for e in positional[count:] if self.kind(e, scope) == "tensor"]
        if extra:
            self.error("E0226", extra[0], f"{name} takes {places} tensor{'s' * (places != 1)}, this is one more")
            return None, [e for e in positional[count:] if e not in extra], named
        found: list[Any] = list(piped)
        for place in op.tensors[len(piped) :]:
            like = tuple(v for v in found if isinstance(v, Value))
            value = self.evaluate(given[place], scope)
            if op.family == "loss" and like and (is_number(value) or isinstance(value, bool)):
                found.append(self.filled(value, given[place], like[0].type))
            else:
                found.append(self.as_tensor(value, given[place], f"{place} of {name}", like))
        if any(isinstance(v, Poisoned) for v in found):
            return None, positional[count:], named
        return tuple(found), positional[count:], named

    def _leading(self, op: Any, positional: list[nodes.Expr], places: int, scope: Scope) -> int:
        """How many positional arguments are tensors."""
        numbers_too = (op.elementwise or op.family == "loss") and len(positional) >= places
        count = 0
        for expr in positional[: max(places, 0)]:
            kind = self.kind(expr, scope)
            if kind in ("tensor", "poison") or (numbers_too and kind in ("number", "bool")):
                count += 1
            else:
                break
        return count

    def _any_number(
        self, name: str, piped: tuple[Value, ...], positional: list[nodes.Expr], scope: Scope, elementwise: bool
    ) -> tuple[Value, ...] | None:
        found: list[Any] = list(piped)
        for expr in positional:
            value = self.several(expr, scope) if _is_for(expr) else self.evaluate(expr, scope)
            if is_number(value) and not elementwise:
                self.error("E0208", expr, f"{name} joins tensors, this is a number", help=f"{name}(a, b, axis = 1)")
                found.append(POISON)
            elif isinstance(value, Several):
                found += value.values
            else:
                like = () if isinstance(value, Value) else tuple(v for v in found if isinstance(v, Value))
                found.append(self.as_tensor(value, expr, f"an argument of {name}", like))
        return None if any(isinstance(v, Poisoned) for v in found) else tuple(found)


def _is_literal(expr: nodes.Expr) -> bool:
    """Whether an expression has one value, whatever the names around it mean."""
    return isinstance(expr, nodes.Number | nodes.Bool | nodes.String)


def _by_name(op: Any) -> bool:
    """Reductions take `axis =` by name only: `max(x, 0)` would rather be `maximum`."""
    from nnspec.ops.reduce import Reduction

    return issubclass(op, Reduction)


def _is_for(expr: nodes.Expr) -> bool:
    while isinstance(expr, nodes.Paren):
        expr = expr.value
    return isinstance(expr, nodes.For)
