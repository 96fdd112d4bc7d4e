"""The MLP in PyTorch with the whole step compiled: forwards, backwards and Adam, written out.

Needs a C++ compiler, and a minute before its first step."""

from __future__ import annotations

import torch
import torch.nn.functional as F

BATCH = 32
NAMES = [f"dense{i}.{part}" for i in (1, 2, 3) for part in ("weight", "bias")]
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def step(p, m, v, t, x, y):
    """One update in place; gradients by hand, so that one graph holds everything."""
    w1, b1, w2, b2, w3, b3 = p
    h1 = torch.relu(F.linear(x, w1, b1))
    h2 = torch.relu(F.linear(h1, w2, b2))
    logp = torch.log_softmax(F.linear(h2, w3, b3), dim=1)
    hit = F.one_hot(y, 10).to(x.dtype)
    loss = -(logp * hit).sum() / len(x)
    d3 = (logp.exp() - hit) / len(x)
    d2 = (d3 @ w3) * (h2 > 0)
    d1 = (d2 @ w2) * (h1 > 0)
    gradients = (d1.T @ x, d1.sum(0), d2.T @ h1, d2.sum(0), d3.T @ h2, d3.sum(0))
    t += 1
    rate, root = RATE / (1 - BETA1**t), torch.sqrt(1 - BETA2**t)
    for p_, m_, v_, g in zip(p, m, v, gradients, strict=True):
        m_.mul_(BETA1).add_(g, alpha=1 - BETA1)
        v_.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        p_.sub_(rate * m_ / (v_.sqrt() / root + EPS))
    return loss


def start(data, state):
    p = [torch.from_numpy(state[name].copy()) for name in NAMES]
    m, v = [torch.zeros_like(a) for a in p], [torch.zeros_like(a) for a in p]
    t = torch.zeros(())
    compiled = torch.compile(step, dynamic=False)
    images, labels = torch.from_numpy(data["image"]), torch.from_numpy(data["label"])

    def epoch(order):
        order = torch.from_numpy(order)
        losses = []
        with torch.no_grad():
            for x, y in zip(images[order].split(BATCH), labels[order].split(BATCH), strict=True):
                losses.append(compiled(p, m, v, t, x, y))
        return torch.stack(losses).tolist()

    return epoch
