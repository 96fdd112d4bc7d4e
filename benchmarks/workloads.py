"""The workloads: for each a spec, the arrays that hand-written programs train on, and shapes of parameters.

Hand-written programs live in `peers/<workload>_<contestant>.py`. Each has one function,

    start(data, state) -> epoch

`data` holds the training arrays by field name, `state` the initial parameters and buffers by path (float32, shapes
as PyTorch has them); `epoch(order)` trains on the examples in that order, in batches of the workload's size with
a smaller last one, and returns the loss of each step. Nothing here needs a framework or nnspec.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
Shapes = dict[str, tuple[int, ...]]

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"


class Workload(NamedTuple):
    """`macs`: multiply-adds of one example forwards; `reference`: the contestant that counts as 1."""

    name: str
    title: str
    batch: int
    examples: int
    parameters: int
    macs: int
    shapes: Shapes
    data: Callable[[int], Arrays]
    reference: str = "torch"

    @property
    def spec(self) -> Path:
        return HERE / "specs" / f"{self.name}.nn"

    @property
    def peers(self) -> list[str]:
        """The hand-written programs there are."""
        return sorted(path.stem.removeprefix(f"{self.name}_") for path in PEERS.glob(f"{self.name}_*.py"))

    def state(self, seed: int = 0) -> Arrays:
        """Initial weights as a hand-written program would draw them: glorot uniform, zeros, ones."""
        rng = np.random.default_rng(seed)
        state = {path: draw(rng, path, shape) for path, shape in self.shapes.items()}
        trained = sum(prod(shape) for path, shape in self.shapes.items() if "running" not in path)
        assert trained == self.parameters, f"{self.name} has {trained} parameters, not {self.parameters}"
        return state


def draw(rng: np.random.Generator, path: str, shape: tuple[int, ...]) -> Array:
    if len(shape) > 1:
        field = prod(shape[2:])
        bound = (6.0 / ((shape[0] + shape[1]) * field)) ** 0.5
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    norm = ("bn", "ln", "downsample.1", "running_var")
    one = path.endswith(("weight", "running_var")) and any(word in path for word in norm)
    return np.full(shape, 1.0 if one else 0.0, np.float32)


# ---------------------------------------------------------------- data


def digits(count: int) -> Arrays:
    """Handwritten digits from the csv in scikit-learn's wheel, each column standardised."""
    found = find_spec("sklearn")
    assert found is not None and found.origin is not None, "the digits are a file of scikit-learn"
    with gzip.open(Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)[:count]
    x = table[:, :-1]
    std = x.std(0)
    return {"image": (x - x.mean(0)) / np.where(std > 0, std, 1), "label": table[:, -1].astype(np.int64)}


def images(*shape: int) -> Callable[[int], Arrays]:
    """Normal noise with random labels."""

    def make(count: int) -> Arrays:
        rng = np.random.default_rng(1)
        image = rng.standard_normal((count, *shape), dtype=np.float32)
        return {"image": image, "label": rng.integers(0, 10, count)}

    return make


def tokens(count: int) -> Arrays:
    rng = np.random.default_rng(1)
    return {"tokens": rng.integers(0, 96, (count, 128)), "next": rng.integers(0, 96, (count, 128))}


# ---------------------------------------------------------------- shapes


def layers(**sizes: tuple[int, ...]) -> Shapes:
    """Weights of the given shapes with a bias each."""
    return {
        f"{name}.{part}": size
        for name, shape in sizes.items()
        for part, size in (("weight", shape), ("bias", shape[:1]))
    }


def resnet20() -> Shapes:
    found: Shapes = {}

    def conv(path: str, norm: str, *shape: int) -> None:
        found[f"{path}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = shape[:1]

    conv("conv1", "bn1", 16, 3, 3, 3)
    before = 16
    for stage, width in enumerate((16, 32, 64), 1):
        for block in range(3):
            path = f"layer{stage}.{block}"
            conv(f"{path}.conv1", f"{path}.bn1", width, before, 3, 3)
            conv(f"{path}.conv2", f"{path}.bn2", width, width, 3, 3)
            if before != width:
                conv(f"{path}.downsample.0", f"{path}.downsample.1", width, before, 1, 1)
            before = width
    return found | layers(fc=(10, 64))


def gpt(vocabulary: int = 96, context: int = 128, width: int = 128, depth: int = 2) -> Shapes:
    found: Shapes = {"wte.weight": (vocabulary, width), "wpe.weight": (context, width)}
    for i in range(depth):
        block = layers(ln_1=(width,), ln_2=(width,), fc=(4 * width, width), proj=(width, 4 * width))
        block["attn.in_proj_weight"], block["attn.in_proj_bias"] = (3 * width, width), (3 * width,)
        block |= {f"attn.{name}": shape for name, shape in layers(out_proj=(width, width)).items()}
        found |= {f"h.{i}.{name}": shape for name, shape in block.items()}
    return found | layers(ln_f=(width,)) | {"head.weight": (vocabulary, width)}


MLP = Workload(
    "mlp", "MLP 64-128-64-10, digits, batch 32, Adam", 32, 1437, 17_226, 17_024,
    layers(dense1=(128, 64), dense2=(64, 128), dense3=(10, 64)), digits,
)  # fmt: skip
LENET5 = Workload(
    "lenet5", "LeNet-5, 28x28, batch 64, momentum", 64, 3200, 61_706, 416_520,
    layers(conv1=(6, 1, 5, 5), conv2=(16, 6, 5, 5), dense1=(120, 400), dense2=(84, 120), dense3=(10, 84)),
    images(1, 28, 28),
)  # fmt: skip
RESNET20 = Workload(
    "resnet20", "ResNet-20, 3x32x32, batch 128, momentum", 128, 256, 272_474, 40_813_184, resnet20(), images(3, 32, 32)
)
GPT = Workload(
    "gpt", "GPT, 2 layers, d 128, 4 heads, context 128, batch 16, AdamW", 16, 256, 437_760, 60_293_120, gpt(), tokens
)
WORKLOADS = {w.name: w for w in (MLP, LENET5, RESNET20, GPT)}
