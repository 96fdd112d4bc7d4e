"""The GPT in eager PyTorch at its best: the fused optimizer, gradients taken without accumulation."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from peers.gpt_torch import BATCH, GPT
from peers.torch_state import load


def start(data, state, compiled=False):
    model = GPT()
    load(model, state)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=3e-4, fused=True)
    tokens, following = torch.from_numpy(data["tokens"]), torch.from_numpy(data["next"])

    def objective(x, y):
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    loss_of = torch.compile(objective, dynamic=False) if compiled else objective

    def epoch(order):
        order = torch.from_numpy(order)
        losses = []
        for x, y in zip(tokens[order].split(BATCH), following[order].split(BATCH), strict=True):
            loss = loss_of(x, y)
            for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = gradient
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    return epoch
