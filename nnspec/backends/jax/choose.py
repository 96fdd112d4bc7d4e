"""What is chosen for JAX beyond the spec: the form of convolutions and of a run of steps (see `backends/choices.py`).

Times are of jax 0.10 on two cores of a CPU, against hand-written PyTorch.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from nnspec.backends.choices import Choice
from nnspec.backends.jax.layout import convolutions, obstacle
from nnspec.ir.dims import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.backends.choices import Choices, Run
    from nnspec.ir.graph import Graph, Node

# steps: several in one compiled loop, or a Python loop over compiled steps.
# convolution: `dot`, one product with all patches, the batch innermost in memory; `chunks`, XLA's convolution with
# channels innermost, its weight gradient from a few images at a time; `lax`, XLA's convolution as it is.
# compilation: compiled programs are kept on disk for the next run, or made afresh.
FORMS: dict[str, tuple[str, ...]] = {
    "steps": ("scan", "loop"),
    "convolution": ("dot", "chunks", "lax"),
    "compilation": ("kept", "fresh"),
}

# Patches of the largest layer, beyond which one product with all of them is bound by memory (in bytes).
# LeNet-5 at batch 64 has 5 MB (dot 1.35, chunks 0.8), ResNet-20 at batch 128 has 75 MB (dot 0.35, chunks 0.65).
LARGE = 16e6


def choose(graph: Graph, run: Run, wanted: Mapping[str, str]) -> Choices:
    """All choices. Raises ValueError where a form was asked for that the model cannot have."""
    convolution = _convolution(graph, run, wanted.get("convolution", ""))
    steps = _steps(graph, run, wanted.get("steps", ""), convolution.value)
    return steps, convolution, _compilation(wanted.get("compilation", ""))


def _convolution(graph: Graph, run: Run, wanted: str) -> Choice:
    reason = obstacle(graph)
    if wanted:
        if reason and wanted != "lax":
            raise ValueError(f"convolution={wanted} is not for {reason}: it has lax")
        return Choice("convolution", wanted, "asked for")
    found = convolutions(graph)
    if not found:
        return Choice("convolution", "lax", "there is none")
    if run.device != "cpu":
        return Choice("convolution", "lax", f"{run.device} has fast convolutions of its own")
    if reason:
        return Choice("convolution", "lax", f"other layouts are not for {reason}")
    size = max(_patches(graph, node) for node in found) * run.batch
    shown = f"the patches of the largest layer take {size / 1e6:,.1f} MB a batch"
    if size <= LARGE:
        return Choice("convolution", "dot", f"{shown}: one product with all of them is fastest up to {LARGE / 1e6:.0f}")
    return Choice("convolution", "chunks", f"{shown}: more than {LARGE / 1e6:.0f} are taken a few images at a time")


def _patches(graph: Graph, node: Node) -> int:
    """The bytes of all patches of one example that a convolution reads."""
    sizes = {name: size or 1 for name, size in graph.dims.items()}
    x, y = node.inputs[0].type, node.outputs[0].type
    kernel: tuple[int, ...] = node.op.kernel  # type: ignore[attr-defined]  # a convolution
    places = prod(evaluate(n, sizes) for n in y.shape[1:])
    return 4 * places * evaluate(x.shape[0], sizes) * prod(kernel)


def _steps(graph: Graph, run: Run, wanted: str, convolution: str) -> Choice:
    if wanted:
        return Choice("steps", wanted, "asked for")
    if run.device != "cpu":
        return Choice("steps", "scan", "nothing but the losses leaves the device")
    if convolutions(graph) and convolution != "dot":
        return Choice("steps", "loop", "XLA's convolutions are 2 to 20 times slower inside a compiled loop on a CPU")
    return Choice("steps", "scan", "nothing is started from Python, and memory is claimed once for all steps")


def _compilation(wanted: str) -> Choice:
    if wanted:
        return Choice("compilation", wanted, "asked for")
    return Choice("compilation", "kept", "another run of the same model need not compile it again")
