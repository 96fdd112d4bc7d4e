"""Planned attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.attention import split_heads
from nnspec.kernels.planned import view
from nnspec.kernels.planned_rows import PIECE, numbers

Array = np.ndarray[Any, Any]


class PlannedAttention:
    """y = P v in each head, P = softmax(q k^T / sqrt(d)): (n, T, E), (n, S, E), (n, S,
    V) -> (n, T, V); with `causal`, position t sees positions 0 to t.

    dv = P^T dy; with dP = dy v^T and dA = P (dP - sum of dP P) / sqrt(d): dq = dA k, dk
    = dA^T q. A block of examples and, if causal, of positions at a time, with only the
    positions that the block sees.

    `dx` are flat arrays, or arrays (n, T, E), ... which may be slices of a larger one.
    """

    def __init__(
        self,
        heads: int,
        causal: bool,
        shape_q: tuple[int, ...],
        shape_k: tuple[int, ...],
        shape_v: tuple[int, ...],
        n: int,
        dtype: Any,
        dx: tuple[Array, Array, Array] | None = None,
    ) -> None:
        self.heads = heads
        (length, features), (seen, width) = shape_q, shape_v
        shapes = (n, *shape_q), (n, *shape_k), (n, *shape_v)
        self.dx = None
        if dx is not None:
            self.dx = tuple(
                d if d.ndim > 1 else view(d, shape)
                for d, shape in zip(dx, shapes, strict=True)
            )
        self.y = np.empty((n, length, width), dtype)
        step = attention_block(length) if causal else length
        self.spans = [(s, min(s + step, length)) for s in range(0, length, step)]
        ends = [min(stop, seen) if causal else seen for _, stop in self.spans]
        each = heads * step * seen
        examples = max(1, min(n, 2 * PIECE // each))
        self.parts = [
            slice(start, min(start + examples, n)) for start in range(0, n, examples)
        ]
        self.p = [
            np.empty((n, heads, stop - start, end), dtype)
            for (start, stop), end in zip(self.spans, ends, strict=True)
        ]
        self.visible = [
            np.tri(stop - start, end, start, dtype) if causal else None
            for (start, stop), end in zip(self.spans, ends, strict=True)
        ]
        self.ones = np.ones(seen, dtype)
        self.scale, self.calm = numbers(dtype, (features / heads) ** -0.5, 30.0)
        self.one = np.ones((), dtype)
        self.sums = np.empty(examples * heads * step, dtype)
        self.work = np.empty(examples * each, dtype)
        spare = 0 if len(self.spans) == 1 else max(features, width)
        self.spare = np.empty(examples * seen * spare, dtype)

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.q, self.k, self.v = (split_heads(x, self.heads) for x in (q, k, v))
        y = split_heads(self.y, self.heads)
        for part in self.parts:
            self.forward_part(self.q[part], self.k[part], self.v[part], y[part], part)
        return self.y

    def forward_part(self, q: Array, k: Array, v: Array, y: Array, part: slice) -> None:
        """Fills P and y of some examples; all (examples, heads, T, d)."""
        for (start, stop), kept, visible in zip(
            self.spans, self.p, self.visible, strict=True
        ):
            p = kept[part]
            end = p.shape[-1]
            np.matmul(q[..., start:stop, :], k[..., :end, :].swapaxes(-1, -2), out=p)
            flat, rows = p.reshape(-1), p.reshape(-1, end)
            flat *= self.scale
            # Scores that exp can take as they are need no maximum of each row.
            top, bottom = flat[flat.argmax()], flat[flat.argmin()]
            if not (top < self.calm and -bottom < self.calm):
                if visible is not None:
                    np.copyto(p, -np.inf, where=visible == 0)
                p -= p.max(axis=-1, keepdims=True)
            np.exp(flat, out=flat)
            if visible is not None:
                p *= visible
            sums = self.sums[: len(rows)]
            rows.dot(self.ones[:end], sums)
            np.divide(self.one, sums, out=sums)
            rows *= sums[:, None]
            np.matmul(p, v[..., :end, :], out=y[..., start:stop, :])

    def backward(self, dy: Array) -> tuple[Array, ...] | None:
        """dq, dk, dv; P is lost."""
        if self.dx is None:
            return None
        d = split_heads(dy, self.heads)
        dq, dk, dv = (split_heads(x, self.heads) for x in self.dx)
        for part in self.parts:
            self.backward_part(d[part], dq[part], dk[part], dv[part], part)
        return self.dx

    def backward_part(
        self, dy: Array, dq: Array, dk: Array, dv: Array, part: slice
    ) -> None:
        """The gradients of some examples, from the block that sees most."""
        q, k, v = self.q[part], self.k[part], self.v[part]
        for (start, stop), kept in zip(self.spans[::-1], self.p[::-1], strict=True):
            p = kept[part]
            end = p.shape[-1]
            rows = p.reshape(-1, end)
            dp = view(self.work, p.shape)
            here = dy[..., start:stop, :]
            whole = stop == self.y.shape[1]
            self.fill(dv, p.swapaxes(-1, -2), here, end, whole)
            np.matmul(here, v[..., :end, :].swapaxes(-1, -2), out=dp)
            dp *= p
            sums = self.sums[: len(rows)]
            dp.reshape(-1, end).dot(self.ones[:end], sums)
            rows *= sums[:, None]
            dp -= p
            dp *= self.scale
            np.matmul(dp, k[..., :end, :], out=dq[..., start:stop, :])
            self.fill(dk, dp.swapaxes(-1, -2), q[..., start:stop, :], end, whole)

    def fill(self, out: Array, a: Array, b: Array, end: int, whole: bool) -> None:
        """a b, into `out` if that is all of it, else added to what is seen of it."""
        if whole:
            np.matmul(a, b, out=out[..., :end, :])
            out[..., end:, :] = 0.0
        else:
            product = view(self.spare, (*out.shape[:2], end, out.shape[-1]))
            np.matmul(a, b, out=product)
            seen = out[..., :end, :]
            np.add(seen, product, out=seen)


def attention_block(length: int) -> int:
    """Positions of a causal block: measured best from 16 to 256."""
    return min(length, 64 if length <= 512 else 128)
