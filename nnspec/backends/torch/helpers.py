"""Small functions that emitted PyTorch files carry when they use them. Their source is copied as it stands."""

from __future__ import annotations

import torch
from torch import Tensor


def sinusoid(length: int, features: int, base: float = 10000.0) -> Tensor:
    """P[t, 2i] = sin(t / base^(2i / F)), P[t, 2i + 1] = cos(t / base^(2i / F)), in float64 (Vaswani et al., 2017)."""
    position = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    angle = position / base ** (torch.arange(0, features, 2, dtype=torch.float64) / features)
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :features]
