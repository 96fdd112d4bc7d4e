"""The `train` block: the objective as a module of its own, checked settings."""

from __future__ import annotations

from typing import Any

from nnspec.ir.graph import CallValue, Metric, Module, Node, Objective, Parameter, Training, Value
from nnspec.ir.types import FLOAT, TensorType, show_shape
from nnspec.ops.core import Penalty
from nnspec.passes import keys
from nnspec.passes.context import Frame
from nnspec.passes.datablock import show_plain
from nnspec.passes.lift import lift_objective
from nnspec.passes.measures import Measures
from nnspec.passes.naming import NameScope
from nnspec.passes.objective import average
from nnspec.passes.rates import last_match, matches
from nnspec.passes.scope import MISSING, POISON, Poisoned, ReadingScope, Scope
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

STEP = TensorType(FLOAT, (), False)


class Reads:
    """What one objective reads of the model: a formal input for each value, made when first read."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.formals: dict[Value, Value] = {}
        self.uses_step = False
        self.step = Value(STEP, module.span, "t")

    def formal(self, value: Value) -> Value:
        if value not in self.formals:
            self.formals[value] = formal = Value(value.type, value.span, value.name)
            self.module.inputs.append(formal)
        return self.formals[value]


class TrainBlock(Measures):
    def train(self, block: nodes.Train, body: Scope) -> Training | None:
        """The checked `train` block of the model whose names `body` holds; None after reporting what is wrong."""
        lets = self.file_scope(block.span.path)
        entries = self.entries(block, "train", keys.TRAIN_KEYS)
        groups = self._groups(entries, lets)
        settings: dict[str, object] = {}
        self._initialisers(entries, lets, settings)
        objectives: list[Objective] = []
        metrics: tuple[Metric, ...] = ()
        for entry in entries:
            key = entry.key.id
            if key == "minimize":
                if entry.pattern is not None:
                    self.require_match(entry.pattern.value, entry.pattern)
                found = self._objective(entry, lets, body)
                if found is not None:
                    objectives.append(found)
            elif key == "metrics":
                metrics = self._metrics(entry, lets, body)
            elif key not in ("optimizer", "init"):
                value = self._setting_of(entry, lets)
                if not isinstance(value, Poisoned):
                    settings[key] = value
        self._require_batches(entries, settings)
        self._require_watched(entries, settings, lets)
        minimized = [e for e in entries if e.key.id == "minimize"]
        if not minimized:
            self.error("E0404", block, "train does not say what to minimize")
        if self.broken:
            return None
        if not objectives:
            return None
        self._require_cover(objectives, minimized)
        self._tap([v for o in objectives for v in o.reads], metrics, body)
        return Training(tuple(objectives), groups, metrics, settings, block.span)

    def _require_batches(self, entries: list[nodes.Entry], settings: dict[str, object]) -> None:
        """`accumulate` needs batches to add up."""
        entry = next((e for e in entries if e.key.id == "accumulate"), None)
        if entry is None or settings.get("accumulate", 1) == 1:
            return
        if settings.get("batch") == "full":
            help = "a number of examples that fit memory: batch = 32"
            message = "accumulate adds up batches, and batch = full is all examples at once"
            self.error("E0420", entry, message, help=help)
        elif all(field.role == "noise" for field in self.graph.fields) and not self.incomplete:
            self.error("E0420", entry, "accumulate adds up batches, and a model without input or target has none")

    def _require_watched(self, entries: list[nodes.Entry], settings: dict[str, object], lets: Scope) -> None:
        """`stop = patience(n, name)` names the objective or a metric of the run."""
        stop = settings.get("stop")
        words = (
            [v for v in (*stop.args, *stop.kwargs.values()) if isinstance(v, str)]
            if isinstance(stop, CallValue)
            else []
        )
        written = [self._unlet(e.value, lets)[0] for e in entries if e.key.id == "metrics"]
        items = [item for expr in written for item in (expr.items if isinstance(expr, nodes.List) else (expr,))]
        names = [
            e.id if isinstance(e, nodes.Name) else e.callee.id for e in items if isinstance(e, nodes.Name | nodes.Call)
        ]
        known = list(dict.fromkeys(["loss", *names]))
        for word in words:
            if not any(word == name or (word.startswith(f"{name}_") and name != "loss") for name in known):
                entry = next(e for e in entries if e.key.id == "stop")
                help = did_you_mean(word, known, f"known: {', '.join(known)}; metrics = [{word}] would add it")
                self.error("E0405", entry.value, f"stop watches {word}, which is no metric of the run", help=help)

    def _require_cover(self, objectives: list[Objective], entries: list[nodes.Entry]) -> None:
        """Every trained parameter has an objective, and every objective parameters: the last match counts."""
        if len(objectives) != len(entries):
            return
        patterns = [objective.pattern for objective in objectives]
        owned: set[int] = set()
        trained = [p for p in self.graph.root.parameters() if p.role != "buffer" and p.trainable]
        for parameter in trained:
            index = last_match(parameter.path, patterns)
            if index is None and not self.incomplete:
                part = parameter.path.partition(".")[0]
                help = f'minimize("{part}") = ... says what it is for, optimizer("{part}") = frozen leaves it as it is'
                message = f"train does not say what to minimize for {parameter.path}"
                self.error("E0404", entries[0].key, message, help=help)
                return
            if index is not None:
                owned.add(index)
        for index, entry in enumerate(entries):
            if index not in owned and len(entries) > 1 and trained and not self.incomplete:
                reason = "they are frozen, or a later pattern matches them too"
                place = entry.key if entry.pattern is None else entry.pattern
                self.error("E0410", place, f"no parameter is left to this minimize: {reason}")

    def _tap(self, read: list[Value], metrics: tuple[Metric, ...], body: Scope) -> None:
        """Named tensors that only the objectives or a metric read are returned beside the outputs."""
        known = {*self.graph.outputs.values(), *(f.value for f in self.graph.fields)}
        wanted = [*read, *(v for m in metrics for v in (m.prediction, m.target))]
        names = {v: n for n, v in reversed(list(body.names.items())) if isinstance(v, Value)}
        for value in wanted:
            if value not in known:
                self.graph.taps[names.get(value, value.name)] = value

    # ------------------------------------------------------------ plain settings

    def _setting_of(self, entry: nodes.Entry, lets: Scope) -> Any:
        key = entry.key.id
        value = self.plain(entry.value, lets)
        if isinstance(value, Poisoned):
            return POISON
        wanted, test = _SETTINGS[key]
        if (
            isinstance(value, float)
            and value.is_integer()
            and key in ("epochs", "steps", "batch", "accumulate", "seed")
        ):
            value = int(value)
        if test(value):
            return value
        words = keys.TRAIN_KEYS[key].words
        help = ""
        if isinstance(value, str) and isinstance(entry.value, nodes.Name):
            help = did_you_mean(value, [*words, *lets.known()])
        elif isinstance(value, CallValue) and key == "stop" and value.name not in keys.STOPS:
            help = did_you_mean(value.name, keys.STOPS)
        self.error("E0405", entry.value, f"{key} takes {wanted}, not {show_plain(value)}", help=help)
        return POISON

    # ------------------------------------------------------------ minimize

    def _objective(self, entry: nodes.Entry, lets: Scope, body: Scope) -> Objective | None:
        module = Module("objective", "objective", entry, "objective", "", None, entry.value.span)
        reads = Reads(module)

        def read(name: str) -> Any:
            found = body.names.get(name, MISSING)
            if isinstance(found, Value):
                return reads.formal(found)
            if found is MISSING and name == "t":
                reads.uses_step = True
                return reads.step
            return found

        scope = ReadingScope(lets.path, lets, read, lambda: list(body.names))
        self.around = body, reads
        self.frames.append(Frame(module, NameScope(module), None))
        self.selecting = True
        try:
            value = self.tensor(entry.value, scope, "minimize")
            if isinstance(value, Value):
                value = self._scalar(value, entry.value)
        finally:
            self.selecting = False
            self.frames.pop()
        if not isinstance(value, Value):
            return None
        for node in module.flat():
            if isinstance(node, Node) and type(node.op).__name__ == "Gradient":
                help = "minimize takes derivatives as calls of names of the model: gradient(y, x)"
                self.error("E0405", entry.value, "a derivative of what only minimize computes", help=help)
                return None
        if value.type.batched:
            value = average(module, value)
        module.outputs = [value]
        if reads.uses_step:
            module.inputs.append(reads.step)
        lift_objective(module)
        pattern = entry.pattern.value if entry.pattern is not None else "*"
        return Objective(pattern, module, tuple(reads.formals), reads.uses_step, entry.span)

    def gradient_in_model(self, call: nodes.Call, row: Any) -> Any:
        """`gradient(y, x)` in `minimize` is computed in the model, which returns it beside its outputs.

        So x is still the tensor that y was computed from, on every backend.
        """
        body, reads = self.around
        frame, count = self.frames.pop(), len(self.parameters)
        self.selecting = False
        try:
            value = self.use_op(call, row, (), call.arguments, body, self.here())
        finally:
            self.selecting = True
            self.frames.append(frame)
        if len(self.parameters) > count:
            help = "make the layer in the model and name its output"
            self.error("E0405", call, "minimize would have parameters of its own", help=help)
            return POISON
        if not isinstance(value, Value):
            return POISON
        taken = {*body.names, *(v.name for v in reads.formals)}
        names = ("gradient", *(f"gradient_{k}" for k in range(2, len(taken) + 3)))
        value.name = next(name for name in names if name not in taken)
        return reads.formal(value)

    def _scalar(self, value: Value, node: nodes.Expr) -> Any:
        """One number an example: `[1]` counts as one."""
        from nnspec.ops.shape import Reshape

        if value.type.shape == ():
            if value.type.is_float:
                return value
            from nnspec.ops.constant import Cast

            return self.operation(Cast("float32"), (value,), node)
        if all(size == 1 for size in value.type.shape):
            return self.operation(Reshape(()), (value,), node)
        help = "mean(...) or sum(...) makes one number of a tensor"
        self.error(
            "E0405",
            node,
            f"minimize is one number an example, this has the shape {show_shape(value.type.shape)}",
            help=help,
        )
        return POISON

    def penalty(self, call: nodes.Call, scope: Scope) -> Any:
        """`l2(weights)`, `l1(weights("conv*"))`, `l2(parameters("head"))`, or of a tensor."""
        kind = call.callee.id
        if len(call.arguments) != 1 or call.arguments[0].name:
            self.error("E0208", call, f"{kind} takes the parameters it is of", help=f"{kind}(weights)")
            return POISON
        argument = call.arguments[0].value
        while isinstance(argument, nodes.Paren):
            argument = argument.value
        name = argument.id if isinstance(argument, nodes.Name) else ""
        pattern: nodes.String | None = None
        if isinstance(argument, nodes.Call):
            name = argument.callee.id
            patterns = [a.value for a in argument.arguments if not a.name]
            if name in ("weights", "parameters") and scope.find(name) is MISSING:
                if len(argument.arguments) != 1 or len(patterns) != 1 or not isinstance(patterns[0], nodes.String):
                    self.error("E0208", argument, f"{name} takes one pattern", help=f'{name}("conv*")')
                    return POISON
                pattern = patterns[0]
        if name not in ("weights", "parameters") or scope.find(name) is not MISSING:
            return self._penalty_of_tensor(kind, call, argument, scope)
        if not self.selecting:
            self.error("E0219", call, f"{name} is known in minimize only: a model does not see its own parameters")
            return POISON
        selected = [p for p in self.graph.root.parameters() if p.trainable and (name == "parameters" or is_weight(p))]
        if pattern is not None:
            self.require_match(pattern.value, pattern)
            selected = [p for p in selected if matches(p.path, pattern.value)]
        return self.operation(Penalty(kind, tuple(p.path for p in selected)), (), call)  # type: ignore[arg-type]  # l1 or l2

    def _penalty_of_tensor(self, kind: str, call: nodes.Call, argument: nodes.Expr, scope: Scope) -> Any:
        from nnspec.ops.arithmetic import Abs, Mul, Square
        from nnspec.ops.reduce import Sum

        value = self.tensor(argument, scope, f"the argument of {kind}")
        if not isinstance(value, Value):
            return POISON
        terms = self.operation(Abs() if kind == "l1" else Square(), (value,), call)
        total = self.operation(Sum(), (terms,), call) if isinstance(terms, Value) else POISON
        if kind == "l1" or not isinstance(total, Value):
            return total
        return self.operation(Mul(), (self.constant(0.5, call), total), call)

    around: tuple[Scope, Reads]  # the names of the model, and what the objective at work reads of them


def is_weight(parameter: Parameter) -> bool:
    """What `weights` selects: weights of layers, and free parameters of rank two or more (decision 13)."""
    if parameter.role == "weight":
        return True
    return parameter.role == "param" and sum(size > 1 for size in parameter.shape) >= 2


def _whole(least: int) -> Any:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _stop(value: Any) -> bool:
    if not isinstance(value, CallValue) or value.name not in keys.STOPS:
        return False
    values = [*value.args, *value.kwargs.values()]
    if value.name == "patience":
        return 1 <= len(values) <= 2 and _whole(1)(values[0]) and all(isinstance(v, str) for v in values[1:])
    return len(values) == 1 and _positive(values[0])


_SETTINGS: dict[str, tuple[str, Any]] = {
    "epochs": ("a whole number >= 1", _whole(1)),
    "steps": ("a whole number >= 1", _whole(1)),
    "batch": ("a whole number >= 1, or full", lambda v: v == "full" or _whole(1)(v)),
    "seed": ("a whole number >= 0", _whole(0)),
    "precision": ("float32, float64 or bfloat16", lambda v: v in ("float32", "float64", "bfloat16")),
    "clip_norm": ("a number > 0", _positive),
    "clip_value": ("a number > 0", _positive),
    "accumulate": ("a whole number >= 1", _whole(1)),
    "ema": ("a number between 0 and 1", lambda v: _positive(v) and v < 1),
    "stop": ("patience(n) of a whole number >= 1, or gradient_below(x) of a number > 0", _stop),
}
