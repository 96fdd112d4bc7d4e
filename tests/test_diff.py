"""`nnspec diff`: what changed between two models, and which weights of the first fit the second."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest
from conftest import EXAMPLES, Result

import nnspec

Cli = Callable[..., Result]

BASE = """\
model M(classes = 3) {
    input  x: float32[1, 8, 8]
    target y: class(classes)
    output z = x
        -> conv(4, 3) -> relu
        -> flatten
        -> hidden: dense(16) -> relu
        -> head: dense(classes)
}
data { source = random(20) }
train { minimize = cross_entropy(z, y); optimizer = sgd(0.1); epochs = 2 }
"""


@pytest.fixture
def diff(cli: Cli, tmp_path: Path) -> Callable[[str, str], dict[str, Any]]:
    """The JSON of the difference between two texts."""

    def call(a: str, b: str) -> dict[str, Any]:
        (tmp_path / "a.nn").write_text(a)
        (tmp_path / "b.nn").write_text(b)
        code, out, _ = cli("diff", tmp_path / "a.nn", tmp_path / "b.nn", "--format", "json")
        assert code == 0
        found: dict[str, Any] = json.loads(out)
        return found

    return call


Diff = Callable[[str, str], dict[str, Any]]


def kinds(found: dict[str, Any]) -> dict[str, str]:
    return {w["path"]: w["fits"] for w in found["weights"]}


def test_nothing_differs_from_itself(cli: Cli, diff: Diff, tmp_path: Path) -> None:
    found = diff(BASE, BASE.replace("    ", "  "))
    assert (found["layers"], found["settings"]) == ([], [])
    assert set(kinds(found).values()) == {"transfers"}
    assert cli("diff", tmp_path / "a.nn", tmp_path / "b.nn").out == "M and M are the same\n"


def test_a_wider_layer_keeps_what_it_does_not_touch(diff: Diff) -> None:
    found = diff(BASE, BASE.replace("dense(16)", "dense(32)"))
    assert kinds(found) == {
        "conv1.weight": "transfers",
        "conv1.bias": "transfers",
        "hidden.weight": "shape",
        "hidden.bias": "shape",
        "head.weight": "shape",
        "head.bias": "transfers",
    }
    changed = [(c["kind"], c["path"], c["before"], c["after"]) for c in found["layers"]]
    assert changed == [
        ("changed", "hidden", "dense(16) [16]", "dense(32) [32]"),
        ("changed", "", "relu [16]", "relu [32]"),
    ]
    before, after = (nnspec.load(t).graph for t in (BASE, BASE.replace("dense(16)", "dense(32)")))
    for graph, total in zip((before, after), found["totals"]["parameters"], strict=True):
        assert total == sum(prod(p.shape) for p in graph.root.parameters())


def test_layers_in_between(diff: Diff) -> None:
    found = diff(BASE, BASE.replace("-> flatten", "-> conv2: conv(4, 1) -> batch_norm -> flatten"))
    assert [(c["kind"], c["path"]) for c in found["layers"]] == [("added", "conv2"), ("added", "batch_norm1")]
    assert {p: k for p, k in kinds(found).items() if k != "transfers"} == dict.fromkeys(
        [
            "conv2.weight",
            "conv2.bias",
            "batch_norm1.weight",
            "batch_norm1.bias",
            "batch_norm1.running_mean",
            "batch_norm1.running_var",
        ],
        "only in B",
    )
    assert kinds(diff(BASE.replace("-> hidden: dense(16) -> relu", ""), BASE))["head.weight"] == "shape"


def test_a_new_label_is_found_out(diff: Diff) -> None:
    found = diff(BASE, BASE.replace("hidden:", "fc1:"))
    renamed = {w["path"]: w["renamed"] for w in found["weights"] if w["fits"] == "renamed"}
    assert renamed == {"hidden.weight": "fc1.weight", "hidden.bias": "fc1.bias"}


def test_training_and_data(diff: Diff) -> None:
    other = BASE.replace("sgd(0.1)", "adam(0.01)").replace("epochs = 2", "epochs = 2; batch = 5")
    other = other.replace("cross_entropy(z, y)", "cross_entropy(z, y) + 0.1 * l2(weights)").replace(
        "random(20)", "random(30)"
    )
    found = {s["name"]: (s["before"], s["after"]) for s in diff(BASE, other)["settings"]}
    assert found["train.minimize"] == ("cross_entropy(z, y)", "cross_entropy(z, y) + 0.1 * l2(weights)")
    assert found["train.optimizer"][0].startswith("sgd(lr = 0.1,")
    assert found["train.batch"] == ("", "5")
    assert found["data.source"] == ("random(20)", "random(30)")
    assert set(found) == {"train.minimize", "train.optimizer", "train.batch", "data.source"}


def test_a_value_that_hides_behind_a_let(diff: Diff) -> None:
    text = "let lr = 0.1\n" + BASE.replace("sgd(0.1)", "sgd(lr)")
    found = diff(text, text.replace("let lr = 0.1", "let lr = 0.2"))
    assert [s["name"] for s in found["settings"]] == ["train.optimizer"]


def test_two_models_of_one_file(cli: Cli) -> None:
    resnet = EXAMPLES / "resnet.nn"
    code, out, _ = cli("diff", resnet, resnet, "--model", "ResNet18", "--other-model", "ResNet34")
    assert code == 0
    assert "weights: 102 of 102 transfer" in out
    assert "11,689,512     21,797,672   +86.5 %" in out
    assert "80 are new" in out


def test_files_that_are_no_specs(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.nn").write_text(BASE)
    (tmp_path / "bad.nn").write_text(BASE.replace("relu", "rleu"))
    assert cli("diff", tmp_path / "a.nn", tmp_path / "bad.nn").code == 1
    assert cli("diff", tmp_path / "a.nn", tmp_path / "none.nn").code == 2
