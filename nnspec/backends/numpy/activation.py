"""Activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import Step, axis, fixed, given, initialisers, kernel, layer, step

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

_PLAIN = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Silu": "silu",
    "Mish": "mish",
    "Softplus": "softplus",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
}


def _plain(name: str, base: str) -> None:
    @step(name)
    def apply(use: OpUse, x: str) -> Step:
        return kernel(base, x)


for _name, _base in _PLAIN.items():
    _plain(_name, _base)


@step("LeakyRelu")
def leaky_relu(use: OpUse, x: str) -> Step:
    return kernel("leaky_relu", x, settings=given(use, slope=("slope", 0.01)))


@step("Elu")
def elu(use: OpUse, x: str) -> Step:
    return kernel("elu", x, settings=given(use, alpha=("alpha", 1.0)))


@step("Gelu")
def gelu(use: OpUse, x: str) -> Step:
    return kernel("gelu_tanh" if fixed(use, "approximate") == "tanh" else "gelu", x, cache="gelu")


@step("Sign")
def sign(use: OpUse, x: str) -> Step:
    return Step(f"sign_of({x})")


@step("Step")
def heaviside(use: OpUse, x: str) -> Step:
    return Step(f"heaviside({x})")


@layer("Prelu", whole=True)
def prelu(use: OpUse) -> str:
    count = [] if use.value("count") == 1 else [use.code("count")]
    return f"PReLU({', '.join([*count, *initialisers(use, weight='constant(0.25)')])})"


@step("Softmax")
def softmax(use: OpUse, x: str) -> Step:
    return kernel("softmax", x, settings={"axis": _axis(use)})


@step("LogSoftmax")
def log_softmax(use: OpUse, x: str) -> Step:
    return kernel("log_softmax", x, settings={"axis": _axis(use)})


def _axis(use: OpUse) -> str:
    """The axis, left out where it is the last."""
    index = fixed(use, "axis")
    return "" if index == use.inputs[0].rank - 1 else str(axis(use, index))
