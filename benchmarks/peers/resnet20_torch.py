"""ResNet-20 in idiomatic PyTorch: tensors sliced by a permutation, a module, an optimizer. Counts as 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from peers.torch_state import load

BATCH = 128


class Basic(nn.Module):
    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Basic(16, 16), Basic(16, 16), Basic(16, 16))
        self.layer2 = nn.Sequential(Basic(16, 32, 2), Basic(32, 32), Basic(32, 32))
        self.layer3 = nn.Sequential(Basic(32, 64, 2), Basic(64, 64), Basic(64, 64))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def start(data, state):
    model = ResNet20()
    load(model, state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
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
