"""The table of JAX idioms: how each op is constructed and called.

A row is registered by op class name, so that a backend never imports an op it does not print:

    @layer("Dense")                       # has parameters: how `init` makes it; `key()` is a fresh random key
    def dense(use: OpUse, key: Key) -> str: ...

    @function("Relu")                     # stateless: how `__call__` computes it
    def relu(use: OpUse, x: str) -> str: ...

An axis of an op counts example axes; `axis(use, n)` is the axis of the array in the emitted code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.backends.base import Unsupported
from nnspec.backends.jax.layout import is_image
from nnspec.backends.program import VARIES
from nnspec.backends.source import literal
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.jax.layout import Layout
    from nnspec.backends.program import OpUse
    from nnspec.ops.base import Initialiser

Key = Callable[[], str]


class Row(Record):
    """`construct` makes a layer with parameters; `call` computes (of a layer: where calling it does not).

    `kind` is the annotation of such a layer; `noisy` rows take the source of a key as their last argument;
    `channels_first` ones need a batch axis before the channels.
    """

    construct: Callable[[OpUse, Key], str] | None = None
    call: Callable[..., str] | None = None
    kind: str = "Array"
    noisy: bool = False
    reads_member: bool = False  # `call` takes the source of the layer itself first
    channels_first: bool = False


TABLE: dict[str, Row] = {}
Construct = Callable[["OpUse", Key], str]
Call = Callable[..., str]

# Ops that read axis 0 as channels: what they are given has a batch axis before it.
_CHANNELS_FIRST = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "GlobalMaxPool", "GroupNorm"),
        *("InstanceNorm", "LocalResponseNorm", "Prelu", "Upsample"),
    }
)


def layer(name: str, kind: str) -> Callable[[Construct], Construct]:
    """Register how `init` writes an op with parameters, a `kind`."""

    def add(construct: Construct) -> Construct:
        first = name in _CHANNELS_FIRST
        TABLE[name] = TABLE.get(name, Row()).replace(construct=construct, kind=kind, channels_first=first)
        return construct

    return add


def function(*names: str, noisy: bool = False, reads_member: bool = False) -> Callable[[Call], Call]:
    """Register how an op without parameters is computed."""

    def add(call: Call) -> Call:
        for name in names:
            first = name in _CHANNELS_FIRST
            known = TABLE.get(name, Row()).replace(call=call, noisy=noisy)
            TABLE[name] = known.replace(reads_member=reads_member, channels_first=first)
        return call

    return add


def row(use: OpUse) -> Row:
    """The row of an op. Raises Unsupported when the square is empty."""
    name = type(use.op).__name__
    if name not in TABLE:
        raise Unsupported(f"{use.op.name or name} has no JAX form in this version", use.span)
    return TABLE[name]


def axis(use: OpUse, index: int, input: int = 0) -> int:
    """An example axis as an axis of the emitted array; images may lie otherwise than channels first."""
    layout: Layout | None = getattr(use, "layout", None)
    if layout is not None and is_image(use.inputs[input]):
        return layout.axes[index]
    return index + use.inputs[input].batched


def axes(use: OpUse, indices: tuple[int, ...], input: int = 0) -> str:
    """Several axes as source: `1` or `(1, 2)`."""
    found = tuple(axis(use, i, input) for i in indices)
    return literal(found[0] if len(found) == 1 else found)


def call(name: str, *positional: str, **optional: str) -> str:
    """`name(a, b, c=d)`; empty sources are left out."""
    parts = [p for p in positional if p] + [f"{k}={v}" for k, v in optional.items() if v]
    return f"{name}({', '.join(parts)})"


def given(use: OpUse, setting: str, default: Any) -> str:
    """Source of a setting that is not the default; tuples of equal numbers become the number."""
    return "" if use.is_default(setting, default) else use.scalar(setting)


def fixed(use: OpUse, setting: str) -> Any:
    """A setting that decides the form of the code, so it cannot differ between uses of a class."""
    value = use.value(setting)
    if value is VARIES:
        raise Unsupported(f"{use.op.name}: {setting} differs between the uses of a block", use.span)
    return value


_SCALED = {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal"}


def initialiser(use: OpUse, setting: str, default: Initialiser) -> str:
    """Source of an initialiser that is not the layer's default."""
    init = fixed(use, setting)
    return "" if init == default else initializer_source(init)


def initializer_source(init: Initialiser) -> str:
    """`initializers.normal(0.02)`: weights are stored (O, I, ...), so fans are those of axes 1 and 0."""
    numbers = [number_source(v) for _, v in init.settings]
    if init.name == "uniform":
        return f"uniform({', '.join(numbers)})"
    if init.name == "glorot_uniform":
        return "GLOROT_UNIFORM"
    if init.name in _SCALED:
        return f"initializers.{init.name}(in_axis=1, out_axis=0)"
    if init.name in ("zeros", "ones"):
        return f"initializers.{init.name}"
    return f"initializers.{init.name}({', '.join(numbers)})"


def number_source(value: Any) -> str:
    """A float, or `jnp.array([[2.0, 4.0]])`."""
    return f"jnp.array({literal(lists(value))})" if isinstance(value, tuple) else literal(float(value))


def lists(value: Any) -> Any:
    return [lists(v) for v in value] if isinstance(value, tuple) else value


def random(use: OpUse, *settings: str) -> bool:
    """Whether one of these initialisers draws numbers."""
    return any(fixed(use, s).name not in ("zeros", "ones", "constant") for s in settings)
