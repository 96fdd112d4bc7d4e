"""What is legal and hardly ever meant: warnings about one finished graph.

    lint.py            losses, outputs, rates
    lint_layers.py     layers: entries that no window sees, biases that are taken away, layers that are one
    lint_names.py      names, blocks and `let`s that nothing uses, branches that are never taken
    allow.py           `# nnspec: allow(W0301)`

A lint that was wrong once is read never again: each looks for the plain pattern and stays silent where the
same lines may be meant.
"""

from __future__ import annotations

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.ir.flatten import FlatNode, flatten_with
from nnspec.ir.graph import Graph, Group, Metric, Training, Value
from nnspec.optim.base import Schedule
from nnspec.passes.lint_flow import Flow
from nnspec.passes.lint_layers import lint_layers
from nnspec.passes.numbers import show

# Losses of logits or log-probabilities, the ops that must not come right before them, and what to do instead.
_SQUASHED = {
    "cross_entropy": (("softmax", "sigmoid"), "cross_entropy takes logits: leave {before} out of what it reads"),
    "binary_cross_entropy": (
        ("softmax", "sigmoid"),
        "binary_cross_entropy takes logits: leave {before} out of what it reads",
    ),
    "nll": (
        ("softmax", "sigmoid", "dense", "conv"),
        "nll takes log-probabilities: log_softmax right before it, or cross_entropy in its place",
    ),
}
_DISTANCES = ("squared_error", "mse", "mae", "huber")
_RECTIFIERS = ("relu", "relu6")

# The rates that an optimizer is used with, with two orders of magnitude on either side. The adaptive ones move every
# entry by about the rate; a step of sgd is as large as the loss makes it, so its bounds are the widest.
_RATES = {
    "sgd": (1e-8, 50.0),
    "adagrad": (1e-6, 10.0),
    "rmsprop": (1e-7, 0.3),
    "adam": (1e-7, 0.3),
    "adamw": (1e-7, 0.3),
    "lion": (1e-8, 0.05),
}
_COMMON = {"sgd": "0.01 to 0.1", "adagrad": "0.01", "rmsprop": "1e-3", "adam": "1e-3", "adamw": "1e-3", "lion": "1e-4"}


def lint(graph: Graph, reporter: Reporter) -> None:
    """All warnings about `graph`, a model without errors."""
    training = graph.training
    line, objectives = flatten_with(graph, training.objectives if training is not None else ())
    flow = Flow(graph, line, objectives, reporter)
    lint_layers(flow)
    for metric in training.metrics if training is not None else ():
        _metric(flow, metric, objectives)
    for objective in objectives:
        for item in objective:
            if len(item.inputs) >= 2:
                _loss(flow, item)
    if training is not None:
        for group in training.groups:
            _rate(flow, group)
            _warmup(flow, group, training.settings.get("steps"))
        if not reporter.failed and not training.settings.keys() & {"epochs", "steps"}:
            help = "add a line such as epochs = 20; nnspec train --epochs 20 says it for one run"
            flow.warn("W0405", _word_train(training), "train says neither epochs nor steps", help=help)
        if not reporter.failed and "batch" not in training.settings and any(f.role != "noise" for f in graph.fields):
            help = "add a line such as batch = 32; batch = full takes all examples at once"
            flow.warn("W0408", _word_train(training), "train says no batch: 32 examples a step are taken", help=help)
        _learns(flow, training, objectives, reporter)


def _learns(flow: Flow, training: Training, objectives: list[list[FlatNode]], reporter: Reporter) -> None:
    """Every objective depends on a parameter that an optimizer updates."""
    parameters = [p for p in flow.graph.root.parameters() if p.role != "buffer"]
    if reporter.failed or not any(p.trainable for p in parameters):  # `train` refuses it, all else takes it as it is
        return
    for objective, line in zip(training.objectives, objectives, strict=True):
        if not _reaches_parameter(flow, [v for item in line for v in item.inputs] or list(objective.reads), line):
            message = "nothing to train: this depends on no parameter"
            reporter.error(
                "E0421", objective.span, message, help="minimize compares an output with a target, or an output"
            )


def _reaches_parameter(flow: Flow, values: list[Value], line: list[FlatNode]) -> bool:
    """Whether `values`, or a penalty in `line`, are computed from a parameter that is trained."""
    seen: set[Value] = set()
    for item in line:
        if _holds_parameter(item):
            return True
    while values:
        value = values.pop()
        maker = flow.makers.get(value)
        if value in seen or maker is None:
            continue
        seen.add(value)
        if _holds_parameter(maker):
            return True
        if type(maker.node.op).__name__ == "Gradient" and not _computed_from(flow, maker.inputs[0], maker.inputs[1]):
            continue  # 0, whatever the parameters are
        if maker.node.op.name != "stop_gradient":
            values += maker.inputs
    return False


