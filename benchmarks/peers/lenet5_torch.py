"""LeNet-5 in idiomatic PyTorch: tensors sliced by a permutation, a module, an optimizer. Counts as 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from peers.torch_state import load

BATCH = 64


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.dense1(x.flatten(1)))
        x = torch.tanh(self.dense2(x))
        return self.dense3(x)


def start(data, state):
    model = LeNet5()
    load(model, state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
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
