"""`nnspec doctor`: what it finds in specs that are well and in specs that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, Result

import nnspec
from nnspec.train.doctor import examine

SPEC = """
model M {{
    input  x: float32[2]
    target label: class({classes})
    output logits = x -> {head}
}}
data {{ source = csv("d.csv", x = ["a", "b"]) {data} }}
train {{ minimize = cross_entropy(logits, label); optimizer = {optimizer}; epochs = 3; batch = 8 }}
"""


def verdicts(
    tmp_path: Path,
    rows: list[str],
    classes: int = 2,
    head: str = "dense(2)",
    optimizer: str = "sgd(0.5)",
    data: str = "",
) -> dict[str, tuple[str, str]]:
    (tmp_path / "d.csv").write_text("a,b,label\n" + "\n".join(rows) + "\n")
    text = SPEC.format(classes=classes, head=head, optimizer=optimizer, data=data)
    (tmp_path / "m.nn").write_text(text)
    return {f.what: (f.verdict, f.text) for f in examine(nnspec.load(tmp_path / "m.nn")).findings}


EASY = [f"{i % 2 * 2 - 1},{i / 20},{i % 2}" for i in range(20)]


def test_a_spec_that_is_well(tmp_path: Path) -> None:
    found = verdicts(tmp_path, EASY, head="dense(2, weight_init = normal(0.1))", data="; split = [0.8, 0.2]")
    assert all(verdict == "ok" for verdict, _ in found.values()), found
    assert found["examples"][1] == "16 train, 4 validation"
    assert "8 to 8 examples; always the largest: 50.0%" in found["classes of label"][1]
    assert "ln 2 = 0.6931" in found["cross-entropy of logits"][1]


def test_what_train_would_refuse_for_its_memory_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnspec.train.doctor.available", lambda: (10_000_000, "this machine has"))
    verdict, text = verdicts(tmp_path, EASY)["memory"]
    assert verdict == "bad"
    assert "this machine has 10 MB" in text


@pytest.mark.parametrize(
    "rows, settings, what, verdict, text",
    [
        ([*EASY, *["1,0,1"] * 300], {}, "classes of label", "note", "10 to 310 examples"),
        (EASY, {"classes": 3, "head": "dense(3)"}, "classes of label", "note", "without an example: 2"),
        (["5,5,0", "5,5,1"], {}, "x", "note", "the same"),
        ([f"{1000 * i},1,{i % 2}" for i in range(8)], {"optimizer": "sgd(1e-9)"}, "x", "note", "normalize = standard"),
        (EASY, {"head": "dense(2, weight_init = normal(50))"}, "cross-entropy of logits", "note", "a guess among 2"),
        (EASY, {"optimizer": "sgd(1e-7)"}, "one batch", "note", "falls from"),
        (EASY, {"head": "square -> dense(2) -> exp", "optimizer": "sgd(1e9)"}, "one batch", "bad", "clip_norm"),
    ],
)
def test_what_is_not(
    tmp_path: Path, rows: list[str], settings: dict[str, object], what: str, verdict: str, text: str
) -> None:
    found = verdicts(tmp_path, rows, **settings)  # type: ignore[arg-type]  # rows of this table
    assert found[what][0] == verdict, found
    assert text in found[what][1]


def test_several_objectives_are_told_apart(tmp_path: Path) -> None:
    """One may rise where another falls, as of two players: that is no fault."""
    (tmp_path / "two.nn").write_text("""
model Two {
    param a: float32[2] = ones
    param b: float32[2] = ones
    output game = sum(a * b)
}
train { minimize("a") = sum(a^2) + 1; minimize("b") = -sum(b); optimizer = sgd(0.1); steps = 3; batch = 1 }
""")
    found = {f.what: (f.verdict, f.text) for f in examine(nnspec.load(tmp_path / "two.nn")).findings}
    assert found["one batch"][0] == "ok"
    assert found["one batch"][1].startswith("loss(a) goes from 3.0000 to 1.0000, loss(b) goes from -2.0000 to -")


def test_the_command_says_what_it_found(cli: Callable[..., Result], tmp_path: Path) -> None:
    result = cli("doctor", EXAMPLES / "softmax_regression.nn")
    assert result.code == 0
    assert "ln 10 = 2.3026" in result.out
    assert "SoftmaxRegression is ready to train" in result.err
    verdicts(tmp_path, EASY)
    broken = (tmp_path / "m.nn").read_text().replace("dense(2)", "dense(2) -> exp").replace("sgd(0.5)", "sgd(1e9)")
    (tmp_path / "m.nn").write_text(broken)
    result = cli("doctor", tmp_path / "m.nn")
    assert result.code == 4
    assert "cannot train like this" in result.err


def test_data_that_does_not_fit_is_refused_as_in_training(cli: Callable[..., Result], tmp_path: Path) -> None:
    verdicts(tmp_path, EASY)
    (tmp_path / "d.csv").write_text("a,b,label\n1,2,0\n1,,1\n")
    result = cli("doctor", tmp_path / "m.nn")
    assert result.code == 1
    assert 'row 2 (line 3), column "b"' in result.err
