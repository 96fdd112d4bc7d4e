"""Receptive fields, held to what is really seen: an entry of the output is nonzero for those entries of the input.

Every weight is 1 and nothing is subtracted, so an input that is 1 in one place and 0 in all others comes through
wherever it is seen. One batch holds such an input for every place.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import EXAMPLES

from nnspec import Spec, check, load
from nnspec.views.receptive import Field, receptive_fields
from nnspec.views.summary import summary

ONES = "weight_init = ones, bias = false"
SIZE = 36

IMAGES = {
    "a convolution": f"conv(2, 3, {ONES})",
    "stride and padding": f"conv(2, 5, stride = 2, padding = 2, {ONES}) -> conv(1, 3, stride = 2, {ONES})",
    "dilation": f"conv(2, 3, dilation = 2, {ONES}) -> conv(1, 3, dilation = 4, {ONES})",
    "pools": f"conv(2, 3, {ONES}) -> relu -> avg_pool(2) -> conv(2, 3, padding = same, {ONES}) -> max_pool(3, 2)",
    "sides of their own": f"conv(1, [1, 5], stride = [2, 1], padding = [0, 2], {ONES}) -> avg_pool([3, 2])",
    "groups": f"conv(2, 3, {ONES}) -> conv(2, 3, groups = 2, {ONES})",
    "an entry, another place": "avg_pool(2) -> pad(3) -> avg_pool(2)",
    "a step of a slice": f"conv(1, 3, {ONES}) -> Every -> conv(1, 3, {ONES})",
    "two branches": f"Branches -> conv(1, 3, {ONES})",
    "a branch beside its centre": "Beside",
    "a residual step": f"conv(1, 3, stride = 2, padding = 1, {ONES}) -> Residual -> Residual",
    "branches side by side": f"Inception -> conv(1, 1, {ONES})",
    "a transposed convolution": f"conv(1, 3, 2, 1, {ONES}) -> conv_transpose(1, 4, stride = 2, {ONES})",
    "a transposed convolution, finer": f"conv_transpose(1, 3, stride = 2, padding = 1, {ONES}) -> conv(1, 3, {ONES})",
    "up again": f"avg_pool(2) -> conv(1, 3, padding = 1, {ONES}) -> upsample(2) -> conv(1, 3, {ONES})",
    "up between": f"avg_pool(4) -> upsample(4, mode = bilinear) -> conv(1, 3, {ONES})",
    "a shared layer": "Shared",
    "adaptive": f"conv(1, 3, padding = 1, {ONES}) -> adaptive_avg_pool(9)",
    "adaptive, uneven": f"conv(1, 3, padding = 1, {ONES}) -> adaptive_avg_pool(14)",
    "through a signal": f"transpose -> conv(1, 3, {ONES})",
}
BLOCKS = f"""
block Branches(x) {{ (x -> conv(1, 3, padding = 1, {ONES})) + (x -> conv(1, 7, padding = 3, {ONES})) + x }}
block Beside(x) {{ a = x -> conv(1, 3, {ONES}); (x -> conv(1, 5, {ONES})) + a[:, 2:, 2:] }}
block Residual(x) {{ x + (x -> conv(1, 3, padding = 1, {ONES}) -> conv(1, 3, padding = 1, {ONES})) }}
block Inception(x) {{ concat(x -> conv(1, 1, {ONES}), x -> conv(1, 5, padding = 2, {ONES}), x -> avg_pool(3, 1, 1)) }}
block Every(x) {{ x[:, 1::3, 2::2] }}
block Upper(x) {{ x[:, 0:4] }}
block Shared(x) {{ layer again = conv(1, 3, padding = 1, {ONES}); x -> repeat(3, again) -> again }}
"""


def compiled(steps: str, shape: str) -> Spec:
    return load(
        "fields.nn", text=f"{BLOCKS}\nmodel M {{\n    input x: float32{shape}\n    output y = x -> {steps}\n}}\n"
    )


def seen(spec: Spec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """How many entries of each axis of the input some entry near the middle of the output sees, at most."""
    every = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    model = spec.build("numpy")
    y = np.concatenate([model.forward(every[n : n + 512])[0] for n in range(0, len(every), 512)])
    found = []
    for near in range(-4, 4):
        middle = y[(slice(None), *(min(max(n // 2 + near, 0), n - 1) for n in y.shape[1:]))]
        places = np.argwhere(middle.reshape(shape) != 0)
        found.append(places.max(axis=0) - places.min(axis=0) + 1)
    return tuple(np.max(found, axis=0).tolist())


def field(spec: Spec) -> Field:
    (found,) = receptive_fields(spec.graph)[spec.graph.outputs["y"]]
    return found


@pytest.mark.parametrize("steps", IMAGES.values(), ids=IMAGES)
def test_the_field_is_what_is_seen(steps: str) -> None:
    shape = (1, SIZE, SIZE)
    spec = compiled(steps, str(list(shape)))
    assert field(spec).sizes == seen(spec, shape)[1:]


@pytest.mark.parametrize(
    "steps, shape, shown",
    [
        ("conv(4, 3) -> max_pool(2)", "[3, 32, 32]", "4 x 4 of x, stride 2"),
        ("conv(4, 3, stride = [1, 2])", "[3, 32, 32]", "3 x 3 of x, stride 1 x 2"),
        ("conv_transpose(4, 4, stride = 2)", "[3, 32, 32]", "2 x 2 of x, stride 1/2"),
        ("conv(4, 3) -> flatten", "[3, 32, 32]", "3 x 3 of x"),
        ("conv(4, 3) -> flatten -> dense(2)", "[3, 32, 32]", "all of x"),
        ("conv(4, 3) -> global_avg_pool", "[3, 32, 32]", "all of x"),
        ("mean(axis = 1)", "[3, 32, 32]", "all x 1 of x"),
        ("conv(4, 3)", "[3, 32]", "3 of x, stride 1"),
        ("transpose -> conv(4, 3, dilation = 2) -> transpose", "[32, 3]", "5 of x, stride 1"),
        ("self_attention(1)", "[32, 4]", "all of x"),
        ("lstm(4) -> take(-1)", "[32, 4]", "all of x"),
        ("dense(4) -> relu", "[8]", "all of x"),
        ("relu", "[3, 32, 32]", ""),
    ],
)
def test_how_a_field_is_shown(steps: str, shape: str, shown: str) -> None:
    spec = compiled(steps, shape)
    assert ", ".join(map(str, receptive_fields(spec.graph).get(spec.graph.outputs["y"], ()))) == shown


def test_summary_shows_fields_on_demand() -> None:
    graph = load(str(EXAMPLES / "lenet5.nn")).graph
    (line,) = (line for line in summary(graph, receptive=True).split("\n") if line.startswith("conv2"))
    assert line.endswith("14 x 14 of image, stride 2")
    assert "receptive" not in summary(graph)


def test_what_was_cut_off_is_not_seen() -> None:
    assert field(compiled("Upper -> flatten -> dense(2)", "[1, 8, 8]")).sizes == (4, 0)


@pytest.mark.parametrize(
    "path, model, size",
    [
        ("examples/alexnet.nn", None, 195),
        ("examples/vgg19.nn", "VGG16", 212),
        ("tests/networks/inception_v3.nn", "InceptionV3", 1311),
    ],
)
def test_networks_see_what_was_published(path: str, model: str | None, size: int) -> None:
    """Size at the last maps, stride 32 there: the table of Araujo, Norris and Sim (2019)."""
    graph = load(str(EXAMPLES.parent / path), model=model).graph
    fields = [f for found in receptive_fields(graph).values() for f in found if f.sizes[0]]
    assert str(max(fields, key=lambda f: f.sizes)) == f"{size} x {size} of image, stride 32"


FROM_NOISE = {"invented", "invented_score", "noisy"}
"""Outputs of examples that see no image, or of it what stands at their own place alone."""


def test_the_field_of_every_example_is_known() -> None:
    """No layer of the examples is one that nothing is known of."""
    for path in sorted(EXAMPLES.glob("*.nn")):
        for spec in check(str(path)).specs.values():
            found = receptive_fields(spec.graph)
            images = [f for f in spec.graph.fields if f.role == "input" and f.value.type.rank >= 3]
            for name, value in spec.graph.outputs.items() if images else ():
                assert found.get(value) or name in FROM_NOISE, f"{path.stem}: {name}"
