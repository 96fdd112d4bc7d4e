"""Ops and settings as the language writes them: `conv(32, 3, padding = 1)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.ir.dims import Dim
from nnspec.ir.graph import CallValue
from nnspec.ops.base import Initialiser
from nnspec.record import Record
from nnspec.syntax.nodes import Node

if TYPE_CHECKING:
    from nnspec.ops.base import Op


def show(value: object) -> str:
    """A value of a setting as one would write it in a spec."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Dim):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Initialiser):
        return call(value.name, [f"{name} = {show(v)}" for name, v in value.settings])
    if isinstance(value, CallValue):
        return call(
            value.name, [quoted(a) for a in value.args] + [f"{k} = {quoted(v)}" for k, v in value.kwargs.items()]
        )
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{k} = {show(v)}" for k, v in value.items())
    if isinstance(value, Record) and not isinstance(value, Node):
        name = getattr(value, "name", "") or type(value).__name__
        return call(name, [f"{field} = {show(getattr(value, field))}" for field in value._fields])
    return str(value)


def quoted(value: object) -> str:
    """Like `show`, for arguments of a source, where text stands in quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(quoted, value)) + "]"
    return show(value)


def call(name: str, arguments: list[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name


def title(op: Op) -> str:
    """The op's word in the language, or for ops that only lowering makes a word for its class."""
    return op.name or "".join("_" * (c.isupper() and i > 0) + c.lower() for i, c in enumerate(type(op).__name__))


def settings(op: Op) -> dict[str, Any]:
    """Every setting a call may give, with its value, defaults included."""
    return {name: getattr(op, name) for name in op._fields if name not in op.internal}


def short(op: Op) -> str:
    """The op with what differs from its defaults; what has no default stands without its name."""
    arguments: list[str] = []
    if op.name == "[]":
        return f"[{', '.join(map(_item, getattr(op, 'items', ())))}]"
    for name, value in settings(op).items():
        if name not in op._defaults:
            arguments.append(_compact(value))
        elif not _is_default(op, name, value):
            arguments.append(f"{name} = {_compact(value)}")
    return call(title(op), arguments)


def full(op: Op) -> list[str]:
    """Every setting as `name = value`."""
    return [f"{name} = {show(value)}" for name, value in settings(op).items()]


def _item(item: Any) -> str:
    """An index, or a slice as it is written: `0`, `1:3`, `::2`, `:`."""
    if isinstance(item, int | Dim):
        return str(item)
    start, stop = ("" if end is None else str(end) for end in (item.start, item.stop))
    return f"{start}:{stop}" + (f":{item.step}" if item.step != 1 else "")


def _compact(value: object) -> str:
    if isinstance(value, tuple) and value and all(entry == value[0] for entry in value):
        return show(value[0])
    text = show(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_default(op: Op, name: str, value: object) -> bool:
    default = op._defaults[name]
    if default is None:  # a default that follows another setting, as the stride of a pool follows its size
        return value is None or value == getattr(op, "size", None)
    if isinstance(value, tuple) and not isinstance(default, tuple):
        return all(entry == default for entry in value)
    return bool(value == default)
