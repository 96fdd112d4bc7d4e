"""`make_optimizer` and `update`: torch.optim, or its kernels alone, with every hyperparameter as the spec has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.choices import value_of
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import group_index, objective_index, trainable

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.program import Program
    from nnspec.ir.graph import Training
    from nnspec.optim.base import Optimizer

# class of torch.optim (and of helpers.py), and (field of ours, keyword of torch, torch's default)
_FORMS: dict[str, tuple[str, tuple[tuple[str, str, Any], ...]]] = {
    "sgd": ("SGD", (("momentum", "momentum", 0), ("nesterov", "nesterov", False))),
    "adagrad": ("Adagrad", (("eps", "eps", 1e-10),)),
    "rmsprop": ("RMSprop", (("alpha", "alpha", 0.99), ("eps", "eps", 1e-8), ("momentum", "momentum", 0))),
    "adam": ("Adam", (("eps", "eps", 1e-8),)),
    "adamw": ("AdamW", (("eps", "eps", 1e-8), ("decay", "weight_decay", 1e-2))),
    "lion": ("Lion", (("decay", "weight_decay", 0.0),)),
}
# The same with eps under the root, which torch.optim lacks.
_ROOTED = {
    "adagrad": ("RootAdagrad", (("eps", "eps", 1e-10),)),
    "rmsprop": ("RootRMSprop", (("alpha", "alpha", 0.99), ("eps", "eps", 1e-8), ("momentum", "momentum", 0))),
    "adam": ("RootAdam", (("eps", "eps", 1e-8),)),
    "adamw": ("RootAdam", (("eps", "eps", 1e-8), ("decay", "weight_decay", 0.0))),
}
TORCH = ("sgd", "adagrad", "rmsprop", "adam", "adamw")  # what torch.optim has
FUSED = ("sgd", "adam", "adamw")  # what has a fused kernel on every device
CLASSES = (*(name for name, _ in _FORMS.values()), "RootAdagrad", "RootRMSprop", "RootAdam", "Average")


def print_optimizer(program: Program, options: Options, out: Writer) -> str:
    """Prints `make_optimizer` and `update`; returns the type of what the one makes and the other takes."""
    training = program.training
    assert training is not None
    out.blank(2)
    several = len(program.objectives) > 1
    if not trainable(program.graph):
        return _print_nothing(program, out)
    rules = [group.optimizer for group in training.groups if group.optimizer is not None]
    own = any(rule.name not in TORCH or getattr(rule, "eps_inside", False) for rule in rules)
    if several:
        return _print_objectives(program, out)
    members, frozen = _members(program)
    usual = "kernels" if options.verify else "objects"  # what is verified is what `train` runs
    kernels = options.optimize and value_of(options.choices, "optimizer", usual) == "kernels"
    if kernels or own or training.settings.get("ema"):  # what torch.optim lacks has one form alone
        return _print_kernels(program, members, frozen, out)
    return _print_objects(program, members, frozen, bool(options.optimize), out)


def _print_nothing(program: Program, out: Writer) -> str:
    """Where nothing is trained: optimizers of no parameters, so that the other functions stay as they are."""
    patterns = [m.objective.pattern for m in program.objectives]
    several = len(patterns) > 1
    result = "dict[str, list[None]]" if several else "list[None]"
    with out.indented(f"def make_optimizer(model: {program.root.name}) -> {result}:"):
        out.docstring("No optimizer: nothing is trained.")
        _print_frozen([p.path for p in program.graph.root.parameters() if p.role != "buffer"], out)
        out.line(f"return {{{', '.join(f'{literal(p)}: []' for p in patterns)}}}" if several else "return []")
    out.blank(2)
    objective = ", objective: str" if several else ""
    with out.indented(f"def update(optimizer: {result}, lr: list[float]{objective}) -> None:"):
        out.docstring("Nothing to update.")
    return result


def _members(program: Program, objective: int = 0) -> tuple[dict[int, list[str]], list[str]]:
    """Paths of the parameters trained for an objective by group, and of those that no objective trains."""
    members: dict[int, list[str]] = {}
    trained = trainable(program.graph)
    for parameter in trained:
        index = group_index(program.graph, parameter.path)
        assert index is not None
        if objective_index(program.graph, parameter.path) == objective:
            members.setdefault(index, []).append(parameter.path)
    weights = [p.path for p in program.graph.root.parameters() if p.role != "buffer"]
    known = {parameter.path for parameter in trained}
    return members, [path for path in weights if path not in known]


def _limits(training: Training) -> list[tuple[str, str]]:
    """The functions that clip gradients, with their limits."""
    calls = {"clip_value": "clip_grad_value_", "clip_norm": "clip_grad_norm_"}
    found = [(call, training.settings.get(name)) for name, call in calls.items()]
    return [(c, literal(float(v))) for c, v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def _print_frozen(frozen: list[str], out: Writer) -> None:
    if frozen:
        with out.indented(f"for name in {literal(tuple(frozen))}:"):
            out.line("model.get_parameter(name).requires_grad_(False)")


# ---------------------------------------------------------------- kernels: one object of helpers.py for each group


def _made(program: Program, members: dict[int, list[str]], whole: bool) -> list[tuple[str, str]]:
    """Class and arguments of the object for each group, and of the one that averages."""
    training = program.training
    assert training is not None
    made = []
    for index in sorted(members):
        optimizer = training.groups[index].optimizer
        assert optimizer is not None
        params = "model.parameters()" if whole else _selected(program, members[index])
        settings = "".join(f", {k}={v}" for k, v in _pairs(optimizer)[1:])
        made.append((_form(optimizer)[0], f"({params}{settings})"))
    decay = training.settings.get("ema")
    if decay:
        paths = [path for index in sorted(members) for path in members[index]]
        params = "model.parameters()" if whole else _selected(program, paths)
        made.append(("Average", f"({params}, decay={literal(decay)})"))
    return made


def _print_kernels(program: Program, members: dict[int, list[str]], frozen: list[str], out: Writer) -> str:
    training = program.training
    assert training is not None
    order = sorted(members)
    made = _made(program, members, whole=len(members) == 1 and not frozen)
    several = len(made) != 1
    kinds = list(dict.fromkeys(name for name, _ in made))
    result = f"list[{' | '.join(kinds)}]" if several else kinds[0]
    model = program.root.name
    with out.indented(f"def make_optimizer(model: {model}) -> {result}:"):
        out.docstring("One optimizer for each group of parameters." if several else "The optimizer.")
        _print_frozen(frozen, out)
        listed = [name + given for name, given in made]
        out.line(f"return [{', '.join(listed)}]" if several else f"return {listed[0]}")
    out.blank(2)
    with out.indented(f"def update(optimizer: {result}, lr: list[float]) -> None:"):
        out.docstring("One update from the gradients that the parameters hold.")
        limits = _limits(training)
        params = "optimizer.params"
        if several and limits:
            params = "parameters"
            out.line(f"parameters = [p for one in {_rules(training, 'optimizer')} for p in one.params]")
        for call, limit in limits:
            out.line(f"torch.nn.utils.{call}({params}, {limit})")
        if not several:
            out.line(f"optimizer.step(lr[{order[0]}])")
            return result
        with out.indented(f"for one, rate in zip(optimizer, {_rates(order, len(training.groups))}):"):
            out.line("one.step(rate)")
        if training.settings.get("ema"):
            out.line("optimizer[-1].step()")
    return result


def _rules(training: Training, optimizers: str) -> str:
    """Those of a list of objects that update: the last may average."""
    return f"{optimizers}[:-1]" if training.settings.get("ema") else optimizers


def _print_objectives(program: Program, out: Writer) -> str:
    """A list of objects for each objective, in either form."""
    training = program.training
    assert training is not None
    found = [_members(program, k) for k in range(len(program.objectives))]
    patterns = [m.objective.pattern for m in program.objectives]
    made = [_made(program, members, whole=False) for members, _ in found]
    kinds = list(dict.fromkeys(name for one in made for name, _ in one))
    result = f"dict[str, list[{' | '.join(kinds)}]]"
    with out.indented(f"def make_optimizer(model: {program.root.name}) -> {result}:"):
        out.docstring("For each objective, an optimizer for each group of its parameters.")
        _print_frozen(found[0][1], out)
        entries = [
            f"{literal(pattern)}: [{', '.join(name + given for name, given in one)}]"
            for pattern, one in zip(patterns, made, strict=True)
        ]
        out.line(f"return {{{', '.join(entries)}}}")
    out.blank(2)
    with out.indented(f"def update(optimizer: {result}, lr: list[float], objective: str) -> None:"):
        out.docstring("One update for an objective from the gradients that its parameters hold.")
        limits = _limits(training)
        if limits:
            rules = _rules(training, "optimizer[objective]")
            out.line(f"parameters = [p for one in {rules} for p in one.params]")
        for call, limit in limits:
            out.line(f"torch.nn.utils.{call}(parameters, {limit})")
        groups = [sorted(members) for members, _ in found]
        if len({tuple(order) for order in groups}) == 1:
            rates = _rates(groups[0], len(training.groups))
        else:
            rates = ", ".join(
                f"{literal(p)}: [{', '.join(f'lr[{k}]' for k in order)}]"
                for p, order in zip(patterns, groups, strict=True)
            )
            out.line(f"rates = {{{rates}}}")
            rates = "rates[objective]"
        with out.indented(f"for one, rate in zip(optimizer[objective], {rates}):"):
            out.line("one.step(rate)")
        if training.settings.get("ema"):
            out.line("optimizer[objective][-1].step()")
    return result


def _selected(program: Program, paths: list[str]) -> str:
    """The parameters with these paths: those of one part of the model, or by name."""
    part = paths[0].split(".")
    known = [p.path for p in program.graph.root.parameters() if p.role != "buffer"]
    for depth in range(len(part) - 1, 0, -1):
        above = ".".join(part[:depth])
        below = [path for path in known if path.startswith(f"{above}.")]
        if len(below) > 1 and below == paths:
            return f"model.get_submodule({literal(above)}).parameters()"
    return f"[model.get_parameter(name) for name in {literal(tuple(paths))}]"


def _rates(order: list[int], groups: int) -> str:
    """The rates of some groups; frozen ones have a rate too, which nobody reads."""
    return "lr" if order == list(range(groups)) else f"[{', '.join(f'lr[{k}]' for k in order)}]"


# ---------------------------------------------------------------- objects of torch.optim


def _print_objects(program: Program, members: dict[int, list[str]], frozen: list[str], fused: bool, out: Writer) -> str:
    training = program.training
    assert training is not None
    kinds: dict[str, list[int]] = {}
    for index in sorted(members):
        optimizer = training.groups[index].optimizer
        assert optimizer is not None
        kinds.setdefault(optimizer.name, []).append(index)
    model = program.root.name
    several = len(kinds) > 1
    result = "list[Optimizer]" if several else "Optimizer"
    with out.indented(f"def make_optimizer(model: {model}) -> {result}:"):
        out.docstring("The optimizer; its rates are handed to every update.")
        _print_frozen(frozen, out)
        made = [_make(program, members, indices, bool(frozen), fused) for indices in kinds.values()]
        if several:
            out.line(f"return [{', '.join(made)}]")
        else:
            out.line(f"return {made[0]}")
    out.blank(2)
    order = [index for indices in kinds.values() for index in indices]
    with out.indented(f"def update(optimizer: {result}, lr: list[float]) -> None:"):
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
        if len(order) == 1 and not several:
            first = groups if limits else "optimizer.param_groups"
            out.line(f'{first}[0]["lr"] = lr[{order[0]}]')
        else:
            with out.indented(f"for group, rate in zip({groups}, {rates}):"):
                out.line('group["lr"] = rate')
        if several:
            with out.indented("for one in optimizer:"):
                out.line("one.step()")
        else:
            out.line("optimizer.step()")
    return result


def _make(program: Program, members: dict[int, list[str]], indices: list[int], named: bool, fused: bool) -> str:
    """`torch.optim.Adam(model.parameters(), lr=0.001)`, or with a dict for each group."""
    assert program.training is not None
    groups: Any = program.training.groups
    first: Optimizer = groups[indices[0]].optimizer
    name = _FORMS[first.name][0]
    form = ", fused=True" if fused and first.name in FUSED else ""
    if len(indices) == 1 and len(members) == 1 and not named:
        return f"torch.optim.{name}(model.parameters(), {_settings(first)}{form})"
    entries = []
    for index in indices:
        settings = "".join(f', "{k}": {v}' for k, v in _pairs(groups[index].optimizer))
        entries.append(f'{{"params": {_selected(program, members[index])}{settings}}}')
    return f"torch.optim.{name}([{', '.join(entries)}]{form})"


def _form(optimizer: Optimizer) -> tuple[str, tuple[tuple[str, str, Any], ...]]:
    return (_ROOTED if getattr(optimizer, "eps_inside", False) else _FORMS)[optimizer.name]


def _settings(optimizer: Optimizer) -> str:
    return ", ".join(f"{k}={v}" for k, v in _pairs(optimizer))


def _pairs(optimizer: Optimizer) -> list[tuple[str, str]]:
    found = [("lr", literal(optimizer.lr.rate(1, 1, 1, 1)))]
    if hasattr(optimizer, "beta1"):
        betas = (optimizer.beta1, optimizer.beta2)  # type: ignore[attr-defined]  # asked above
        if betas != ((0.9, 0.99) if optimizer.name == "lion" else (0.9, 0.999)):
            found.append(("betas", literal(betas)))
    for field, keyword, default in _form(optimizer)[1]:
        value = getattr(optimizer, field, default)
        if value != default:
            found.append((keyword, literal(value)))
    return found
