"""`initialise(model)`: fresh parameters in torch's idiom, with the initialisers that the spec declares."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nnspec.backends.source import Writer, literal

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse, Program
    from nnspec.ir.graph import Layer
    from nnspec.ops.base import Initialiser

    Inits = tuple[tuple[str, Initialiser], ...]

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
_LINEAR = {"Dense": "nn.Linear", "Conv": "nn.Conv{}d", "ConvTranspose": "nn.ConvTranspose{}d"}
# What torch's own constructors draw: layers declared so need no line.
_TORCH: dict[str, dict[str, str]] = {
    **{
        name: {"weight": "ones()", "bias": "zeros()"}
        for name in ("BatchNorm", "LayerNorm", "RmsNorm", "GroupNorm", "InstanceNorm")
    },
    "Embedding": {"weight": "normal(1.0)"},
}


def print_initialise(program: Program, out: Writer, channels_last: bool = False) -> None:
    """The rule of most linear layers by the kind of module, everything else by name.

    With `channels_last` kernels of convolutions are held as [out, height, width, in], and what passes through
    them follows.
    """
    layers = [layer for layer in program.graph.root.all_layers() if layer.parameters]
    rule = _common(layers)
    own = _own(program)
    covered = {id(layer) for listed in own.values() for _, _, several in listed for layer in several}
    out.blank(2)
    out.line("@torch.no_grad()")
    with out.indented(f"def initialise(model: {program.root.name}) -> {program.root.name}:"):
        out.docstring("Draw fresh parameters.")
        by_kind = Writer()
        by_kind.depth = out.depth + 1
        if rule is not None:
            fit = [layer for layer in layers if _drawn(layer) <= set(rule) and _is_linear(layer)]
            _print_rule(rule, fit, by_kind)
        _print_own(own, by_kind)
        if by_kind.lines:
            out.line("for module in model.modules():")
            out.lines.extend(by_kind.lines)
        _print_rest([layer for layer in layers if id(layer) not in covered], rule, out)
        if channels_last:
            out.line("# the layout that convolutions are fast in")
            out.line("return model.to(memory_format=torch.channels_last)")
        else:
            out.line("return model")


def start_of(use: OpUse) -> str:
    """The function of torch that makes a free parameter: zeros and ones need no line in `initialise`."""
    inits = {node.layer.parameters[""].init.name for node in use.nodes if node.layer is not None}
    return inits.pop() if inits in ({"zeros"}, {"ones"}) else "empty"


def _own(program: Program) -> dict[str, list[tuple[str, Initialiser, list[Layer]]]]:
    """By class, the free parameters that start alike in all its uses: attribute, initialiser, and the layers."""
    by_owner: dict[int, list[Layer]] = {}
    for layer in program.graph.root.all_layers():
        if "" in layer.parameters:
            by_owner.setdefault(id(layer.owner), []).append(layer)
    found: dict[str, list[tuple[str, Initialiser, list[Layer]]]] = {}
    for definition in program.classes:
        alike: dict[str, list[Layer]] = {}
        for module in definition.modules:
            for layer in by_owner.get(id(module), ()):
                alike.setdefault(layer.name, []).append(layer)
        for name, layers in alike.items():
            inits = {layer.parameters[""].init for layer in layers}
            if name.isidentifier() and len(inits) == 1:
                found.setdefault(definition.name, []).append((name, inits.pop(), layers))
    return found


def _print_own(own: dict[str, list[tuple[str, Initialiser, list[Layer]]]], out: Writer) -> None:
    for name, listed in own.items():
        drawn = [(attribute, init) for attribute, init, _ in listed if init.name not in ("zeros", "ones")]
        if drawn:
            word = "elif" if out.lines else "if"
            with out.indented(f"{word} isinstance(module, {name}):"):
                for attribute, init in drawn:
                    out.line(_call(init, f"module.{attribute}"))


def _is_linear(layer: Layer) -> bool:
    return type(layer.op).__name__ in _LINEAR


def _drawn(layer: Layer) -> set[tuple[str, Initialiser]]:
    return {(local, p.init) for local, p in layer.parameters.items() if p.role != "buffer"}


def _common(layers: list[Layer]) -> Inits | None:
    """The initialisers of weight and bias that most linear layers have; a list of numbers is for one layer alone."""
    linear = [layer for layer in layers if _is_linear(layer)]
    weights, biases = (
        Counter(
            layer.parameters[local].init
            for layer in linear
            if local in layer.parameters and not isinstance(dict(layer.parameters[local].init.settings).get("v"), tuple)
        )
        for local in ("weight", "bias")
    )
    found = [(name, count.most_common(1)[0][0]) for name, count in (("weight", weights), ("bias", biases)) if count]
    return tuple(found) or None


def _print_rule(rule: Inits, layers: list[Layer], out: Writer) -> None:
    if not layers:
        return
    kinds = sorted(
        {_LINEAR[type(layer.op).__name__].format(len(layer.parameters["weight"].shape) - 2) for layer in layers}
    )
    listed = kinds[0] if len(kinds) == 1 else " | ".join(kinds)
    with out.indented(f"if isinstance(module, {listed}):"):
        out.line(_call(rule[0][1], "module.weight"))
        if len(rule) > 1:
            if all("bias" in layer.parameters for layer in layers):
                out.line(_call(rule[1][1], "module.bias"))
            else:
                with out.indented("if module.bias is not None:"):
                    out.line(_call(rule[1][1], "module.bias"))


def _print_rest(layers: list[Layer], rule: Inits | None, out: Writer) -> None:
    groups: dict[Initialiser, list[str]] = {}
    for layer in layers:
        if rule is not None and _is_linear(layer) and _drawn(layer) <= set(rule):
            continue
        for local, parameter in layer.parameters.items():
            usual = _TORCH.get(type(layer.op).__name__, {}).get(local)
            if parameter.role != "buffer" and _word(parameter.init) != usual:
                groups.setdefault(parameter.init, []).append(parameter.path)
    for init, paths in groups.items():
        if len(paths) == 1:
            out.line(_call(init, f"model.get_parameter({literal(paths[0])})"))
        else:
            with out.indented(f"for name in {literal(tuple(paths))}:"):
                out.line(_call(init, "model.get_parameter(name)"))


def _word(init: Initialiser) -> str:
    return f"{init.name}({', '.join(str(value) for _, value in init.settings)})"


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
    if isinstance(value, tuple | list):
        return f"{target}.copy_(torch.tensor({literal(_listed(value))}))"
    return f"nn.init.constant_({target}, {literal(value)})"


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple | list) else value