def _computed_from(flow: Flow, value: Value, source: Value) -> bool:
    seen, values = {value}, [value]
    while values:
        found = values.pop()
        if found is source:
            return True
        maker = flow.makers.get(found)
        new = [v for v in maker.inputs if v not in seen] if maker is not None else []
        seen.update(new)
        values += new
    return False


def _holds_parameter(item: FlatNode) -> bool:
    layer, paths = item.node.layer, getattr(item.node.op, "paths", ())
    return bool(paths) or (layer is not None and any(p.trainable for p in layer.parameters.values()))


def _word_train(training: Training) -> Span:
    start = training.span
    return Span(start.path, start.line, start.column, start.line, start.column + len("train"))


def _loss(flow: Flow, item: FlatNode) -> None:
    name, maker = item.node.op.name, flow.maker(item.inputs[0])
    if name in _DISTANCES:
        _distance(flow, item, maker)
    if maker is None:
        return
    before = maker.node.op.name
    label = Label(maker.node.span, f"{before} here")
    unwanted, help = _SQUASHED.get(name, ((), ""))
    if before in unwanted:
        message = f"{name} of what {before} has made"
        flow.warn("W0401", item.node.span, message, (label,), help.format(before=before))
    elif before in _RECTIFIERS and (name in _SQUASHED or (name in _DISTANCES and flow.is_target(item.inputs[1]))):
        lost = "a prediction" if name in _DISTANCES else "a logit"
        message = f"{name} reads what {before} has made: {lost} below 0 cannot be, and one at 0 learns nothing"
        flow.warn("W0403", maker.node.span, message, (Label(item.node.span, f"{name} here"),), f"leave {before} out")


def _distance(flow: Flow, item: FlatNode, maker: FlatNode | None) -> None:
    """A distance between scores of classes and a class."""
    name, target = item.node.op.name, flow.maker(item.inputs[1])
    help = "cross_entropy(logits, label), of the scores without softmax; binary_cross_entropy for two classes"
    if target is not None and target.node.op.name == "one_hot":
        labels = (Label(target.node.span, "the class, as zeros and a one"),)
    elif item.inputs[1].type.dtype == "class":
        labels = (Label(item.inputs[1].span, "a class"),)
    elif maker is not None and maker.node.op.name == "softmax":
        labels = (Label(maker.node.span, "probabilities of classes"),)
    else:
        return
    message = f"{name} of class scores learns slowly where the model is sure and wrong"
    flow.warn("W0402", item.node.span, message, labels, help)


def _metric(flow: Flow, metric: Metric, objectives: list[list[FlatNode]]) -> None:
    """The accuracy of what the objective treats as a number."""
    target = metric.target
    if (
        metric.name != "accuracy"
        or metric.span is None
        or not target.type.is_float
        or target.type.shape not in ((), (1,))
    ):
        return
    compared = [
        item
        for part in objectives
        for item in part
        if len(item.inputs) == 2 and target in map(flow.source, item.inputs)
    ]
    if compared and all(item.node.op.name in (*_DISTANCES, "-") for item in compared):
        message = "accuracy of a number to predict counts how often the signs agree"
        flow.warn("W0406", metric.span, message, help="metrics = [mae] or [rmse] say how far off predictions are")


def _rate(flow: Flow, group: Group) -> None:
    """The largest rate that a schedule begins with; formulas of t are their author's."""
    if group.optimizer is None or group.span is None:
        return
    name, lr = group.optimizer.name, _first(group.optimizer.lr)
    low, high = _RATES.get(name, (0.0, float("inf")))
    if lr is None or lr == 0 or low <= lr <= high:
        return
    word = "large" if lr > high else "small"
    message = f"a learning rate of {show(lr)} is very {word} for {name}"
    flow.warn("W0404", group.span, message, help=f"common with {name}: {_COMMON[name]}")


def _warmup(flow: Flow, group: Group, steps: object) -> None:
    """A warm-up that the run does not outlast."""
    warmup = getattr(group.optimizer.lr, "warmup", None) if group.optimizer is not None else None
    if group.span is None or not isinstance(steps, int) or not isinstance(warmup, int | float) or warmup < steps:
        return
    message = f"a warm-up of {show(warmup)} steps, and the run has {steps:,}"
    flow.warn("W0409", group.span, message, help="the rate rises to the end: a shorter warmup, or more steps")


def _first(schedule: Schedule) -> float | None:
    value = getattr(schedule, "value", getattr(schedule, "lr", None))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
