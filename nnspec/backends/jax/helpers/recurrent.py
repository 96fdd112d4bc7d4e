"""Recurrent layers: cells that `lax.scan` runs along a sequence."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import initializers
from jax.nn.initializers import Initializer
from jax.tree_util import GetAttrKey, register_pytree_with_keys_class

from nnspec.backends.jax.helpers.layers import GLOROT_UNIFORM

State = tuple[Array, ...]


class Recurrent:
    """Layers of cells along x (..., T, I), in one or two directions: y (..., T, D H).

    A pytree of its parameters, which are named and shaped as in PyTorch: weight_ih_l0,
    ..., bias_hh_l1_reverse. Everything else is static.
    """

    gates = 1
    states = 1  # arrays that a cell carries on, its output first
    static: ClassVar[tuple[str, ...]] = ("layers", "bidirectional")
    layers: int
    bidirectional: bool

    def __init__(self, **members: Any) -> None:
        vars(self).update(members)

    @classmethod
    def init(
        cls,
        key: Array,
        features: int,
        units: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        weight_init: Initializer = GLOROT_UNIFORM,
        bias_init: Initializer = initializers.zeros,
        **static: Any,
    ) -> Self:
        rows = cls.gates * units
        found: dict[str, Array] = {}
        for layer in range(layers):
            width = (1 + bidirectional) * units if layer else features
            for end in ("", "_reverse")[: 1 + bidirectional]:
                key, k1, k2, k3, k4 = jax.random.split(key, 5)
                end = f"_l{layer}{end}"
                found[f"weight_ih{end}"] = weight_init(k1, (rows, width))
                found[f"weight_hh{end}"] = weight_init(k2, (rows, units))
                if bias:
                    found[f"bias_ih{end}"] = bias_init(k3, (rows,))
                    found[f"bias_hh{end}"] = bias_init(k4, (rows,))
        return cls(**found, layers=layers, bidirectional=bidirectional, **static)

    def __call__(self, x: Array) -> Array:
        x = jnp.moveaxis(x, -2, 0)
        for layer in range(self.layers):
            y = self.run(x, f"_l{layer}")
            if self.bidirectional:
                back = self.run(x, f"_l{layer}_reverse", reverse=True)
                y = jnp.concatenate([y, back], axis=-1)
            x = y
        return jnp.moveaxis(x, 0, -2)

    def run(self, x: Array, end: str, reverse: bool = False) -> Array:
        """One layer in one direction: x (T, ..., I) -> y (T, ..., H)."""
        w_ih, w_hh = (getattr(self, name + end) for name in ("weight_ih", "weight_hh"))
        b_ih, b_hh = (getattr(self, name + end, 0.0) for name in ("bias_ih", "bias_hh"))

        def step(state: State, a: Array) -> tuple[State, Array]:
            state = self.cell(a, state[0] @ w_hh.T + b_hh, state)
            return state, state[0]

        a = x @ w_ih.T + b_ih  # of all steps at once
        start = jnp.zeros((*a.shape[1:-1], w_hh.shape[1]), a.dtype)
        y: Array = lax.scan(step, (start,) * self.states, a, reverse=reverse)[1]
        return y

    def cell(self, a: Array, b: Array, state: State) -> State:
        """The next state, from W_ih x + b_ih, W_hh h + b_hh and the state before."""
        raise NotImplementedError

    def tree_flatten_with_keys(self) -> tuple[list[tuple[GetAttrKey, Array]], Any]:
        fixed = tuple((name, vars(self)[name]) for name in self.static)
        named = {n: p for n, p in vars(self).items() if n not in self.static}
        return [(GetAttrKey(n), p) for n, p in named.items()], (tuple(named), fixed)

    @classmethod
    def tree_unflatten(cls, form: Any, parameters: Any) -> Self:
        names, fixed = form
        return cls(**dict(zip(names, parameters, strict=True)), **dict(fixed))


@register_pytree_with_keys_class
class RNN(Recurrent):
    """h = tanh(a + b), or the relu of it."""

    static = (*Recurrent.static, "activation")
    activation: str

    @classmethod
    def init(cls, *args: Any, activation: str = "tanh", **kwargs: Any) -> Self:
        return super().init(*args, activation=activation, **kwargs)

    def cell(self, a: Array, b: Array, state: State) -> State:
        activation = jnp.tanh if self.activation == "tanh" else jax.nn.relu
        return (activation(a + b),)


@register_pytree_with_keys_class
class LSTM(Recurrent):
    """c = f * c + i * g, h = o * tanh(c), with gates stacked as i, f, g, o."""

    gates = 4
    states = 2

    def cell(self, a: Array, b: Array, state: State) -> State:
        i, f, g, o = jnp.split(a + b, 4, axis=-1)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c


@register_pytree_with_keys_class
class GRU(Recurrent):
    """h = (1 - z) * n + z * h, with gates stacked as r, z, n."""

    gates = 3

    def cell(self, a: Array, b: Array, state: State) -> State:
        a_r, a_z, a_n = jnp.split(a, 3, axis=-1)
        b_r, b_z, b_n = jnp.split(b, 3, axis=-1)
        z = jax.nn.sigmoid(a_z + b_z)
        n = jnp.tanh(a_n + jax.nn.sigmoid(a_r + b_r) * b_n)
        return ((1 - z) * n + z * state[0],)
