"""Sending a tensor through a layer: steps, compositions, `repeat`, `for`, `if`, recipes and shared layers."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.dims import Dim
from nnspec.ir.graph import Choice, Loop, Module, Sequence, Value
from nnspec.ir.types import show_shape
from nnspec.ops.core import Identity
from nnspec.passes import numbers
from nnspec.passes.calls import Calls
from nnspec.passes.context import MAX_NODES, Frame
from nnspec.passes.kinds import block_tensors
from nnspec.passes.naming import NameScope
from nnspec.passes.numbers import NumberError, is_number, kind_of
from nnspec.passes.scope import MISSING, POISON, At, Instance, Poisoned, Recipe, Scope, Several, Thunk, Unavailable
from nnspec.passes.settings import slots_of
from nnspec.syntax import nodes


class Layers(Calls):
    skipped: dict[int, dict[str, int]]

    def through(self, expr: nodes.Expr, scope: Scope, x: Any, at: At, span: Span | None = None) -> Any:
        """What the layer `expr` makes of the tensor `x`. `span` is the step where that differs from `expr`."""
        if id(expr) in self.program.poisoned:
            return POISON
        self.deepen(expr)
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
            return self._through_for(expr, scope, x, at)
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
            return POISON
        if isinstance(expr, nodes.Binary | nodes.Unary):
            help = f"-> binds looser than {expr.op}: write (x -> f) {expr.op} y"
            self.error("E0210", expr, "a step is a layer, and there is no arithmetic on layers", help=help)
            return POISON
        text = {"tensor": "a tensor", "bool": "true or false", "layer": "a layer in a form that cannot be a step"}.get(
            kind, f"a {kind}"
        )
        self.error("E0207", expr, f"a step is a layer, this is {text}")
        return POISON

    # ------------------------------------------------------------ steps

    def _through_call(self, call: nodes.Call, scope: Scope, x: Any, at: At) -> Any:
        callee = self.callee(call.callee.id, scope)
        if callee.kind == "repeat":
            return self._through_repeat(call, scope, x, at)
        if callee.kind == "":
            return self.unknown_callee(call, scope)
        if callee.kind == "penalty":
            self.error(
                "E0207", call, f"{call.callee.id} is no layer", help=f"{call.callee.id}(weights) stands in minimize"
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
                "E0208",
                node,
                f"{name} gets {count} tensors from the step before, one is expected",
                help="name them: a, b = ...",
            )
            return POISON
        else:
            piped = (x,)  # perhaps POISON: what the call itself gets wrong is found all the same
        if callee.kind == "block":
            if not block_tensors(callee.target):
                self.error("E0208", node, f"{name} takes no tensors, this step gives it one")
                return POISON
            return self.use_block(node, callee.target, piped, arguments, scope, at)
        if not callee.target.op.tensors:
            self.error("E0208", node, f"{name} takes no tensor, this step gives it one")
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
            self.error("E0207", expr, f"a step is a layer, {expr.id} is {kind_of(found)}", help=help)
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
            self.error("E0208", expr, f"the step before gives {len(value.values)} tensors, one is expected")
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

    def statements(self, body: nodes.Body, scope: Scope) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------ repeat and for

    def _through_repeat(self, call: nodes.Call, scope: Scope, x: Any, at: At) -> Any:
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
                "E0207",
                positional[1],
                f"repeat chains copies of a layer, this is a {found}",
                help="as in repeat(3, dense(10))",
            )
            return POISON
        copies: list[tuple[Scope, nodes.Body | nodes.Expr, tuple[object, ...]]] = [(scope, positional[1], ())] * min(
            count, MAX_NODES + 1
        )
        return self._chain(call, "repeat", (), copies, x, at)

    def _through_for(self, expr: nodes.For, scope: Scope, x: Any, at: At) -> Any:
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
                self.error("E0208", expr.iterable, f"`for` unpacks {len(names)} names, an item has {has}")
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
                "E0207",
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
            frame.names = (
                _OneName(names, key) if steps <= 1 else NameScope(outer.module, names.full(key), numbered=True)
            )
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

    # ------------------------------------------------------------ shared layers

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
                "E0208", node, f"{instance.name} gets {len(x.values)} tensors from the step before, one is expected"
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
            module = self.trace_block(expr, callee.target, found[0], found[1], place)
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
            self.made(instance, layer=instance.module.layers[-1]).template = made.template
        self._relabel(at)
        return value

    def _relabel(self, at: At) -> None:
        """The node just made stands in a composition under its number there."""
        last = self.frame.items[-1]
        if at.names.numbered and at.key is not None and not isinstance(last, Loop | Choice) and hasattr(last, "label"):
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
        self._relabel(at)
        return value

    # ------------------------------------------------------------ names of what is not taken

    def skip_names(self, body: nodes.Body, scope: Scope) -> None:
        """Counts the layers of an untaken branch (DECISIONS 6)."""
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


class _OneName(NameScope):
    """The scope of a copy with one layer, which has the copy's own name."""

    __slots__ = ("key",)

    def __init__(self, around: NameScope, key: str) -> None:
        super().__init__(around.module, around.prefix, numbered=True)
        self.key = key
        self.labels = around.labels

    def number(self) -> str:
        return self.key


def count_layers(body: nodes.Body) -> int:
    """How many layers the text of a body with tensors uses, two standing for more."""
    count = 0
    stack: list[Any] = [body]
    while stack and count < 2:
        node = stack.pop()
        if isinstance(node, nodes.Pipeline):
            first, *rest = node.steps
            count += sum(not isinstance(s.value, nodes.Shape) for s in rest)
            stack.append(first.value)
            stack += [a.value for s in rest if isinstance(s.value, nodes.Call) for a in s.value.arguments]
        elif isinstance(node, nodes.Call):
            count += 1
            stack += [a.value for a in node.arguments]
        elif isinstance(node, nodes.If | nodes.For | nodes.Param | nodes.LayerDecl):
            count = 2
        elif isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return count


def _same_size(found: Any, wanted: Any) -> bool:
    if isinstance(found, Dim) or isinstance(wanted, Dim):
        return bool(found == wanted)
    try:
        return bool(numbers.binary("==", found, wanted))
    except NumberError:
        return False
