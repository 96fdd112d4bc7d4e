"""Uses of blocks: tensors and settings found among the arguments, the body traced into a module of its own."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.graph import Call, Module, Value
from nnspec.passes import numbers
from nnspec.passes.calls import Calls
from nnspec.passes.context import Frame
from nnspec.passes.cycles import uses_itself
from nnspec.passes.kinds import block_tensors
from nnspec.passes.naming import NameScope, reserved_names, snake_case
from nnspec.passes.scope import POISON, At, Instance, Made, Poisoned, Scope, Several, Thunk
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

Declared = nodes.Block | nodes.Model


class Blocks(Calls):
    def use_block(
        self,
        node: nodes.Expr,
        declared: Declared,
        piped: tuple[Value, ...],
        arguments: tuple[nodes.Argument, ...],
        scope: Scope,
        at: At,
    ) -> Any:
        """One use of a block: traced into a module of its own, called at once."""
        at = self._settled(at, snake_case(declared.name.id))
        found = self.block_arguments(node, declared, piped, arguments, scope)
        if found is None:
            return POISON
        tensors, settings = found
        module = self.trace_block(node, declared, tensors, settings, at)
        if module is None:
            return POISON
        return self.call_module(module, tensors, node.span, at)

    def call_module(self, module: Module, tensors: tuple[Value, ...], span: Span, at: At | None) -> Any:
        outputs = tuple(Value(v.type, span) for v in module.outputs)
        label = at.key or "" if at is not None and at.names.numbered else ""
        self.frame.items.append(Call(module, tensors, outputs, span, label))
        self.grow(span)
        return outputs[0] if len(outputs) == 1 else Several(outputs)

    def block_arguments(
        self,
        node: nodes.Expr,
        declared: Declared,
        piped: tuple[Value, ...],
        arguments: tuple[nodes.Argument, ...],
        scope: Scope,
    ) -> tuple[tuple[Value, ...], dict[str, Thunk]] | None:
        """The tensors and settings of a use, or None after reporting what is wrong with them."""
        name = declared.name.id
        places = [t.id for t in block_tensors(declared)]
        known = [s.name.id for s in declared.settings]
        positional = [a.value for a in arguments if not a.name]
        by_name = {a.name: a.value for a in arguments if a.name in places}
        free = [p for p in places[len(piped) :] if p not in by_name]
        given: dict[str, nodes.Expr] = dict(by_name)
        while free and positional and self.kind(positional[0], scope) in ("tensor", "poison"):
            given[free.pop(0)] = positional.pop(0)
        failed = len(piped) > len(places)
        if failed and not self.damaged:
            self.error("E0226", node, f"{name} takes {len(places) or 'no'} tensors, the pipe brings {len(piped)}")
        self.broken |= failed
        if any(id(t) in self.program.poisoned for t in block_tensors(declared)):
            self.broken = True  # which of them are settings is not clear, and that is reported
            return None
        settings: dict[str, Thunk] = {}
        if free != places and free and len(positional) > len(known) and self.kind(positional[0], scope) == "number":
            head = next(t for t in block_tensors(declared) if t.id == free[0])
            before, after = ", ".join(p for p in places if p not in free), ", ".join([*free, *known])
            self.error(
                "E0226",
                positional[0],
                f"{free[0]} of {name} is a tensor, this is a number",
                help=f"if it is a setting: block {name}({before}; {after})",
                labels=(Label(head.span, "before any `;` stand tensors"),),
            )
            return None
        for index, expr in enumerate(positional):
            if self.kind(expr, scope) == "tensor" and not free:
                self.error(
                    "E0226", expr, f"{name} takes {len(places)} tensor{'s' * (len(places) != 1)}, this is one more"
                )
                failed = True
            elif index >= len(known):
                most = f"{len(known)} setting{'s' * (len(known) != 1)}" if known else "no settings"
                self.error("E0208", expr, f"{name} takes {most}, this is one more")
                failed = True
            else:
                settings[known[index]] = Thunk(expr, scope, "setting")
        if free:
            self.error(
                "E0226", node, f"{name} needs its {' and '.join(free)}", help=f"it is {name}({', '.join(places)})"
            )
            failed = True
        for argument in arguments:
            if not argument.name or argument.name in places:
                continue
            if argument.name not in known:
                accepted = f"{name} takes {', '.join(known)}" if known else f"{name} has no settings"
                help = f"{did_you_mean(argument.name, known)} {accepted}".strip()
                self.argument_error("E0203", argument, f"unknown setting {argument.name} of {name}", help)
                failed = True
            elif argument.name in settings:
                self.argument_error("E0225", argument, f"{argument.name} of {name} is given twice", "")
                failed = True
            else:
                settings[argument.name] = Thunk(argument.value, scope, "setting")
        missing = [s.name.id for s in declared.settings if s.default is None and s.name.id not in settings]
        if missing and not failed:
            self.error(
                "E0209", node, f"{name} needs its {', '.join(missing)}", help=f"as in {name}({missing[0]} = ...)"
            )
            failed = True
        tensors = [
            *piped,
            *(self.tensor(given[p], scope, f"{p} of {name}") for p in places[len(piped) :] if p in given),
        ]
        if failed or any(isinstance(v, Poisoned) for v in tensors):
            return None
        return tuple(tensors), settings

    def trace_block(
        self, node: nodes.Expr, declared: Declared, tensors: tuple[Value, ...], settings: dict[str, Thunk], at: At
    ) -> Module | None:
        """The module of one use; None where its body has no value."""
        if any(declared is active for active, _ in self.active) and uses_itself(self.program, declared):
            chain = [name for _, name in self.active] + [declared.name.id]
            start = chain.index(declared.name.id)
            route = f": {' -> '.join(chain[start:])}" if len(chain) - start > 2 else ""
            self.error(
                "E0215",
                node,
                f"{declared.name.id} uses itself{route}",
                help="repeat(n, ...) chains copies of another block",
            )
            return None
        assert at.key is not None
        owner = at.names.module
        title = declared.name.id
        module = Module("block", title, declared, at.names.full(at.key), at.names.path(at.key), owner, node.span)
        scope = Scope(declared.span.path, self.file_scope(declared.span.path))
        for setting in declared.settings:
            name = setting.name.id
            scope.spans[name] = setting.name.span
            if name in settings:
                scope.names[name] = settings[name]
            elif setting.default is not None:
                scope.names[name] = Thunk(setting.default, scope, "setting")
        for place, value in zip(block_tensors(declared), tensors, strict=True):
            formal = Value(value.type, value.span, place.id)
            module.inputs.append(formal)
            scope.names[place.id] = formal
            scope.spans[place.id] = place.span
        if not self.settings_of(module, declared, scope):
            return None
        owner.children.append(module)
        self.active.append((declared, title))
        names = NameScope(module, reserved=reserved_names(declared.body))
        self.frames.append(Frame(module, names, node.span))
        try:
            self.deepen(node)
            value = self.body_of(declared, scope)
            self.depth -= 1
        finally:
            self.frames.pop()
            self.active.pop()
        return module if self.finish(module, value, declared.body) else None

    def finish(self, module: Module, value: Any, body: nodes.Body) -> bool:
        """Settles what a block gives."""
        if isinstance(value, Poisoned):
            return False
        if isinstance(value, Several):
            module.outputs = list(value.values)
            return True
        node = body.result if body.result is not None else body
        if not isinstance(value, Value):
            what = numbers.kind_of(value)
            self.error(
                "E0223",
                node,
                f"the value of a block is a tensor, this is {what}",
                help="its last line is an expression of its tensors",
            )
            return False
        module.outputs = [value]
        return True

    def settings_of(self, module: Module, declared: Declared, scope: Scope) -> bool:
        """Records the settings of a use; plain values are computed, also when the body never reads them."""
        complete = True
        for setting in declared.settings:
            thunk = scope.names.get(setting.name.id)
            if not isinstance(thunk, Thunk):
                continue
            kind = self.thunk_kind(thunk)
            if kind in ("number", "bool", "string", "list"):
                value = self.force(thunk, thunk.expr)
                complete = complete and not isinstance(value, Poisoned)
                module.settings[setting.name.id] = value
            elif kind == "tensor":
                self.error(
                    "E0207", thunk.expr, f"{setting.name.id} of {declared.name.id} is a setting, this is a tensor"
                )
                complete = False
            else:
                module.settings[setting.name.id] = thunk.expr
        return complete

    # ------------------------------------------------------------ layers that are shared

    def made(self, instance: Instance, module: Module | None = None) -> Made:
        """Settles what a named layer is; a layer of its own joins when it exists."""
        instance.bound = found = Made(module=module)
        if instance.declare is not None and module is not None:
            instance.declare.target = module
        return found
