"""The GPT in idiomatic PyTorch: tensors sliced by a permutation, modules, PyTorch's own attention. Counts as 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from peers.torch_state import load

BATCH = 16
VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS = 96, 128, 128, 2, 4


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        q, k, v = (a.view(n, t, HEADS, WIDTH // HEADS).transpose(1, 2) for a in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(y.transpose(1, 2).reshape(n, t, WIDTH))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.wpe = nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))


def start(data, state):
    model = GPT()
    load(model, state)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    tokens, following = torch.from_numpy(data["tokens"]), torch.from_numpy(data["next"])

    def epoch(order):
        order = torch.from_numpy(order)
        losses = []
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(tokens[rows]).flatten(0, 1), following[rows].flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch
