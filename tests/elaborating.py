"""Helpers of the elaborator's tests: a text becomes a graph that passes the checker, or its diagnostics."""

from __future__ import annotations

from nnspec.diagnostics import Diagnostic, Reporter
from nnspec.ir.graph import Graph
from nnspec.passes.check import check_graph
from nnspec.passes.elaborate import elaborate
from nnspec.passes.program import Program
from nnspec.syntax import parse


def attempt(text: str, model: str = "", **overrides: object) -> tuple[Graph | None, tuple[Diagnostic, ...]]:
    """The last model of a text (or the one named), elaborated without the static checker before it."""
    reporter = Reporter()
    program = Program(parse(text, "spec.nn", reporter))
    assert not reporter.failed, reporter.sorted()
    chosen = next(m for m in reversed(program.models()) if model in ("", m.name.id))
    graph = elaborate(program, chosen, overrides, reporter)
    if graph is not None:
        check_graph(graph)
    return graph, reporter.sorted()


def graph_of(text: str, model: str = "", **overrides: object) -> Graph:
    graph, diagnostics = attempt(text, model, **overrides)
    assert graph is not None, "\n".join(f"{d.span.line}: {d.code} {d.message}" for d in diagnostics)
    return graph


def body(lines: str, x: str = "float32[8]") -> str:
    """A model with the input x and these lines."""
    return f"model M {{\n input x: {x}\n{lines}\n}}"


def shapes(graph: Graph, buffers: bool = True) -> dict[str, tuple[int, ...]]:
    return {p.path: p.shape for p in graph.root.parameters() if buffers or p.role != "buffer"}


def paths(graph: Graph) -> list[str]:
    """The names of everything that has a weight, in short: `conv1`, `features.0`."""
    found = [p.path.removesuffix(".weight") for p in graph.root.parameters() if p.path.endswith(".weight")]
    return sorted(found)
