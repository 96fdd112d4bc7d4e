"""Optimizers by group, rates, initial values: what `train` says about the parameters under a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from nnspec.ir.graph import Group, Parameter
from nnspec.ops.base import Initialiser, ShapeError, require_fit
from nnspec.optim import registry as optim
from nnspec.optim.base import Optimizer
from nnspec.passes.datafit import DataFit
from nnspec.passes.formula import Unclear, compile_formula, mentions
from nnspec.passes.numbers import NumberError, is_number, kind_of, show
from nnspec.passes.scope import MISSING, POISON, Poisoned, Scope, Thunk
from nnspec.passes.settings import slots_of
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


def matches(path: str, pattern: str) -> bool:
    """Whether a glob selects a parameter: its whole path, or the tree above it ("head" selects "head.weight")."""
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")


def last_match(path: str, patterns: Sequence[str]) -> int | None:
    """Which of some patterns counts for a parameter: the plain "*" where no other matches, else the last that does."""
    found = [k for k, pattern in enumerate(patterns) if matches(path, pattern)]
    return max(found, key=lambda k: (patterns[k] != "*", k), default=None)


class Rates(DataFit):
    def _groups(self, entries: list[nodes.Entry], lets: Scope) -> tuple[Group, ...]:
        """The groups, the plain one first: the last that matches a path counts."""
        listed = [e for e in entries if e.key.id == "optimizer"]
        if not listed:
            help = "add a line such as optimizer = sgd(0.1)"
            train = next((e for e in entries if e.key.id == "minimize"), None)
            if train is not None:
                self.error("E0404", train.key, "train does not say which optimizer to use", help=help)
        groups: list[Group] = []
        for entry in sorted(listed, key=lambda e: e.pattern is not None):
            pattern = entry.pattern.value if entry.pattern is not None else "*"
            if entry.pattern is not None:
                self.require_match(pattern, entry.pattern)
            if isinstance(entry.value, nodes.Name) and entry.value.id == "frozen":
                groups.append(Group(pattern, None, entry.value.span))
                continue
            optimizer = self._optimizer(entry.value, lets)
            if isinstance(optimizer, Optimizer):
                groups.append(Group(pattern, optimizer, entry.value.span))
        for parameter in self.graph.root.parameters():
            chosen = [g for g in groups if matches(parameter.path, g.pattern)]
            if parameter.role != "buffer" and groups and (not chosen or chosen[-1].optimizer is None):
                parameter.trainable = False
        return tuple(groups)

    def require_match(self, pattern: str, node: nodes.String) -> list[Parameter]:
        """The parameters under a pattern; a pattern that matches none is a mistake."""
        every = [p for p in self.graph.root.parameters() if p.role != "buffer"]
        found = [p for p in every if matches(p.path, pattern)]
        if not found and not self.incomplete:
            known = list(dict.fromkeys(part for p in every for part in (p.path, p.path.rpartition(".")[0]) if part))
            shown = f"paths are {', '.join(p.path for p in every[:4])}{', ...' if len(every) > 4 else ''}"
            message = f'"{pattern}" matches no parameter of {self.graph.name}'
            self.error("E0410", node, message, help=did_you_mean(pattern, known, shown if every else ""))
        return found

    def _optimizer(self, expr: nodes.Expr, scope: Scope) -> Any:
        """`adam(lr)`, `adam`, or a `let` that names one."""
        expr, scope = self._unlet(expr, scope)
        name = expr.id if isinstance(expr, nodes.Name) else expr.callee.id if isinstance(expr, nodes.Call) else ""
        cls = optim.optimizer(name) if name else None
        if cls is None:
            known = optim.optimizers()
            message = f"unknown optimizer {name}" if name else "optimizer takes an optimizer"
            self.error("E0406", expr, message, help=did_you_mean(name, known, f"known: {', '.join(known)}"))
            return POISON
        return self._record(cls, name, expr, scope)

    def _unlet(self, expr: nodes.Expr, scope: Scope) -> tuple[nodes.Expr, Scope]:
        """Through parentheses and `let`s to what was meant."""
        for _ in range(1000):
            if isinstance(expr, nodes.Paren):
                expr = expr.value
            elif isinstance(expr, nodes.Name) and isinstance(found := scope.find(expr.id), Thunk):
                expr, scope = found.expr, found.scope
            else:
                break
        return expr, scope

    def _record(self, cls: Any, name: str, expr: nodes.Expr, scope: Scope) -> Any:
        arguments = expr.arguments if isinstance(expr, nodes.Call) else ()
        positional = [a.value for a in arguments if not a.name]
        found = self.settings(expr, name, slots_of(cls), positional, [a for a in arguments if a.name], scope)
        return POISON if isinstance(found, Poisoned) else cls(**found[0])

    def schedule(self, expr: nodes.Expr, scope: Scope, what: str) -> Any:
        """A rate: a number, a schedule, or a formula of t and epoch."""
        from nnspec.optim.schedules import Constant, Formula

        expr, scope = self._unlet(expr, scope)
        name = expr.callee.id if isinstance(expr, nodes.Call) else ""
        cls = optim.schedule(name) if name and scope.find(name) is MISSING else None
        if cls is not None:
            return self._record(cls, name, expr, scope)
        if not mentions(expr):
            if name and not self.is_arithmetic(expr, scope) and self.callee(name, scope).kind == "":  # type: ignore[arg-type]  # a Call
                known = optim.schedules()
                self.error(
                    "E0408",
                    expr,
                    f"unknown schedule {name}",
                    help=did_you_mean(name, known, f"schedules: {', '.join(known)}"),
                )
                return POISON
            value = self.number(expr, scope, what)
            if isinstance(value, Poisoned):
                return POISON
            if not isinstance(value, int | float) or value < 0:
                self.error("E0306", expr, f"{what} is a number >= 0, not {show(value)}")
                return POISON
            return Constant(float(value))
        try:
            text, function = compile_formula(expr, lambda part: self._constant_part(part, scope, what))
            first = function(1, 1)
        except Unclear as error:
            self.error("E0408", error.node, error.message)
            return POISON
        except NumberError as error:
            self.error("E0408", expr, f"at the first step {error.message}")
            return POISON
        if isinstance(first, Poisoned):
            return POISON
        if not is_number(first):
            self.error("E0408", expr, f"{what} is a number, this is {kind_of(first)}")
            return POISON

        def rate(t: int, epoch: int) -> float:
            try:
                return float(function(t, epoch))
            except NumberError as error:
                raise ValueError(f"{text} at t = {t}, epoch = {epoch}: {error.message}") from None

        return Formula(text, rate)

    def _constant_part(self, part: nodes.Expr, scope: Scope, what: str) -> Any:
        value = self.number(part, scope, what) if self.kind(part, scope) != "bool" else self.evaluate(part, scope)
        if isinstance(value, Poisoned):
            raise Unclear(part, "this part of the formula has no value")
        return value

    # ------------------------------------------------------------ initial values

    def _initialisers(self, entries: list[nodes.Entry], lets: Scope, settings: dict[str, object]) -> None:
        """`init = "file"` is for the run to read; initialisers replace those of the layers they match."""
        ordered: list[tuple[str, object]] = []
        for entry in [e for e in entries if e.key.id == "init"]:
            pattern = entry.pattern.value if entry.pattern is not None else "*"
            found = (
                self.require_match(pattern, entry.pattern)
                if entry.pattern is not None
                else list(self.graph.root.parameters())
            )
            expr, scope = self._unlet(entry.value, lets)
            if isinstance(expr, nodes.String):
                ordered.append((pattern, expr.value))
                if entry.pattern is None:
                    settings["init"] = expr.value
                continue
            init = self.initialiser(expr, "init", scope)
            if isinstance(init, Initialiser):
                ordered.append((pattern, init))
                changed = [p for p in found if p.role in ("weight", "param") or p.path == pattern]
                try:
                    for parameter in changed:
                        require_fit(init, parameter.shape, parameter.path)
                        parameter.init = init
                except ShapeError as error:
                    self.error(error.code, entry.value, error.message, help=error.help)
        if ordered and (len(ordered) > 1 or not isinstance(ordered[0][1], str) or ordered[0][0] != "*"):
            settings["inits"] = tuple(ordered)
