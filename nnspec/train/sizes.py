"""What arrives against the model, before it runs: open sizes, and indices into tables.

Without this the framework would stop somewhere in emitted code with words of its own, or go on with other numbers:
JAX takes the last row for an index that is too large, NumPy counts negative ones from the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.tracing import callers, in_files, words_of
from nnspec.backends.values import index_limits, open_ends
from nnspec.diagnostics import Diagnostic, Label, SpecError
from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.flatten import flatten
from nnspec.ir.types import show_shape

if TYPE_CHECKING:
    from nnspec.ir.flatten import FlatNode
    from nnspec.ir.graph import Field
    from nnspec.train.session import Compiled


def require_fit(spec: Compiled, arrays: Mapping[str, Any]) -> None:
    """Raises SpecError where the model cannot take these examples, by field: E0312 where a tensor would have no
    entries, E0313 where a table is too short for them, E0604 where an index has no row in a table."""
    require_sizes(spec, arrays)
    require_indices(spec, arrays)


def require_sizes(spec: Compiled, arrays: Mapping[str, Any]) -> None:
    """Raises SpecError (E0312, E0313) where the open sizes of these examples do not fit the model."""
    found = bindings(spec.graph.fields, arrays)
    if not found:
        return
    for item in flatten(spec.graph):
        error = _too_small(spec, item, found) or _too_long(spec, item, found)
        if error is not None:
            raise SpecError((error,), dict(spec.sources))


def _too_small(spec: Compiled, item: FlatNode, found: dict[str, int]) -> Diagnostic | None:
    """A step that would have nothing left to compute."""
    for value in item.outputs:
        open_sizes = [size for size in value.type.shape if isinstance(size, Dim) and size.symbols() <= found.keys()]
        if all(evaluate(size, found) >= 1 for size in open_sizes):
            continue
        shape = tuple(evaluate(s, found) if s in open_sizes else s for s in value.type.shape)
        name, span = item.node.op.name or "this step", in_files(item.node, callers(spec.graph)).span
        message = f"with {_given(found)} {name} has nothing left to compute: its output would be {show_shape(shape)}"
        label = Label(span, f"{show_shape(value.type.shape)} in general")
        return Diagnostic("E0312", message, span, (label,), "larger examples, or a smaller kernel")
    return None


def _too_long(spec: Compiled, item: FlatNode, found: dict[str, int]) -> Diagnostic | None:
    """A slice with an open end, which would be cut to a table that is shorter: learned positions, say."""
    for stop, size in open_ends(item.node, item.inputs):
        wanted = evaluate(stop, found) if stop.symbols() <= found.keys() else 0
        if wanted > size:
            use = in_files(item.node, callers(spec.graph))
            message = f"with {_given(found)} {words_of(item.node, [use])} needs {wanted} entries of a table of {size}"
            label, help = Label(use.span, f"takes {stop} of them"), f"shorter examples, or a table of {wanted}"
            return Diagnostic("E0313", message, use.span, (label,), help)
    return None


def require_indices(spec: Compiled, arrays: Mapping[str, Any]) -> None:
    """Raises SpecError (E0604) where these examples hold an index that has no row in the table that it looks into."""
    for field, limit, node in index_limits(spec.graph):
        array = arrays.get(field.name)
        if not isinstance(array, np.ndarray) or isinstance(array, np.memmap) or not array.size:
            continue  # what is streamed from a file is not read through for this
        if array.dtype.kind not in "iu" or (array.min() >= 0 and array.max() < limit):
            continue
        wrong = (array < 0) | (array >= limit)
        example = int(np.argwhere(wrong)[0][0])
        value, most = int(array[wrong][0]), int(array.max())
        use = in_files(node, callers(spec.graph))
        message = (
            f"{field.name} holds {value} (example {example + 1}), and {words_of(node, [use])} takes 0 to {limit - 1}"
        )
        help = "indices count from 0" if value < 0 else f"the largest is {most}: {most + 1} rows hold them all"
        found = Diagnostic("E0604", message, use.span, (Label(field.value.span, "which comes from here"),), help)
        raise SpecError((found,), dict(spec.sources))


def _given(found: dict[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sorted(found.items()))


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
