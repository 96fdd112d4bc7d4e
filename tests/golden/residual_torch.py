"""ResNet for PyTorch, compiled by nnspec from residual.nn."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]  # by name


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
        skip = self.downsample(x) if self.has_downsample else x
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
        return self.head(x)  # [10]


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


def outputs(model: ResNet, batch: Tensors) -> Tensors:
    """The results of the model by name."""
    return {"logits": model(batch["image"])}


def weights(model: nn.Module) -> list[Tensor]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [p for p in model.parameters() if p.ndim > 1]


def loss(model: ResNet, batch: Tensors, step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    return F.cross_entropy(logits, batch["label"]) + 0.0001 * (
        0.5 * sum(w.square().sum() for w in weights(model))
    )


def make_optimizer(model: ResNet) -> Optimizer:
    """The optimizer; its rates are handed to every update."""
    return torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, fused=True
    )


def update(optimizer: Optimizer, lr: list[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.param_groups[0]["lr"] = lr[0]
    optimizer.step()


def gradients(model: ResNet, batch: Tensors, step: int = 1) -> tuple[Tensor, Tensors]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def train_step(
    model: ResNet, optimizer: Optimizer, batch: Tensors, lr: list[float], step: int
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    model.train()
    optimizer.zero_grad()
    value = loss(model, batch, step)
    value.backward()
    update(optimizer, lr)
    return value.detach()


def train_steps(
    model: ResNet,
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
def evaluate(model: ResNet, batch: Tensors) -> tuple[Tensor, Tensors]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).to(logits).mean()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(ResNet())
    batch = {"image": torch.rand(4, 1, 8, 8), "label": torch.randint(10, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.1], step)
        print(f"step {step}: loss {value.item():.4f}")
