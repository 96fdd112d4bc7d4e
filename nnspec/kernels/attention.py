"""Attention over sequences (N, T, E), and what tells it positions."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any


def attention_forward(
    query: Array, key: Array, value: Array, heads: int = 1, causal: bool = False
) -> tuple[Array, Cache]:
    """y = softmax(q k^T / sqrt(d)) v in each head (Vaswani et al., 2017): (N, T, E),
    (N, S, E), (N, S, V) -> (N, T, V).

    Heads are consecutive blocks of features, d = E / heads. With `causal`, position t
    sees positions 0 to t.
    """
    q, k, v = (
        split_heads(query, heads),
        split_heads(key, heads),
        split_heads(value, heads),
    )  # (N, heads, T, d)
    scale = float(q.shape[-1]) ** -0.5
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))  # (N, heads, T, S)
    if causal:
        seen = np.tri(scores.shape[-2], scores.shape[-1], dtype=bool)
        scores = np.where(seen, scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return merge_heads(np.matmul(p, v)), (q, k, v, p, scale, heads)


def attention_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dquery, dkey, dvalue: through the average, the softmax and the scores."""
    q, k, v, p, scale, heads = cache
    d = split_heads(dy, heads)
    dv = np.matmul(np.swapaxes(p, -1, -2), d)
    dp = np.matmul(d, np.swapaxes(v, -1, -2))
    dscores = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
    dq = np.matmul(dscores, k) * scale
    dk = np.matmul(np.swapaxes(dscores, -1, -2), q) * scale
    return merge_heads(dq), merge_heads(dk), merge_heads(dv)


def split_heads(x: Array, heads: int) -> Array:
    """(N, T, E) as (N, heads, T, E / heads)."""
    return np.swapaxes(x.reshape(*x.shape[:-1], heads, -1), -2, -3)


def merge_heads(x: Array) -> Array:
    """(N, heads, T, d) as (N, T, heads * d)."""
    y: Array = np.swapaxes(x, -2, -3)
    return y.reshape(*y.shape[:-2], -1)


def sinusoidal_table(length: int, features: int, base: float, dtype: Any) -> Array:
    """P[t, 2i] = sin(t / base^(2i / F)), P[t, 2i + 1] = cos of the same (Vaswani et
    al., 2017), (T, F).
    """
    angles = np.arange(length)[:, None] / base ** (
        2.0 * (np.arange(features) // 2) / features
    )
    return np.where(
        np.arange(features) % 2 == 0, np.sin(angles), np.cos(angles)
    ).astype(dtype)


def rotary_forward(
    x: Array, heads: int = 1, base: float = 10000.0
) -> tuple[Array, Cache]:
    """Features i and i + d/2 of each head of d, at position t turned by the angle
    t * base^(-2i / d) (Su et al., 2021): x (..., T, F) -> y (..., T, F).
    """
    cos, sin = rotary_table(x.shape[-2], x.shape[-1] // heads, base, x.dtype)
    return rotate(x, cos, sin, heads), (cos, sin, heads)


def rotary_backward(dy: Array, cache: Cache) -> Array:
    """A rotation is orthogonal: its gradient turns back."""
    cos, sin, heads = cache
    return rotate(dy, cos, -sin, heads)


def rotate(x: Array, cos: Array, sin: Array, heads: int) -> Array:
    """The pairs (a, b) of each head as (a cos - b sin, b cos + a sin)."""
    a, b = np.split(x.reshape(*x.shape[:-1], heads, -1), 2, axis=-1)
    y = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return y.reshape(x.shape)


def rotary_table(
    length: int, features: int, base: float, dtype: Any
) -> tuple[Array, Array]:
    """cos and sin of t * base^(-2i / d) for one head of d features, (T, 1, d / 2)."""
    rate = base ** (-np.arange(0, features, 2) / features)
    angle = np.outer(np.arange(length), rate)[:, None]
    return np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)
