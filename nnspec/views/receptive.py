"""The receptive field of every tensor: how much of an input one of its entries can see.

Along an axis, entry o of a tensor sees the input from j o + low to j o + high. A window of k entries, d apart, with
stride s and padding p makes of that

    low' = low - p j,   high' = high + (d (k - 1) - p) j,   j' = s j,

so the size r = high - low + 1 grows by the usual recurrence r' = r + d (k - 1) j, j' = s j (Araujo, Norris and Sim,
"Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019). After an `upsample` or `conv_transpose`
neighbours may see different sizes, in a pattern that repeats; the largest is shown. Branches that meet see the union of
what each sees. What mixes a whole axis (a mean, attention, `dense` after `flatten`, a recurrent layer) sees all of it.
The figures are those of the middle of a large input: near a border part of the field is padding.

Batch normalisation counts as in evaluation, where it looks at no neighbours. Layers that nothing is known of here
have no field, and neither has what follows from them.
"""

from __future__ import annotations

from fractions import Fraction

from nnspec.ir.graph import Call, Graph, Module, Node, Value
from nnspec.ops.join import Split
from nnspec.record import Record
from nnspec.views.sight import All, Sight, Sights, Stretch, union
from nnspec.views.sight_rules import RULES, part, unknown


class Field(Record):
    """The receptive field in an input, by spatial axis (of an image all axes but the channels): 0 for a whole axis.

    `strides` are empty where the tensor has lost the axes, or nobody knows how it moves along them.
    """

    input: str
    sizes: tuple[int, ...]
    strides: tuple[Fraction, ...]

    def __str__(self) -> str:
        if not any(self.sizes):
            return f"all of {self.input}"
        sizes = " x ".join(str(n) if n else "all" for n in self.sizes)
        strides = self.strides if len(set(self.strides)) > 1 else self.strides[:1]
        stride = " x ".join(map(str, strides))
        return f"{sizes} of {self.input}" + (f", stride {stride}" if stride else "")


def receptive_fields(graph: Graph) -> dict[Value, tuple[Field, ...]]:
    """The fields of every tensor that depends on an input; of a shared layer those of its first use."""
    view = View(graph)
    return {value: fields for value in view.sights if (fields := view.fields(value))}


class View:
    """What every tensor of a model sees; a field is made of it when it is asked for."""

    def __init__(self, graph: Graph) -> None:
        self.inputs = {f.value: f.name for f in graph.fields if f.role == "input"}
        self.sights: dict[Value, Sights] = {}
        known: dict[Value, Sights] = {}
        for value in self.inputs:
            total = tuple((0, n - 1) if isinstance(n, int) else None for n in value.type.shape)
            moves = tuple({axis: Fraction(1)} for axis in range(value.type.rank))
            known[value] = (Sight(value, (Stretch(),) * len(total), total, moves),)
        _walk(graph.root, known, self.sights)

    def fields(self, value: Value) -> tuple[Field, ...]:
        """The fields of a tensor in the inputs that it depends on; none where nothing is known, or to be told."""
        sights = self.sights.get(value, ())
        return tuple(f for s in sights if (f := _field(s, self.inputs[s.input])) is not None)


def _walk(module: Module, known: dict[Value, Sights], found: dict[Value, Sights]) -> None:
    for item in module.flat():
        if isinstance(item, Call):
            captured = (c for c in item.module.captures if isinstance(c, Value))
            inner = {c: known[c] for c in captured if c in known}
            inner.update(zip(item.module.inputs, (known.get(v, ()) for v in item.inputs), strict=False))
            _walk(item.module, inner, found)
            outputs = [inner.get(v, ()) for v in item.module.outputs]
        else:
            outputs = _through(item, [known.get(v, ()) for v in item.inputs])
        for value, sights in zip(item.outputs, outputs, strict=False):
            known[value] = sights
            found.setdefault(value, sights)


def _field(sight: Sight, name: str) -> Field | None:
    """As shown; None where it is not known, or the entry that stands there itself."""
    axes = _shown(sight)
    if not axes or any(sight.seen[a] is None for a in axes):
        return None
    sizes = tuple(_size(sight, a) for a in axes)
    strides = [next((m[a] for m in sight.moves if a in m), None) for a in axes]
    known = tuple(s for s in strides if s is not None)
    if set(sizes) == {1} and set(known) == {Fraction(1)}:
        return None
    return Field(name, sizes, known if len(known) == len(strides) else ())


def _size(sight: Sight, axis: int) -> int:
    seen = sight.seen[axis]
    return seen.size if isinstance(seen, Stretch) else 0


def _shown(sight: Sight) -> list[int]:
    """Axes of the input: the spatial ones of an image; of a signal or a sequence those that say something."""
    rank = len(sight.seen)
    if rank >= 3:
        return list(range(1, rank))
    if all(isinstance(s, All) for s in sight.seen):
        return list(range(rank))
    local = [a for a in range(rank) if not isinstance(sight.seen[a], All)]
    return [a for a in local if _size(sight, a) > 1] or local


def _through(node: Node, inputs: list[Sights]) -> list[Sights]:
    """The sights of the outputs of an operation."""
    rule = next((rule for kinds, rule in RULES if isinstance(node.op, kinds)), unknown)
    if isinstance(node.op, Split):
        return [tuple(part(sight, node, n) for sight in inputs[0]) for n in range(len(node.outputs))]
    if len(inputs) == 1:
        return [tuple(rule(sight, node, 0) for sight in inputs[0])] * len(node.outputs)
    parts = [(rule(sight, node, place), sight.input) for place, sights in enumerate(inputs) for sight in sights]
    together: dict[Value, Sight] = {}
    for sight, source in parts:
        together[source] = union(together[source], sight) if source in together else sight
    return [tuple(together.values())] * len(node.outputs)
