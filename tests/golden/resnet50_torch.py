"""ResNet50 for PyTorch, compiled by nnspec from resnet.nn."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]  # by name


class Bottleneck(nn.Module):
    """A block over x, in 16 places of the model."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.has_downsample = stride != 1 or in_channels != 4 * width
        if self.has_downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        z = F.relu(self.bn1(self.conv1(x)), inplace=True)
        z = F.relu(self.bn2(self.conv2(z)), inplace=True)
        y = self.bn3(self.conv3(z))
        skip = self.downsample(x) if self.has_downsample else x
        return F.relu(y + skip, inplace=True)


class ResNet50(nn.Module):
    """image [3, 224, 224] -> logits [1000], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            *[Bottleneck(in_channels, 64) for in_channels in (64, 256, 256)]
        )
        self.layer2 = nn.Sequential(
            Bottleneck(256, 128, stride=2), *[Bottleneck(512, 128) for _ in range(3)]
        )
        self.layer3 = nn.Sequential(
            Bottleneck(512, 256, stride=2), *[Bottleneck(1024, 256) for _ in range(5)]
        )
        self.layer4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2), *[Bottleneck(2048, 512) for _ in range(2)]
        )
        self.fc = nn.Linear(2048, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)  # [64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [64, 56, 56]
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = x.mean((2, 3))  # [2048]
        return self.fc(x)  # [1000]


Model = ResNet50


@torch.no_grad()
def initialise(model: ResNet50) -> ResNet50:
    """Draw fresh parameters."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # the layout that convolutions are fast in
    return model.to(memory_format=torch.channels_last)


def outputs(model: ResNet50, batch: Tensors) -> Tensors:
    """The results of the model by name."""
    return {"logits": model(batch["image"])}


def weights(model: nn.Module) -> list[Tensor]:
    """What a regulariser acts on: every weight, no bias and no scale."""
    return [p for p in model.parameters() if p.ndim > 1]


def loss(model: ResNet50, batch: Tensors, step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    return F.cross_entropy(logits, batch["label"]) + 0.0001 * (
        0.5 * sum(w.square().sum() for w in weights(model))
    )


def make_optimizer(model: ResNet50) -> Optimizer:
    """The optimizer; its rates are handed to every update."""
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)


def update(optimizer: Optimizer, lr: list[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.param_groups[0]["lr"] = lr[0]
    optimizer.step()


def gradients(model: ResNet50, batch: Tensors, step: int = 1) -> tuple[Tensor, Tensors]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def train_step(
    model: ResNet50, optimizer: Optimizer, batch: Tensors, lr: list[float], step: int
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    model.train()
    optimizer.zero_grad()
    value = loss(model, batch, step)
    value.backward()
    update(optimizer, lr)
    return value.detach()


def train_steps(
    model: ResNet50,
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
def evaluate(model: ResNet50, batch: Tensors) -> tuple[Tensor, Tensors]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).to(logits).mean()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(ResNet50())
    batch = {"image": torch.rand(4, 3, 224, 224), "label": torch.randint(1000, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.1], step)
        print(f"step {step}: loss {value.item():.4f}")
