"""Dense layers, embeddings, matrix products and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.torch.rows import arguments, fixed, function, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@layer("Dense")
def dense(use: OpUse) -> str:
    return f"nn.Linear({arguments(use, use.size(0, -1, 'in_features'), use.code('units'), bias=('bias', True))})"


@layer("Embedding")
def embedding(use: OpUse) -> str:
    return f"nn.Embedding({use.code('vocab')}, {use.code('features')})"


@function("Matmul")
def matmul(use: OpUse, a: str, b: str) -> str:
    return f"{a} @ {b}"


@function("Attention")
def attention(use: OpUse, q: str, k: str, v: str) -> str:
    causal = fixed(use, "causal")
    heads = use.code("heads")
    if heads == "1":
        return f"F.scaled_dot_product_attention({q}, {k}, {v}{', is_causal=True' if causal else ''})"
    return f"attention({q}, {k}, {v}, {heads}, causal={causal})"


@function("Rotary")
def rotary(use: OpUse, x: str) -> str:
    return f"rotary({arguments(use, x, heads=('heads', 1), base=('base', 10000.0))})"


@function("Sinusoidal")
def sinusoidal(use: OpUse, x: str) -> str:
    base = "" if use.value("base") == 10000.0 else f", {use.code('base')}"
    return f"{x} + sinusoid({x}.shape[-2], {x}.shape[-1]{base}).to({x})"
