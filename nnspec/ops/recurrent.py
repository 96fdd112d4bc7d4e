"""Recurrent layers: cells that carry a state along a sequence. Names, shapes and gates are PyTorch's."""

from __future__ import annotations

from typing import ClassVar, Literal

from nnspec.ir.types import Size, TensorType, show_shape
from nnspec.ops.base import GLOROT_UNIFORM, ZEROS, Init, Op, Param, ShapeError, require_float, require_rank, whole

Activation = Literal["tanh", "relu"]


class Recurrent(Op):
    """What rnn, lstm and gru have in common: x (T, I) -> y (T, D * units), D = 2 with `bidirectional`, else 1.

    Layer l of direction d owns weight_ih_l, weight_hh_l, bias_ih_l, bias_hh_l, with `_reverse` for the second one;
    the rows of `gates` gates of `units` units each are stacked. A layer reads what both directions below give.
    """

    family: ClassVar[str] = "sequence"
    gates: ClassVar[int] = 1
    units: Size
    layers: Size = 1
    bidirectional: bool = False
    bias: bool = True
    weight_init: Init = GLOROT_UNIFORM
    bias_init: Init = ZEROS

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        if x.rank > 2:
            raise ShapeError(
                f"{self.name} takes a sequence [length, features], its input is {show_shape(x.shape)}",
                code="E0305",
                constraint="C1",
                help=f"reshape([-1, {x.shape[-1]}]) first makes all axes but the last one the length",
            )
        require_rank(self, x, 2, 2, "a sequence [length, features]")
        self.count_layers()
        return x.with_shape((x.shape[0], self.directions * self.units))

    def params(self, x: TensorType) -> dict[str, Param]:
        found: dict[str, Param] = {}
        for layer in range(self.count_layers()):
            features = self.directions * self.units if layer else x.shape[-1]
            rows = self.gates * self.units
            for end in (f"_l{layer}", f"_l{layer}_reverse")[: self.directions]:
                found[f"weight_ih{end}"] = Param(whole(self, (rows, features), f"weight_ih{end}"), self.weight_init)
                found[f"weight_hh{end}"] = Param(whole(self, (rows, self.units), f"weight_hh{end}"), self.weight_init)
                if self.bias:
                    shape = whole(self, (rows,), f"bias_ih{end}")
                    found[f"bias_ih{end}"] = Param(shape, self.bias_init, "bias")
                    found[f"bias_hh{end}"] = Param(shape, self.bias_init, "bias")
        return found

    def macs(self, x: TensorType) -> Size:
        rows = self.gates * self.units
        above = (self.count_layers() - 1) * rows * (self.directions * self.units + self.units)
        return x.shape[0] * self.directions * (rows * (x.shape[-1] + self.units) + above)

    def count_layers(self) -> int:
        """`layers`, which no open size can be (E0306)."""
        if not isinstance(self.layers, int) or self.layers < 1:
            raise ShapeError(
                f"layers of {self.name} is a whole number >= 1, not {self.layers}", code="E0306", constraint="C3"
            )
        return self.layers


class Rnn(Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), h_0 = 0 (Elman, 1990); the output is every h_t.

    `take(-1)` gives the last. With `bidirectional` the features of a second run, from the end to the start, follow.
    Shapes: x (T, I), weight_ih (H, I), weight_hh (H, H), bias_ih, bias_hh (H) -> y (T, H), y (T, 2 H) bidirectional.
    C1: x has two axes, length and features.
    C2: the features of x and `units` are whole numbers, not open sizes; the length may be open.
    C3: layers is a whole number >= 1.
    Default initialiser: glorot_uniform for weights, zeros for biases.
    Settings:
        units: features of the state
        layers: cells on top of each other
        bidirectional: whether a second run goes from the end to the start
        bias: whether b_ih and b_hh are added
        activation: what makes the state of the sum
    """

    name: ClassVar[str] = "rnn"
    activation: Activation = "tanh"


class Lstm(Recurrent):
    """Long short-term memory: c_t = f * c_(t-1) + i * g, h_t = o * tanh(c_t); the output is every h_t.

    i, f, o are the sigmoid and g the tanh of their rows of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh, stacked as
    i, f, g, o; h_0 = c_0 = 0 (Hochreiter and Schmidhuber, 1997; forget gate of Gers et al., 2000). `take(-1)` gives
    the last h. With `bidirectional` the features of a second run, from the end to the start, follow.
    Shapes: x (T, I), weight_ih (4 H, I), weight_hh (4 H, H), biases (4 H) -> y (T, H), y (T, 2 H) bidirectional.
    C1: x has two axes, length and features.
    C2: the features of x and `units` are whole numbers, not open sizes; the length may be open.
    C3: layers is a whole number >= 1.
    Default initialiser: glorot_uniform for weights, zeros for biases.
    Settings:
        units: features of the state
        layers: cells on top of each other
        bidirectional: whether a second run goes from the end to the start
        bias: whether b_ih and b_hh are added
    """

    name: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4


class Gru(Recurrent):
    """Gated recurrent unit: h_t = (1 - z) * n + z * h_(t-1); the output is every h_t.

    r and z are the sigmoid of their rows of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh, n = tanh(W_in x_t + b_in +
    r * (W_hn h_(t-1) + b_hn)), stacked as r, z, n; h_0 = 0 (Cho et al., 2014, with PyTorch's place of r).
    `take(-1)` gives the last. With `bidirectional` the features of a second run, from the end to the start, follow.
    Shapes: x (T, I), weight_ih (3 H, I), weight_hh (3 H, H), biases (3 H) -> y (T, H), y (T, 2 H) bidirectional.
    C1: x has two axes, length and features.
    C2: the features of x and `units` are whole numbers, not open sizes; the length may be open.
    C3: layers is a whole number >= 1.
    Default initialiser: glorot_uniform for weights, zeros for biases.
    Settings:
        units: features of the state
        layers: cells on top of each other
        bidirectional: whether a second run goes from the end to the start
        bias: whether b_ih and b_hh are added
    """

    name: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
