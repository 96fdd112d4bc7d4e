"""GoogLeNet for PyTorch, compiled by nnspec from googlenet.nn."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]  # by name


class BasicConv(nn.Module):
    """A block over x, in 57 places of the model."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, width, kernel, stride=stride, padding=padding, bias=False
        )
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """A block over x, in 9 places of the model."""

    def __init__(
        self,
        in_channels: int,
        one: int,
        three_in: int,
        three: int,
        five_in: int,
        five: int,
        pool: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv(in_channels, one, 1)
        self.branch2 = nn.Sequential(
            BasicConv(in_channels, three_in, 1),
            BasicConv(three_in, three, 3, padding=1),
        )
        self.branch3 = nn.Sequential(
            BasicConv(in_channels, five_in, 1), BasicConv(five_in, five, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), BasicConv(in_channels, pool, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch1(x)
        z = self.branch2(x)
        u = self.branch3(x)
        x = self.branch4(x)
        return torch.cat([y, z, u, x], 1)


class GoogLeNet(nn.Module):
    """image [3, 224, 224] -> logits [1000], for one example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = BasicConv(3, 64, 7, stride=2, padding=3)
        self.conv2 = BasicConv(64, 64, 1)
        self.conv3 = BasicConv(64, 192, 3, padding=1)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv1(image)  # [64, 112, 112]
        x = self.conv2(F.max_pool2d(x, 3, stride=2, ceil_mode=True))  # [64, 56, 56]
        x = self.conv3(x)  # [192, 56, 56]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [192, 28, 28]
        x = self.inception3a(x)  # [256, 28, 28]
        x = self.inception3b(x)  # [480, 28, 28]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [480, 14, 14]
        x = self.inception4c(self.inception4b(self.inception4a(x)))  # [512, 14, 14]
        x = self.inception4d(x)  # [528, 14, 14]
        x = self.inception4e(x)  # [832, 14, 14]
        x = self.inception5a(F.max_pool2d(x, 2, ceil_mode=True))  # [832, 7, 7]
        x = self.inception5b(x)  # [1024, 7, 7]
        x = F.dropout(x.mean((2, 3)), 0.2, training=self.training)  # [1024]
        return self.fc(x)  # [1000]


Model = GoogLeNet


@torch.no_grad()
def initialise(model: GoogLeNet) -> GoogLeNet:
    """Draw fresh parameters."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # the layout that convolutions are fast in
    return model.to(memory_format=torch.channels_last)


def outputs(model: GoogLeNet, batch: Tensors) -> Tensors:
    """The results of the model by name."""
    return {"logits": model(batch["image"])}


def loss(model: GoogLeNet, batch: Tensors, step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    return F.cross_entropy(logits, batch["label"])


def make_optimizer(model: GoogLeNet) -> Optimizer:
    """The optimizer; its rates are handed to every update."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)


def update(optimizer: Optimizer, lr: list[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.param_groups[0]["lr"] = lr[0]
    optimizer.step()


SEED = 0  # of the noise; each step draws its own from (SEED, step)


def gradients(
    model: GoogLeNet, batch: Tensors, step: int = 1
) -> tuple[Tensor, Tensors]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    torch.manual_seed(SEED + 1_000_003 * step)
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def train_step(
    model: GoogLeNet, optimizer: Optimizer, batch: Tensors, lr: list[float], step: int
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    model.train()
    torch.manual_seed(SEED + 1_000_003 * step)
    optimizer.zero_grad()
    value = loss(model, batch, step)
    value.backward()
    update(optimizer, lr)
    return value.detach()


def train_steps(
    model: GoogLeNet,
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
def evaluate(model: GoogLeNet, batch: Tensors) -> tuple[Tensor, Tensors]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).to(logits).mean()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(GoogLeNet())
    batch = {"image": torch.rand(4, 3, 224, 224), "label": torch.randint(1000, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.01], step)
        print(f"step {step}: loss {value.item():.4f}")
