"""Where two backends part: the first step of the model whose value differs, else the last whose gradient does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.ir.graph import Call, Graph, Node, Value
from nnspec.verify.compare import disagreement
from nnspec.verify.report import Divergence
from nnspec.verify.setup import open_drivers
from nnspec.verify.tolerances import tolerance

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.backends.base import State


def locate(
    graph: Graph, backends: tuple[str, ...], state: State, batch: State, dtype: str, device: str, folder: Path
) -> Divergence | None:
    """Compile the model once more with every value of its body as an output, and compare in order."""
    steps = [(item, item.outputs[0]) for item in graph.root.flat() if item.outputs[0].type.batched]
    probe = Graph(graph.root)
    probe.fields, probe.dims, probe.path, probe.data = graph.fields, graph.dims, graph.path, graph.data
    probe.outputs = {f"value{index}": value for index, (_, value) in enumerate(steps)}
    drivers = open_drivers(probe, backends, dtype, device, 0, folder)
    found = {}
    for name, driver in drivers.items():
        driver.load(state)
        found[name] = driver.outputs(batch, training=True)
    allowed = tolerance(dtype, graph)
    for index, (item, value) in enumerate(steps):
        for name in backends[1:]:
            _, share = disagreement(found[name][f"value{index}"], found[backends[0]][f"value{index}"], allowed)
            if share > 1:
                return Divergence(_name(item, value), "value", name, share, value.span)
    return _by_gradient(graph, backends, state, batch, dtype, device, folder)


def _by_gradient(
    graph: Graph, backends: tuple[str, ...], state: State, batch: State, dtype: str, device: str, folder: Path
) -> Divergence | None:
    """Backpropagation runs from the end: the last parameter with another gradient stands nearest to the cause."""
    drivers = open_drivers(graph, backends, dtype, device, 0, folder)
    gradients = {}
    for name, driver in drivers.items():
        driver.load(state)
        gradients[name] = driver.gradients(batch)[1]
    allowed = tolerance(dtype, graph)
    for layer in reversed(list(graph.root.all_layers())):
        for parameter in layer.parameters.values():
            wanted = gradients[backends[0]].get(parameter.path)
            for name in backends[1:] if wanted is not None else ():
                _, share = disagreement(gradients[name][parameter.path], wanted, allowed)  # type: ignore[arg-type]  # not None here
                if share > 1:
                    return Divergence(layer.path or parameter.path, "gradient", name, share, layer.span)
    return None


def _name(item: Node | Call, value: Value) -> str:
    if isinstance(item, Call):
        return item.module.path
    if item.layer is not None:
        return item.layer.path
    return value.name or item.op.name or type(item.op).__name__
