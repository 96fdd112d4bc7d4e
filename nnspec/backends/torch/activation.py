"""Activations: the functional form in `forward`, the module in a Sequential."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import axis, fixed, function, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

_PLAIN = {
    "Sigmoid": ("torch.sigmoid", "nn.Sigmoid"),
    "Tanh": ("torch.tanh", "nn.Tanh"),
    "Relu": ("F.relu", "nn.ReLU"),
    "Relu6": ("F.relu6", "nn.ReLU6"),
    "Selu": ("F.selu", "nn.SELU"),
    "Silu": ("F.silu", "nn.SiLU"),
    "Mish": ("F.mish", "nn.Mish"),
    "HardSwish": ("F.hardswish", "nn.Hardswish"),
}


def _plain(name: str, call: str, module: str) -> None:
    @function(name, module=f"{module}()")
    def apply(use: OpUse, x: str) -> str:
        return f"{call}({x})"


for _name, (_call, _module) in _PLAIN.items():
    _plain(_name, _call, _module)


# F.hardsigmoid's own gradient divides in float32: in float64 it is off by 3e-8.
@function("HardSigmoid")
def hard_sigmoid(use: OpUse, x: str) -> str:
    return f"F.relu6({x} + 3) / 6"


def _with(setting: str, default: float, keyword: str) -> Callable[[OpUse], str]:
    def given(use: OpUse) -> str:
        return "" if use.value(setting) == default else f"{keyword}={use.code(setting)}"

    return given


_slope = _with("slope", 0.01, "negative_slope")
_alpha = _with("alpha", 1.0, "alpha")


@function("LeakyRelu", module=lambda use: f"nn.LeakyReLU({_slope(use)})")
def leaky_relu(use: OpUse, x: str) -> str:
    return f"F.leaky_relu({', '.join(filter(None, (x, _slope(use))))})"


@function("Elu", module=lambda use: f"nn.ELU({_alpha(use)})")
def elu(use: OpUse, x: str) -> str:
    return f"F.elu({', '.join(filter(None, (x, _alpha(use))))})"


def _gelu(use: OpUse) -> str:
    return 'approximate="tanh"' if fixed(use, "approximate") == "tanh" else ""


@function("Gelu", module=lambda use: f"nn.GELU({_gelu(use)})")
def gelu(use: OpUse, x: str) -> str:
    return f"F.gelu({', '.join(filter(None, (x, _gelu(use))))})"


# F.softplus switches to the identity above its threshold; raised so far that both are equal in float64.
@function("Softplus", module="nn.Softplus(threshold=40)")
def softplus(use: OpUse, x: str) -> str:
    return f"F.softplus({x}, threshold=40)"


@function("Sign")
def sign(use: OpUse, x: str) -> str:
    return f"({x}.sign() + 0.5).sign()"  # 1 at 0, and still a function of x, with gradient 0


@function("Step")
def step(use: OpUse, x: str) -> str:
    return f"({x}.sign() + 1).sign()"


@layer("Prelu")
def prelu(use: OpUse) -> str:
    return f"nn.PReLU({use.code('count') if use.value('count') != 1 else ''})"


@function("Softmax", module=lambda use: f"nn.Softmax(dim={axis(use, fixed(use, 'axis'))})")
def softmax(use: OpUse, x: str) -> str:
    return f"{x}.softmax({axis(use, fixed(use, 'axis'))})"


@function("LogSoftmax", module=lambda use: f"nn.LogSoftmax(dim={axis(use, fixed(use, 'axis'))})")
def log_softmax(use: OpUse, x: str) -> str:
    return f"{x}.log_softmax({axis(use, fixed(use, 'axis'))})"
