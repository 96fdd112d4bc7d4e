"""Open sizes against the data that arrives: a step that would have no entries left is told at its line of the spec.

Without this the framework would stop somewhere in emitted code, with words of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnspec.diagnostics import Diagnostic, Label, SpecError
from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.flatten import flatten
from nnspec.ir.types import show_shape

if TYPE_CHECKING:
    from nnspec.ir.graph import Field
    from nnspec.train.session import Compiled


def require_sizes(spec: Compiled, arrays: Mapping[str, Any]) -> None:
    """Raises SpecError (E0312) where these examples, by field, leave a tensor of the model without entries."""
    found = bindings(spec.graph.fields, arrays)
    if not found:
        return
    for item in flatten(spec.graph):
        for value in item.outputs:
            open_sizes = [size for size in value.type.shape if isinstance(size, Dim) and size.symbols() <= found.keys()]
            if all(evaluate(size, found) >= 1 for size in open_sizes):
                continue
            shape = tuple(evaluate(s, found) if s in open_sizes else s for s in value.type.shape)
            given = ", ".join(f"{name} = {size}" for name, size in sorted(found.items()))
            name = item.node.op.name or "this step"
            message = f"with {given} {name} has nothing left to compute: its output would be {show_shape(shape)}"
            labels = [Label(item.node.span, f"{show_shape(value.type.shape)} in general")]
            help = "larger examples, or a smaller kernel"
            raise SpecError((Diagnostic("E0312", message, item.node.span, tuple(labels), help),), dict(spec.sources))


def bindings(fields: list[Field], arrays: Mapping[str, Any]) -> dict[str, int]:
    """The values of open sizes, from axes that are a multiple of one: `T`, `16 * H`, `T + 1`."""
    found: dict[str, int] = {}
    for field in fields:
        array = arrays.get(field.name)
        given = getattr(array, "shape", ())[1:]
        for size, n in zip(field.value.type.shape, given, strict=False):
            symbols = size.symbols() if isinstance(size, Dim) else frozenset()
            if len(symbols) == 1:
                (symbol,) = symbols
                start, slope = evaluate(size, {symbol: 0}), evaluate(size, {symbol: 1}) - evaluate(size, {symbol: 0})
                if slope and (n - start) % slope == 0 and evaluate(size, {symbol: (n - start) // slope}) == n:
                    found[symbol] = (n - start) // slope
    return found
