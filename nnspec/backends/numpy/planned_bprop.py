"""The backward lines of a planned step: the line in reverse, and where each gradient lies."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from nnspec.backends.marks import Part, mark
from nnspec.backends.numpy.lending import Buffer, Gradient
from nnspec.backends.numpy.planned_fprop import Fprop
from nnspec.backends.numpy.planned_line import LINEAR, PARAMETERS, Placed
from nnspec.backends.numpy.units import LOSSES, Unit
from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.ir.graph import Value


class Bprop(Fprop):
    """Prints the reverse of what `Fprop` printed. A gradient that nobody else reads may be changed in place."""

    def backward(self) -> None:
        first = Buffer()
        first.readers = 1
        self.gradients[self.result] = Gradient("", first, 1.0)
        for placed in reversed(self.order):
            found, start = [self.gradients.get(v) for v in placed.flat.outputs], len(self.body.lines)
            if placed.needed and any(g is not None for g in found):
                self.reverse(placed, found)
                mark(self.body.lines, start, Part(placed.flat.node))
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
        elif placed.kind in PARAMETERS:
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
        return placed.kind in LINEAR and (placed.kind != "Div" or placed.flat.inputs[1] in self.numbers)

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
            if unit.own_gradient and not gradient.buffer.exclusive:  # others read the gradient it would work in
                slot = self.pool.take(prod(n for n in value.type.shape if isinstance(n, int)))
                placed.arguments.append(f"dx=pool[{slot}]")
                self.pool.free.append(slot)
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
