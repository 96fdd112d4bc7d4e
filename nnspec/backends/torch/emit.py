"""From a graph to the text of a PyTorch file: classes, loss, optimizer, training steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.base import Options
from nnspec.backends.build import build
from nnspec.backends.choices import value_of
from nnspec.backends.describe import class_doc, file_doc
from nnspec.backends.source import Writer, helper_source, literal
from nnspec.backends.torch import activation, arithmetic, conv, linear, losses, noise, norm, pool, recurrent, shape  # noqa: F401  # fill the table
from nnspec.backends.torch.choose import memory_format
from nnspec.backends.torch.initial import print_initialise
from nnspec.backends.torch.module import ModulePrinter
from nnspec.backends.torch.optimizers import CLASSES, TORCH
from nnspec.backends.torch.training import print_training
from nnspec.backends.values import sample_batch

if TYPE_CHECKING:
    from nnspec.backends.program import Program
    from nnspec.ir.graph import Graph


# Names that the file uses itself, so that no class or variable of a spec takes one.
_RESERVED = frozenset(
    [
        "Adagrad",
        "Adam",
        "AdamW",
        "Average",
        "F",
        "Iterable",
        "Lion",
        "RootAdagrad",
        "RootAdam",
        "RootRMSprop",
        "OBJECTIVES",
        "Tensor",
        "Tensors",
        "Optimizer",
        "OrderedDict",
        "RMSprop",
        "SGD",
        "Sequence",
        "SEED",
        "adagrad",
        "adam",
        "adamw",
        "attention",
        "backward",
        "derivative",
        "evaluate",
        "gradients",
        "in_bfloat16",
        "initialise",
        "make_optimizer",
        "math",
        "nn",
        "objective_of",
        "outputs",
        "rmsprop",
        "rotary",
        "sgd",
        "sinusoid",
        "start_training",
        "tracked",
        "torch",
        "train_step",
        "train_steps",
        "update",
        "weights",
        "with_noise",
    ]
)


def emit(graph: Graph, options: Options = Options()) -> str:  # noqa: B008  # an immutable record
    """The whole file. Raises `Unsupported` at an op that has no row."""
    program = build(graph, options.verify, _RESERVED)
    body = Writer()
    helpers = Writer()
    for definition in program.classes:
        body.blank(2)
        ModulePrinter(definition, bool(options.optimize)).print(body, class_doc(definition, program))
    if program.root.name != "Model":
        body.blank(2)
        body.line(f"Model = {program.root.name}")
    layout = value_of(options.choices, "memory_format") or memory_format(graph)[0]
    print_initialise(program, body, channels_last=bool(options.optimize) and layout == "channels_last")
    print_training(program, options, body)
    _print_main(program, body)
    for name in ("attention", "rotary", "in_bfloat16", "tracked", "derivative", "sinusoid", *CLASSES):
        if re.search(rf"(?<![.\w]){name}\(|@{name}\b", body.text()):
            helpers.blank(2)
            helpers.block(helper_source("torch", name))
    out = Writer()
    out.docstring(file_doc(graph, "PyTorch"))
    out.blank()
    _print_imports(out, helpers.text() + body.text())
    out.blank()
    out.line("Tensors = dict[str, Tensor]  # by name")
    if helpers.lines:
        out.blank(2)
        out.block(helpers.text())
    out.blank(2)
    out.block(body.text())
    return out.text()


def _print_imports(out: Writer, text: str) -> None:
    standard = {"OrderedDict(": "from collections import OrderedDict", "math.": "import math"}
    found = sorted((line for mark, line in standard.items() if mark in text), key=lambda s: (s.startswith("from"), s))
    abstract = [name for name in ("Callable", "Iterable", "Sequence") if f"{name}[" in text]
    if "fnmatchcase(" in text:
        found.append("from fnmatch import fnmatchcase")
    if abstract:
        found.append(f"from collections.abc import {', '.join(abstract)}")
    for line in found:
        out.line(line)
    if found:
        out.blank()
    out.line("import torch")
    if "F." in text:
        out.line("import torch.nn.functional as F")
    out.line("from torch import Tensor, nn" if "nn." in text else "from torch import Tensor")
    if "Optimizer" in text:
        out.line("from torch.optim import Optimizer")
    for name in sorted(kind.lower() for kind in CLASSES[: len(TORCH)] if f"class {kind}:" in text):
        out.line(f"from torch.optim.{name} import {name}")


def _print_main(program: Program, out: Writer) -> None:
    """Three steps on random data, so that the file can be tried by running it."""
    out.blank(2)
    with out.indented('if __name__ == "__main__":'):
        out.line("torch.manual_seed(0)")
        out.line(f"model = initialise({program.root.name}())")
        entries = ", ".join(f"{literal(name)}: {_random(kind)}" for name, kind in sample_batch(program, 4).items())
        out.line(f"batch = {{{entries}}}")
        training = program.training
        if training is None:
            out.line("for name, value in outputs(model, batch).items():")
            out.line("    print(name, tuple(value.shape))")
            return
        rates = [g.optimizer.lr.rate(1, 1, 3, 1) if g.optimizer is not None else 0.0 for g in training.groups]
        out.line("optimizer = make_optimizer(model)")
        with out.indented("for step in range(1, 4):"):
            out.line(f"value = train_step(model, optimizer, batch, {literal(rates)}, step)")
            shown = "value.tolist()" if len(program.objectives) > 1 else "value.item():.4f"
            out.line(f'print(f"step {{step}}: loss {{{shown}}}")')


def _random(kind: tuple[str, tuple[int, ...], int]) -> str:
    dtype, sizes, classes = kind
    inside = ", ".join(map(literal, sizes))
    if dtype == "float32":
        return f"torch.rand({inside})"
    if dtype == "bool":
        return f"torch.rand({inside}) > 0.5"
    suffix = "" if dtype in ("class", "int64") else f", dtype=torch.{dtype}"
    return f"torch.randint({classes or 2}, {literal(sizes)}{suffix})"
