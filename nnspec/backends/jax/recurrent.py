"""Recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import call, given, initialiser, layer
from nnspec.ops.base import GLOROT_UNIFORM, ZEROS

if TYPE_CHECKING:
    from nnspec.backends.jax.rows import Key
    from nnspec.backends.program import OpUse


def _construct(kind: str, use: OpUse, key: Key, **settings: str) -> str:
    sizes = use.size(0, -1, "in_features"), use.code("units")
    shape = {s: given(use, s, d) for s, d in (("layers", 1), ("bidirectional", False), ("bias", True))}
    inits = {
        "weight_init": initialiser(use, "weight_init", GLOROT_UNIFORM),
        "bias_init": initialiser(use, "bias_init", ZEROS),
    }
    return call(f"{kind}.init", key(), *sizes, **shape, **settings, **inits)


@layer("Rnn", "RNN")
def rnn(use: OpUse, key: Key) -> str:
    return _construct("RNN", use, key, activation=given(use, "activation", "tanh"))


@layer("Lstm", "LSTM")
def lstm(use: OpUse, key: Key) -> str:
    return _construct("LSTM", use, key)


@layer("Gru", "GRU")
def gru(use: OpUse, key: Key) -> str:
    return _construct("GRU", use, key)
