"""From a graph to the text of a NumPy file: kernels, layers, classes, loss, optimizer, training steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.base import Options, Unsupported
from nnspec.backends.build import build
from nnspec.backends.describe import class_doc, file_doc
from nnspec.backends.numpy import activation, arithmetic, conv, linear, losses, noise, norm, pool, recurrent, shape  # noqa: F401  # fill the table
from nnspec.backends.numpy.forward import ClassPrinter
from nnspec.backends.numpy.library import carry, defined
from nnspec.backends.numpy.training import Functions
from nnspec.backends.reading import names_read
from nnspec.backends.source import Names, Writer, literal
from nnspec.backends.values import in_bfloat16, sample_batch

if TYPE_CHECKING:
    from nnspec.backends.numpy.members import Members
    from nnspec.backends.numpy.steps import Facts
    from nnspec.backends.program import ClassDef, Program
    from nnspec.ir.graph import Graph

_ALWAYS = {"initialise", "state", "load_state"}
_TRAINED = {"optimizer_state", "load_optimizer_state"}


def emit(graph: Graph, options: Options = Options()) -> str:  # noqa: B008  # an immutable record
    """The whole file. Raises `Unsupported` at an op that has no row."""
    if graph.training is not None and in_bfloat16(graph, options):
        reason = "precision = bfloat16 is for PyTorch and JAX: NumPy has no numbers of 16 bits that are fast"
        raise Unsupported(reason, graph.training.span)
    program = build(graph, options.verify)
    _keep_apart(program)
    known: dict[ClassDef, Facts] = {}
    members: dict[ClassDef, Members] = {}
    printers = {d: ClassPrinter(d, known, members, d is program.root) for d in program.classes}
    functions = Functions(program, options, printers)
    functions.prepare()
    body = Writer()
    for definition, printer in printers.items():
        body.blank(2)
        printer.print(body, class_doc(definition, program))
    if program.root.name != "Model":
        body.blank(2)
        body.line(f"Model = {program.root.name}")
    functions.print(body)
    _print_main(program, functions, body)
    return _file(graph, program, body.text(), options)


def _keep_apart(program: Program) -> None:
    """Rename classes of the spec that are called like something the file carries."""
    known = defined()
    names = Names(known)
    for definition in program.classes:
        wanted = f"{definition.name}Block" if definition.name in known else definition.name
        definition.name = names.fresh(wanted)


def _file(graph: Graph, program: Program, text: str, options: Options) -> str:
    used = names_read(text) | _ALWAYS | (_TRAINED if program.training is not None else set())
    definitions = carry(used, planned=options.optimize > 0)
    code = "\n".join(d.text for d in definitions) + text
    out = Writer()
    out.docstring(file_doc(graph, "NumPy"))
    out.blank()
    _print_imports(out, code)
    out.blank(1)
    for definition in definitions:
        if not definition.alias:
            out.blank(2)
        out.block(definition.text)
    out.blank(2)
    out.block(text)
    return out.text()


def _print_imports(out: Writer, code: str) -> None:
    out.line("from __future__ import annotations")
    out.blank()
    abstract = [name for name in ("Callable", "Iterator", "Sequence") if re.search(rf"\b{name}\[", code)]
    if abstract:
        out.line(f"from collections.abc import {', '.join(abstract)}")
    if re.search(r"\bThreadPoolExecutor\(", code):
        out.line("from concurrent.futures import ThreadPoolExecutor")
    if re.search(r"\bfnmatchcase\(", code):
        out.line("from fnmatch import fnmatchcase")
    if re.search(r"\bBarrier\(", code):
        out.line("from threading import Barrier")
    typing = [name for name in ("Any", "ClassVar") if re.search(rf"\b{name}\b", code)]
    out.line(f"from typing import {', '.join(typing)}")
    out.blank()
    out.line("import numpy as np")


def _print_main(program: Program, functions: Functions, out: Writer) -> None:
    """Three steps on random data, so that the file can be tried by running it."""
    out.blank(2)
    with out.indented('if __name__ == "__main__":'):
        out.line(f"model = initialise({program.root.name}())")
        out.line("random = np.random.default_rng(0)")
        entries = ", ".join(f"{literal(name)}: {_random(kind)}" for name, kind in sample_batch(program, 4).items())
        out.line(f"batch = {{{entries}}}")
        training = program.training
        if training is None:
            out.line("for name, value in outputs(model, batch).items():")
            out.line("    print(name, value.shape)")
            return
        rates = [g.optimizer.lr.rate(1, 1, 3, 1) if g.optimizer is not None else 0.0 for g in training.groups]
        out.line("optimizer = make_optimizer(model)")
        with out.indented("for step in range(1, 4):"):
            out.line(f"value = train_step(model, optimizer, batch, {literal(rates)}, step)")
            shown = "value" if functions.several else "value:.4f"
            out.line(f'print(f"step {{step}}: loss {{{shown}}}")')


def _random(kind: tuple[str, tuple[int, ...], int]) -> str:
    dtype, sizes, classes = kind
    inside = literal(sizes)
    if dtype == "float32":
        return f"random.random({inside}, np.float32)"
    if dtype == "bool":
        return f"random.random({inside}) > 0.5"
    return f"random.integers({classes or 2}, size={inside})"
