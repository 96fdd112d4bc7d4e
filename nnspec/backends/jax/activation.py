"""Activations: of `jax.nn` where its gradient at kinks is PyTorch's, else a function that the file carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import axis, call, fixed, function, given, initialiser, layer
from nnspec.ops.base import Initialiser

if TYPE_CHECKING:
    from nnspec.backends.jax.rows import Key
    from nnspec.backends.program import OpUse

_PLAIN = {
    "Sigmoid": "jax.nn.sigmoid",
    "Tanh": "jnp.tanh",
    "Relu": "jax.nn.relu",
    "Relu6": "relu6",
    "Selu": "jax.nn.selu",
    "Silu": "jax.nn.silu",
    "Mish": "jax.nn.mish",
    "Softplus": "jax.nn.softplus",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
}


def _plain(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        return f"{source}({x})"


for _name, _source in _PLAIN.items():
    _plain(_name, _source)


@function("LeakyRelu")
def leaky_relu(use: OpUse, x: str) -> str:
    return call("leaky_relu", x, given(use, "slope", 0.01))


@function("Elu")
def elu(use: OpUse, x: str) -> str:
    return call("jax.nn.elu", x, given(use, "alpha", 1.0))


@function("Gelu")
def gelu(use: OpUse, x: str) -> str:
    return call("jax.nn.gelu", x, approximate="" if fixed(use, "approximate") == "tanh" else "False")


@function("Sign")
def sign(use: OpUse, x: str) -> str:
    return f"jnp.where({x} < 0, -1.0, 1.0)"


@function("Step")
def step(use: OpUse, x: str) -> str:
    return f"jnp.where({x} < 0, 0.0, 1.0)"


@layer("Prelu", "PRelu")
def prelu(use: OpUse, key: Key) -> str:
    default = Initialiser("constant", (("v", 0.25),))
    return call("PRelu.init", key(), f"({use.code('count')},)", weight_init=initialiser(use, "weight_init", default))


def _along(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        last = fixed(use, "axis") == use.inputs[0].rank - 1
        return call(source, x, axis="" if last else str(axis(use, fixed(use, "axis"))))


_along("Softmax", "jax.nn.softmax")
_along("LogSoftmax", "jax.nn.log_softmax")
