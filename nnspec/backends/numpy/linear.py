"""Dense layers, embeddings, matrix products and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import Step, arguments, fixed, given, initialisers, kernel, layer, step

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@layer("Dense", own=True)
def dense(use: OpUse) -> str:
    sizes = arguments(use, use.size(0, -1, "in_features"), use.code("units"), bias=("bias", True))
    return f"Dense({', '.join([sizes, *initialisers(use, weight='glorot_uniform', bias='zeros')])})"


@layer("Embedding", inputs=())
def embedding(use: OpUse) -> str:
    made = [use.code("vocab"), use.code("features"), *initialisers(use, weight="normal(1.0)")]
    return f"Embedding({', '.join(made)})"


@step("Matmul")
def matmul(use: OpUse, a: str, b: str) -> Step:
    return kernel("matmul", a, b, inputs=(0, 1))


@step("Attention")
def attention(use: OpUse, q: str, k: str, v: str) -> Step:
    causal = "True" if fixed(use, "causal") else ""
    return kernel("attention", q, k, v, inputs=(0, 1, 2), settings={"heads": use.code("heads"), "causal": causal})


@step("Rotary")
def rotary(use: OpUse, x: str) -> Step:
    return kernel("rotary", x, settings=given(use, heads=("heads", 1), base=("base", 10000.0)))


@step("Sinusoidal")
def sinusoidal(use: OpUse, x: str) -> Step:
    table = f"sinusoidal_table({x}.shape[-2], {x}.shape[-1], {use.code('base')}, {x}.dtype)"
    return Step(f"{x} + {table}", backward=(((0,), "{d}"),))
