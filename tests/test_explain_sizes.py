"""`nnspec explain FILE:LINE`: where every size comes from, with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, Result

import nnspec
from nnspec.ir.graph import Value
from nnspec.passes.cost import totals
from nnspec.views.origin import Origins
from nnspec.views.places import places

Cli = Callable[..., Result]

LENET = """\
model M {
    input x: float32[3, 28, 28]
    output y = x
        -> conv(32, 3, padding = 1) -> relu
        -> max_pool(2)
        -> conv(64, 3, padding = same)
        -> batch_norm
        -> max_pool(2)
        -> flatten
        -> dense(10)
}
"""


@pytest.mark.parametrize(
    "body, axis, why",
    [
        ("x -> conv(4, 3)", 0, "4 channels from conv1 (line 3)"),
        ("x -> conv(4, 3)", 1, "26 = 28 - 3 + 1 from conv1 (line 3)"),
        ("x -> conv(4, 3, stride = 2, padding = 1)", 2, "14 = floor((28 + 2*1 - 3)/2) + 1 from conv1 (line 3)"),
        ("x -> conv(4, 3, dilation = 2)", 1, "24 = 28 - 2*(3 - 1) - 1 + 1 from conv1 (line 3)"),
        ("x -> conv(4, 3, padding = 1) -> batch_norm -> relu", 1, "28 of input x (line 2)"),
        ("x -> max_pool(3, stride = 2, ceil = true)", 1, "14 = ceil((28 - 3)/2) + 1 from max_pool (line 3)"),
        ("x -> conv_transpose(2, 4, stride = 2)", 1, "58 = (28 - 1)*2 + 3 + 1 from conv_transpose1 (line 3)"),
        ("x -> upsample(2)", 1, "56 = 28 * 2 from upsample (line 3)"),
        ("x -> pad(2)", 2, "32 = 2 + 28 + 2 from pad (line 3)"),
        ("x -> permute([2, 1, 0])", 2, "3 channels of input x (line 2)"),
        ("x -> transpose -> mean(axis = 0)", 0, "28 of input x (line 2)"),
        ("x -> take(0)", 0, "28 of input x (line 2)"),
        ("x -> global_avg_pool", 0, "3 channels of input x (line 2)"),
        ("concat(x, x -> conv(5, 1))", 0, "8 = 3 + 5: 3 channels of input x (line 2), 5 channels from conv1 (line 3)"),
        ("x -> reshape([3, -1])", 1, "784 = 3 * 28 * 28 / 3 from reshape (line 3)"),
        ("x -> take(0) -> gru(7, bidirectional = true)", 1, "14 = 2 directions * 7 units from gru1 (line 3)"),
        ("x -> take(0) -> self_attention(4)", 1, "28 of input x (line 2)"),
        ("x * (x -> mean(axis = 0))", 1, "28 of input x (line 2)"),
        ("matmul(x -> take(0), x -> take(1) -> dense(9))", 1, "9 units from dense1 (line 3)"),
    ],
)
def test_where_a_size_comes_from(body: str, axis: int, why: str) -> None:
    graph = nnspec.load(f"model M {{\n    input x: float32[3, 28, 28]\n    output y = {body}\n}}\n").graph
    found = Origins(graph, graph.path).why(graph.outputs["y"], axis)
    assert found == why


def test_flatten_multiplies_what_came_before(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "lenet.nn"
    file.write_text(LENET)
    code, out, _ = cli("explain", f"{file}:9")
    assert code == 0
    product = "3136 = 64 * 7 * 7: 64 channels from conv2 (line 6), 7 = floor((14 - 2)/2) + 1 from max_pool (line 8)"
    assert product in out
    code, out, _ = cli("explain", f"{file}:10:12")
    assert (code, out.splitlines()[0]) == (0, f"{file}:10:12: dense(10) is dense1")
    assert product in out
    assert "parameters 31,370: weight [10, 3136] = 31,360, bias [10]" in out
    assert "multiply-adds 31,360 = 3136 inputs * 10 units" in out


def test_several_steps_of_a_line_and_one_at_a_column(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "lenet.nn"
    file.write_text(LENET)
    assert cli("explain", f"{file}:4").out.count(f"{file}:4:") == 2
    assert cli("explain", f"{file}:4:40").out.startswith(f"{file}:4:40: relu\n")
    assert (
        cli("explain", f"{file}:2").out
        == f"{file}:2: input x: float32[3, 28, 28], as declared; the batch axis is implicit\n"
    )


def test_a_number_among_tensors_is_no_step(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "n.nn").write_text("model M {\n    input x: float32[4]\n    output y = 1 - tanh(x)\n}\n")
    told = cli("explain", f"{tmp_path / 'n.nn'}:3").out
    assert [line.rpartition(": ")[2] for line in told.splitlines() if "n.nn:3:" in line] == ["tanh(x)", "1 - tanh(x)"]


def test_uses_of_a_block_are_counted(cli: Cli) -> None:
    out = cli("explain", f"{EXAMPLES / 'resnet.nn'}:28:21").out
    assert "16 uses in all:" in out
    assert "[64, 56, 56] -> [64, 56, 56]  in layer1.0.conv2, layer1.1.conv2, layer1.2.conv2" in out
    assert "max_pool (line 128)" in out


def test_a_place_without_a_step(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "lenet.nn"
    file.write_text(LENET)
    result = cli("explain", f"{file}:11")
    assert result.code == 1
    assert "lines 6, 7, 8, 9, 10" in result.err
    assert cli("explain", f"{tmp_path}/none.nn:3").code == 2
    file.write_text(LENET.replace("conv(32, 3", "conv(32, 33"))
    assert "E0301" in cli("explain", f"{file}:4").err


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.nn")), ids=lambda path: path.name)
def test_places_add_up_to_the_whole_and_every_size_has_an_origin(path: Path) -> None:
    graph = nnspec.load(path).graph
    found = places(graph)
    origins = Origins(graph, graph.path)
    values: list[Value] = [value for place in found for value in place.outputs]
    assert values
    for value in values:
        for axis, size in enumerate(value.type.shape):
            assert origins.why(value, axis).startswith(str(size))
    own = [p for p in found if p.layers]
    assert sum(p.parameters for p in own) == totals(graph)["parameters"]
