"""Pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import arguments, function

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _settings(use: OpUse) -> str:
    if use.value("stride") != use.value("size") or use.value("stride") is None:
        stride = {"stride": ("stride", None)}
    else:
        stride = {}
    given = arguments(use, use.scalar("size"), **stride, padding=("padding", 0), ceil_mode=("ceil", False))
    if use.op.name == "avg_pool" and use.value("count_include_pad") is False:
        given += ", count_include_pad=False"
    return given


def _max_module(use: OpUse) -> str:
    return f"nn.MaxPool{use.inputs[0].rank - 1}d({_settings(use)})"


def _avg_module(use: OpUse) -> str:
    return f"nn.AvgPool{use.inputs[0].rank - 1}d({_settings(use)})"


def _adaptive_module(use: OpUse) -> str:
    return f"nn.AdaptiveAvgPool{use.inputs[0].rank - 1}d({use.scalar('size')})"


@function("MaxPool", module=_max_module)
def max_pool(use: OpUse, x: str) -> str:
    return f"F.max_pool{use.inputs[0].rank - 1}d({x}, {_settings(use)})"


@function("AvgPool", module=_avg_module)
def avg_pool(use: OpUse, x: str) -> str:
    return f"F.avg_pool{use.inputs[0].rank - 1}d({x}, {_settings(use)})"


@function("AdaptiveAvgPool", module=_adaptive_module)
def adaptive_avg_pool(use: OpUse, x: str) -> str:
    return f"F.adaptive_avg_pool{use.inputs[0].rank - 1}d({x}, {use.scalar('size')})"


@function("GlobalMaxPool")
def global_max_pool(use: OpUse, x: str) -> str:
    """`max` along one axis passes its gradient to one entry; `amax` would share it among ties."""
    return f"{x}.flatten({2 if use.inputs[0].batched else 1}).max(-1).values"
