"""Captures: what a module reads of the modules around it, so that emitted code can hand it over."""

from __future__ import annotations

from nnspec.ir.flatten import write_out
from nnspec.ir.graph import Call, Graph, Layer, Module, Value

Captured = Value | Layer | Module


def lift(graph: Graph) -> None:
    """Fills `captures` of every module below the root, and gives the root the fields that its body reads.

    The root's inputs are its `input` fields, then the noises and the targets that it or a module inside reads.
    """
    found: dict[Module, list[Captured]] = {}
    free = _captures(graph.root, found)
    for module, captures in found.items():
        if module is not graph.root:
            module.captures = captures
    known = set(graph.root.inputs)
    for field in graph.fields:
        if field.value in free and field.value not in known:
            graph.root.inputs.append(field.value)


def lift_objective(objective: Module) -> None:
    """The same for an objective: what it reads that is no formal input of its own. Its blocks are written out."""
    write_out(objective)
    found: dict[Module, list[Captured]] = {}
    _captures(objective, found)
    for module, captures in found.items():
        module.captures = captures


def _captures(module: Module, found: dict[Module, list[Captured]]) -> list[Captured]:
    """What `module` reads and does not make or own, in the order of reading."""
    if module in found:
        return found[module]
    # What lies deeper in the tree is reached from here by name: `enc.0.weight` read beside `enc`.
    own: set[Captured] = {*module.inputs, *module.all_layers(), *module.modules()}
    reads: dict[Captured, None] = {}
    for item in module.flat():
        if isinstance(item, Call):
            if item.module not in own:
                reads[item.module] = None
            inner = _captures(item.module, found)
            reads.update(dict.fromkeys(c for c in inner if c not in own))
        elif item.layer is not None and item.layer not in own:
            reads[item.layer] = None
        reads.update(dict.fromkeys(v for v in item.inputs if v not in own))
        own.update(item.outputs)
    reads.update(dict.fromkeys(v for v in module.outputs if v not in own))
    found[module] = list(reads)
    return found[module]
