"""LeNet5 for PyTorch, compiled by nnspec from lenet5.nn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.sgd import sgd


def share(hits: Tensor) -> Tensor:
    """The part of the entries that are true."""
    return hits.to(torch.get_default_dtype()).mean()


class SGD:
    """torch.optim.SGD as its fused kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        momentum: float = 0,
        nesterov: bool = False,
    ) -> None:
        self.params = list(params)
        self.momentum, self.nesterov = momentum, nesterov
        slots = ("momentum_buffer",) if momentum else ()
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        unused: list[Tensor | None] = [None] * len(grads)
        sgd(
            self.params,
            grads,
            [*self.state.get("momentum_buffer", unused)],
            fused=True,
            lr=lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            dampening=0,
            weight_decay=0,
            maximize=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class LeNet5(nn.Module):
    """image [1, 28, 28] -> logits [10], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.tanh(self.conv1(image))  # [6, 28, 28]
        x = F.avg_pool2d(x, 2)  # [6, 14, 14]
        x = torch.tanh(self.conv2(x))  # [16, 10, 10]
        x = F.avg_pool2d(x, 2)  # [16, 5, 5]
        x = x.flatten(1)  # [400]
        x = torch.tanh(self.dense1(x))  # [120]
        x = torch.tanh(self.dense2(x))  # [84]
        logits = self.dense3(x)  # [10]
        return logits


Model = LeNet5


@torch.no_grad()
def initialise(model: LeNet5) -> LeNet5:
    """Draw fresh parameters."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    # the layout that convolutions are fast in
    return model.to(memory_format=torch.channels_last)


def outputs(model: LeNet5, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The results of the model by name."""
    logits = model(batch["image"])
    return {"logits": logits}


def loss(model: LeNet5, batch: dict[str, Tensor], step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    label = batch["label"]
    return F.cross_entropy(logits, label)


def make_optimizer(model: LeNet5) -> SGD:
    """The optimizer."""
    return SGD(model.parameters(), momentum=0.9)


def update(optimizer: SGD, lr: Sequence[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.step(lr[0])


def gradients(
    model: LeNet5, batch: dict[str, Tensor], step: int = 1
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def backward(model: LeNet5, batch: dict[str, Tensor], step: int) -> Tensor:
    """The loss of a batch, its gradient left in the parameters: what torch.compile takes whole."""
    value = loss(model, batch, step)
    value.backward()
    return value.detach()


def train_step(
    model: LeNet5,
    optimizer: SGD,
    batch: dict[str, Tensor],
    lr: Sequence[float],
    step: int,
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    if not model.training:
        model.train()
    optimizer.zero_grad()
    value = backward(model, batch, step)
    update(optimizer, lr)
    return value


def train_steps(
    model: LeNet5,
    optimizer: SGD,
    data: dict[str, Tensor],
    order: Tensor,
    lr: Sequence[Sequence[float]],
    first_step: int = 1,
) -> Tensor:
    """One update for each row of `order`, which holds the examples of a batch; their losses."""
    losses = []
    for step, (rows, rates) in enumerate(zip(order, lr), first_step):
        batch = {name: values.index_select(0, rows) for name, values in data.items()}
        losses.append(train_step(model, optimizer, batch, rates, step))
    return torch.stack(losses)


@torch.inference_mode()
def evaluate(
    model: LeNet5, batch: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": share(logits.argmax(1) == batch["label"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(LeNet5())
    batch = {"image": torch.rand(4, 1, 28, 28), "label": torch.randint(10, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.01], step)
        print(f"step {step}: loss {value.item():.4f}")
