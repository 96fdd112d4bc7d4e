"""Parts of things: lists and ranges, `x[1:3]`, `x.channels`, `enc.weight`."""

from __future__ import annotations

from typing import Any

from nnspec.ir.dims import Dim
from nnspec.ir.graph import Layer, Node, Value
from nnspec.ir.types import product
from nnspec.ops.core import ReadParameter
from nnspec.passes import numbers
from nnspec.passes.kinds import SIZE_NAMES
from nnspec.passes.numbers import kind_of
from nnspec.passes.operators import Operators
from nnspec.passes.scope import POISON, Instance, Poisoned, Recipe, Scope, Several
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

MAX_ITEMS = 100_000  # of a range
MAX_ENTRIES = 2**19  # numbers of a list, those of the lists in it too: what a file has room for


class Indexing(Operators):
    # ------------------------------------------------------------ lists

    def list_value(self, expr: nodes.List, scope: Scope) -> Any:
        values = tuple(self.evaluate(item, scope) for item in expr.items)
        if any(isinstance(v, Poisoned) for v in values):
            return POISON
        for item, value in zip(expr.items, values, strict=True):
            if isinstance(value, Value | Several):
                self.error(
                    "E0207",
                    item,
                    "a list holds numbers and layers, this is a tensor",
                    help="concat and stack join tensors",
                )
                return POISON
        return self._bounded(values, expr)

    def _bounded(self, values: tuple[Any, ...], expr: nodes.List) -> Any:
        """Lists of lists of lists: each names the one before twice, and a few lines are more than any memory."""
        entries = sum(map(self._entries, values))
        if entries > MAX_ENTRIES:
            self.give_up("E0309", expr.span, f"a list has at most {MAX_ENTRIES:,} numbers, this has {entries:,}")
        if any(isinstance(v, tuple) for v in values):
            self.lists[id(values)] = (values, entries)
        return values

    def _entries(self, value: Any) -> int:
        if not isinstance(value, tuple):
            return 1
        return self.lists[id(value)][1] if id(value) in self.lists else sum(map(self._entries, value))

    lists: dict[int, tuple[tuple[Any, ...], int]]  # lists of lists by id: themselves, so that ids stay, and numbers

    def range_value(self, expr: nodes.Range, scope: Scope) -> Any:
        ends = [self.number(end, scope, "the end of a range") for end in (expr.start, expr.stop)]
        for end, value in zip((expr.start, expr.stop), ends, strict=True):
            if isinstance(value, Poisoned):
                return POISON
            if isinstance(value, float) and value.is_integer():
                continue
            if not isinstance(value, int):
                self.error("E0207", end, f"the ends of a range are whole numbers, not {numbers.show(value)}")
                return POISON
        start, stop = int(ends[0]), int(ends[1])
        if stop - start >= MAX_ITEMS:
            self.error("E0309", expr, f"a range has at most {MAX_ITEMS:,} numbers, this has {stop - start + 1:,}")
            return POISON
        return tuple(range(start, stop + 1))

    def index(self, expr: nodes.Index, scope: Scope) -> Any:
        value = self.evaluate(expr.value, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Value):
            return self._index_tensor(expr, value, scope)
        if not isinstance(value, tuple | Several):
            self.error("E0207", expr, f"[...] reads parts of a tensor or a list, this is {kind_of(value)}")
            return POISON
        entries: tuple[Any, ...] = value.values if isinstance(value, Several) else value
        item = expr.items[0]
        if len(expr.items) != 1 or isinstance(item, nodes.Slice):
            return self._slice_list(expr, entries, scope)
        place = self.number(item, scope, "an index")
        if isinstance(place, Poisoned):
            return POISON
        if not isinstance(place, int) or not -len(entries) <= place < len(entries):
            self.error("E0305", item, f"there is no entry {numbers.show(place)} in a list of {len(entries)}")
            return POISON
        return entries[place]

    def _slice_list(self, expr: nodes.Index, entries: tuple[Any, ...], scope: Scope) -> Any:
        item = expr.items[0]
        if len(expr.items) != 1 or not isinstance(item, nodes.Slice):
            self.error("E0208", expr, "a list has one index")
            return POISON
        ends = self._slice_ends(item, scope)
        if ends is None:
            return POISON
        if any(isinstance(e, Dim) for e in ends) or ends[2] == 0:
            self.error("E0207", expr, "the ends of a slice of a list are whole numbers")
            return POISON
        return entries[slice(*ends)]

    def _slice_ends(self, item: nodes.Slice, scope: Scope) -> list[Any] | None:
        ends: list[Any] = []
        for part in (item.lower, item.upper, item.step):
            value = None if part is None else self.number(part, scope, "the end of a slice")
            if isinstance(value, Poisoned):
                return None
            if isinstance(value, float):
                assert part is not None
                self.error("E0207", part, f"the ends of a slice are whole numbers, not {numbers.show(value)}")
                return None
            ends.append(value)
        return ends

    def _index_tensor(self, expr: nodes.Index, value: Value, scope: Scope) -> Any:
        from nnspec.ops.index import Index
        from nnspec.ops.index import Slice as TensorSlice

        items: list[Any] = []
        for item in expr.items:
            if isinstance(item, nodes.Slice):
                ends = self._slice_ends(item, scope)
                if ends is None:
                    return POISON
                items.append(TensorSlice(ends[0], ends[1], 1 if ends[2] is None else ends[2]))
                continue
            place = self.number(item, scope, "an index")
            if isinstance(place, Poisoned):
                return POISON
            if not isinstance(place, int):
                self.error("E0207", item, f"an index is a whole number, not {numbers.show(place)}")
                return POISON
            items.append(place)
        return self.operation(Index(tuple(items)), (value,), expr)

    # ------------------------------------------------------------ attributes

    def attribute(self, expr: nodes.Attribute, scope: Scope) -> Any:
        names: list[str] = []
        base: nodes.Expr = expr
        while isinstance(base, nodes.Attribute):
            names.append(base.name)
            base = base.value
        value = self.evaluate(base, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Instance):
            return self.read_parameter(expr, value, ".".join(reversed(names)))
        if isinstance(value, Recipe):
            message = "this is a recipe: every use of it has parameters of its own"
            self.error("E0216", expr, message, help="`layer enc = ...` names one layer, whose enc.weight can be read")
            return POISON
        if isinstance(value, Value) and len(names) == 1:
            return self._size(expr, value)
        self.error("E0216", expr, f"{kind_of(value)} has no {names[-1]}")
        return POISON

    def _size(self, expr: nodes.Attribute, value: Value) -> Any:
        shape, name = value.type.shape, expr.name
        if name == "shape":
            return shape
        if name == "size":
            return product(shape)
        axis = {"channels": 0, "length": 0, "height": -2, "width": -1, "features": -1}.get(name)
        if axis is None:
            known = ("shape", *SIZE_NAMES)
            self.error(
                "E0216", expr, f"a tensor has no {name}", help=did_you_mean(name, known, f"it has {', '.join(known)}")
            )
            return POISON
        if not -len(shape) <= axis < len(shape):
            self.error("E0305", expr, f"a tensor of shape {numbers.show(shape)} has no {name}")
            return POISON
        return shape[axis]

    def read_parameter(self, expr: nodes.Attribute, instance: Instance, wanted: str) -> Any:
        """`enc.weight`: a node that reads one parameter of a named layer; `enc.weight.shape` builds nothing."""
        made = instance.bound
        if made is None and not self.incomplete:  # else its first use may be what was reported
            help = "use the layer before this line"
            self.error("E0219", expr, f"{instance.name} has no parameters before its first use", help=help)
        if made is None or isinstance(made, Poisoned):
            return POISON
        owner = made.module if made.module is not None else made.layer
        layers = made.module.all_layers() if made.module is not None else [made.layer] if made.layer else []
        known: dict[str, tuple[Layer, str]] = {}
        for layer in layers:
            for local, parameter in layer.parameters.items():
                known[parameter.path.removeprefix(owner.path + ".")] = layer, local
        stem, _, last = wanted.rpartition(".")
        of_size = wanted not in known and stem in known and last in ("shape", *SIZE_NAMES)
        if wanted in known or of_size:
            layer, local = known[stem if of_size else wanted]
            shape = layer.parameters[local].shape
            op = ReadParameter(local, shape) if local else layer.op  # a free `param` is its value
            output = Value(ReadParameter(local, shape).infer(), expr.span)
            if of_size:
                return self._size(expr, output)
            self.frame.items.append(Node(op, (), (output,), expr.span, layer))
            self.grow(expr.span)
            return output
        help = did_you_mean(wanted, known, f"it has {', '.join(list(known)[:8])}" if known else "it has no parameters")
        self.error("E0216", expr, f"{instance.name} has no parameter {wanted}", help=help)
        return POISON
