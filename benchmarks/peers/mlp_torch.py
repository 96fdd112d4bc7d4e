"""The MLP in idiomatic PyTorch: tensors sliced by a permutation, a module, an optimizer. Counts as 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from peers.torch_state import load

BATCH = 32


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense1 = nn.Linear(64, 128)
        self.dense2 = nn.Linear(128, 64)
        self.dense3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.dense1(x))
        x = F.relu(self.dense2(x))
        return self.dense3(x)


def start(data, state):
    model = MLP()
    load(model, state)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = torch.from_numpy(data["image"]), torch.from_numpy(data["label"])

    def epoch(order):
        order = torch.from_numpy(order)
        losses = []
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch
