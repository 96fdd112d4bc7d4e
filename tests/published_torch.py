"""Published networks as functions of torchvision's state dicts, in plain PyTorch: what the emitted modules are held to.

Each takes an image batch [n, 3, H, W] and a state dict `s`, and gives the logits in evaluation, as torchvision's
`forward` does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def conv(
    x: Tensor, s: State, name: str, stride: int = 1, padding: int | tuple[int, int] = 0, groups: int = 1
) -> Tensor:
    return F.conv2d(x, s[f"{name}.weight"], s.get(f"{name}.bias"), stride, padding, 1, groups)


def norm(x: Tensor, s: State, name: str, eps: float = 1e-5) -> Tensor:
    mean, var, weight, bias = (s[f"{name}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, weight, bias, eps=eps)


def dense(x: Tensor, s: State, name: str) -> Tensor:
    return F.linear(x, s[f"{name}.weight"], s[f"{name}.bias"])


def resnet(x: Tensor, s: State) -> Tensor:
    x = F.max_pool2d(F.relu(norm(conv(x, s, "conv1", 2, 3), s, "bn1")), 3, 2, 1)
    for stage in range(1, 5):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in s:
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            deep = f"{name}.conv3.weight" in s
            y = F.relu(norm(conv(x, s, f"{name}.conv1", 1 if deep else stride, 0 if deep else 1), s, f"{name}.bn1"))
            y = norm(conv(y, s, f"{name}.conv2", stride if deep else 1, 1), s, f"{name}.bn2")
            if deep:
                y = norm(conv(F.relu(y), s, f"{name}.conv3"), s, f"{name}.bn3")
            if f"{name}.downsample.0.weight" in s:
                x = norm(conv(x, s, f"{name}.downsample.0", stride), s, f"{name}.downsample.1")
            x = F.relu(x + y)
            block += 1
    return dense(x.mean((2, 3)), s, "fc")


def googlenet(x: Tensor, s: State) -> Tensor:
    def unit(x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        return F.relu(norm(conv(x, s, f"{name}.conv", stride, padding), s, f"{name}.bn", 1e-3))

    def inception(x: Tensor, name: str) -> Tensor:
        two, three = (unit(unit(x, f"{name}.branch{b}.0"), f"{name}.branch{b}.1", padding=1) for b in (2, 3))
        four = unit(F.max_pool2d(x, 3, 1, 1, ceil_mode=True), f"{name}.branch4.1")
        return torch.cat([unit(x, f"{name}.branch1"), two, three, four], 1)

    x = F.max_pool2d(unit(x, "conv1", 2, 3), 3, 2, ceil_mode=True)
    x = F.max_pool2d(unit(unit(x, "conv2"), "conv3", padding=1), 3, 2, ceil_mode=True)
    x = F.max_pool2d(inception(inception(x, "inception3a"), "inception3b"), 3, 2, ceil_mode=True)
    for letter in "abcde":
        x = inception(x, f"inception4{letter}")
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    return dense(inception(inception(x, "inception5a"), "inception5b").mean((2, 3)), s, "fc")


def densenet(x: Tensor, s: State) -> Tensor:
    def normed(x: Tensor, name: str) -> Tensor:
        return F.relu(norm(x, s, name))

    x = F.max_pool2d(normed(conv(x, s, "features.conv0", 2, 3), "features.norm0"), 3, 2, 1)
    for block, depth in enumerate((6, 12, 24, 16), 1):
        for layer in range(1, depth + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            y = conv(normed(x, f"{name}.norm1"), s, f"{name}.conv1")
            x = torch.cat([x, conv(normed(y, f"{name}.norm2"), s, f"{name}.conv2", padding=1)], 1)
        if block < 4:
            name = f"features.transition{block}"
            x = F.avg_pool2d(conv(normed(x, f"{name}.norm"), s, f"{name}.conv"), 2)
    return dense(normed(x, "features.norm5").mean((2, 3)), s, "classifier")


def mobilenet_v2(x: Tensor, s: State) -> Tensor:
    x = F.relu6(norm(conv(x, s, "features.0.0", 2, 1), s, "features.0.1"))
    for k in range(1, 18):
        name, y = f"features.{k}.conv", x
        steps = 1 if k == 1 else 2
        for i in range(steps):
            wide = i == steps - 1  # the one that convolves channel by channel
            stride = 2 if wide and k in (2, 4, 7, 14) else 1
            y = conv(y, s, f"{name}.{i}.0", stride, int(wide), s[f"{name}.{i}.0.weight"].shape[0] if wide else 1)
            y = F.relu6(norm(y, s, f"{name}.{i}.1"))
        y = norm(conv(y, s, f"{name}.{steps}"), s, f"{name}.{steps + 1}")
        x = x + y if x.shape == y.shape else y
    x = F.relu6(norm(conv(x, s, "features.18.0"), s, "features.18.1"))
    return dense(x.mean((2, 3)), s, "classifier.1")


def shufflenet_v2(x: Tensor, s: State) -> Tensor:
    def work(x: Tensor, name: str, stride: int) -> Tensor:
        x = F.relu(norm(conv(x, s, f"{name}.0"), s, f"{name}.1"))
        x = norm(conv(x, s, f"{name}.3", stride, 1, x.shape[1]), s, f"{name}.4")
        return F.relu(norm(conv(x, s, f"{name}.5"), s, f"{name}.6"))

    x = F.max_pool2d(F.relu(norm(conv(x, s, "conv1.0", 2, 1), s, "conv1.1")), 3, 2, 1)
    for stage, depth in ((2, 4), (3, 8), (4, 4)):
        for k in range(depth):
            name = f"stage{stage}.{k}"
            if k:
                kept, rest = x.chunk(2, 1)
                x = torch.cat([kept, work(rest, f"{name}.branch2", 1)], 1)
            else:
                y = norm(conv(x, s, f"{name}.branch1.0", 2, 1, x.shape[1]), s, f"{name}.branch1.1")
                y = F.relu(norm(conv(y, s, f"{name}.branch1.2"), s, f"{name}.branch1.3"))
                x = torch.cat([y, work(x, f"{name}.branch2", 2)], 1)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
    return dense(F.relu(norm(conv(x, s, "conv5.0"), s, "conv5.1")).mean((2, 3)), s, "fc")


def efficientnet_b0(x: Tensor, s: State) -> Tensor:
    def unit(x: Tensor, name: str, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
        return norm(conv(x, s, f"{name}.0", stride, padding, groups), s, f"{name}.1")

    x = F.silu(unit(x, "features.0", 2, 1))
    for stage, (depth, stride) in enumerate(((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)), 1):
        for k in range(depth):
            name, y, at = f"features.{stage}.{k}.block", x, 0
            if stage > 1:
                y, at = F.silu(unit(y, f"{name}.0")), 1
            size = s[f"{name}.{at}.0.weight"].shape[-1]
            y = F.silu(unit(y, f"{name}.{at}", stride if k == 0 else 1, size // 2, y.shape[1]))
            scale = F.silu(conv(y.mean((2, 3), keepdim=True), s, f"{name}.{at + 1}.fc1"))
            y = unit(y * torch.sigmoid(conv(scale, s, f"{name}.{at + 1}.fc2")), f"{name}.{at + 2}")
            x = x + y if x.shape == y.shape and (k or stride == 1) else y
    return dense(F.silu(unit(x, "features.8")).mean((2, 3)), s, "classifier.1")


def convnext_tiny(x: Tensor, s: State) -> Tensor:
    def ln(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], s[f"{name}.weight"], s[f"{name}.bias"], 1e-6)

    def ln2d(x: Tensor, name: str) -> Tensor:
        return ln(x.permute(0, 2, 3, 1), name).permute(0, 3, 1, 2)

    x = ln2d(conv(x, s, "features.0.0", 4), "features.0.1")
    for stage, depth in ((1, 3), (3, 3), (5, 9), (7, 3)):
        if stage > 1:
            x = conv(ln2d(x, f"features.{stage - 1}.0"), s, f"features.{stage - 1}.1", 2)
        for k in range(depth):
            name = f"features.{stage}.{k}"
            y = ln(conv(x, s, f"{name}.block.0", 1, 3, x.shape[1]).permute(0, 2, 3, 1), f"{name}.block.2")
            y = dense(F.gelu(dense(y, s, f"{name}.block.3")), s, f"{name}.block.5").permute(0, 3, 1, 2)
            x = x + s[f"{name}.layer_scale"] * y
    return dense(ln2d(x.mean((2, 3), keepdim=True), "classifier.0").flatten(1), s, "classifier.2")


def vit_b_16(x: Tensor, s: State) -> Tensor:
    def ln(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], s[f"{name}.weight"], s[f"{name}.bias"], 1e-6)

    x = conv(x, s, "conv_proj", 16).flatten(2).transpose(1, 2)
    x = torch.cat([s["class_token"].expand(len(x), -1, -1), x], 1) + s["encoder.pos_embedding"]
    layer = 0
    while f"encoder.layers.encoder_layer_{layer}.ln_1.weight" in s:
        name = f"encoder.layers.encoder_layer_{layer}"
        attention = torch.nn.MultiheadAttention(x.shape[-1], 12, batch_first=True, dtype=x.dtype)
        own = f"{name}.self_attention."
        attention.load_state_dict({k.removeprefix(own): v for k, v in s.items() if k.startswith(own)})
        y = ln(x, f"{name}.ln_1")
        x = x + attention(y, y, y, need_weights=False)[0]
        x = x + dense(F.gelu(dense(ln(x, f"{name}.ln_2"), s, f"{name}.mlp.0")), s, f"{name}.mlp.3")
        layer += 1
    return dense(ln(x, "encoder.ln")[:, 0], s, "heads.head")


BY_MODEL: dict[str, Callable[[Tensor, State], Tensor]] = {
    "ResNet18": resnet,
    "ResNet50": resnet,
    "GoogLeNet": googlenet,
    "DenseNet121": densenet,
    "MobileNetV2": mobilenet_v2,
    "ShuffleNetV2": shufflenet_v2,
    "EfficientNetB0": efficientnet_b0,
    "ConvNeXtTiny": convnext_tiny,
    "ViTB16": vit_b_16,
}
