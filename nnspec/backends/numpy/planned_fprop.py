"""The forward lines of a planned step, and the constructors of its kernels."""

from __future__ import annotations

import re

from nnspec.backends.numpy.planned_line import LINEAR, PARAMETERS, Placed, PlannedLine, is_scalar, words
from nnspec.backends.numpy.rows import row
from nnspec.backends.numpy.units import LOSSES, Unit
from nnspec.backends.program import OpUse
from nnspec.backends.source import identifier, literal
from nnspec.ir.flatten import FlatNode
from nnspec.ir.graph import Node, Value
from nnspec.ir.types import show_shape
from nnspec.ops.core import Identity


class Fprop(PlannedLine):
    """Prints an op after the other, each in its layout."""

    def forward(self, placed: Placed) -> None:
        flat = placed.flat
        if placed.kind == "Penalty":
            self.numbers[flat.outputs[0]] = "0.0"
        elif is_scalar(placed):
            self.numbers[flat.outputs[0]] = literal(float(flat.node.op.value))  # type: ignore[attr-defined]
        elif placed.kind in LINEAR and all(v in self.numbers for v in flat.inputs):
            self.numbers[flat.outputs[0]] = _fold(placed.kind, [float(self.numbers[v]) for v in flat.inputs])
        elif placed.kind in ("Add", "Sub") and self.numbers.get(flat.inputs[1]) == "0.0":
            self.alias(placed, flat.inputs[0])
        elif placed.kind == "Add" and self.numbers.get(flat.inputs[0]) == "0.0":
            self.alias(placed, flat.inputs[1])
        elif placed.absorbed:
            return
        elif placed.kind in PARAMETERS:
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
        label = layer.path if layer is not None and layer.path else words(placed.kind)
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
            change = Placed(FlatNode(node, (value,), (made,)), Unit(kind, arguments, lends=True))
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
            self.readers[made] = self.readers[value]  # each of them may come to read it
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
        label = placed.layer.path.replace(".", "_") if placed.layer is not None else words(placed.kind)
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
