"""GPT for PyTorch, compiled by nnspec from gpt.nn."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]  # by name


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool) -> Tensor:
    """Scaled dot-product attention, the heads side by side on the last axis."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return y.transpose(-3, -2).flatten(-2)


class Positional(nn.Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(32, 64))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class SelfAttention(nn.Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(192, 64))
        self.in_proj_bias = nn.Parameter(torch.zeros(192))
        self.out_proj = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        rows = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [32, 192]
        q, k, v = rows.chunk(3, 2)
        return self.out_proj(attention(q, k, v, 4, causal=True))


class Block(nn.Module):
    """x [32, 64] -> x [32, 64], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(64)
        self.attn = SelfAttention()
        self.ln_2 = nn.LayerNorm(64)
        self.fc = nn.Linear(64, 256)
        self.proj = nn.Linear(256, 64)

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.attn(self.ln_1(x))
        return h + self.proj(F.gelu(self.fc(self.ln_2(h))))  # [32, 64]


class GPT(nn.Module):
    """tokens [32] -> logits [32, 75], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(75, 64)
        self.wpe = Positional()
        self.h = nn.Sequential(*[Block() for _ in range(2)])
        self.ln_f = nn.LayerNorm(64)
        self.head = nn.Linear(64, 75, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wpe(self.wte(tokens))  # [32, 64]
        x = self.h(x)
        return self.head(self.ln_f(x))  # [32, 75]


Model = GPT


@torch.no_grad()
def initialise(model: GPT) -> GPT:
    """Draw fresh parameters."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Positional):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, SelfAttention):
            nn.init.xavier_uniform_(module.in_proj_weight)
    return model


def outputs(model: GPT, batch: Tensors) -> Tensors:
    """The results of the model by name."""
    return {"logits": model(batch["tokens"])}


def loss(model: GPT, batch: Tensors, step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["tokens"])
    return F.cross_entropy(logits.flatten(0, 1), batch["next"].flatten())


def make_optimizer(model: GPT) -> Optimizer:
    """The optimizer; its rates are handed to every update."""
    return torch.optim.AdamW(model.parameters(), lr=0.0002, fused=True)


def update(optimizer: Optimizer, lr: list[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.param_groups[0]["lr"] = lr[0]
    optimizer.step()


def gradients(model: GPT, batch: Tensors, step: int = 1) -> tuple[Tensor, Tensors]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def train_step(
    model: GPT, optimizer: Optimizer, batch: Tensors, lr: list[float], step: int
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    model.train()
    optimizer.zero_grad()
    value = loss(model, batch, step)
    value.backward()
    update(optimizer, lr)
    return value.detach()


def train_steps(
    model: GPT,
    optimizer: Optimizer,
    data: Tensors,
    order: Tensor,
    lr: list[list[float]],
    first_step: int = 1,
) -> Tensor:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for step, (rows, rates) in enumerate(zip(order, lr), first_step):
        batch = {name: values.index_select(0, rows) for name, values in data.items()}
        losses.append(train_step(model, optimizer, batch, rates, step))
    return torch.stack(losses)


@torch.inference_mode()
def evaluate(model: GPT, batch: Tensors) -> tuple[Tensor, Tensors]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["tokens"])
    return value, {"accuracy": (logits.argmax(2) == batch["next"]).to(logits).mean()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(GPT())
    batch = {"tokens": torch.randint(75, (4, 32)), "next": torch.randint(75, (4, 32))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.0002], step)
        print(f"step {step}: loss {value.item():.4f}")
