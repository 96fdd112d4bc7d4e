"""`nnspec explain FILE:LINE`: a step's shapes with the formula behind every size, its parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from nnspec.ir.graph import Call, Graph, Node, Parameter
from nnspec.ir.types import show_shape
from nnspec.views.origin import Origins
from nnspec.views.places import Place, places
from nnspec.views.table import grouped

if TYPE_CHECKING:
    from nnspec.diagnostics import Span

MOST = 4  # uses of a block that are told apart


def steps_at(graph: Graph, path: str, line: int, column: int | None = None) -> list[list[Place]]:
    """The steps that begin on a line (or the innermost at a column), in the order of the text, each with its uses."""
    by_span: dict[tuple[int, int, int, int], list[Place]] = {}
    for place in places(graph):
        s = place.span
        if s.path == path and _touches(s, line, column):
            by_span.setdefault((s.end_line, s.end_column, -s.line, -s.column), []).append(place)
    found = [by_span[key] for key in sorted(by_span)]
    if column is None:
        return [uses for uses in found if not _is_number(uses[0])] or found
    if not found:
        return found
    return [min(found, key=lambda uses: _extent(uses[0].span))]


def lines_with_steps(graph: Graph, path: str) -> list[int]:
    """The lines of a file on which steps begin."""
    return sorted({place.span.line for place in places(graph) if place.span.path == path})


def field_at(graph: Graph, path: str, line: int) -> str:
    """`input image: float32[1, 28, 28]` where that line declares it, else nothing."""
    for field in graph.fields:
        if field.value.span.path == path and field.value.span.line == line:
            return (
                f"{path}:{line}: {field.role} {field.name}: {field.value.type}, as declared; the batch axis is implicit"
            )
    return ""


def _is_number(place: Place) -> bool:
    """Whether a step is a number among tensors, the 1 of `1 - x`: of it there is nothing to say."""
    item = place.items[-1]
    return isinstance(item, Node) and item.op.name == "constant" and not item.inputs and not item.outputs[0].type.rank


def _touches(span: Span, line: int, column: int | None) -> bool:
    if column is None:
        return span.line == line
    return (span.line, span.column) <= (line, column) < (span.end_line, span.end_column)


def _extent(span: Span) -> tuple[int, int]:
    return span.end_line - span.line, span.end_column - span.column


def explain(graph: Graph, uses: list[Place], sources: Mapping[str, str]) -> str:
    """One step: where it stands and how often it runs, then its first use in full and the others by their shapes."""
    first = uses[0]
    span = first.span
    origins = Origins(graph, span.path)
    head = f"{span.path}:{span.line}:{span.column}: {_written(span, sources)}"
    named = f" is {first.path}" if first.path and (first.layers or isinstance(first.items[-1], Call)) else ""
    before, after = first.shapes
    lines = [head + named, "", f"    {before + ' -> ' if before else ''}{after}", ""]
    lines += [f"    {text}" for text in (*_sizes(first, origins), *_parameters(first), *_macs(first))]
    lines += _others(uses)
    return "\n".join(lines).rstrip()


def _written(span: Span, sources: Mapping[str, str]) -> str:
    """The step as it stands in the text, its first line."""
    text = sources.get(span.path, "").split("\n")
    if span.line > len(text):
        return ""
    row = text[span.line - 1]
    return row[span.column - 1 : span.end_column - 1] if span.end_line == span.line else row[span.column - 1 :].strip()


def _sizes(place: Place, origins: Origins) -> Iterator[str]:
    """Where each size of the input and of the output comes from."""
    told: set[str] = set()
    for word, values in (("in", place.inputs), ("out", place.outputs)):
        several = len(values) > 1
        for number, value in enumerate(values):
            label = f"{word}{f' {number + 1}' if several else ''}"
            for axis in range(value.type.rank):
                why = origins.why(value, axis)
                if why not in told:
                    told.add(why)
                    yield f"{label:<5} {why}"


def _parameters(place: Place) -> Iterator[str]:
    """`parameters 880: weight [16, 6, 3, 3] = 864, bias [16] = 16`."""
    owned = [p for layer in place.layers for p in layer.parameters.items()]
    if isinstance(place.items[-1], Call):
        if place.parameters:
            yield f"parameters {place.parameters:,}"
        return
    trained = [(name, p) for name, p in owned if p.role != "buffer"]
    if trained:
        total = sum(prod(p.shape) for _, p in trained)
        yield f"parameters {total:,}: " + ", ".join(_parameter(name, p) for name, p in trained)
    buffers = [name for name, p in owned if p.role == "buffer"]
    if buffers:
        yield f"not trained: {', '.join(buffers)}"


def _parameter(name: str, parameter: Parameter) -> str:
    shape = parameter.shape
    return f"{name or parameter.path} {show_shape(shape)}" + (f" = {prod(shape):,}" if len(shape) > 1 else "")


def _macs(place: Place) -> Iterator[str]:
    if not place.macs:
        return
    factors = next((f for f in map(_factors, place.items) if f), "") if len(place.items) == 1 else ""
    yield f"multiply-adds {grouped(place.macs)}" + (f" = {factors}" if factors else "")


def _factors(item: Node | Call) -> str:
    """The product behind the multiply-adds of a convolution or a dense layer."""
    if isinstance(item, Call):
        return ""
    op: Any = item.op
    kind, x, y = type(op).__name__, item.inputs[0].type.shape, item.outputs[0].type.shape
    if kind == "Dense":
        rows = " * ".join(f"{n}" for n in x[:-1])
        return f"{rows + ' rows * ' if rows else ''}{x[-1]} inputs * {op.units} units"
    if kind == "Conv":
        entries = " * ".join(map(str, y))
        channels = x[0] if op.groups == 1 else f"{x[0]}/{op.groups}"
        return f"{entries} outputs * {channels} channels * {' * '.join(map(str, op.kernel))} kernel"
    return ""


def _others(uses: list[Place]) -> Iterator[str]:
    if len(uses) < 2:
        return
    yield ""
    yield f"    {len(uses)} uses in all:"
    shapes: dict[tuple[str, str], list[str]] = {}
    for place in uses:
        shapes.setdefault(place.shapes, []).append(place.path)
    for (before, after), paths in list(shapes.items())[:MOST]:
        where = dict.fromkeys(filter(None, paths))
        named = ", ".join(list(where)[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
        yield f"        {before} -> {after}" + (f"  in {named}" if named else f"  {len(paths)} times")
    if len(shapes) > MOST:
        yield f"        and {len(shapes) - MOST} more shapes"
