"""The GPT in PyTorch with a DataLoader, as tutorials write it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from peers.gpt_torch import BATCH, GPT
from peers.torch_state import load


def start(data, state):
    model = GPT()
    load(model, state)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    dataset = TensorDataset(torch.from_numpy(data["tokens"]), torch.from_numpy(data["next"]))

    def epoch(order):
        losses = []
        for x, y in DataLoader(dataset, batch_size=BATCH, sampler=order.tolist()):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch
