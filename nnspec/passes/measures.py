"""Metrics: what a validation reports, and which tensors it compares."""

from __future__ import annotations

from typing import Any

from nnspec.ir.graph import Metric, Value
from nnspec.ops.base import ShapeError
from nnspec.optim import registry as optim
from nnspec.passes.rates import Rates
from nnspec.passes.scope import Poisoned, Scope
from nnspec.passes.settings import slots_of
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


class Measures(Rates):
    def _metrics(self, entry: nodes.Entry, lets: Scope, body: Scope) -> tuple[Metric, ...]:
        expr, scope = self._unlet(entry.value, lets)
        items = expr.items if isinstance(expr, nodes.List) else (expr,)
        found = [self._metric(item, scope, body) for item in items]
        return tuple(m for m in found if m is not None)

    def _metric(self, item: nodes.Expr, scope: Scope, body: Scope) -> Metric | None:
        item, scope = self._unlet(item, scope)
        name = item.id if isinstance(item, nodes.Name) else item.callee.id if isinstance(item, nodes.Call) else ""
        measure = optim.metric(name) if name else None
        if measure is None:
            known = optim.metrics()
            self.error(
                "E0409", item, f"unknown metric {name}", help=did_you_mean(name, known, f"known: {', '.join(known)}")
            )
            return None
        arguments = item.arguments if isinstance(item, nodes.Call) else ()
        read = [a.value for a in arguments if not a.name]
        given = {a.name: a.value for a in arguments if a.name in measure.tensors}
        named = [a for a in arguments if a.name and a.name not in measure.tensors]
        for place, expr in zip(("prediction", "target"), read, strict=False):
            given.setdefault(place, expr)
        settings = self.settings(item, name, slots_of(measure), read[2:], named, scope)
        if isinstance(settings, Poisoned):
            return None
        template = measure(**settings[0])
        tensors = self._measured(item, name, given, body)
        if tensors is None:
            return None
        if len(tensors) > 1:
            fitting = [pair for pair in tensors if _binds(template, pair)]
            if len(fitting) != 1:
                help = f"as in {name}({self._some_output()}, ...)"
                self.error(
                    "E0409", item, f"{name} compares one output with one target, and the model has several", help=help
                )
                return None
            tensors = fitting
        prediction, target = tensors[0]
        try:
            bound = template.bind(prediction.type, target.type)
        except ShapeError as error:
            if self.incomplete:  # nearly always of the objective, for the same reason
                return None
            self.error(error.code, item, error.message, help=error.help)
            return None
        values = {slot.name: getattr(bound, slot.name) for slot in slots_of(measure)}
        return Metric(name, prediction, target, values, item.span)

    def _some_output(self) -> str:
        return next(iter(self.graph.outputs), "logits")

    def _measured(
        self, item: nodes.Expr, name: str, given: dict[str, nodes.Expr], body: Scope
    ) -> list[tuple[Value, Value]] | None:
        """The pairs that a metric may compare."""
        predictions = list(self.graph.outputs.values())
        targets = [f.value for f in self.graph.fields if f.role == "target"]
        found: dict[str, list[Value]] = {"prediction": predictions, "target": targets}
        for place, expr in given.items():
            value = body.names.get(expr.id) if isinstance(expr, nodes.Name) else None
            if isinstance(value, Poisoned):
                return None
            if not isinstance(value, Value):
                known = [n for n, v in body.names.items() if isinstance(v, Value)]
                shown = expr.id if isinstance(expr, nodes.Name) else ""
                message = f"train cannot see {shown}" if shown else f"{place} of {name} is the name of a tensor"
                self.error("E0414", expr, message, help=did_you_mean(shown, known, "name it in the model: h = ..."))
                return None
            found[place] = [value]
        if not found["prediction"] or not found["target"]:
            missing = "output" if not found["prediction"] else "target"
            if not self.incomplete:  # else it may be missing because of what was reported
                self.error("E0409", item, f"{name} compares an output with a target, and the model has no {missing}")
            return None
        return [(p, t) for p in found["prediction"] for t in found["target"]]


def _binds(measure: Any, pair: tuple[Value, Value]) -> bool:
    try:
        measure.bind(pair[0].type, pair[1].type)
    except ShapeError:
        return False
    return True
