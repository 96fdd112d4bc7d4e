"""LeNet-5 in eager PyTorch at its best: channels last, the fused optimizer, data shuffled once an epoch."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from peers.lenet5_torch import BATCH, LeNet5
from peers.torch_state import load


def start(data, state, compiled=False):
    model = LeNet5().to(memory_format=torch.channels_last)
    load(model, state)
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, fused=True)
    images = torch.from_numpy(data["image"]).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(data["label"])

    def objective(x, y):
        return F.cross_entropy(model(x), y)

    loss_of = torch.compile(objective, dynamic=False) if compiled else objective

    def epoch(order):
        order = torch.from_numpy(order)
        losses = []
        for x, y in zip(images[order].split(BATCH), labels[order].split(BATCH), strict=True):
            loss = loss_of(x, y)
            for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = gradient
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    return epoch
