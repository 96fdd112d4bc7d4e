"""Convolutions in one, two and three spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import arguments, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@layer("Conv")
def conv(use: OpUse) -> str:
    given = arguments(
        use,
        use.size(0, 0, "in_channels"),
        use.code("channels"),
        use.scalar("kernel"),
        stride=("stride", 1),
        padding=("padding", 0),
        dilation=("dilation", 1),
        groups=("groups", 1),
        bias=("bias", True),
    )
    return f"nn.Conv{use.inputs[0].rank - 1}d({given})"


@layer("ConvTranspose")
def conv_transpose(use: OpUse) -> str:
    given = arguments(
        use,
        use.size(0, 0, "in_channels"),
        use.code("channels"),
        use.scalar("kernel"),
        stride=("stride", 1),
        padding=("padding", 0),
        output_padding=("output_padding", 0),
        groups=("groups", 1),
        bias=("bias", True),
        dilation=("dilation", 1),
    )
    return f"nn.ConvTranspose{use.inputs[0].rank - 1}d({given})"
