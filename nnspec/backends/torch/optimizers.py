"""`make_optimizer` and `update`: torch.optim, or its kernels alone, with every hyperparameter as the spec has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.source import Writer, literal
from nnspec.backends.values import group_index, trainable

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.program import Program
    from nnspec.ir.graph import Training
    from nnspec.optim.base import Optimizer

# class of torch.optim (-O1: of helpers.py), and (field of ours, keyword of torch, torch's default)
_FORMS: dict[str, tuple[str, tuple[tuple[str, str, Any], ...]]] = {
    "sgd": ("SGD", (("momentum", "momentum", 0), ("nesterov", "nesterov", False))),
    "adagrad": ("Adagrad", (("eps", "eps", 1e-10),)),
    "rmsprop": ("RMSprop", (("alpha", "alpha", 0.99), ("eps", "eps", 1e-8), ("momentum", "momentum", 0))),
    "adam": ("Adam", (("eps", "eps", 1e-8),)),
    "adamw": ("AdamW", (("eps", "eps", 1e-8), ("decay", "weight_decay", 1e-2))),
}
CLASSES = tuple(name for name, _ in _FORMS.values())


def print_optimizer(program: Program, options: Options, out: Writer) -> str:
    """Prints `make_optimizer` and `update`; returns the type of what the one makes and the other takes."""
    members, frozen = _members(program)
    out.blank(2)
    if options.optimize:
        return _print_planned(program, members, frozen, out)
    return _print_textbook(program, members, frozen, out)


def _members(program: Program) -> tuple[dict[int, list[str]], list[str]]:
    """Paths of the trained parameters by group, and of those that are not trained."""
    members: dict[int, list[str]] = {}
    for parameter in trainable(program.graph):
        index = group_index(program.graph, parameter.path)
        assert index is not None
        members.setdefault(index, []).append(parameter.path)
    weights = [p.path for p in program.graph.root.parameters() if p.role != "buffer"]
    trained = {path for paths in members.values() for path in paths}
    return members, [path for path in weights if path not in trained]


def _limits(training: Training) -> list[tuple[str, str]]:
    """The functions that clip gradients, with their limits."""
    calls = {"clip_value": "clip_grad_value_", "clip_norm": "clip_grad_norm_"}
    found = [(call, training.settings.get(name)) for name, call in calls.items()]
    return [(c, literal(float(v))) for c, v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def _print_frozen(frozen: list[str], out: Writer) -> None:
    if frozen:
        with out.indented(f"for name in {literal(tuple(frozen))}:"):
            out.line("model.get_parameter(name).requires_grad_(False)")


# ---------------------------------------------------------------- -O1: one object of helpers.py for each group


def _print_planned(program: Program, members: dict[int, list[str]], frozen: list[str], out: Writer) -> str:
    training = program.training
    assert training is not None
    order = sorted(members)
    made = []
    for index in order:
        optimizer = training.groups[index].optimizer
        assert optimizer is not None
        whole = len(members) == 1 and not frozen
        params = "model.parameters()" if whole else _selected(members[index])
        settings = "".join(f", {k}={v}" for k, v in _pairs(optimizer)[1:])
        made.append((_FORMS[optimizer.name][0], f"({params}{settings})"))
    several = len(made) != 1
    kinds = list(dict.fromkeys(name for name, _ in made))
    result = f"list[{' | '.join(kinds) or 'None'}]" if several else kinds[0]
    model = program.root.name
    with out.indented(f"def make_optimizer(model: {model}) -> {result}:"):
        out.docstring("One optimizer for each group of parameters." if several else "The optimizer.")
        _print_frozen(frozen, out)
        listed = [name + given for name, given in made]
        out.line(f"return [{', '.join(listed)}]" if several else f"return {listed[0]}")
    out.blank(2)
    with out.indented(f"def update(optimizer: {result}, lr: Sequence[float]) -> None:"):
        out.docstring("One update from the gradients that the parameters hold.")
        limits = _limits(training)
        params = "optimizer.params"
        if several and limits:
            params = "parameters"
            out.line("parameters = [p for one in optimizer for p in one.params]")
        for call, limit in limits:
            out.line(f"torch.nn.utils.{call}({params}, {limit})")
        if not several:
            out.line(f"optimizer.step(lr[{order[0]}])")
            return result
        with out.indented(f"for one, rate in zip(optimizer, {_rates(order, len(training.groups))}):"):
            out.line("one.step(rate)")
    return result


def _selected(paths: list[str]) -> str:
    return f"[model.get_parameter(name) for name in {literal(tuple(paths))}]"


def _rates(order: list[int], groups: int) -> str:
    """The rates of some groups; frozen ones have a rate too, which nobody reads."""
    return "lr" if order == list(range(groups)) else f"[{', '.join(f'lr[{k}]' for k in order)}]"


# ---------------------------------------------------------------- -O0: torch.optim


def _print_textbook(program: Program, members: dict[int, list[str]], frozen: list[str], out: Writer) -> str:
    training = program.training
    assert training is not None
    kinds: dict[str, list[int]] = {}
    for index in sorted(members):
        optimizer = training.groups[index].optimizer
        assert optimizer is not None
        kinds.setdefault(optimizer.name, []).append(index)
    model = program.root.name
    several = len(kinds) > 1
    result = "list[torch.optim.Optimizer]" if several else "torch.optim.Optimizer"
    with out.indented(f"def make_optimizer(model: {model}) -> {result}:"):
        out.docstring("The optimizer; its rates are handed to every update.")
        _print_frozen(frozen, out)
        made = [_make(training.groups, members, indices, bool(frozen)) for indices in kinds.values()]
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
        rates = _rates(order, len(training.groups))
        limits = _limits(training)
        if several or limits:
            out.line(f"groups = {groups}")
            groups = "groups"
        if limits:
            out.line('parameters = [p for group in groups for p in group["params"]]')
        for call, limit in limits:
            out.line(f"torch.nn.utils.{call}(parameters, {limit})")
        with out.indented(f"for group, rate in zip({groups}, {rates}):"):
            out.line('group["lr"] = rate')
        if several:
            with out.indented("for one in optimizer:"):
                out.line("one.step()")
        else:
            out.line("optimizer.step()")
    return result


def _make(groups: Any, members: dict[int, list[str]], indices: list[int], named: bool) -> str:
    """`torch.optim.Adam(model.parameters(), lr=0.001)`, or with a dict for each group."""
    first: Optimizer = groups[indices[0]].optimizer
    name = _FORMS[first.name][0]
    if len(indices) == 1 and len(members) == 1 and not named:
        return f"torch.optim.{name}(model.parameters(), {_settings(first)})"
    entries = []
    for index in indices:
        settings = "".join(f', "{k}": {v}' for k, v in _pairs(groups[index].optimizer))
        entries.append(f'{{"params": {_selected(members[index])}{settings}}}')
    return f"torch.optim.{name}([{', '.join(entries)}])"


def _settings(optimizer: Optimizer) -> str:
    return ", ".join(f"{k}={v}" for k, v in _pairs(optimizer))


def _pairs(optimizer: Optimizer) -> list[tuple[str, str]]:
    found = [("lr", literal(optimizer.lr.rate(1, 1, 1, 1)))]
    if hasattr(optimizer, "beta1"):
        betas = (optimizer.beta1, optimizer.beta2)  # type: ignore[attr-defined]  # asked above
        if betas != (0.9, 0.999):
            found.append(("betas", literal(betas)))
    for field, keyword, default in _FORMS[optimizer.name][1]:
        value = getattr(optimizer, field, default)
        if value != default:
            found.append((keyword, literal(value)))
    return found
