"""`nnspec diff A B`: what two models have in common, what changed, and which weights of A fit B."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import TYPE_CHECKING

from nnspec.ir.types import show_shape
from nnspec.passes.cost import executed, totals
from nnspec.record import Record
from nnspec.views.places import shapes_of
from nnspec.views.table import table
from nnspec.views.wording import short, show

if TYPE_CHECKING:
    from nnspec.compiler import Spec
    from nnspec.ir.graph import Graph, Node, Objective, Parameter

Texts = Mapping[str, str]
Sources = Mapping[str, str]  # texts of files by path

LISTED = 12  # weights of one kind shown by name
_PLAIN = re.compile(r"Constant\(value = ([^()]*)\)")  # a learning rate that is a number
QUANTITIES = ("parameters", "macs", "memory")


class LayerChange(Record):
    """One operation that is only in A ("removed"), only in B ("added"), or different in the two ("changed")."""

    kind: str
    path: str
    before: str
    after: str


class Setting(Record):
    """A key of `train` or `data` whose value differs; an empty text where it is not given."""

    name: str
    before: str
    after: str


class Weight(Record):
    """One stored tensor: `fits` is "transfers", "shape", "only in A", "only in B", or "renamed"."""

    path: str
    fits: str
    before: str = ""
    after: str = ""
    renamed: str = ""


class Difference(Record):
    """Everything that `diff` shows."""

    names: tuple[str, str]
    layers: tuple[LayerChange, ...]
    totals: tuple[dict[str, int], dict[str, int]]
    settings: tuple[Setting, ...]
    weights: tuple[Weight, ...]

    @property
    def same(self) -> bool:
        """Whether nothing that was compared differs."""
        alike = all(w.fits == "transfers" for w in self.weights)
        return alike and not self.layers and not self.settings and self.totals[0] == self.totals[1]

    def as_json(self) -> dict[str, object]:
        """Plain values for `--format json`."""
        return {
            "models": list(self.names),
            "layers": [_plain(change) for change in self.layers],
            "totals": {key: [self.totals[0][key], self.totals[1][key]] for key in self.totals[0]},
            "settings": [_plain(setting) for setting in self.settings],
            "weights": [_plain(weight) for weight in self.weights],
        }


def _plain(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record._fields}


def difference(a: Spec, b: Spec) -> Difference:
    """What differs between two models: operations in order, costs of an example, training and data, weights."""
    return _difference(a.graph, b.graph, a.sources, b.sources)


def _difference(a: Graph, b: Graph, sources: Sources, others: Sources) -> Difference:
    train = _settings("train", _train(a), _train(b), _objectives(a, sources), _objectives(b, others))
    data = _settings("data", _data(a), _data(b))
    names, costs = (a.name, b.name), (totals(a), totals(b))
    return Difference(names, tuple(_layers(a, b)), costs, (*train, *data), tuple(_weights(a, b)))


# ---------------------------------------------------------------- operations


class _Operation(Record):
    """What is compared of one operation: its place in the model, what it is, the shape of what it gives."""

    path: str
    what: str
    shape: str


def _operations(graph: Graph) -> list[_Operation]:
    return [_operation(path, node) for path, node in executed(graph.root) if node.op.name != "identity"]


def _operation(path: str, node: Node) -> _Operation:
    if node.layer is not None:
        path = node.layer.path
    return _Operation(path, short(node.op), shapes_of(node.outputs))


def _layers(a: Graph, b: Graph) -> Iterator[LayerChange]:
    """Operations aligned in order; neighbours removed and added under one path are one change."""
    before, after = _operations(a), _operations(b)
    keys = [[(o.path, o.what, o.shape) for o in side] for side in (before, after)]
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if kind != "equal":
            yield from _changes(before[a0:a1], after[b0:b1])


def _changes(before: list[_Operation], after: list[_Operation]) -> Iterator[LayerChange]:
    keys = [[(o.path, o.what.partition("(")[0]) for o in side] for side in (before, after)]
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if kind == "equal":
            for x, y in zip(before[a0:a1], after[b0:b1], strict=True):
                yield LayerChange("changed", x.path, f"{x.what} {x.shape}", f"{y.what} {y.shape}")
            continue
        for x in before[a0:a1]:
            yield LayerChange("removed", x.path, f"{x.what} {x.shape}", "")
        for y in after[b0:b1]:
            yield LayerChange("added", y.path, "", f"{y.what} {y.shape}")


# ---------------------------------------------------------------- settings


def _train(graph: Graph) -> dict[str, str]:
    training = graph.training
    if training is None:
        return {}
    found = {key: show(value) for key, value in training.settings.items()}
    for group in training.groups:
        key = "optimizer" if group.pattern == "*" else f'optimizer("{group.pattern}")'
        found[key] = _PLAIN.sub(r"\1", show(group.optimizer)) if group.optimizer is not None else "frozen"
    for objective in training.objectives:
        found[_minimize(objective)] = " -> ".join(short(node.op) for _, node in executed(objective.module))
    if training.metrics:
        found["metrics"] = ", ".join(f"{m.name}({show(m.settings)})".replace("()", "") for m in training.metrics)
    return found


def _data(graph: Graph) -> dict[str, str]:
    if graph.data is None:
        return {}
    found = {key: show(value) for key, value in graph.data.settings.items()}
    return found | {f'{k.key}("{k.pattern}")': show(k.value) for k in graph.data.keyed}


def _minimize(objective: Objective) -> str:
    return "minimize" if objective.pattern == "*" else f'minimize("{objective.pattern}")'


def _objectives(graph: Graph, sources: Sources) -> dict[str, str]:
    """What is minimised as it stands in the text, where that is one line."""
    found: dict[str, str] = {}
    for objective in graph.training.objectives if graph.training is not None else ():
        span = objective.span
        text = sources.get(span.path, "").split("\n")
        if span.line == span.end_line <= len(text):
            entry = text[span.line - 1][span.column - 1 : span.end_column - 1]
            found[_minimize(objective)] = entry.partition("=")[2].strip()
    return found


def _settings(
    block: str, before: Texts, after: Texts, written: Texts = MappingProxyType({}), anew: Texts = MappingProxyType({})
) -> Iterator[Setting]:
    """Keys whose values differ, shown as they are written where that differs too."""
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, ""), after.get(key, "")
        if old == new:
            continue
        if written.get(key) != anew.get(key):
            old, new = written.get(key, old), anew.get(key, new)
        yield Setting(f"{block}.{key}", old, new)


# ---------------------------------------------------------------- weights


def _weights(a: Graph, b: Graph) -> Iterator[Weight]:
    """Every stored tensor: those with the same path and shape transfer; a moved one is found by order and shape."""
    before = {p.path: p for p in a.root.parameters()}
    after = {p.path: p for p in b.root.parameters()}
    gone, new = ([p for p in x.values() if p.path not in y] for x, y in ((before, after), (after, before)))
    moved = _moved(gone, new)
    for path, parameter in before.items():
        old = show_shape(parameter.shape)
        if path in after:
            now = show_shape(after[path].shape)
            yield Weight(path, "transfers" if old == now else "shape", old, now)
        elif path in moved:
            yield Weight(path, "renamed", old, old, moved[path])
        else:
            yield Weight(path, "only in A", old)
    for path, parameter in after.items():
        if path not in before and path not in moved.values():
            yield Weight(path, "only in B", "", show_shape(parameter.shape))


def _moved(gone: list[Parameter], new: list[Parameter]) -> dict[str, str]:
    """Tensors that only changed their path: runs of equal local names and shapes, in order."""
    keys = [[(p.path.rpartition(".")[2], p.shape) for p in side] for side in (gone, new)]
    found: dict[str, str] = {}
    for block in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks():
        for i in range(block.size):
            found[gone[block.a + i].path] = new[block.b + i].path
    return found


# ---------------------------------------------------------------- as text


def as_text(found: Difference) -> str:
    """Tables for a reader; one line where nothing differs."""
    if found.same:
        return f"{found.names[0]} and {found.names[1]} are the same"
    parts = [f"{found.names[0]} -> {found.names[1]}"]
    if found.layers:
        signs = {"removed": "-", "added": "+", "changed": "~"}
        rows = [(signs[c.kind], c.path, c.before, c.after) for c in found.layers]
        parts.append(table(("", "layer", "before", "after"), rows))
    rows = [_quantity(name, *(t[name] for t in found.totals)) for name in QUANTITIES]
    parts.append(table(("", "before", "after", "change"), rows, right="<>>>"))
    if found.settings:
        settings = [(s.name, s.before or "(not given)", s.after or "(not given)") for s in found.settings]
        parts.append(table(("setting", "before", "after"), settings))
    parts.append("\n".join(_transfer(found.weights)))
    return "\n\n".join(parts)


def _quantity(name: str, before: int, after: int) -> tuple[str, str, str, str]:
    change = f"{100 * (after - before) / before:+.1f} %" if before and before != after else ""
    shown = {"macs": "multiply-adds", "memory": "bytes of a training step"}.get(name, name)
    return shown, f"{before:,}", f"{after:,}", change


def _transfer(weights: tuple[Weight, ...]) -> Iterator[str]:
    by_fit: dict[str, list[Weight]] = {}
    for weight in weights:
        by_fit.setdefault(weight.fits, []).append(weight)
    fits = len(by_fit.get("transfers", ()))
    total = sum(len(found) for fit, found in by_fit.items() if fit != "only in B")
    yield f"weights: {fits} of {total} transfer (same path and shape)"
    for fit, why in (
        ("shape", "do not: another shape"),
        ("renamed", "do not: same shape under another path; a label in the spec would keep the old one"),
        ("only in A", "are left over"),
        ("only in B", "are new and start from their initialiser"),
    ):
        listed = by_fit.get(fit, [])
        if listed:
            yield f"  {len(listed)} {why}"
            yield from (f"    {_weight(w)}" for w in listed[:LISTED])
        if len(listed) > LISTED:
            yield f"    and {len(listed) - LISTED} more"


def _weight(weight: Weight) -> str:
    if weight.renamed:
        return f"{weight.path} {weight.before}, now {weight.renamed}"
    shapes = " -> ".join(filter(None, (weight.before, weight.after)))
    return f"{weight.path} {shapes}"
