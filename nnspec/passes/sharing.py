"""`layer enc = ...`: made at its first use, shared by all."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label
from nnspec.ir.graph import Module, Node, Value
from nnspec.passes.context import Frame
from nnspec.passes.kinds import block_tensors
from nnspec.passes.loops import Loops
from nnspec.passes.naming import NameScope
from nnspec.passes.scope import POISON, At, Instance, Poisoned, Recipe, Scope, Several, Thunk
from nnspec.passes.settings import slots_of
from nnspec.syntax import nodes


class Sharing(Loops):
    def use_instance(self, instance: Instance, node: nodes.Expr, x: Any, at: At) -> Any:
        """A use of `layer enc = ...`: the first makes it, all share it."""
        if at.label is not None:
            help = f"drop the label: its parameters are {instance.name}.weight, ..."
            self.error(
                "E0214",
                at.label,
                "a named layer takes no label: it would be a second name of its parameters",
                help=help,
            )
        if isinstance(instance.bound, Poisoned) or isinstance(x, Poisoned):
            return POISON
        if isinstance(x, Several):
            self.error(
                "E0227", node, f"{instance.name} gets {len(x.values)} tensors from the step before, one is expected"
            )
            return POISON
        if instance.bound is not None:
            return self._use_again(instance, node, x, at)
        instance.types, instance.used = (x.type,), node.span
        value = self._make_instance(instance, node, x, at)
        if isinstance(value, Poisoned):
            instance.bound = POISON
        return value

    def _make_instance(self, instance: Instance, node: nodes.Expr, x: Value, at: At) -> Any:
        expr, scope = self.plain_layer(instance.expr, instance.scope)
        place = At(NameScope(instance.module), instance.full)
        call = expr if isinstance(expr, nodes.Call) else None
        name = call.callee if call is not None else expr if isinstance(expr, nodes.Name) else None
        callee = self.callee(name.id, scope) if name is not None else None
        if callee is None or callee.kind not in ("block", "op"):
            return self._make_composition(instance, expr, scope, node, x, at)
        arguments = call.arguments if call is not None else ()
        if callee.kind == "block":
            places = [t.id for t in block_tensors(callee.target)]
            arguments = self._without_tensors(instance, arguments, places, scope)
            found = self.block_arguments(expr, callee.target, (x, *instance.extra), arguments, scope)
            if found is None:
                return POISON
            module = self.trace_block(node, callee.target, found[0], found[1], place)
            if module is None:
                return POISON
            self.made(instance, module=module)
            return self.call_module(module, found[0], node.span, at)
        row = callee.target
        arguments = self._without_tensors(instance, arguments, list(row.op.tensors), scope)
        tensors, rest, named = self.tensor_arguments(expr, row.name, row.op, (x, *instance.extra), arguments, scope)
        settings = self.settings(expr, row.name, slots_of(row.op), rest, named, scope)
        if tensors is None or isinstance(settings, Poisoned):
            return POISON
        made = self.made(instance)
        made.template, made.written = row.op(**settings[0]), settings[1]
        before = len(instance.module.layers)
        value = self.operation(made.template, tensors, node, place, None, made.written)
        if len(instance.module.layers) > before:
            made.layer = instance.module.layers[-1]
            if instance.declare is not None:
                instance.declare.target = made.layer
        self._relabel(at, value)
        return value

    def _relabel(self, at: At, value: Any) -> None:
        """The node that made `value` stands in a composition under its number there."""
        last = self.frame.items[-1] if self.frame.items else None
        if at.names.numbered and at.key is not None and isinstance(last, Node) and value in last.outputs:
            last.label = at.key

    def _without_tensors(
        self, instance: Instance, arguments: tuple[nodes.Argument, ...], places: list[str], scope: Scope
    ) -> tuple[nodes.Argument, ...]:
        """The arguments that are settings: the tensors were evaluated where the layer was declared."""
        if not instance.extra:
            return arguments
        kept = [a for a in arguments if a.name not in places and (a.name or self.kind(a.value, scope) != "tensor")]
        return tuple(kept)

    def plain_layer(self, expr: nodes.Expr, scope: Scope) -> tuple[nodes.Expr, Scope]:
        """Through parentheses and names to the call or composition that a layer is."""
        for _ in range(1000):
            if isinstance(expr, nodes.Paren):
                expr = expr.value
            elif isinstance(expr, nodes.Name) and isinstance(found := scope.find(expr.id), Thunk | Recipe):
                expr, scope = found.expr, found.scope
            elif isinstance(expr, nodes.If) and expr.otherwise is not None:
                chosen = self.condition(expr.condition, scope)
                taken = expr.then if chosen else expr.otherwise
                if chosen is None or taken.statements or taken.result is None:
                    break
                expr = taken.result
            else:
                break
        return expr, scope

    def _make_composition(
        self, instance: Instance, expr: nodes.Expr, scope: Scope, node: nodes.Expr, x: Value, at: At
    ) -> Any:
        owner = instance.module
        path = f"{owner.path}.{instance.full}" if owner.path else instance.full
        module = Module("layer", instance.name, instance.expr, instance.full, path, owner, instance.span)
        formal = Value(x.type, x.span, "x")
        module.inputs.append(formal)
        owner.children.append(module)
        self.made(instance, module=module)
        self.frames.append(Frame(module, NameScope(module), node.span))
        names = NameScope(module, numbered=True)
        try:
            if isinstance(expr, nodes.Pipeline):
                value = self._steps(expr, scope, formal, names)
            else:
                value = self.through(
                    expr, scope, formal, At(names) if self.is_loop(expr, scope) else At(names, names.number())
                )
        finally:
            self.frames.pop()
        if not isinstance(value, Value):
            return POISON
        module.outputs = [value]
        return self.call_module(module, (x,), node.span, at)

    def _use_again(self, instance: Instance, node: nodes.Expr, x: Value, at: At) -> Any:
        made = instance.bound
        first = instance.types[0]
        if x.type.shape != first.shape or x.type.dtype != first.dtype:
            labels = (
                *self.origin(x, node),
                *((Label(instance.used, f"first used with {first}"),) if instance.used else ()),
            )
            help = "`let` names a recipe: every use of it has parameters of its own"
            self.error("E0311", node, f"{instance.name} takes {first}, here it gets {x.type}", labels=labels, help=help)
            return POISON
        if made.module is not None:
            if x.type.batched and not made.module.inputs[0].type.batched:
                help = "use it on a tensor of the batch first"
                self.error(
                    "E0311",
                    node,
                    f"{instance.name} was made for a tensor that is the same for every example",
                    help=help,
                )
                return POISON
            if not x.type.batched and made.module.inputs[0].type.batched:
                like = next((f.value for f in self.graph.fields), None)
                self.spans.append(node.span)
                x = self._expanded(x, like) if like is not None else x
                self.spans.pop()
            return self.call_module(made.module, (x, *instance.extra), node.span, at)
        number = at if at.names.numbered else None
        value = self.operation(
            made.template, (x, *instance.extra), node, number if made.layer is None else None, made.layer, made.written
        )
        self._relabel(at, value)
        return value
