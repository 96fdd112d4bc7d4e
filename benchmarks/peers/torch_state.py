"""What the PyTorch programs share: arrays into a model by the names of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


def load(model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    odd = [name for name in missing if not name.endswith("num_batches_tracked")] + unexpected
    assert not odd, f"missing or extra: {odd}"
