"""Dense layers, convolutions, embeddings, matrix products and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import call, fixed, function, given, initialiser, layer
from nnspec.ops.base import GLOROT_UNIFORM, ZEROS, Initialiser

if TYPE_CHECKING:
    from nnspec.backends.jax.rows import Key
    from nnspec.backends.program import OpUse

_NORMAL = Initialiser("normal", (("std", 1.0),))


def _inits(use: OpUse) -> dict[str, str]:
    weight, bias = initialiser(use, "weight_init", GLOROT_UNIFORM), initialiser(use, "bias_init", ZEROS)
    return {"weight_init": weight, "bias_init": bias}


@layer("Dense", "Dense")
def dense(use: OpUse, key: Key) -> str:
    shape = f"({use.code('units')}, {use.size(0, -1, 'in_features')})"
    return call("Dense.init", key(), shape, bias=given(use, "bias", True), **_inits(use))


@layer("Conv", "Conv")
def conv(use: OpUse, key: Key) -> str:
    defaults = (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1), ("bias", True))
    settings = {s: given(use, s, d) for s, d in defaults}
    return call("Conv.init", key(), use.parameter_shape("weight"), **settings, **_inits(use))


@layer("ConvTranspose", "ConvTranspose")
def conv_transpose(use: OpUse, key: Key) -> str:
    defaults = (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1), ("groups", 1), ("bias", True))
    settings = {s: given(use, s, d) for s, d in defaults}
    return call("ConvTranspose.init", key(), use.parameter_shape("weight"), **settings, **_inits(use))


@layer("Embedding", "Embedding")
def embedding(use: OpUse, key: Key) -> str:
    shape = f"({use.code('vocab')}, {use.code('features')})"
    return call("Embedding.init", key(), shape, weight_init=initialiser(use, "weight_init", _NORMAL))


@function("Matmul")
def matmul(use: OpUse, a: str, b: str) -> str:
    return f"{a} @ {b}"


@function("Attention")
def attention(use: OpUse, q: str, k: str, v: str) -> str:
    return call("attention", q, k, v, use.code("heads"), causal="True" if fixed(use, "causal") else "")
