"""Pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import call, function, given

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _settings(use: OpUse) -> dict[str, str]:
    same = all(n.op.stride == n.op.size for n in use.nodes)  # type: ignore[attr-defined]  # both pools have them
    return {
        "stride": "" if same else use.scalar("stride"),
        "padding": given(use, "padding", 0),
        "ceil": given(use, "ceil", False),
    }


@function("MaxPool")
def max_pool(use: OpUse, x: str) -> str:
    return call("max_pool", x, use.scalar("size"), **_settings(use))


@function("AvgPool")
def avg_pool(use: OpUse, x: str) -> str:
    counts = given(use, "count_include_pad", True)
    return call("avg_pool", x, use.scalar("size"), **_settings(use), count_padding=counts)


@function("AdaptiveAvgPool")
def adaptive_avg_pool(use: OpUse, x: str) -> str:
    return call("adaptive_avg_pool", x, use.scalar("size"))


@function("GlobalMaxPool")
def global_max_pool(use: OpUse, x: str) -> str:
    return f"global_max_pool({x})"
