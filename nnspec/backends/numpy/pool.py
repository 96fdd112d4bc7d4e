"""Pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import Step, fixed, given, kernel, lent, step

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _window(use: OpUse) -> dict[str, str]:
    """The settings beside the size; a stride that equals the size is left out."""
    settings = {} if all(n.op.stride == n.op.size for n in use.nodes) else {"stride": use.scalar("stride")}  # type: ignore[attr-defined]  # a Pool
    settings |= given(use, padding=("padding", 0))
    return settings | ({"ceil": "True"} if fixed(use, "ceil") else {})


@step("MaxPool")
def max_pool(use: OpUse, x: str) -> Step:
    return lent(use, kernel("max_pool", x, use.scalar("size"), settings=_window(use)), x)


@step("AvgPool")
def avg_pool(use: OpUse, x: str) -> Step:
    counted = {} if fixed(use, "count_include_pad") else {"count_include_pad": "False"}
    return lent(use, kernel("avg_pool", x, use.scalar("size"), settings=_window(use) | counted), x)


@step("AdaptiveAvgPool")
def adaptive_avg_pool(use: OpUse, x: str) -> Step:
    return lent(use, kernel("adaptive_avg_pool", x, use.scalar("size")), x)


@step("GlobalMaxPool")
def global_max_pool(use: OpUse, x: str) -> Step:
    return lent(use, kernel("global_max_pool", x), x)
