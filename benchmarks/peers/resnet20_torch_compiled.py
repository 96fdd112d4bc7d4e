"""ResNet-20 in PyTorch with its objective compiled. Needs a C++ compiler, and a minute before its first step."""

from __future__ import annotations

from peers import resnet20_torch_tuned


def start(data, state):
    return resnet20_torch_tuned.start(data, state, compiled=True)
