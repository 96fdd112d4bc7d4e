"""The table of PyTorch idioms: how each op is constructed, called and, in a Sequential, spelled as a module.

A row is registered by op class name, so that a backend never imports an op it does not print:

    @layer("Dense")                       # has parameters: how `__init__` makes it
    def dense(use: OpUse) -> str: ...

    @function("Relu", module="nn.ReLU()") # stateless: how `forward` calls it
    def relu(use: OpUse, x: str) -> str: ...

An axis of an op counts example axes; `axis(use, n)` is the axis of the tensor in the emitted code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.backends.base import Unsupported
from nnspec.backends.program import VARIES
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


class Row(Record):
    """`construct` for layers with a module of their own, `call` for the rest; `module` spells a stateless op as one."""

    construct: Callable[[OpUse], str] | None = None
    call: Callable[..., str] | None = None
    module: Callable[[OpUse], str] | None = None
    reads_member: bool = False  # `call` takes the source of the layer first: it reads a parameter of it
    constant: bool = False  # a tensor that depends on nothing
    pair: bool = False  # calling the layer gives a pair, whose first is the value


TABLE: dict[str, Row] = {}


def layer(*names: str, pair: bool = False) -> Callable[[Callable[[OpUse], str]], Callable[[OpUse], str]]:
    """Register how the constructor of an op with state is written.

    `pair`: calling its module gives a pair, whose first is the value. An op whose parameters a setting can switch off
    also has a `function` row, registered after this one.
    """

    def add(construct: Callable[[OpUse], str]) -> Callable[[OpUse], str]:
        for name in names:
            TABLE[name] = Row(construct=construct, pair=pair)
        return construct

    return add


def parameter(
    name: str, construct: Callable[[OpUse], str] | None
) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register an op whose value is read off a member: `call` takes the member's source."""

    def add(call: Callable[..., str]) -> Callable[..., str]:
        TABLE[name] = Row(construct=construct, call=call, reads_member=True)
        return call

    return add


def buffer(*names: str) -> Callable[[Callable[[OpUse], str]], Callable[[OpUse], str]]:
    """Register a constant tensor: made once in `__init__` where its sizes are known there, else in `forward`."""

    def add(call: Callable[[OpUse], str]) -> Callable[[OpUse], str]:
        for name in names:
            TABLE[name] = Row(call=call, constant=True)
        return call

    return add


def function(
    *names: str, module: str | Callable[[OpUse], str] | None = None
) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register how a stateless op is called; `module` is the same as an nn.Module for Sequentials."""
    spelled: Callable[[OpUse], str] | None = (lambda use: module) if isinstance(module, str) else module

    def add(call: Callable[..., str]) -> Callable[..., str]:
        for name in names:
            before = TABLE.get(name, Row())
            TABLE[name] = before.replace(call=call, module=spelled)
        return call

    return add


def row(use: OpUse) -> Row:
    """The row of an op. Raises Unsupported when the square is empty."""
    name = type(use.op).__name__
    if name not in TABLE:
        raise Unsupported(f"{use.op.name or name} has no PyTorch form in this version", use.span)
    return TABLE[name]


def axis(use: OpUse, index: int, input: int = 0) -> int:
    """An example axis as an axis of the emitted tensor."""
    return index + use.inputs[input].batched


def axes(use: OpUse, indices: tuple[int, ...], input: int = 0) -> str:
    """Several axes as source: `1` or `(1, 2)`."""
    found = tuple(i + use.inputs[input].batched for i in indices)
    return str(found[0]) if len(found) == 1 else "(" + ", ".join(map(str, found)) + ")"


def arguments(use: OpUse, *positional: str, **optional: tuple[str, Any]) -> str:
    """`64, 10, stride=2`: positional source, then settings that are not the framework's default.

    `optional` maps a keyword to (setting of the op, the framework's default).
    """
    parts = list(positional)
    for keyword, (setting, default) in optional.items():
        if not use.is_default(setting, default):
            parts.append(f"{keyword}={use.scalar(setting)}")
    return ", ".join(parts)


def fixed(use: OpUse, setting: str) -> Any:
    """A setting that decides the form of the code, so it cannot differ between uses of a class."""
    value = use.value(setting)
    if value is VARIES:
        raise Unsupported(f"{use.op.name}: {setting} differs between the uses of a block", use.span)
    return value
