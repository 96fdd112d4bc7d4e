"""Normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import arguments, fixed, function, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@layer("BatchNorm")
def batch_norm(use: OpUse) -> str:
    given = arguments(
        use, use.size(0, 0, "channels"), eps=("eps", 1e-5), momentum=("momentum", 0.1), affine=("affine", True)
    )
    return f"nn.BatchNorm{max(1, use.inputs[0].rank - 1)}d({given})"


@layer("LayerNorm")
def layer_norm(use: OpUse) -> str:
    return f"nn.LayerNorm({arguments(use, use.size(0, -1, 'features'), eps=('eps', 1e-5), bias=('bias', True))})"


def _plain_layer_norm(use: OpUse) -> str:
    return f"nn.LayerNorm({arguments(use, use.size(0, -1, 'features'), eps=('eps', 1e-5))}, elementwise_affine=False)"


@function("LayerNorm", module=_plain_layer_norm)
def layer_norm_function(use: OpUse, x: str) -> str:
    return f"F.layer_norm({arguments(use, x, f'{x}.shape[-1:]', eps=('eps', 1e-5))})"


@layer("RmsNorm")
def rms_norm(use: OpUse) -> str:
    return f"nn.RMSNorm({use.size(0, -1, 'features')}, eps={use.code('eps')})"


@function(
    "RmsNorm",
    module=lambda use: f"nn.RMSNorm({use.size(0, -1, 'features')}, eps={use.code('eps')}, elementwise_affine=False)",
)
def rms_norm_function(use: OpUse, x: str) -> str:
    return f"F.rms_norm({x}, {x}.shape[-1:], eps={use.code('eps')})"


@layer("GroupNorm")
def group_norm(use: OpUse) -> str:
    return f"nn.GroupNorm({arguments(use, use.code('groups'), use.size(0, 0, 'channels'), eps=('eps', 1e-5))})"


@function(
    "GroupNorm", module=lambda use: f"nn.GroupNorm({use.code('groups')}, {use.size(0, 0, 'channels')}, affine=False)"
)
def group_norm_function(use: OpUse, x: str) -> str:
    return f"F.group_norm({arguments(use, x, use.code('groups'), eps=('eps', 1e-5))})"


@layer("InstanceNorm")
def instance_norm(use: OpUse) -> str:
    given = arguments(use, use.size(0, 0, "channels"), eps=("eps", 1e-5))
    return f"nn.InstanceNorm{use.inputs[0].rank - 1}d({given}, affine=True)"


@function("InstanceNorm")
def instance_norm_function(use: OpUse, x: str) -> str:
    if not use.inputs[0].batched:  # else its first axis is taken for the batch
        return f"F.instance_norm({arguments(use, f'{x}[None]', eps=('eps', 1e-5))})[0]"
    return f"F.instance_norm({arguments(use, x, eps=('eps', 1e-5))})"


@function("LocalResponseNorm", module=lambda use: f"nn.LocalResponseNorm({_window(use)})")
def local_response_norm(use: OpUse, x: str) -> str:
    if not use.inputs[0].batched:
        return f"F.local_response_norm({x}[None], {_window(use)})[0]"
    return f"F.local_response_norm({x}, {_window(use)})"


def _window(use: OpUse) -> str:
    fixed(use, "size")
    return arguments(use, use.code("size"), alpha=("alpha", 1e-4), beta=("beta", 0.75), k=("k", 1.0))
