"""ResNet for PyTorch, compiled by nnspec from residual.nn."""

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


class Residual(nn.Module):
    """A block over x, in 6 places of the model."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, 3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.has_downsample = stride != 1 or in_channels != width
        if self.has_downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: Tensor) -> Tensor:
        z = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(z))
        if self.has_downsample:
            skip = self.downsample(x)
        else:
            skip = x
        return F.relu(y + skip, inplace=True)


class ResNet(nn.Module):
    """image [1, 8, 8] -> logits [10], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.stages = nn.Sequential(
            *[
                step
                for in_channels, width, stride in [(8, 8, 1), (8, 16, 2), (16, 32, 2)]
                for step in (
                    Residual(in_channels, width, stride=stride),
                    Residual(width, width),
                )
            ]
        )
        self.head = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(image)), inplace=True)  # [8, 8, 8]
        x = self.stages(x)
        x = x.mean((2, 3))  # [32]
        logits = self.head(x)  # [10]
        return logits


Model = ResNet


@torch.no_grad()
def initialise(model: ResNet) -> ResNet:
    """Draw fresh parameters."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # the layout that convolutions are fast in
    return model.to(memory_format=torch.channels_last)


def outputs(model: ResNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The results of the model by name."""
    logits = model(batch["image"])
    return {"logits": logits}


def weights(model: nn.Module) -> list[Tensor]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [p for p in model.parameters() if p.ndim > 1]


def loss(model: ResNet, batch: dict[str, Tensor], step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    label = batch["label"]
    return F.cross_entropy(logits, label) + 0.0001 * (
        0.5 * sum(w.square().sum() for w in weights(model))
    )


def make_optimizer(model: ResNet) -> SGD:
    """The optimizer."""
    return SGD(model.parameters(), momentum=0.9, nesterov=True)


def update(optimizer: SGD, lr: Sequence[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.step(lr[0])


def gradients(
    model: ResNet, batch: dict[str, Tensor], step: int = 1
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def backward(model: ResNet, batch: dict[str, Tensor], step: int) -> Tensor:
    """The loss of a batch, its gradient left in the parameters: what torch.compile takes whole."""
    value = loss(model, batch, step)
    value.backward()
    return value.detach()


def train_step(
    model: ResNet,
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
    model: ResNet,
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
    model: ResNet, batch: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": share(logits.argmax(1) == batch["label"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(ResNet())
    batch = {"image": torch.rand(4, 1, 8, 8), "label": torch.randint(10, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.1], step)
        print(f"step {step}: loss {value.item():.4f}")
