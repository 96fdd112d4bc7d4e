"""`initialise(model)`: fresh parameters in torch's idiom, with the initialisers that the spec declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import Writer, literal

if TYPE_CHECKING:
    from nnspec.backends.program import Program
    from nnspec.ops.base import Initialiser

_CALLS = {
    "glorot_uniform": "nn.init.xavier_uniform_({})",
    "glorot_normal": "nn.init.xavier_normal_({})",
    "he_uniform": 'nn.init.kaiming_uniform_({}, nonlinearity="relu")',
    "he_normal": 'nn.init.kaiming_normal_({}, nonlinearity="relu")',
    "lecun_normal": 'nn.init.kaiming_normal_({}, nonlinearity="linear")',
    "orthogonal": "nn.init.orthogonal_({})",
    "zeros": "nn.init.zeros_({})",
    "ones": "nn.init.ones_({})",
}


def print_initialise(program: Program, out: Writer) -> None:
    """Parameters are grouped by initialiser; the largest group of each role goes by the kind of parameter."""
    groups: dict[Initialiser, list[str]] = {}
    for parameter in program.graph.root.parameters():
        if parameter.role != "buffer":
            groups.setdefault(parameter.init, []).append(parameter.path)
    out.blank(2)
    out.line("@torch.no_grad()")
    with out.indented(f"def initialise(model: {program.root.name}) -> {program.root.name}:"):
        out.docstring("Draw fresh parameters.")
        if groups:
            _print_groups(program, groups, out)
        out.line("return model")


def _print_groups(program: Program, groups: dict[Initialiser, list[str]], out: Writer) -> None:
    rules = _by_rank(program)
    special = {i: [p for p in paths if rules.get(_rank(program, p)) != i] for i, paths in groups.items()}
    if rules:
        with out.indented("for parameter in model.parameters():"):
            ranks = sorted(rules, reverse=True)
            if len(ranks) == 1:
                out.line(_call(rules[ranks[0]], "parameter"))
            else:
                with out.indented("if parameter.ndim > 1:"):
                    out.line(_call(rules[True], "parameter"))
                with out.indented("else:"):
                    out.line(_call(rules[False], "parameter"))
    for init, paths in special.items():
        for path in paths[:1] if len(paths) == 1 else ():
            out.line(_call(init, f"model.get_parameter({literal(path)})"))
        if len(paths) > 1:
            with out.indented(f"for name in {literal(tuple(paths))}:"):
                out.line(_call(init, "model.get_parameter(name)"))


def _rank(program: Program, path: str) -> bool:
    """Whether a parameter has more than one axis."""
    return next(len(p.shape) > 1 for p in program.graph.root.parameters() if p.path == path)


def _by_rank(program: Program) -> dict[bool, Initialiser]:
    """The initialiser that most parameters of more than one axis have, and likewise of the others."""
    counts: dict[bool, dict[Initialiser, int]] = {}
    for parameter in program.graph.root.parameters():
        if parameter.role != "buffer":
            table = counts.setdefault(len(parameter.shape) > 1, {})
            table[parameter.init] = table.get(parameter.init, 0) + 1
    return {rank: max(table, key=lambda i: table[i]) for rank, table in counts.items()}


def _call(init: Initialiser, target: str) -> str:
    if init.name in _CALLS:
        return _CALLS[init.name].format(target)
    values = dict(init.settings)
    if init.name == "uniform":
        return f"nn.init.uniform_({target}, {literal(values['a'])}, {literal(values['b'])})"
    if init.name == "normal":
        return f"nn.init.normal_({target}, std={literal(values['std'])})"
    if init.name == "truncated_normal":
        std = float(values["std"])
        return f"nn.init.trunc_normal_({target}, std={literal(std)}, a={literal(-2 * std)}, b={literal(2 * std)})"
    value = values["v"]
    if isinstance(value, tuple):
        return f"{target}.copy_(torch.tensor({literal(_listed(value))}))"
    return f"nn.init.constant_({target}, {literal(value)})"


def _listed(value: object) -> object:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value
