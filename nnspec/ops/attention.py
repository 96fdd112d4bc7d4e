"""Attention without parameters, and positions without parameters; the layers around them are blocks of the prelude."""

from __future__ import annotations

from typing import ClassVar

from nnspec.ir.dims import divide_exactly
from nnspec.ir.types import FLOAT, Size, TensorType, product
from nnspec.ops.base import Op, Positive, ShapeError, batched, require_float, require_rank, require_same_size
from nnspec.suggest import either


class Attention(Op):
    """softmax(Q K^T / sqrt(D / heads)) V, in `heads` heads side by side on the last axis (Vaswani et al., 2017).

    Head h reads features h*D/heads to (h + 1)*D/heads of q and k, likewise of v; the results are joined again.
    With `causal`, query i sees keys 0 to i.
    Shapes: q (..., T, D), k (..., S, D), v (..., S, E) -> y (..., T, E).
    C1: q, k, v have equal rank, at least 2.
    C2: q and k have equal features; k and v equal lengths; all equal leading axes.
    C3: heads divides D and E.
    Settings:
        heads: how many heads
        causal: whether a query sees no later key
    """

    name: ClassVar[str] = "attention"
    family: ClassVar[str] = "sequence"
    tensors: ClassVar[tuple[str, ...]] = ("q", "k", "v")
    heads: Size
    causal: bool = False

    def infer(self, q: TensorType, k: TensorType, v: TensorType) -> TensorType:
        for index, t in enumerate((q, k, v)):
            require_float(self, t, index)
            require_rank(self, t, 2, None, "[length, features]")
            if t.rank != q.rank:
                raise ShapeError(
                    f"attention takes q, k, v with as many axes, got {q} and {t}",
                    code="E0303",
                    constraint="C1",
                    input=index,
                )
        for axis, (a, b, c) in enumerate(zip(q.shape[:-2], k.shape[:-2], v.shape[:-2], strict=True)):
            require_same_size(self, a, b, f"axis {axis} of q and k must agree", constraint="C2")
            require_same_size(self, a, c, f"axis {axis} of q and v must agree", constraint="C2", input=2)
        require_same_size(self, q.shape[-1], k.shape[-1], "q and k must have equal features", constraint="C2")
        require_same_size(self, k.shape[-2], v.shape[-2], "k and v must have equal lengths", constraint="C2", input=2)
        for index, t in ((0, q), (2, v)):
            _require_heads(self, t.shape[-1], index)
        return TensorType(FLOAT, (*q.shape[:-1], v.shape[-1]), batched(q, k, v))

    def macs(self, q: TensorType, k: TensorType, v: TensorType) -> Size:
        return product(q.shape) * k.shape[-2] + product(q.shape[:-1]) * product(v.shape[-2:])


class Sinusoidal(Op):
    """x + P, P[t, 2i] = sin(t / base^(2i / F)), P[t, 2i + 1] = cos(t / base^(2i / F)) (Vaswani et al., 2017).

    The table is computed in float64 and rounded once to the working float.
    Shapes: x (..., T, F) -> y (..., T, F).
    C1: x has two axes or more.
    C2: F is a whole number (an odd one has a last sine without its cosine).
    Settings:
        base: the longest wavelength is 2 pi base
    """

    name: ClassVar[str] = "sinusoidal"
    family: ClassVar[str] = "sequence"
    base: Positive = 10000.0

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 2, None, "[length, features]")
        if not isinstance(x.shape[-1], int):
            raise ShapeError(
                f"sinusoidal needs a whole number of features, got {x.shape[-1]}", code="E0304", constraint="C2"
            )
        return x


class Rotary(Op):
    """x turned by its position: pairs of features i and i + d/2 of a head, by t * base^(-2i / d) (Su et al., 2021).

    d = F / heads. At position t the pair (a, b) becomes (a cos - b sin, b cos + a sin), so the product of two results
    depends on the distance of their positions alone. Meant for q and k of `attention` with as many heads. The pairs
    lie half a head apart, as in GPT-NeoX and Llama (the paper's lie side by side: a permutation of features).
    Shapes: x (..., T, F) -> y (..., T, F).
    C1: x has two axes or more.
    C2: F is a whole number.
    C3: heads divides F into even parts.
    Settings:
        base: the longest wavelength is nearly 2 pi base
        heads: how many heads lie side by side on the last axis
    """

    name: ClassVar[str] = "rotary"
    family: ClassVar[str] = "sequence"
    base: Positive = 10000.0
    heads: Size = 1

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        require_rank(self, x, 2, None, "[length, features]")
        features = x.shape[-1]
        if not isinstance(features, int) or not isinstance(self.heads, int):
            raise ShapeError(
                f"rotary needs whole numbers of features and heads, got {features} and {self.heads}",
                code="E0304",
                constraint="C2",
            )
        if self.heads < 1 or features % (2 * self.heads):
            fits = [str(h) for h in range(1, 33) if features % (2 * h) == 0]
            raise ShapeError(
                f"rotary turns pairs of features: {features} in {self.heads} heads are no even number a head",
                code="E0314",
                constraint="C3",
                help=f"heads = {either(fits)}" if fits else "an even number of features",
            )
        return x


def _require_heads(op: Attention, features: Size, index: int) -> None:
    if divide_exactly(features, op.heads) is None:
        fits = [str(h) for h in range(1, 33) if isinstance(features, int) and features % h == 0]
        raise ShapeError(
            f"attention cannot split {features} features into {op.heads} heads",
            code="E0314",
            constraint="C3",
            help=f"heads = {either(fits)}" if fits else "",
            input=index,
        )
