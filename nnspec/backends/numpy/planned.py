"""The planned training step: the whole model and its loss as one straight line over buffers that are made once.

`Planned(program, locate)` settles what is done how; where `reason` is not empty the step keeps its textbook form
(open sizes, frozen groups, noise as an input). `print` writes the class `Step`.

Every op with a row in `units.py` becomes an object that owns its arrays; any other is done by its textbook functions,
in rows layout. Gradients live in a pool of arrays that are lent from the last reader of one to the next: which, is
settled here. `dx` may be changed in place as soon as nobody else reads it.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from nnspec.backends.express import Scope
from nnspec.backends.numpy.members import inner_writer
from nnspec.backends.numpy.rows import row
from nnspec.backends.numpy.units import LOSSES, UNITS, Unit, shape_of
from nnspec.backends.program import ClassDef, OpUse
from nnspec.backends.source import Names, identifier, literal
from nnspec.backends.values import frozen_paths
from nnspec.ir.flatten import FlatNode, flatten, flatten_objective
from nnspec.ir.graph import Node, Value
from nnspec.ir.types import show_shape
from nnspec.ops.core import Identity
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.backends.numpy.rows import Step
    from nnspec.backends.program import Program
    from nnspec.backends.source import Writer
    from nnspec.ir.graph import Graph, Layer, Parameter

_TAKEN = ("self", "model", "batch", "n", "total", "dtype", "gradients", "team", "member", "pool", "np", "rng")
_PARAMETERS = {"FreeParameter", "ReadParameter"}
_MIXING = {"BatchMean", "BatchNorm", "Dropout", "DropPath", "GaussianNoise", "Bernoulli"}  # or drawing
_LINEAR = {"Add", "Sub", "Neg", "Mul", "Div"}


class Buffer:
    """Where a gradient lies: `slot` of the pool (None: an array of the kernel's own).

    `readers` counts the values whose gradient it is. `owned`: nothing else reads it. `below` are the buffers
    that it may be a view of.
    """

    def __init__(self, slot: int | None = None, owned: bool = True, below: tuple[Buffer, ...] = ()) -> None:
        self.slot = slot
        self.owned = owned
        self.below = below
        self.readers = 0
        for buffer in below:
            buffer.readers += 1

    @property
    def exclusive(self) -> bool:
        """Whether the one value that reads it may change it."""
        return self.owned and self.readers <= 1


class Gradient(Record):
    """The gradient of a value so far: the variable that holds it; or, of a scalar, the number that it is."""

    name: str
    buffer: Buffer
    number: float | None = None


class Pool:
    """Arrays that gradients are lent; `sizes` in numbers an example."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.free: list[int] = []

    def take(self, size: int) -> int:
        """The smallest free array that is large enough, else the largest free one, made larger, else a new one."""
        fitting = [slot for slot in self.free if self.sizes[slot] >= size]
        if fitting:
            slot = min(fitting, key=lambda i: self.sizes[i])
        elif self.free:
            slot = max(self.free, key=lambda i: self.sizes[i])
        else:
            slot = len(self.sizes)
            self.sizes.append(size)
            self.free.append(slot)
        self.free.remove(slot)
        self.sizes[slot] = max(self.sizes[slot], size)
        return slot

    def release(self, buffer: Buffer) -> None:
        """One reader less; the last one gives the array back."""
        buffer.readers -= 1
        if buffer.readers:
            return
        if buffer.slot is not None:
            self.free.append(buffer.slot)
        for below in buffer.below:
            self.release(below)


class Placed:
    """One op of the line with what was settled about it."""

    def __init__(self, flat: FlatNode, unit: Unit | None = None) -> None:
        self.flat = flat
        self.kind = type(flat.node.op).__name__
        self.unit = unit
        self.step: Step | None = None
        self.attribute = ""
        self.cache = ""
        self.needed = False  # whether anything is learnt through it
        self.relu: Placed | None = None  # done by this batch norm
        self.fused = False  # done by the op before it
        self.absorbed = False  # a parameter that another op reads by itself
        self.affine: list[Placed] = []  # weight and bias of a product with a free parameter
        self.parts: Placed | None = None  # the split whose parts an attention reads
        self.arguments: list[str] = []

    @property
    def layer(self) -> Layer | None:
        return self.flat.node.layer


class Planned:
    """The plan of one step.

    `reason` says why there is none. `shardable`: threads can share a batch. `rng`: numbers are drawn. `adds`: some
    layers add to gradients, so that these are cleared first. `penalties` are terms of the objective that no example
    takes part in, with their factors: added once a step.
    """

    def __init__(self, program: Program, locate: Callable[[Layer], str]) -> None:
        self.program = program
        self.graph = program.graph
        self.locate = locate
        self.reason = obstacle(program.graph)
        self.names: dict[Value, str] = {}
        self.numbers: dict[Value, str] = {}  # scalars known now, as source
        self.layouts: dict[Value, str] = {}
        self.variables = Names((*_TAKEN, "loss"))
        self.attributes = Names((*_TAKEN, "run", "scratch"))
        self.pool = Pool()
        self.needs: set[Value] = set()
        self.gradients: dict[Value, Gradient] = {}
        self.shardable = True
        self.rng = False
        self.adds = False
        self.penalties: list[tuple[float, Node]] = []
        self.order: list[Placed] = []  # the line with changes of layout
        self.changed: dict[tuple[Value, str], Value] = {}
        self.body = inner_writer(2)
        self.notes: list[str] = []
        self.scope = Scope(ClassDef("Step", [program.graph.root]))
        if not self.reason:
            self.settle()

    # ---------------------------------------------------------------- what is done how

    def settle(self) -> None:
        assert self.graph.training is not None
        objective = flatten_objective(self.graph.training)
        every = [*flatten(self.graph), *objective.line]
        self.result = objective.result
        wanted = _reaching(every, self.result)
        self.line = [Placed(flat) for flat in every if id(flat) in wanted]
        if any(_remembers(flat) for flat in every if id(flat) not in wanted):
            self.reason = "a part without a loss keeps running statistics"
            return
        self.makers = {value: placed for placed in self.line for value in placed.flat.outputs}
        self.readers: dict[Value, list[Placed]] = {}
        for placed in self.line:
            for value in placed.flat.inputs:
                self.readers.setdefault(value, []).append(placed)
        for field in self.graph.fields:
            self.names[field.value] = self.variables.fresh(field.name)
            self.layouts[field.value] = "rows"
        self.choose()
        self.find_needed()
        for placed in self.line:
            self.forward(placed)
        if self.result not in self.names:
            self.reason = "the objective reads no data"
            return
        self.body.line()
        self.backward()
        self.shardable &= not self.adds and not self.rng

    def choose(self) -> None:
        """A unit or the textbook functions for every op, and what that says about sharing a batch."""
        for placed in self.line:
            make = UNITS.get(placed.kind)
            placed.unit = make(placed.flat) if make is not None else None
        for placed in self.line:
            readers = self.readers.get(placed.flat.outputs[0], [])
            if placed.kind == "BatchNorm" and placed.unit is not None and [r.kind for r in readers] == ["Relu"]:
                placed.relu, readers[0].fused = readers[0], True
            self.find_affine(placed)
            self.find_parts(placed)
        of_batch = {f.value for f in self.graph.fields}
        for placed in self.line:
            flat = placed.flat
            if any(v in of_batch for v in flat.inputs):
                of_batch.update(flat.outputs)
            if placed.unit is not None:
                continue
            averaged = [v for v in flat.inputs if v in of_batch and not v.type.batched]
            alone = [v for v in flat.inputs if v not in of_batch and not self.is_number(v)]
            mixing = placed.kind in _MIXING or getattr(flat.node.op, "reduction", "") == "mean"
            product = len(averaged) > 1 and placed.kind in ("Mul", "Div")
            if mixing or (averaged and (alone or product or placed.kind not in _LINEAR)):
                self.shardable = False

    def only_reader(self, value: Value) -> Placed | None:
        readers = self.readers.get(value, [])
        return readers[0] if len(readers) == 1 and value is not self.result else None

    def find_affine(self, placed: Placed) -> None:
        """x W^T, or x W^T + b, with free parameters, is a dense layer."""
        if placed.kind not in ("Matmul", "MatmulCall"):
            return
        x, transposed = placed.flat.inputs
        swap = self.makers.get(transposed)
        if swap is None or swap.kind != "Transpose" or not self.only_reader(transposed):
            return
        weight = self.makers.get(swap.flat.inputs[0])
        if weight is None or weight.kind not in _PARAMETERS or not self.only_reader(swap.flat.inputs[0]):
            return
        if not x.type.batched or x.type.rank not in (1, 2, 3) or weight.flat.outputs[0].type.rank != 2:
            return
        placed.unit = Unit("PlannedDense", ("{layer}", shape_of(x), "n"), lends=True, gradients=True)
        placed.affine = [weight]
        swap.absorbed = weight.absorbed = True
        add = self.only_reader(placed.flat.outputs[0])
        if add is None or add.kind != "Add" or add.flat.inputs[0] is not placed.flat.outputs[0]:
            return
        bias = self.makers.get(add.flat.inputs[1])
        if bias is None or bias.kind not in _PARAMETERS or bias.flat.outputs[0].type.rank != 1:
            return
        if self.only_reader(bias.flat.outputs[0]) and add.flat.outputs[0].type == placed.flat.outputs[0].type:
            placed.affine.append(bias)
            bias.absorbed = add.fused = True

    def find_parts(self, placed: Placed) -> None:
        """An attention over the parts of one split writes their gradients side by side."""
        if placed.kind != "Attention" or placed.unit is None:
            return
        splits = [self.makers.get(v) for v in placed.flat.inputs]
        first = splits[0]
        if first is None or first.unit is None or first.kind != "Split" or any(s is not first for s in splits):
            return
        if first.flat.outputs == placed.flat.inputs and all(self.only_reader(v) for v in placed.flat.inputs):
            placed.parts = first

    def is_number(self, value: Value) -> bool:
        """Whether a scalar is known here: a constant, or a penalty, whose part is added at the end."""
        maker = self.makers.get(value)
        if maker is None:
            return False
        if maker.kind == "Penalty" or _is_scalar(maker):
            return True
        return maker.kind in _LINEAR and all(self.is_number(v) for v in maker.flat.inputs)

    def learnt(self, placed: Placed) -> list[Parameter]:
        """The parameters whose gradient an op brings, penalties apart."""
        layer = placed.layer
        if placed.affine:
            return [p for part in placed.affine for p in self.learnt(part)]
        if layer is None:
            return []
        if placed.kind == "ReadParameter":
            return [layer.parameters[placed.flat.node.op.parameter]]  # type: ignore[attr-defined]  # a ReadParameter
        return [p for p in layer.parameters.values() if p.role != "buffer"]

    def find_needed(self) -> None:
        count: dict[str, list[Placed]] = {}
        for placed in self.line:
            learnt = [] if placed.absorbed else self.learnt(placed)
            for parameter in learnt:
                count.setdefault(parameter.path, []).append(placed)
            if learnt or any(v in self.needs for v in placed.flat.inputs) or placed.kind == "Penalty":
                placed.needed = True
                self.needs.update(v for v in placed.flat.outputs if v.type.is_float)
            self.adds |= bool(learnt) and placed.unit is None and placed.kind not in _PARAMETERS
        # Each use of a shared parameter writes its part to a place of its own; they are added up at the end.
        self.shared = {path for path, uses in count.items() if len(uses) > 1}
        if any(p.unit is None and p.kind not in _PARAMETERS for path in self.shared for p in count[path]):
            self.reason = "a layer without a planned form is shared"

    # ---------------------------------------------------------------- fprop

    def forward(self, placed: Placed) -> None:
        flat = placed.flat
        if placed.kind == "Penalty":
            self.numbers[flat.outputs[0]] = "0.0"
        elif _is_scalar(placed):
            self.numbers[flat.outputs[0]] = literal(float(flat.node.op.value))  # type: ignore[attr-defined]
        elif placed.kind in _LINEAR and all(v in self.numbers for v in flat.inputs):
            self.numbers[flat.outputs[0]] = _fold(placed.kind, [float(self.numbers[v]) for v in flat.inputs])
        elif placed.kind in ("Add", "Sub") and self.numbers.get(flat.inputs[1]) == "0.0":
            self.alias(placed, flat.inputs[0])
        elif placed.kind == "Add" and self.numbers.get(flat.inputs[0]) == "0.0":
            self.alias(placed, flat.inputs[1])
        elif placed.absorbed:
            return
        elif placed.kind in _PARAMETERS:
            self.read(placed)
        elif placed.fused or placed.kind == "Identity":
            self.alias(placed, flat.inputs[0])
        elif placed.unit is not None and self.fits(placed, placed.unit):
            self.forward_unit(placed, placed.unit)
        else:
            placed.unit = None
            self.forward_textbook(placed)
        self.order.append(placed)

    def alias(self, placed: Placed, value: Value) -> None:
        """The op gives what it was given."""
        (result,) = placed.flat.outputs
        self.names[result], self.layouts[result] = self.names[value], self.layouts[value]

    def fits(self, placed: Placed, unit: Unit) -> bool:
        """Whether the unit is worth a change of layout: what only moves or averages entries is not."""
        if placed.kind in ("Flatten", "Mean"):
            return self.layouts[placed.flat.inputs[0]] == "grid"
        if placed.kind == "Split":
            reader = self.readers[placed.flat.outputs[0]][0]
            return reader.parts is placed
        return not any(v in self.numbers for v in placed.flat.inputs)

    def read(self, placed: Placed) -> None:
        (value,), layer = placed.flat.outputs, placed.layer
        assert layer is not None
        source = self.parameter(placed)
        placed.attribute = self.attributes.fresh(identifier(value.name or layer.name.split(".")[-1] or "parameter"))
        placed.arguments = [f"{source}.value"]
        self.names[value] = self.variables.fresh(placed.attribute)
        self.layouts[value] = "rows"
        self.body.line(f"{self.names[value]} = self.{placed.attribute}")

    def parameter(self, placed: Placed) -> str:
        """Source of the Parameter that an op reads."""
        assert placed.layer is not None
        source = f"model{self.locate(placed.layer)}"
        if placed.kind == "ReadParameter":
            source += f".{placed.flat.node.op.parameter}"  # type: ignore[attr-defined]  # a ReadParameter
        return source

    def forward_unit(self, placed: Placed, unit: Unit) -> None:
        flat = placed.flat
        layouts = [self.layouts[v] for v in (flat.inputs[:1] if placed.affine else flat.inputs)]
        wanted = ("grid" if "grid" in layouts else "rows") if unit.takes == "any" else unit.takes
        inputs = tuple(v if placed.affine and i else self.in_layout(v, wanted) for i, v in enumerate(flat.inputs))
        if placed.affine:
            inputs = inputs[:1]
        placed.flat = flat = FlatNode(flat.node, inputs, flat.outputs)
        layer = placed.affine[0].layer if placed.affine else placed.layer
        label = layer.path if layer is not None and layer.path else _words(placed.kind)
        placed.attribute = self.attributes.fresh(identifier(label.replace(".", "_")))
        given = [self.names[v] for v in inputs]
        placed.arguments = [self.fill(a, placed, wanted) for a in unit.arguments]
        if unit.gradients:
            shared = any(p.path in self.shared for p in self.learnt(placed))
            placed.arguments += ["shared" if shared else "gradients", "dtype"]
        if unit.scratch:
            placed.arguments.append("scratch")
        if placed.kind == "Split":
            names = [self.variables.fresh(v.name or placed.attribute) for v in flat.outputs]
            for part, name in zip(flat.outputs, names, strict=True):
                self.names[part], self.layouts[part] = name, "rows"
            self.body.line(f"{', '.join(names)} = self.{placed.attribute}.forward({given[0]})", _note(flat))
            return
        (value,) = flat.outputs
        if placed.kind == "BatchNorm":
            name = literal(placed.attribute)  # known to all members of the team
            placed.arguments += [name, "team", "member", *(["True"] if placed.relu else [])]
        if placed.kind == "Add" and self.may_overwrite(inputs[1]) and not self.may_overwrite(inputs[0]):
            placed.flat = flat = FlatNode(flat.node, inputs[::-1], flat.outputs)  # the sum takes the place of the first
            inputs, given = inputs[::-1], given[::-1]
        if unit.in_place:
            placed.arguments.append(literal(self.may_overwrite(inputs[0])))
        placed.arguments += unit.keywords
        if unit.kind in LOSSES and not self.may_overwrite(inputs[0]):
            given[0] += ".copy()"
        name = placed.relu.flat.outputs[0].name if placed.relu is not None else value.name
        self.names[value] = self.variables.fresh(name or placed.attribute)
        self.layouts[value] = wanted if unit.gives == "any" else unit.gives
        self.body.line(f"{self.names[value]} = self.{placed.attribute}.forward({', '.join(given)})", _note(flat))

    def fill(self, argument: str, placed: Placed, layout: str) -> str:
        if argument == "{layer}":
            if placed.affine:
                return f"Affine({', '.join(map(self.parameter, placed.affine))})"
            assert placed.layer is not None
            return f"model{self.locate(placed.layer)}"
        if argument == "{array}":
            shape = tuple(placed.flat.outputs[0].type.shape)
            if layout == "grid":
                return f"grid_shape({literal(shape if len(shape) == 3 else (shape[0], 1, shape[1]))}, n)"
            return f"(n, {', '.join(map(literal, shape))})" if shape else "(n,)"
        return argument

    def may_overwrite(self, value: Value) -> bool:
        """Whether a value is an array of a unit's own that only one op reads, and its maker no more."""
        maker = self.makers.get(value)
        if maker is None or len(self.readers.get(value, ())) > 1 or maker.fused or maker.relu is not None:
            return False
        return maker.unit is not None and not maker.unit.reads_output

    def in_layout(self, value: Value, wanted: str) -> Value:
        """The value in a layout; changed once, where the first op wants it."""
        if not value.type.is_float or not value.type.batched or self.layouts[value] == wanted:
            return value
        if (value, wanted) not in self.changed:
            kind = "PlannedToGrid" if wanted == "grid" else "PlannedToRows"
            arguments = (literal(tuple(value.type.shape)), "n", "dtype")
            made = Value(value.type, value.span, f"{value.name or self.names[value]}_{wanted}")
            node = Node(Identity(), (value,), (made,), value.span)
            change = Placed(FlatNode(node, (value,), (made,)), Unit(kind, arguments, lends=True, keeps_input=False))
            change.attribute = self.attributes.fresh(f"{self.names[value]}_to_{wanted}")
            change.arguments = list(arguments)
            change.needed = value in self.needs
            if change.needed:
                self.needs.add(made)
            self.names[made] = self.variables.fresh(made.name)
            self.layouts[made] = wanted
            self.body.line(f"{self.names[made]} = self.{change.attribute}.forward({self.names[value]})")
            self.order.append(change)
            self.makers[made] = change
            self.changed[value, wanted] = made
        return self.changed[value, wanted]

    def forward_textbook(self, placed: Placed) -> None:
        flat = placed.flat
        inputs = tuple(v if v in self.numbers else self.in_layout(v, "rows") for v in flat.inputs)
        placed.flat = flat = FlatNode(flat.node, inputs, flat.outputs)
        given = [self.numbers.get(v) or self.names[v] for v in inputs]
        node = Node(flat.node.op, inputs, flat.outputs, flat.node.span, flat.node.layer, flat.node.label)
        use = OpUse([node], self.scope, [(0,)], self.program.deterministic)
        form = row(use)
        assert form.step is not None
        member = [f"self.model{self.locate(placed.layer)}" if placed.layer is not None else ""]
        step = form.step(use, *(member if form.reads_member else []), *given)
        if "rng" in step.rest or "training" in step.rest:
            forward = re.sub(r"\btraining\b", "True", step.forward)
            self.rng |= "rng" in step.rest
            step = step.replace(forward=forward)
        placed.step = step
        label = placed.layer.path.replace(".", "_") if placed.layer is not None else _words(placed.kind)
        names = []
        for value in flat.outputs:
            self.names[value] = self.variables.fresh(identifier(value.name or label))
            self.layouts[value] = "rows"
            names.append(self.names[value])
        targets = ", ".join(names)
        if not step.cache:
            self.body.line(f"{targets} = {step.forward}", _note(flat))
            return
        placed.cache = self.variables.fresh(f"{identifier(label)}_cache") if placed.needed else "_"
        if len(names) > 1 or placed.kind == "Split":
            targets = f"({targets}{',' if len(names) == 1 else ''})"
        self.body.line(f"{targets}, {placed.cache} = {step.forward}", _note(flat))

    # ---------------------------------------------------------------- bprop

    def backward(self) -> None:
        first = Buffer()
        first.readers = 1
        self.gradients[self.result] = Gradient("", first, 1.0)
        for placed in reversed(self.order):
            found = [self.gradients.get(v) for v in placed.flat.outputs]
            if placed.needed and any(g is not None for g in found):
                self.reverse(placed, found)
            for value, gradient in zip(placed.flat.outputs, found, strict=True):
                if gradient is not None and value in self.gradients:
                    self.pool.release(self.gradients.pop(value).buffer)

    def reverse(self, placed: Placed, found: list[Gradient | None]) -> None:
        flat, first = placed.flat, found[0]
        if placed.kind == "Penalty":
            assert first is not None and first.number is not None
            self.penalties.append((first.number, flat.node))
        elif first is not None and first.number is not None and self.by_number(placed):
            self.reverse_number(placed, first)
        elif placed.fused or (placed.kind == "Identity" and placed.unit is None):
            assert first is not None
            self.give(flat.inputs[0], first)
        elif placed.kind in _PARAMETERS:
            assert first is not None
            self.body.line(f"self.d{placed.attribute}[...] = {self.source(first)}")
        elif placed.unit is None:
            self.reverse_textbook(placed, found)
        elif placed.unit.kind in LOSSES:
            assert first is not None
            self.reverse_loss(placed, first)
        elif placed.unit.kind == "PlannedAttention":
            assert first is not None
            self.reverse_attention(placed, first)
        elif placed.unit.kind == "PlannedAdd":
            assert first is not None
            for value in flat.inputs:
                self.give(value, first)
        else:
            assert first is not None
            self.reverse_unit(placed, placed.unit, first)

    def by_number(self, placed: Placed) -> bool:
        """Whether the gradients of a scalar sum, difference or multiple are numbers too."""
        if placed.kind == "Mul":
            return any(v in self.numbers for v in placed.flat.inputs)
        return placed.kind in _LINEAR and (placed.kind != "Div" or placed.flat.inputs[1] in self.numbers)

    def reverse_number(self, placed: Placed, gradient: Gradient) -> None:
        assert gradient.number is not None
        for place, value in enumerate(placed.flat.inputs):
            others = [float(self.numbers[v]) for v in placed.flat.inputs if v is not value and v in self.numbers]
            factor = {"Sub": 1.0 if place == 0 else -1.0, "Neg": -1.0}.get(placed.kind, 1.0)
            if placed.kind == "Mul":
                factor = others[0] if others else 1.0
            elif placed.kind == "Div" and place == 0:
                factor = 1.0 / others[0]
            if value in self.needs:
                self.give(value, Gradient("", Buffer(), gradient.number * factor))

    def reverse_loss(self, placed: Placed, gradient: Gradient) -> None:
        """The gradient of the prediction stands where the prediction was."""
        value = placed.flat.inputs[0]
        name = self.fresh_gradient(value)
        self.body.line(f"{name} = self.{placed.attribute}.backward()")
        if gradient.number is None:
            self.body.line(f"{name} *= {gradient.name}")
        elif gradient.number != 1.0:
            self.body.line(f"{name} *= {literal(gradient.number)}")
        self.give(value, Gradient(name, Buffer()))

    def reverse_unit(self, placed: Placed, unit: Unit, gradient: Gradient) -> None:
        value = placed.flat.inputs[0]
        source = self.source(gradient)
        if value not in self.needs:
            self.body.line(f"self.{placed.attribute}.backward({source})")
            return
        size = prod(n for n in value.type.shape if isinstance(n, int))
        if unit.own_gradient and gradient.buffer.exclusive:
            buffer = gradient.buffer
        elif unit.own_gradient and placed.kind != "BatchNorm":
            buffer, source = Buffer(), f"{source}.copy()"
        else:
            slot = self.pool.take(size)
            buffer = Buffer(slot)
            placed.arguments.append(f"dx=pool[{slot}]")
        name = self.fresh_gradient(value)
        self.body.line(f"{name} = self.{placed.attribute}.backward({source})")
        if buffer is gradient.buffer:
            buffer.readers -= 1  # it is handed over
            del self.gradients[placed.flat.outputs[0]]
        self.give(value, Gradient(name, buffer))

    def reverse_attention(self, placed: Placed, gradient: Gradient) -> None:
        """Three gradients; those of the parts of a split stand in that of what was split."""
        inputs, source = placed.flat.inputs, self.source(gradient)
        sizes = [prod(n for n in v.type.shape if isinstance(n, int)) for v in inputs]
        if placed.parts is not None:
            split = placed.parts
            slot = self.pool.take(sum(sizes))
            split.arguments.append(f"dx=pool[{slot}]")
            placed.arguments.append(f"dx=self.{split.attribute}.parts")
            self.body.line(f"self.{placed.attribute}.backward({source})")
            value = split.flat.inputs[0]
            name = self.fresh_gradient(value)
            self.body.line(f"{name} = self.{split.attribute}.backward()")
            self.give(value, Gradient(name, Buffer(slot)))
            return
        slots = [self.pool.take(size) for size in sizes]
        placed.arguments.append(f"dx=({', '.join(f'pool[{slot}]' for slot in slots)})")
        names = [self.fresh_gradient(v) for v in inputs]
        self.body.line(f"{', '.join(names)} = self.{placed.attribute}.backward({source})")
        for value, name, slot in zip(inputs, names, slots, strict=True):
            if value in self.needs:
                self.give(value, Gradient(name, Buffer(slot)))
            else:
                self.pool.free.append(slot)

    def reverse_textbook(self, placed: Placed, found: list[Gradient | None]) -> None:
        flat, step = placed.flat, placed.step
        assert step is not None
        parts = ["None" if g is None else self.source(g) for g in found]
        below = tuple(g.buffer for g in found if g is not None)

        def fill(source: str) -> str:
            return source.replace("{d}", ", ".join(parts)).replace("{c}", placed.cache)

        learnt = False
        for places, source in step.backward:
            values = [flat.inputs[i] for i in places]
            wanted = [v if v in self.needs else None for v in values]
            if not any(v is not None for v in wanted):
                continue
            learnt = True
            if source == "{d}" and found[0] is not None:
                self.give(values[0], found[0])
                continue
            names = ["_" if v is None else self.fresh_gradient(v) for v in wanted]
            self.body.line(f"{', '.join(names)} = {fill(source)}")
            for value, name in zip(wanted, names, strict=True):
                if value is not None:
                    self.give(value, Gradient(name, Buffer(None, False, below)))
        if not learnt and step.own and self.learnt(placed):
            self.body.line(fill(step.own))

    def source(self, gradient: Gradient) -> str:
        """The gradient as source of an array."""
        return gradient.name if gradient.number is None else f"np.asarray({literal(gradient.number)}, self.dtype)"

    def fresh_gradient(self, value: Value) -> str:
        return self.variables.fresh("d" + self.names[value])

    def give(self, value: Value, new: Gradient) -> None:
        """Another part of the gradient of a value."""
        if value not in self.needs:
            return
        old = self.gradients.get(value)
        if old is None:
            new.buffer.readers += 1
            self.gradients[value] = new
        elif old.number is not None and new.number is not None:
            self.gradients[value] = Gradient("", old.buffer, old.number + new.number)
        elif old.buffer.exclusive and old.number is None:
            self.body.line(f"{old.name} += {self.source(new)}")
            self.drop(new.buffer)
        elif new.buffer.owned and not new.buffer.readers:
            self.body.line(f"{new.name} += {self.source(old)}")
            new.buffer.readers += 1
            self.gradients[value] = new
            self.pool.release(old.buffer)
        else:
            name = self.fresh_gradient(value)
            self.body.line(f"{name} = {self.source(old)} + {self.source(new)}")
            made = Buffer()
            made.readers = 1
            self.gradients[value] = Gradient(name, made)
            self.pool.release(old.buffer)
            self.drop(new.buffer)

    def drop(self, buffer: Buffer) -> None:
        """Let go of what no value holds."""
        if not buffer.readers:
            buffer.readers = 1
            self.pool.release(buffer)

    # ---------------------------------------------------------------- the class

    def print(self, out: Writer, model: str) -> None:
        """The class `Step`."""
        made = inner_writer(2)
        for placed in self.order:
            if placed.kind in _PARAMETERS and placed.attribute:
                made.line(f"self.{placed.attribute} = {placed.arguments[0]}")
                if placed.needed:
                    place = "shared" if any(p.path in self.shared for p in self.learnt(placed)) else "gradients"
                    parameter = placed.arguments[0].removesuffix(".value")
                    made.line(f"self.d{placed.attribute} = {place}({parameter})")
            elif placed.unit is not None and placed.attribute:
                made.line(f"self.{placed.attribute} = {placed.unit.kind}({', '.join(placed.arguments)})")
        lines = "\n".join([*made.lines, *self.body.lines])
        head = []
        if "self.model" in lines:
            head.append("self.model = model")
        if "self.dtype" in lines:
            head.append("self.dtype = dtype")
        if self.pool.sizes:
            head.append(f"pool = [np.empty(n * size, dtype) for size in {literal(tuple(self.pool.sizes))}]")
        if re.search(r"\bscratch\b", lines):
            head.append("scratch: dict[Any, Array] = {}")
        if self.shared:
            head.append("self.shared = shared = Shared(gradients)")
        arguments = "n: int, total: int, dtype: Any, gradients: Gradients, team: Team, member: int"
        with out.indented("class Step:"):
            out.docstring(
                "Loss and gradients of n examples, in arrays that are made once.\n\n"
                "They are the part of a batch of `total` that a member of the team has. d... is the\n"
                "gradient of what it is called after; the arrays of the pool are lent to one\n"
                "gradient after the other."
            )
            out.blank()
            with out.indented(f"def __init__(self, model: {model}, {arguments}) -> None:"):
                for line in head:
                    out.line(line)
                made.flush(out)
            out.blank()
            rng = ", rng: Any" if self.rng else ""
            with out.indented(f"def run(self, batch: dict[str, Array]{rng}) -> Any:"):
                out.docstring("Fprop and bprop: what these examples add to the loss.")
                for field in self.graph.fields:
                    if re.search(rf"\b{self.names[field.value]}\b", "\n".join(self.body.lines)):
                        out.line(f"{self.names[field.value]} = batch[{literal(field.name)}]")
                self.body.flush(out)
                if self.shared:
                    out.line("self.shared.add_up()")
                out.line(f"return {self.names[self.result]}")


def obstacle(graph: Graph) -> str:
    """What keeps a step from being planned, as far as the graph says at once; empty if nothing does."""
    training = graph.training
    if training is None:
        return "nothing is trained"
    if graph.dims:
        return "sizes are open"
    if any(field.role == "noise" for field in graph.fields):
        return "noise is an input"
    if not graph.fields:
        return "there are no examples"
    buffers = {p.path for p in graph.root.parameters() if p.role == "buffer"}
    if frozen_paths(graph) - buffers:
        return "a part is frozen"
    return "the objective reads the number of the step" if training.uses_step else ""


def _reaching(line: list[FlatNode], result: Value) -> set[int]:
    """The ops that the result depends on, by identity."""
    wanted, found = {result}, set()
    for flat in reversed(line):
        if any(v in wanted for v in flat.outputs):
            found.add(id(flat))
            wanted.update(flat.inputs)
    return found


def _remembers(flat: FlatNode) -> bool:
    """Whether training changes something in an op besides what is learnt."""
    layer = flat.node.layer
    return layer is not None and any(p.role == "buffer" for p in layer.parameters.values())


def _is_scalar(placed: Placed) -> bool:
    """Whether an op is a number of the spec."""
    return placed.kind == "Constant" and not placed.flat.outputs[0].type.rank and placed.flat.outputs[0].type.is_float


def _words(kind: str) -> str:
    """`CrossEntropy` as `cross_entropy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()


def _fold(kind: str, values: list[float]) -> str:
    if kind == "Neg":
        return literal(-values[0])
    a, b = values
    return literal(a + b if kind == "Add" else a - b if kind == "Sub" else a * b if kind == "Mul" else a / b)


def _note(flat: FlatNode) -> str:
    """The shape of the result where it is not that of the input."""
    shape = flat.outputs[0].type.shape
    before = {v.type.shape for v in flat.inputs}
    return "" if before == {shape} or not shape else show_shape(shape)
