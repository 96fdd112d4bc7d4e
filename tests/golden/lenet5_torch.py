"""LeNet5 for PyTorch, compiled by nnspec from lenet5.nn."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]  # by name


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
        return self.dense3(x)  # [10]


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


def outputs(model: LeNet5, batch: Tensors) -> Tensors:
    """The results of the model by name."""
    return {"logits": model(batch["image"])}


def loss(model: LeNet5, batch: Tensors, step: int = 1) -> Tensor:
    """What training minimises, averaged over the batch."""
    logits = model(batch["image"])
    return F.cross_entropy(logits, batch["label"])


def make_optimizer(model: LeNet5) -> Optimizer:
    """The optimizer; its rates are handed to every update."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)


def update(optimizer: Optimizer, lr: list[float]) -> None:
    """One update from the gradients that the parameters hold."""
    optimizer.param_groups[0]["lr"] = lr[0]
    optimizer.step()


def gradients(model: LeNet5, batch: Tensors, step: int = 1) -> tuple[Tensor, Tensors]:
    """The loss of a batch and its gradient by every trained parameter."""
    model.train()
    value = loss(model, batch, step)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
    return value.detach(), dict(zip(named, found))


def train_step(
    model: LeNet5, optimizer: Optimizer, batch: Tensors, lr: list[float], step: int
) -> Tensor:
    """One update from one batch; `lr` has a rate for each group of parameters."""
    model.train()
    optimizer.zero_grad()
    value = loss(model, batch, step)
    value.backward()
    update(optimizer, lr)
    return value.detach()


def train_steps(
    model: LeNet5,
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
def evaluate(model: LeNet5, batch: Tensors) -> tuple[Tensor, Tensors]:
    """Loss and metrics of a batch, with noise layers off and running statistics in use."""
    model.eval()
    value = loss(model, batch)
    logits = model(batch["image"])
    return value, {"accuracy": (logits.argmax(1) == batch["label"]).to(logits).mean()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = initialise(LeNet5())
    batch = {"image": torch.rand(4, 1, 28, 28), "label": torch.randint(10, (4,))}
    optimizer = make_optimizer(model)
    for step in range(1, 4):
        value = train_step(model, optimizer, batch, [0.01], step)
        print(f"step {step}: loss {value.item():.4f}")
