"""Convolutions in one, two and three spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import arguments, initialisers, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@layer("Conv", own=True, whole=True)
def conv(use: OpUse) -> str:
    sizes = arguments(
        use,
        use.size(0, 0, "in_channels"),
        use.code("channels"),
        use.code("kernel"),
        stride=("stride", 1),
        padding=("padding", 0),
        dilation=("dilation", 1),
        groups=("groups", 1),
        bias=("bias", True),
    )
    return f"Conv({', '.join([sizes, *initialisers(use, weight='glorot_uniform', bias='zeros')])})"


@layer("ConvTranspose", whole=True)
def conv_transpose(use: OpUse) -> str:
    sizes = arguments(
        use,
        use.size(0, 0, "in_channels"),
        use.code("channels"),
        use.code("kernel"),
        stride=("stride", 1),
        padding=("padding", 0),
        output_padding=("output_padding", 0),
        dilation=("dilation", 1),
        groups=("groups", 1),
        bias=("bias", True),
    )
    return f"ConvTranspose({', '.join([sizes, *initialisers(use, weight='glorot_uniform', bias='zeros')])})"
