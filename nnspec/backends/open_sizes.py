"""Open sizes, read off the shapes of what emitted code has at hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nnspec.backends.source import literal
from nnspec.ir.dims import Dim

if TYPE_CHECKING:
    from nnspec.ir.graph import Field, Graph
    from nnspec.ir.types import Size


def symbols(axes: Iterable[tuple[Size, str]]) -> dict[str, str]:
    """Source for every open size that one of the axes gives: a size `a * T + b`, read by its code, gives T."""
    found: dict[str, str] = {}
    for size, code in axes:
        if not isinstance(size, Dim) or len(size.symbols()) != 1:
            continue
        (symbol,) = size.symbols()
        one, two = size.evaluate({symbol: 1}), size.evaluate({symbol: 2})
        factor, offset = two - one, 2 * one - two
        if symbol in found or not factor or Dim.symbol(symbol) * factor + offset != size:
            continue
        known = f"({code} - {offset})" if offset else code
        found[symbol] = f"({known} // {factor})" if factor != 1 else known
    return found


def noise_shape(graph: Graph, noise: Field) -> str:
    """Source of the shape in which `size` examples of a noise field are drawn.

    An open size is that of the batch, else of its default: what a field of the batch has as it stands is read
    there, anything else is calculated from what is.
    """
    axes = [
        (size, f"batch[{literal(field.name)}].shape[{axis + 1}]")
        for field in graph.fields
        if field.role != "noise"
        for axis, size in enumerate(field.value.type.shape)
    ]
    known = {name: literal(size) for name, size in graph.dims.items() if size is not None} | symbols(axes)
    sizes = ["size"]
    for size in noise.value.type.shape:
        same = next((code for other, code in axes if other == size), None)
        sizes.append(same or size.python(known) if isinstance(size, Dim) else literal(size))
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
