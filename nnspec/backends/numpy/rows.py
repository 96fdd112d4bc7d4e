"""How each op stands in emitted NumPy: a table that the files of the families fill.

    @layer("Dense", own=True)            # state: how the constructor is written; `own` has backward_parameters
    def dense(use: OpUse) -> str: ...

    @step("Matmul")                      # anything else: its line in forward, its gradients in backward
    def matmul(use: OpUse, a: str, b: str) -> Step: ...

An axis of an op counts example axes; `axis(use, n)` is the axis of the array in the emitted code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.backends.base import Unsupported
from nnspec.backends.program import VARIES
from nnspec.backends.source import literal
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse
    from nnspec.ops.base import Initialiser


class Step(Record):
    """One op in a function and in its reverse.

    `forward` is source of the value. With `cache`, a name, that source gives a pair: the value, and what the gradients
    need, kept under a name like it. `backward` pairs places of inputs with source of their gradients, over
    `{d}` (the gradient of the result; of several, separated by commas, None where there is none) and `{c}` (the
    cache). `own` is a statement that adds to the gradients of parameters where no input needs one. `rest` are
    arguments of `forward` that depend on how the model is run: "training", "rng".
    """

    forward: str
    cache: str = ""
    backward: tuple[tuple[tuple[int, ...], str], ...] = ()
    own: str = ""
    rest: tuple[str, ...] = ()


class Row(Record):
    """`construct` makes the member (None: there is none); `step` is given its source first if `reads_member`."""

    construct: Callable[[OpUse], str] | None = None
    step: Callable[..., Step] | None = None
    reads_member: bool = False


TABLE: dict[str, Row] = {}


def layer(
    *names: str, own: bool = False, inputs: tuple[int, ...] = (0,), rest: tuple[str, ...] = (), whole: bool = False
) -> Callable[[Callable[[OpUse], str]], Callable[[OpUse], str]]:
    """Register an op with a class of its own: how its constructor is written.

    `whole`: the class wants a batch axis, so one is lent to a tensor without. `inputs` are those with a gradient.
    """

    def add(construct: Callable[[OpUse], str]) -> Callable[[OpUse], str]:
        def call(use: OpUse, member: str, *given: str) -> Step:
            lend = whole and not use.inputs[0].batched
            source = f"{member}.forward({', '.join([f'{g}[None]' if lend else g for g in given] + list(rest))})"
            gradient = f"{member}.backward({{d}}, {{c}})"
            if lend:
                source, gradient = f"first_of({source})", f"{member}.backward({{d}}[None], {{c}})[0]"
            alone = f"{member}.backward_parameters({{d}}, {{c}})" if own and not lend else gradient
            return Step(source, "member", ((inputs, gradient),) if inputs else (), alone, rest)

        for name in names:
            TABLE[name] = Row(construct, call, reads_member=True)
        return construct

    return add


def parameter(
    name: str, construct: Callable[[OpUse], str] | None = None
) -> Callable[[Callable[..., Step]], Callable[..., Step]]:
    """Register an op whose value is read off a member: `step` takes the member's source first."""

    def add(step: Callable[..., Step]) -> Callable[..., Step]:
        TABLE[name] = Row(construct, step, reads_member=True)
        return step

    return add


def step(*names: str) -> Callable[[Callable[..., Step]], Callable[..., Step]]:
    """Register an op without state."""

    def add(make: Callable[..., Step]) -> Callable[..., Step]:
        for name in names:
            TABLE[name] = Row(step=make)
        return make

    return add


def kernel(
    name: str, *given: str, inputs: tuple[int, ...] = (0,), cache: str = "", settings: dict[str, str] | None = None
) -> Step:
    """`<name>_forward(x, size=2)` and `<name>_backward(d, cache)`; settings that are "" are left out."""
    parts = [*given, *(f"{k}={v}" for k, v in (settings or {}).items() if v)]
    gradient = f"{name}_backward({{d}}, {{c}})"
    return Step(f"{name}_forward({', '.join(parts)})", cache or name, ((inputs, gradient),))


def lent(use: OpUse, made: Step, *given: str) -> Step:
    """A step whose kernel wants a batch axis, for a tensor that has none."""
    if use.inputs[0].batched:
        return made
    source = made.forward
    for name in dict.fromkeys(given):
        source = source.replace(f"({name},", f"({name}[None],", 1).replace(f"({name})", f"({name}[None])", 1)
    backward = tuple((places, source.replace("{d}", "{d}[None]") + "[0]") for places, source in made.backward)
    return made.replace(forward=f"first_of({source})", backward=backward)


def passes(source: str, gradient: str = "{d}") -> Step:
    """A step of one input that needs no cache."""
    return Step(source, backward=(((0,), gradient),))


# What NumPy cannot do, and why.
LACKING = {
    "Gradient": "is for PyTorch and JAX: training through it takes the derivative of every backward pass, and those "
    "of NumPy are written by hand",
}


def row(use: OpUse) -> Row:
    """The row of an op. Raises Unsupported when the square is empty."""
    name = type(use.op).__name__
    if name not in TABLE:
        reason = LACKING.get(name, "has no NumPy form in this version")
        raise Unsupported(f"{use.op.name or name} {reason}", use.span)
    return TABLE[name]


def axis(use: OpUse, index: int, input: int = 0) -> int:
    """An example axis as an axis of the emitted array."""
    return index + use.inputs[input].batched


def axes(use: OpUse, indices: tuple[int, ...], input: int = 0) -> str:
    """Several axes as source of a tuple: `(1, 2)`."""
    return literal(tuple(i + use.inputs[input].batched for i in indices))


def arguments(use: OpUse, *positional: str, **optional: tuple[str, Any]) -> str:
    """`64, 10, stride=2`: positional source, then settings that are not the default of the emitted function.

    `optional` maps a keyword to (setting of the op, the function's default).
    """
    return ", ".join([*positional, *(f"{k}={v}" for k, v in given(use, **optional).items())])


def given(use: OpUse, **optional: tuple[str, Any]) -> dict[str, str]:
    """Settings that are not the default of the emitted function, as source by keyword."""
    return {
        k: use.scalar(setting) for k, (setting, default) in optional.items() if not use.is_default(setting, default)
    }


def fixed(use: OpUse, setting: str) -> Any:
    """A setting that decides the form of the code, so it cannot differ between uses of a class."""
    value = use.value(setting)
    if value is VARIES:
        raise Unsupported(f"{use.op.name}: {setting} differs between the uses of a block", use.span)
    return value


def initialisers(use: OpUse, **defaults: str) -> list[str]:
    """`weight_init=he_normal` where a parameter's initialiser is not the default of the emitted class."""
    found = []
    for name, default in defaults.items():
        inits = {n.layer.parameters[name].init for n in use.nodes if n.layer is not None and name in n.layer.parameters}
        if len(inits) > 1:  # `init("path")` tells the uses apart; the block itself says the same for all
            inits = {getattr(use.op, f"{name}_init")}
        found += [f"{name}_init={initialiser(init)}" for init in inits if initialiser(init) != default]
    return found


def initialiser(init: Initialiser) -> str:
    """`glorot_uniform`, `normal(0.01)`."""
    values = [literal(value) for _, value in init.settings]
    return f"{init.name}({', '.join(values)})" if values else init.name
