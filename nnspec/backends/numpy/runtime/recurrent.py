"""Recurrent layers: their parameters, and the order in which cells run."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnspec.backends.numpy.runtime.initial import glorot_uniform, zeros
from nnspec.backends.numpy.runtime.module import Cache, Init, Module, Parameter
from nnspec.kernels.recurrent import (
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)

Array = np.ndarray[Any, Any]


class Recurrent(Module):
    """Layers of cells along x (..., T, I), in one or two directions: y (..., T, D H).

    Parameters are named as in PyTorch: weight_ih_l0, ..., bias_hh_l1_reverse.
    """

    gates = 1
    cell: ClassVar[tuple[Any, Any]]  # forward and backward of one run

    def __init__(
        self,
        in_features: int,
        units: int,
        layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        self.ends: list[tuple[str, ...]] = []  # of the names of parameters, by layer
        self.settings: tuple[str, ...] = ()
        rows = self.gates * units
        for layer in range(layers):
            ends = (f"_l{layer}", f"_l{layer}_reverse")[: 1 + bidirectional]
            for end in ends:
                width = len(ends) * units if layer else in_features
                for name, columns in (("weight_ih", width), ("weight_hh", units)):
                    setattr(self, name + end, Parameter((rows, columns), weight_init))
                for name in ("bias_ih", "bias_hh") if bias else ():
                    setattr(self, name + end, Parameter((rows,), bias_init))
            self.ends.append(ends)

    def parameters(self, end: str) -> list[Parameter | None]:
        """What one run reads; a bias that does not exist is None."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [vars(self).get(name + end) for name in names]

    def forward(self, x: Array) -> tuple[Array, Cache]:
        y, caches = np.moveaxis(x, -2, 0), []  # (T, ..., I)
        for ends in self.ends:
            runs = [self.run(y, end) for end in ends]
            y = np.concatenate([run for run, _ in runs], axis=-1)
            caches.append([cache for _, cache in runs])
        return np.ascontiguousarray(np.moveaxis(y, 0, -2)), caches

    def backward(self, dy: Array, caches: Cache) -> Array:
        dy = np.moveaxis(dy, -2, 0)
        for ends, runs in zip(reversed(self.ends), reversed(caches), strict=True):
            parts = np.split(dy, len(ends), axis=-1)
            found = list(map(self.run_back, parts, ends, runs))
            dy = sum(found[1:], found[0])
        return np.ascontiguousarray(np.moveaxis(dy, 0, -2))

    def run(self, x: Array, end: str) -> tuple[Array, Cache]:
        """One layer in one direction, x (T, ..., I) -> y (T, ..., H)."""
        order = -1 if end.endswith("_reverse") else 1
        values = [None if p is None else p.value for p in self.parameters(end)]
        y, cache = self.cell[0](x[::order], *values, *self.settings)
        return y[::order], cache

    def run_back(self, dy: Array, end: str, cache: Cache) -> Array:
        """dx of one run, which adds to the gradients of its parameters."""
        order = -1 if end.endswith("_reverse") else 1
        dx: Array
        dx, *gradients = self.cell[1](dy[::order], cache)
        for parameter, gradient in zip(self.parameters(end), gradients, strict=True):
            if parameter is not None:
                parameter.grad += gradient
        return dx[::order]


class RNN(Recurrent):
    """The state is a tanh, or a relu, of the input and of the state before."""

    cell = rnn_forward, rnn_backward

    def __init__(
        self,
        in_features: int,
        units: int,
        layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        activation: str = "tanh",
        weight_init: Init = glorot_uniform,
        bias_init: Init = zeros,
    ) -> None:
        sizes = in_features, units, layers
        super().__init__(*sizes, bidirectional, bias, weight_init, bias_init)
        self.settings = (activation,)


class LSTM(Recurrent):
    """Long short-term memory, with gates stacked as i, f, g, o."""

    gates = 4
    cell = lstm_forward, lstm_backward


class GRU(Recurrent):
    """Gated recurrent units, with gates stacked as r, z, n."""

    gates = 3
    cell = gru_forward, gru_backward
