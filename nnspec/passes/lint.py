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
from nnspec.ir.graph import Graph, Group, Metric
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
        if not reporter.failed and not training.settings.keys() & {"epochs", "steps"}:
            start = training.span
            place = Span(start.path, start.line, start.column, start.line, start.column + len("train"))
            help = "add a line such as epochs = 20; nnspec train --epochs 20 says it for one run"
            flow.warn("W0405", place, "train says neither epochs nor steps", help=help)


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


def _first(schedule: Schedule) -> float | None:
    value = getattr(schedule, "value", getattr(schedule, "lr", None))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
