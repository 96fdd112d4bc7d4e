"""Normalisations. Without weight and bias they are functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import call, function, given, initialiser, layer, random
from nnspec.ops.base import ONES, ZEROS

if TYPE_CHECKING:
    from nnspec.backends.jax.rows import Key
    from nnspec.backends.program import OpUse


def _inits(use: OpUse, key: Key) -> dict[str, str]:
    return {
        "weight_init": initialiser(use, "weight_init", ONES),
        "bias_init": initialiser(use, "bias_init", ZEROS),
        "key": key() if random(use, "weight_init", "bias_init") else "",
    }


@layer("BatchNorm", "BatchNorm")
def batch_norm(use: OpUse, key: Key) -> str:
    numbers = {s: given(use, s, d) for s, d in (("eps", 1e-5), ("momentum", 0.1), ("affine", True))}
    return call("BatchNorm.init", use.size(0, 0), **numbers, **_inits(use, key))


@layer("LayerNorm", "LayerNorm")
def layer_norm(use: OpUse, key: Key) -> str:
    numbers = {"eps": given(use, "eps", 1e-5), "bias": given(use, "bias", True)}
    return call("LayerNorm.init", use.size(0, -1), **numbers, **_inits(use, key))


@function("LayerNorm")
def plain_layer_norm(use: OpUse, x: str) -> str:
    return f"standardize({x}, -1, {use.code('eps')})"


@layer("RmsNorm", "RMSNorm")
def rms_norm(use: OpUse, key: Key) -> str:
    init = initialiser(use, "weight_init", ONES)
    drawn = key() if random(use, "weight_init") else ""
    return call("RMSNorm.init", use.size(0, -1), eps=use.code("eps"), weight_init=init, key=drawn)


@function("RmsNorm")
def plain_rms_norm(use: OpUse, x: str) -> str:
    return f"rms_standardize({x}, {use.code('eps')})"


@layer("GroupNorm", "GroupNorm")
def group_norm(use: OpUse, key: Key) -> str:
    return call("GroupNorm.init", use.size(0, 0), use.code("groups"), eps=given(use, "eps", 1e-5), **_inits(use, key))


@function("GroupNorm")
def plain_group_norm(use: OpUse, x: str) -> str:
    return f"group_standardize({x}, {use.code('groups')}, {use.code('eps')})"


@layer("InstanceNorm", "GroupNorm")
def instance_norm(use: OpUse, key: Key) -> str:
    features = use.size(0, 0)
    return call("GroupNorm.init", features, features, eps=given(use, "eps", 1e-5), **_inits(use, key))


@function("InstanceNorm")
def plain_instance_norm(use: OpUse, x: str) -> str:
    return f"group_standardize({x}, {use.size(0, 0)}, {use.code('eps')})"


@function("LocalResponseNorm")
def local_response_norm(use: OpUse, x: str) -> str:
    numbers = {s: given(use, s, d) for s, d in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))}
    return call("local_response_norm", x, use.code("size"), **numbers)
