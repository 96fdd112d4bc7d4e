"""Small functions that emitted PyTorch files carry when they use them. Their source is copied as it stands."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    causal: bool = False,
) -> Tensor:
    """Scaled dot-product attention, the heads side by side on the last axis."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return y.transpose(-3, -2).flatten(-2)


def share(hits: Tensor) -> Tensor:
    """The part of the entries that are true."""
    return hits.to(torch.get_default_dtype()).mean()


def sinusoid(length: int, features: int, base: float = 10000.0) -> Tensor:
    """P[t, 2i] = sin(t / base^(2i / F)), P[t, 2i + 1] the cosine (Vaswani et al., 2017)."""
    position = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    power = torch.arange(0, features, 2, dtype=torch.float64) / features
    angle = position / base**power
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :features]
