"""`make_optimizer` and `update`: torch.optim with every hyperparameter as the spec has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.source import Writer, literal
from nnspec.backends.values import group_index, trainable

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.program import Program
    from nnspec.optim.base import Optimizer

# class of torch.optim, whether it has a fused form, and (field of ours, keyword of torch, torch's default)
_FORMS: dict[str, tuple[str, bool, tuple[tuple[str, str, Any], ...]]] = {
    "sgd": ("SGD", True, (("momentum", "momentum", 0), ("nesterov", "nesterov", False))),
    "adagrad": ("Adagrad", True, (("eps", "eps", 1e-10),)),
    "rmsprop": ("RMSprop", False, (("alpha", "alpha", 0.99), ("eps", "eps", 1e-8), ("momentum", "momentum", 0))),
    "adam": ("Adam", True, (("eps", "eps", 1e-8),)),
    "adamw": ("AdamW", True, (("eps", "eps", 1e-8), ("decay", "weight_decay", 1e-2))),
}


def print_optimizer(program: Program, options: Options, out: Writer) -> str:
    """Prints `make_optimizer` and `update`; returns the type of what the one makes and the other takes."""
    graph, training = program.graph, program.training
    assert training is not None
    members: dict[int, list[str]] = {}
    for parameter in trainable(graph):
        index = group_index(graph, parameter.path)
        assert index is not None
        members.setdefault(index, []).append(parameter.path)
    frozen = [
        p.path for p in graph.root.parameters() if p.role != "buffer" and not any(p.path in m for m in members.values())
    ]
    kinds: dict[str, list[int]] = {}
    for index in sorted(members):
        optimizer = training.groups[index].optimizer
        assert optimizer is not None
        kinds.setdefault(optimizer.name, []).append(index)
    out.blank(2)
    model = program.root.name
    several = len(kinds) > 1
    result = "list[torch.optim.Optimizer]" if several else "torch.optim.Optimizer"
    with out.indented(f"def make_optimizer(model: {model}) -> {result}:"):
        out.docstring("The optimizer; its rates are handed to every update.")
        if frozen:
            with out.indented(f"for name in {literal(tuple(frozen))}:"):
                out.line("model.get_parameter(name).requires_grad_(False)")
        made = [_make(training.groups, members, indices, bool(frozen), options) for indices in kinds.values()]
        if several:
            out.line(f"return [{', '.join(made)}]")
        else:
            out.line(f"return {made[0] if made else 'torch.optim.SGD([torch.zeros(0)])'}")
    out.blank(2)
    order = [index for indices in kinds.values() for index in indices]
    with out.indented(f"def update(optimizer: {result}, lr: Sequence[float]) -> None:"):
        out.docstring("One update from the gradients that the parameters hold.")
        groups = "optimizer.param_groups"
        if several:
            groups = "[group for one in optimizer for group in one.param_groups]"
        rates = "lr" if order == list(range(len(training.groups))) else f"({', '.join(f'lr[{k}]' for k in order)},)"
        clips = [(k, training.settings.get(k)) for k in ("clip_value", "clip_norm")]
        limits = [(k, float(v)) for k, v in clips if isinstance(v, int | float) and not isinstance(v, bool)]
        if several or limits:
            out.line(f"groups = {groups}")
            groups = "groups"
        if limits:
            out.line('parameters = [p for group in groups for p in group["params"]]')
        for name, limit in limits:
            call = {"clip_value": "clip_grad_value_", "clip_norm": "clip_grad_norm_"}[name]
            out.line(f"torch.nn.utils.{call}(parameters, {literal(limit)})")
        with out.indented(f"for group, rate in zip({groups}, {rates}):"):
            out.line('group["lr"] = rate')
        if several:
            with out.indented("for one in optimizer:"):
                out.line("one.step()")
        else:
            out.line("optimizer.step()")
    return result


def _make(groups: Any, members: dict[int, list[str]], indices: list[int], named: bool, options: Options) -> str:
    """`torch.optim.Adam(model.parameters(), lr=0.001)`, or with a dict for each group."""
    first: Optimizer = groups[indices[0]].optimizer
    name, fused, _ = _FORMS[first.name]
    speed = ", fused=True" if fused and options.optimize else ""
    if len(indices) == 1 and len(members) == 1 and not named:
        return f"torch.optim.{name}(model.parameters(), {_settings(first)}{speed})"
    entries = []
    for index in indices:
        selected = f"[model.get_parameter(name) for name in {literal(tuple(members[index]))}]"
        settings = "".join(f', "{k}": {v}' for k, v in _pairs(groups[index].optimizer))
        entries.append(f'{{"params": {selected}{settings}}}')
    return f"torch.optim.{name}([{', '.join(entries)}]{speed})"


def _settings(optimizer: Optimizer) -> str:
    return ", ".join(f"{k}={v}" for k, v in _pairs(optimizer))


def _pairs(optimizer: Optimizer) -> list[tuple[str, str]]:
    found = [("lr", literal(optimizer.lr.rate(1, 1, 1, 1)))]
    if hasattr(optimizer, "beta1"):
        betas = (optimizer.beta1, optimizer.beta2)  # type: ignore[attr-defined]  # asked above
        if betas != (0.9, 0.999):
            found.append(("betas", literal(betas)))
    for field, keyword, default in _FORMS[optimizer.name][2]:
        value = getattr(optimizer, field, default)
        if value != default:
            found.append((keyword, literal(value)))
    return found
