"""The ops of a planned step in one line, and what is done how: which have a kernel, which stand together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.express import Scope
from nnspec.backends.numpy.lending import Gradient, Pool
from nnspec.backends.numpy.members import inner_writer
from nnspec.backends.numpy.units import UNITS, Unit, shape_of
from nnspec.backends.program import ClassDef
from nnspec.backends.source import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.backends.numpy.rows import Step
    from nnspec.backends.program import Program
    from nnspec.ir.flatten import FlatNode
    from nnspec.ir.graph import Layer, Node, Parameter, Value

TAKEN = ("self", "model", "batch", "n", "total", "dtype", "gradients", "team", "member", "pool", "np", "rng")
PARAMETERS = {"FreeParameter", "ReadParameter"}
MIXING = {"BatchMean", "BatchNorm", "Dropout", "DropPath", "GaussianNoise", "Bernoulli"}  # or drawing
STOPS = {"Bernoulli", "Sign", "Step", "StopGradient"}  # no gradient comes back through them
LINEAR = {"Add", "Sub", "Neg", "Mul", "Div"}


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


class PlannedLine:
    """The line and what is known of its values, at first nothing.

    `reason` says why there is no plan. `shardable`: threads can share a batch. `rng`: numbers are drawn. `adds`: some
    layers add to gradients, so that these are cleared first. `penalties` are terms of the objective that no example
    takes part in, with their factors: added once a step.
    """

    def __init__(self, program: Program, locate: Callable[[Layer], str]) -> None:
        self.program = program
        self.graph = program.graph
        self.locate = locate
        self.reason = ""
        self.names: dict[Value, str] = {}
        self.numbers: dict[Value, str] = {}  # scalars known now, as source
        self.layouts: dict[Value, str] = {}
        self.variables = Names((*TAKEN, "loss"))
        self.attributes = Names((*TAKEN, "run", "scratch", "shared"))
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
        self.scope = Scope(ClassDef("Step", [program.graph.root]))
        self.result: Value
        self.line: list[Placed] = []
        self.makers: dict[Value, Placed] = {}
        self.readers: dict[Value, list[Placed]] = {}
        self.shared: set[str] = set()  # parameters that several ops learn

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
            mixing = placed.kind in MIXING or getattr(flat.node.op, "reduction", "") == "mean"
            product = len(averaged) > 1 and placed.kind in ("Mul", "Div")
            if mixing or (averaged and (alone or product or placed.kind not in LINEAR)):
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
        if weight is None or weight.kind not in PARAMETERS or not self.only_reader(swap.flat.inputs[0]):
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
        if bias is None or bias.kind not in PARAMETERS or bias.flat.outputs[0].type.rank != 1:
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
        if maker.kind == "Penalty" or is_scalar(maker):
            return True
        return maker.kind in LINEAR and all(self.is_number(v) for v in maker.flat.inputs)

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
        """Which ops are reversed: those that something learnt comes from and that a gradient comes back to."""
        count: dict[str, list[Placed]] = {}
        reached = self.reached()
        unreached: set[str] = set()
        for placed in self.line:
            learnt = [] if placed.absorbed else self.learnt(placed)
            if not any(v in reached for v in placed.flat.outputs):
                unreached.update(p.path for p in learnt)
                continue
            for parameter in learnt:
                count.setdefault(parameter.path, []).append(placed)
            if learnt or any(v in self.needs for v in placed.flat.inputs) or placed.kind == "Penalty":
                placed.needed = True
                self.needs.update(v for v in placed.flat.outputs if v.type.is_float)
            self.adds |= bool(learnt) and placed.unit is None and placed.kind not in PARAMETERS
        # Each use of a shared parameter writes its part to a place of its own; they are added up at the end.
        self.shared = {path for path, uses in count.items() if len(uses) > 1}
        if any(p.unit is None and p.kind not in PARAMETERS for path in self.shared for p in count[path]):
            self.reason = "a layer without a planned form is shared"
        if unreached - set(count):
            self.reason = "a part gets no gradient"

    def reached(self) -> set[Value]:
        """The values that the gradient of the result comes back to."""
        found = {self.result}
        for placed in reversed(self.line):
            if placed.kind not in STOPS and any(v in found for v in placed.flat.outputs):
                found.update(v for v in placed.flat.inputs if v.type.is_float)
        return found


def reaching(line: list[FlatNode], result: Value) -> set[int]:
    """The ops that the result depends on, by identity."""
    wanted, found = {result}, set()
    for flat in reversed(line):
        if any(v in wanted for v in flat.outputs):
            found.add(id(flat))
            wanted.update(flat.inputs)
    return found


def remembers(flat: FlatNode) -> bool:
    """Whether training changes something in an op besides what is learnt."""
    layer = flat.node.layer
    return layer is not None and any(p.role == "buffer" for p in layer.parameters.values())


def is_scalar(placed: Placed) -> bool:
    """Whether an op is a number of the spec."""
    return placed.kind == "Constant" and not placed.flat.outputs[0].type.rank and placed.flat.outputs[0].type.is_float


def words(kind: str) -> str:
    """`CrossEntropy` as `cross_entropy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
