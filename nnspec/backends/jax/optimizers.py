"""Optimizers in optax, every hyperparameter given, with the rates handed in at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.objectives import print_objective_of
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import pattern_test

if TYPE_CHECKING:
    from nnspec.backends.program import Program
    from nnspec.ir.graph import Training
    from nnspec.optim.base import Optimizer

FROZEN = "frozen"  # the label of leaves that no optimizer updates


def has_labels(program: Program) -> bool:
    """Whether some parameters are updated differently from others, or not at all."""
    assert program.training is not None
    groups = program.training.groups
    return len(program.objectives) > 1 or len(groups) > 1 or any(g.optimizer is None for g in groups)


def has_statistics(program: Program) -> bool:
    return any(p.role == "buffer" for p in program.graph.root.parameters())


def rate_kind(program: Program) -> str:
    """The annotation of a learning rate: one number, or one for each group."""
    assert program.training is not None
    return "float" if len(program.training.groups) < 2 else "Array"


def print_optimizer(program: Program, out: Writer) -> None:
    training = program.training
    assert training is not None
    labelled, several = has_labels(program), len(program.objectives) > 1
    names = _names(training)
    if several:
        print_objective_of(program, out)
    masked = not labelled and has_statistics(program)
    if labelled:
        _print_labels(program, names, out)
    if masked:
        out.blank(2)
        with out.indented(f"def is_trained(model: {program.root.name}) -> {program.root.name}:"):
            out.docstring("Which leaves are parameters, a tree of the model's form; the others are statistics.")
            out.line('statistics = (".running_mean", ".running_var")')
            out.line("return tree_map_with_path(lambda k, _: not keystr(k).endswith(statistics), model)")
    out.blank(2)
    rate = f"lr: {rate_kind(program)}"
    with out.indented(f"def optimizer({rate}{', objective: str' * several}) -> optax.GradientTransformation:"):
        if not labelled:
            out.docstring("The update rule at a learning rate; its state does not depend on the rate.")
            rule = _rule(training, training.groups[0].optimizer, "lr")
            out.line(f"return {f'optax.masked({rule}, is_trained)' if masked else rule}")
        else:
            many = "at a learning rate a group" if len(training.groups) > 1 else "at a learning rate"
            out.docstring(f"The update rules {many}; their state does not depend on the rate.")
            entries = [
                f"{literal(name)}: {_rule(training, g.optimizer, 'lr' if len(names) == 1 else f'lr[{k}]')}"
                for k, (name, g) in enumerate(zip(names, training.groups, strict=True))
                if g.optimizer is not None
            ]
            entries.append(f"{literal(FROZEN)}: optax.set_to_zero()")
            out.line(f"rules = {{{', '.join(entries)}}}")
            labels = "partial(labels, objective=objective)" if several else "labels"
            out.line(f"return optax.multi_transform(rules, {labels})")
    _print_update(program, labelled, out)


def _rule(training: Training, optimizer: Optimizer | None, lr: str) -> str:
    decay = training.settings.get("ema")
    rule = source(optimizer, lr)
    return f"optax.chain({rule}, average({literal(decay)}))" if decay else rule


def _print_update(program: Program, labelled: bool, out: Writer) -> None:
    model, training = program.root.name, program.training
    assert training is not None
    several = len(program.objectives) > 1
    out.blank(2)
    kind = "dict[str, optax.OptState]" if several else "optax.OptState"
    arguments = f"model: {model}, opt_state: {kind}, grads: {model}, lr: {rate_kind(program)}"
    arguments += ", objective: str" * several
    with out.indented(f"def update({arguments}) -> tuple[{model}, {kind}]:"):
        out.docstring("One update for an objective." if several else "One step of the optimizer.")
        norm, value = training.settings.get("clip_norm"), training.settings.get("clip_value")
        given = ", objective" * several
        if norm and labelled:
            out.line(f"grads = without_frozen(grads, labels(model{given}))")
        if value:
            out.line(f"grads = clip_values(grads, {literal(float(value))})")  # type: ignore[arg-type]  # a checked number
        if norm:
            out.line(f"grads = clip_norm(grads, {literal(float(norm))})")  # type: ignore[arg-type]  # a checked number
        if several:
            out.line("rule = optimizer(lr, objective)")
            out.line("updates, state = rule.update(grads, opt_state[objective], model)")
            out.line("return optax.apply_updates(model, updates), {**opt_state, objective: state}")
        else:
            out.line("updates, opt_state = optimizer(lr).update(grads, opt_state, model)")
            out.line("return optax.apply_updates(model, updates), opt_state")


def _names(training: Training) -> list[str]:
    """A label for each group: its pattern, or for one alone its rule."""
    if len(training.groups) == 1 and training.groups[0].optimizer is not None:
        return [training.groups[0].optimizer.name]
    return [g.pattern if g.pattern != FROZEN else f"{FROZEN} group" for g in training.groups]


def _print_labels(program: Program, names: list[str], out: Writer) -> None:
    training, model = program.training, program.root.name
    assert training is not None
    out.blank(2)
    several = len(program.objectives) > 1
    with out.indented(f"def labels(model: {model}{', objective: str' * several}) -> {model}:"):
        for_one = " for an objective" * several
        out.docstring(f"Which rule updates each leaf{for_one}, a tree of the model's form.")
        out.blank()
        with out.indented("def label(keys: Any, leaf: Array) -> str:"):
            out.line("path = path_of(keys)")
            if any(p.role == "buffer" for p in program.graph.root.parameters()):
                with out.indented('if path.endswith((".running_mean", ".running_var")):'):
                    out.line(f"return {literal(FROZEN)}")
            if several:
                with out.indented("if objective_of(path) != objective:"):
                    out.line(f"return {literal(FROZEN)}")
            for name, group in reversed(list(zip(names, training.groups, strict=True))):
                found = literal(name if group.optimizer is not None else FROZEN)
                if group.pattern == "*":
                    out.line(f"return {found}")
                    break
                with out.indented(f"if {pattern_test(group.pattern)}:"):
                    out.line(f"return {found}")
            else:
                out.line(f"return {literal(FROZEN)}")
        out.blank()
        out.line("return tree_map_with_path(label, model)")


def source(optimizer: Optimizer | None, lr: str) -> str:
    """The optax rule with PyTorch's meaning of every number."""
    assert optimizer is not None
    number = {name: literal(getattr(optimizer, name)) for name in optimizer._fields if name != "lr"}
    inside = bool(getattr(optimizer, "eps_inside", False))
    if optimizer.name == "sgd":
        momentum = f", momentum={number['momentum']}, nesterov={number['nesterov']}" if optimizer.state_names() else ""
        return f"optax.sgd({lr}{momentum})"
    if optimizer.name == "adagrad":
        rooted = ", inside=True" * inside
        return f"optax.chain(scale_by_root_sum(eps={number['eps']}{rooted}), optax.scale(-{lr}))"
    if optimizer.name == "rmsprop":
        mean = f"optax.scale_by_rms(decay={number['alpha']}, eps={number['eps']}, eps_in_sqrt={inside})"
        trace = f", optax.trace(decay={number['momentum']})" if "momentum_buffer" in optimizer.state_names() else ""
        return f"optax.chain({mean}{trace}, optax.scale(-{lr}))"
    betas = f"b1={number['beta1']}, b2={number['beta2']}"
    if optimizer.name == "lion":
        return f"optax.lion({lr}, {betas}, weight_decay={number['decay']})"
    moments = f"{betas}, eps={'0.0, eps_root=' * inside}{number['eps']}"
    if optimizer.name == "adamw":
        return f"optax.adamw({lr}, {moments}, weight_decay={number['decay']})"
    assert optimizer.name == "adam", optimizer.name
    return f"optax.adam({lr}, {moments})"
