"""What draws random numbers. Where agreement is checked (`use.deterministic`) nothing is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import function

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _is_off(use: OpUse) -> bool:
    """Whether noise of training is never drawn: agreement is checked, or the layer is frozen."""
    return use.deterministic or use.frozen


def _dropout_module(use: OpUse) -> str:
    if _is_off(use):
        return "nn.Identity()"
    return f"nn.Dropout({'' if use.value('p') == 0.5 else use.code('p')})"


@function("Dropout", module=_dropout_module)
def dropout(use: OpUse, x: str) -> str:
    if _is_off(use):
        return x
    p = "" if use.value("p") == 0.5 else f"{use.code('p')}, "
    return f"F.dropout({x}, {p}training=self.training)"


@function("DropPath")
def drop_path(use: OpUse, x: str) -> str:
    if _is_off(use):
        return x
    ones = ", ".join(["len(" + x + ")", *["1"] * use.inputs[0].rank])
    return f"{x} * F.dropout({x}.new_ones({ones}), {use.code('p')}, training=self.training)"


@function("GaussianNoise")
def gaussian_noise(use: OpUse, x: str) -> str:
    if _is_off(use):
        return x
    return f"{x} + {use.code('std')} * torch.randn_like({x}) if self.training else {x}"


@function("Bernoulli")
def bernoulli(use: OpUse, x: str) -> str:
    if use.deterministic:
        return f"({x} >= 0.5).to({x}.dtype) + 0.0 * {x}"
    # torch.bernoulli refuses what is not a probability, which a normalised example of a test part need not be.
    return f"torch.bernoulli({x}.detach().clamp(0, 1)) + 0.0 * {x}"
