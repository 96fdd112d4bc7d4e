"""What is chosen for torch beyond the spec (see `backends/choices.py`), each rule with the measurement it rests on.

Times are of torch 2.13 on two CPU cores, against the same program without the choice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING

from nnspec.backends import memory
from nnspec.backends.choices import Choice
from nnspec.passes.cost import executed, totals

if TYPE_CHECKING:
    from nnspec.backends.choices import Choices, Run
    from nnspec.ir.graph import Graph

_RECURRENT = ("Rnn", "Lstm", "Gru")

FORMS: dict[str, tuple[str, ...]] = {
    "step": ("eager", "compile"),
    "optimizer": ("kernels", "objects"),
    "memory_format": ("channels_last", "contiguous"),
    "threads": (),
    "freed_memory": ("kept", "returned"),
}

# A product below this many multiply-adds runs on one thread: handing it to a second costs as much as it takes,
# and on busy cores twice (MLP 64-128-64-10, batch 32: 0.58 ms a step on one thread, 0.86 to 1.6 on two).
SMALL_PRODUCT = 1_000_000
# What torch.compile costs before the first step, and saves in each, for every operation of the model. Cold it took
# 7 to 12 s for 6 operations, of which 5 are imports, and again for the smaller last batch; it saved 10 to 20 us each.
COMPILE_SECONDS, COMPILE_SECONDS_EACH, SAVED_EACH = 10.0, 1.0, 15e-6
# A file that is compiled to be read and kept has the objects of torch.optim; what `train` runs does without them.
OPTIMIZER = "kernels", "an object of torch.optim imports torch's compiler (1.2 to 1.8 s), and takes 60 us a step"
# On CUDA kernels are launched from a recorded graph and elementwise chains are one kernel: 5 us for each launch.
CUDA_SAVED_EACH = 30e-6


def automatic_device() -> str:
    """What `--device auto` comes to here: "cuda" or "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def choose(graph: Graph, run: Run, wanted: Mapping[str, str]) -> Choices:
    """One choice for each of FORMS; a wish wins where it is possible."""
    found = {
        "step": _step(graph, run),
        "optimizer": OPTIMIZER,
        "memory_format": memory_format(graph),
        "threads": _threads(graph, run),
        "freed_memory": _freed_memory(run),
    }
    for what, value in wanted.items():
        found[what] = value, "asked for"
    if found["step"][0] == "compile":
        obstacle = _obstacle(graph, run)
        if obstacle:
            found["step"] = "eager", obstacle
    if found["freed_memory"][0] == "kept" and not memory.can_keep():
        found["freed_memory"] = "returned", "this C library cannot be told to keep it"
    return tuple(Choice(what, *found[what]) for what in FORMS)


def memory_format(graph: Graph) -> tuple[str, str]:
    """The layout of images and kernels, from the model alone.

    `Model.to(memory_format=torch.channels_last)` takes every tensor of rank 4, and none of rank 5.
    """
    images = convolutions = 0
    for layer in graph.root.all_layers():
        shapes = [p.shape for p in layer.parameters.values()]
        is_image = type(layer.op).__name__ in ("Conv", "ConvTranspose") and any(len(s) == 4 for s in shapes)
        images += is_image
        convolutions += any(len(s) >= 4 for s in shapes)
    if images and images == convolutions:
        return (
            "channels_last",
            "convolutions read neighbouring channels together (1.3 to 1.5 times on LeNet-5, ResNet-20)",
        )
    return "contiguous", "no convolution over images" if not images else "parameters of rank 4 or 5 beside convolutions"


def _step(graph: Graph, run: Run) -> tuple[str, str]:
    """Whether torch.compile earns its time back in this run."""
    nodes = sum(1 for _ in executed(graph.root)) + 1  # and the loss
    cost = COMPILE_SECONDS + COMPILE_SECONDS_EACH * nodes
    if run.device == "cpu" and memory_format(graph)[0] == "channels_last":
        return "eager", "on a CPU convolutions take the time, and compiling leaves them as they are"
    saved = nodes * (SAVED_EACH if run.device == "cpu" else CUDA_SAVED_EACH)
    need = round(cost / saved)
    if run.steps > 2 * need:
        return "compile", f"{run.steps:,} steps save more than the {cost:.0f} s that compiling costs"
    length = f"{run.steps:,} steps" if run.steps else "a run of unknown length"
    return "eager", f"compiling costs about {cost:.0f} s, which {need:,} steps earn back; this is {length}"


def _obstacle(graph: Graph, run: Run) -> str:
    """Why this step cannot be compiled here; empty if it can."""
    if graph.training is not None and graph.training.uses_step:
        return "the objective changes with the step, and would be compiled again for each"
    if any(type(layer.op).__name__ in _RECURRENT for layer in graph.root.all_layers()):
        return "torch's compiler breaks its graph at recurrent layers (torch._dynamo.config.allow_rnn)"
    if run.device == "cpu":
        compiler = os.environ.get("CXX", "")
        if not (which(compiler) if compiler else any(map(which, ("g++", "c++", "clang++", "cl")))):
            return "torch.compile needs a C++ compiler, and there is none here"
    elif find_spec("triton") is None:
        return "torch.compile needs Triton on this device, and it is not installed"
    return ""


def _threads(graph: Graph, run: Run) -> tuple[str, str]:
    """How many threads share one operation."""
    import torch

    available = torch.get_num_threads()
    if run.device != "cpu" or available == 1:
        return str(available), "torch's own number"
    products = sum(1 for _, node in executed(graph.root) if node.op.macs(*(v.type for v in node.inputs)))
    mean = totals(graph)["macs"] * run.batch / max(1, products)
    if mean < SMALL_PRODUCT:
        return "1", f"a product has {mean:,.0f} multiply-adds, too few to share"
    return str(available), f"a product has {mean:,.0f} multiply-adds, worth sharing"


def _freed_memory(run: Run) -> tuple[str, str]:
    """Whether the process keeps what torch frees within a step, for the next."""
    if run.device != "cpu":
        return "returned", "torch keeps a device's memory itself"
    return "kept", "torch allocates every result anew (1.1 times on ResNet-20, 1.5 at batch 520, 1.03 on a small GPT)"
