"""Published networks: counts, multiply-adds, names and shapes of torchvision's parameters, and PyTorch's own numbers.

`torchvision_names.json` holds public facts: the names and shapes of torchvision's state dicts. Figures are those of the
papers' implementations in torchvision (parameters, and multiply-adds of one image in evaluation, in thousand millions).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import EXAMPLES, ROOT

import nnspec
from nnspec.backends.loading import import_file
from nnspec.passes.cost import totals

NETWORKS = ROOT / "tests" / "networks"
NAMES: dict[str, dict[str, list[int]]] = json.loads((ROOT / "tests" / "torchvision_names.json").read_text())


class Published(NamedTuple):
    """A model, its figures, and the torchvision model whose names it bears."""

    file: Path
    model: str
    parameters: int
    macs: float
    names: str = ""

    @property
    def spec(self) -> nnspec.Spec:
        """Compiled at the published size."""
        return nnspec.load(self.file, model=self.model)


ALEXNET, VGG, RESNET, GOOGLENET = (EXAMPLES / f"{n}.nn" for n in ("alexnet", "vgg19", "resnet", "googlenet"))
TABLE = [
    Published(EXAMPLES / "lenet5.nn", "LeNet5", 61_706, 0.000416520),
    Published(ALEXNET, "AlexNet", 61_100_840, 0.714, "alexnet"),
    Published(VGG, "VGG11", 132_863_336, 7.609, "vgg11"),
    Published(VGG, "VGG13", 133_047_848, 11.308),
    Published(VGG, "VGG16", 138_357_544, 15.470),
    Published(VGG, "VGG19", 143_667_240, 19.632),
    Published(VGG, "VGG11_BN", 132_868_840, 7.609),
    Published(VGG, "VGG13_BN", 133_053_736, 11.308),
    Published(VGG, "VGG16_BN", 138_365_992, 15.470),
    Published(VGG, "VGG19_BN", 143_678_248, 19.632, "vgg19_bn"),
    Published(GOOGLENET, "GoogLeNet", 6_624_904, 1.498, "googlenet"),
    Published(RESNET, "ResNet20", 272_474, 0.04081),
    Published(RESNET, "ResNet18", 11_689_512, 1.814, "resnet18"),
    Published(RESNET, "ResNet34", 21_797_672, 3.664),
    Published(RESNET, "ResNet50", 25_557_032, 4.089, "resnet50"),
    Published(RESNET, "ResNet101", 44_549_160, 7.801),
    Published(RESNET, "ResNet152", 60_192_808, 11.514),
    Published(NETWORKS / "densenet.nn", "DenseNet121", 7_978_856, 2.834),
    Published(NETWORKS / "mobilenet_v2.nn", "MobileNetV2", 3_504_872, 0.301),
    Published(NETWORKS / "shufflenet_v2.nn", "ShuffleNetV2", 2_278_604, 0.145),
    Published(NETWORKS / "efficientnet_b0.nn", "EfficientNetB0", 5_288_548, 0.386),
    Published(NETWORKS / "convnext_tiny.nn", "ConvNeXtTiny", 28_589_128, 4.456),
    Published(NETWORKS / "vit_b_16.nn", "ViTB16", 86_567_656, 17.564),
]
NAMED = [row for row in TABLE if row.names]
BY_HAND = {  # those of published_torch.py
    *("ResNet18", "ResNet50", "GoogLeNet", "DenseNet121", "MobileNetV2"),
    *("ShuffleNetV2", "EfficientNetB0", "ConvNeXtTiny", "ViTB16"),
}


def by_model(row: Published) -> str:
    return row.model


@pytest.mark.parametrize("row", TABLE, ids=by_model)
def test_parameters_and_multiply_adds_are_the_published_ones(row: Published) -> None:
    found = totals(row.spec.graph)
    assert found["parameters"] == row.parameters
    digits = len(f"{row.macs}".partition(".")[2])
    assert abs(found["macs"] / 1e9 - row.macs) <= max(1e-3 * row.macs, 0.5 * 10**-digits)


def test_auxiliary_heads_count_in_training_alone() -> None:
    """torchvision counts the 13,004,888 parameters of GoogLeNet and 27,161,264 of Inception v3 with auxiliary heads."""
    assert totals(nnspec.load(GOOGLENET, model="GoogLeNet_Aux").graph)["parameters"] == 13_004_888
    inception = NETWORKS / "inception_v3.nn"
    assert totals(nnspec.load(inception).graph)["parameters"] == 27_161_264
    assert totals(nnspec.load(inception, set={"aux": False}).graph)["macs"] == pytest.approx(5.713e9, rel=1e-3)


@pytest.mark.parametrize("row", NAMED, ids=by_model)
def test_every_parameter_and_buffer_is_named_and_shaped_as_in_torchvision(row: Published) -> None:
    stored = {p.path: list(p.shape) for p in row.spec.graph.root.parameters()}
    assert stored == NAMES[row.names]


@pytest.mark.torch
@pytest.mark.parametrize("row", NAMED, ids=by_model)
def test_the_emitted_module_takes_a_torchvision_state_dict(row: Published, tmp_path: Path) -> None:
    """Strictly: also `num_batches_tracked`, which a batch norm of PyTorch stores and the list of names leaves out."""
    import torch

    path = tmp_path / "model.py"
    path.write_text(row.spec.source("torch"))
    with torch.device("meta"):
        model = import_file(path).Model()
    count = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(0)
        for name in NAMES[row.names]
        if name.endswith("running_mean")
    }
    given = {name: torch.ones(()).expand(shape) for name, shape in NAMES[row.names].items()}
    taken = model.load_state_dict({**given, **count}, strict=True, assign=True)
    assert not taken.missing_keys
    assert not taken.unexpected_keys
    assert not any(t.is_meta for t in model.state_dict().values())


def test_the_page_of_the_docs_says_what_the_compiler_computes() -> None:
    rows = re.findall(
        r"^\| \[.*\]\(\.\./(\S+)\) \| (\w+) \| ([\d,]+) \| ([\d,]+) \|",
        (ROOT / "docs" / "convolutional.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert {model for _, model, _, _ in rows} >= {row.model for row in TABLE}
    for file, model, parameters, macs in rows:
        found = totals(nnspec.load(ROOT / file, model=model).graph)
        assert (f"{found['parameters']:,}", f"{found['macs']:,}") == (parameters, macs), model


@pytest.mark.torch
@pytest.mark.parametrize("row", [r for r in TABLE if r.model in BY_HAND], ids=by_model)
def test_logits_are_those_of_a_program_written_by_hand(row: Published, tmp_path: Path) -> None:
    """In evaluation, from random parameters and running statistics, on images whose sides are odd."""
    import torch
    from published_torch import BY_MODEL

    size = 64 if row.model == "ViTB16" else 75
    settings = {"size": size, **({"depth": 2} if row.model == "ViTB16" else {})}
    path = tmp_path / "model.py"
    path.write_text(nnspec.load(row.file, model=row.model, set=settings).source("torch"))
    torch.manual_seed(0)
    emitted = import_file(path)
    model = emitted.initialise(emitted.Model()).double().eval()
    state = {
        name: t + 0.1 * torch.rand_like(t) if t.is_floating_point() else t for name, t in model.state_dict().items()
    }
    model.load_state_dict(state)
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        wanted, found = BY_MODEL[row.model](images, state), model(images)
    assert wanted.std() > 0
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.abs().max()))
