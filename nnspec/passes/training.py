"""The `train` block: the objective as a module of its own, optimizers by group, metrics, checked settings."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from nnspec.ir.graph import CallValue, Group, Metric, Module, Parameter, Training, Value
from nnspec.ir.types import FLOAT, TensorType, show_shape
from nnspec.ops.base import Initialiser, ShapeError
from nnspec.ops.core import Penalty
from nnspec.optim import registry as optim
from nnspec.optim.base import Optimizer
from nnspec.passes import keys
from nnspec.passes.context import Frame
from nnspec.passes.datablock import DataBlock, show_plain
from nnspec.passes.formula import Unclear, compile_formula, mentions
from nnspec.passes.lift import lift_objective
from nnspec.passes.naming import NameScope
from nnspec.passes.numbers import NumberError, is_number, kind_of, show
from nnspec.passes.objective import average
from nnspec.passes.scope import MISSING, POISON, Poisoned, ReadingScope, Scope, Thunk
from nnspec.passes.settings import slots_of
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

STEP = TensorType(FLOAT, (), False)


def matches(path: str, pattern: str) -> bool:
    """Whether a glob selects a parameter: its whole path, or the tree above it ("head" selects "head.weight")."""
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")


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


class TrainBlock(DataBlock):
    def train(self, block: nodes.Train, body: Scope) -> Training | None:
        """The checked `train` block of the model whose names `body` holds; None after reporting what is wrong."""
        before = len(self.reporter.diagnostics)
        lets = self.file_scope(block.span.path)
        entries = self.entries(block, "train", keys.TRAIN_KEYS)
        groups = self._groups(entries, lets)
        settings: dict[str, object] = {}
        self._initialisers(entries, lets, settings)
        objectives: list[tuple[str, Module, Reads]] = []
        metrics: tuple[Metric, ...] = ()
        for entry in entries:
            key = entry.key.id
            if key == "minimize":
                found = self._objective(entry, lets, body)
                if found is not None:
                    objectives.append((entry.pattern.value if entry.pattern else "*", *found))
            elif key == "metrics":
                metrics = self._metrics(entry, lets, body)
            elif key not in ("optimizer", "init"):
                value = self._setting_of(entry, lets)
                if not isinstance(value, Poisoned):
                    settings[key] = value
        if not any(e.key.id == "minimize" for e in entries):
            self.error("E0404", block, "train does not say what to minimize")
        if len(self.reporter.diagnostics) > before and any(
            d.severity == "error" for d in self.reporter.diagnostics[before:]
        ):
            return None
        if not objectives:
            return None
        if len(objectives) > 1 or objectives[0][0] != "*":
            settings["objectives"] = tuple((p, m, tuple(r.formals), r.uses_step) for p, m, r in objectives)
        _, module, reads = next((o for o in objectives if o[0] == "*"), objectives[0])
        self._tap(reads.formals, metrics, body)
        return Training(module, tuple(reads.formals), reads.uses_step, groups, metrics, settings, block.span)

    def _tap(self, read: dict[Value, Value], metrics: tuple[Metric, ...], body: Scope) -> None:
        """Named tensors that only the objective or a metric reads are returned beside the outputs."""
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
        elif isinstance(value, CallValue) and key == "stop":
            help = did_you_mean(value.name, keys.STOPS)
        self.error("E0405", entry.value, f"{key} takes {wanted}, not {show_plain(value)}", help=help)
        return POISON

    # ------------------------------------------------------------ optimizers and schedules

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
                self._require_match(pattern, entry.pattern)
            if isinstance(entry.value, nodes.Name) and entry.value.id == "frozen":
                groups.append(Group(pattern, None))
                continue
            optimizer = self._optimizer(entry.value, lets)
            if isinstance(optimizer, Optimizer):
                groups.append(Group(pattern, optimizer))
        for parameter in self.graph.root.parameters():
            chosen = [g for g in groups if matches(parameter.path, g.pattern)]
            if parameter.role != "buffer" and groups and (not chosen or chosen[-1].optimizer is None):
                parameter.trainable = False
        return tuple(groups)

    def _require_match(self, pattern: str, node: nodes.String) -> list[Parameter]:
        """The parameters under a pattern; a pattern that matches none is a mistake."""
        every = [p for p in self.graph.root.parameters() if p.role != "buffer"]
        found = [p for p in every if matches(p.path, pattern)]
        if not found and not self.reporter.failed:
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
                self._require_match(pattern, entry.pattern)
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
                for parameter in found:
                    if parameter.role in ("weight", "param") or parameter.path == pattern:
                        parameter.init = init
        if ordered and (len(ordered) > 1 or not isinstance(ordered[0][1], str) or ordered[0][0] != "*"):
            settings["inits"] = tuple(ordered)

    # ------------------------------------------------------------ minimize

    def _objective(self, entry: nodes.Entry, lets: Scope, body: Scope) -> tuple[Module, Reads] | None:
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
        if value.type.batched:
            value = average(module, value)
        module.outputs = [value]
        if reads.uses_step:
            module.inputs.append(reads.step)
        lift_objective(module)
        return module, reads

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
            self._require_match(pattern.value, pattern)
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

    selecting = False

    # ------------------------------------------------------------ metrics

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
                self.error("E0409", item, f"{name} needs to know what it compares: the model has several", help=help)
                return None
            tensors = fitting
        prediction, target = tensors[0]
        try:
            bound = template.bind(prediction.type, target.type)
        except ShapeError as error:
            if self.reporter.failed:  # nearly always of the objective, for the same reason
                return None
            self.error(error.code, item, error.message, help=error.help)
            return None
        values = {slot.name: getattr(bound, slot.name) for slot in slots_of(measure)}
        return Metric(name, prediction, target, values)

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
            if not self.reporter.failed:  # else it may be missing because of what was reported
                self.error("E0409", item, f"{name} compares an output with a target, and the model has no {missing}")
            return None
        return [(p, t) for p in found["prediction"] for t in found["target"]]


def _binds(measure: Any, pair: tuple[Value, Value]) -> bool:
    try:
        measure.bind(pair[0].type, pair[1].type)
    except ShapeError:
        return False
    return True


def is_weight(parameter: Parameter) -> bool:
    """What `weights` selects: weights of layers, and free parameters of rank two or more (DECISIONS 13)."""
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
    "stop": ("patience(n) or gradient_below(x)", _stop),
}
