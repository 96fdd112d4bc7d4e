"""What is legal and hardly ever meant: warnings about a finished graph."""

from __future__ import annotations

from nnspec.diagnostics import Label, Reporter
from nnspec.ir.graph import Graph, Module, Node, Objective, Value

# Losses, the ops that must not come right before them, and what to do instead.
_SQUASHED = {
    "cross_entropy": (("softmax", "sigmoid"), "cross_entropy takes logits: leave {before} out of what it reads"),
    "binary_cross_entropy": (
        ("softmax", "sigmoid"),
        "binary_cross_entropy takes logits: leave {before} out of what it reads",
    ),
    "nll": (("softmax", "sigmoid"), "nll takes log-probabilities: log_softmax in place of {before}"),
}


def lint(graph: Graph, reporter: Reporter) -> None:
    """W0401: a loss of logits that reads probabilities trains, slowly and to the wrong place."""
    for objective in graph.training.objectives if graph.training is not None else ():
        _losses(graph, objective, reporter)


def _losses(graph: Graph, objective: Objective, reporter: Reporter) -> None:
    actual = dict(zip(objective.module.inputs, objective.reads, strict=False))  # the step `t` has no value in the model
    for item in objective.module.flat():
        op = item.op if isinstance(item, Node) else None
        if op is None or op.name not in _SQUASHED or not item.inputs:
            continue
        unwanted, help = _SQUASHED[op.name]
        maker = _maker(objective.module, item.inputs[0]) or _maker(graph.root, actual.get(item.inputs[0]))
        if maker is not None and maker.op.name in unwanted:
            before = maker.op.name
            reporter.warning(
                "W0401",
                item.span,
                f"{op.name} of what {before} has made",
                labels=(Label(maker.span, f"{before} here"),),
                help=help.format(before=before),
            )


def _maker(module: Module, value: Value | None) -> Node | None:
    """The op at the level of `module` that computes `value`."""
    found = (item for item in module.flat() if isinstance(item, Node) and value in item.outputs)
    return next(found, None) if value is not None else None
