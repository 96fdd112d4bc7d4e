"""Runs that diverge: the step, the first operation that gave NaN or an infinity, and its line in the spec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnspec
from nnspec.train import Diverged, train
from nnspec.train import checkpoint as checkpoints
from nnspec.train.saving import Every

HEAD = """
model Net {
    input  x: float32[6]
    target t: float32
"""
TAIL = """
}
data { source = random(60) }
train { minimize = mse(out, t); optimizer = sgd(%s); epochs = 6; batch = 8; %s }
"""
# body, rate, further settings; operation, phase, its line in the body
CASES = {
    "log": ("y = x -> dense(8) -> tanh\noutput out = log(y - 1)\n -> dense(1)", "1", "", "log", "forward", 2),
    "sqrt at 0": (
        "param w: float32[6] = zeros\nh = sum((x * w) ^ 2)\noutput out = h\n -> sqrt",
        "1",
        "",
        "sqrt",
        "backward",
        4,
    ),
    "overflow": ("output out = x -> dense(4) -> exp\n -> square -> square -> dense(1)", "1e9", "", "exp", "forward", 1),
    "hidden by a clip": (
        "param w: float32 = zeros\noutput out = mean(x) + w\n -> sqrt",
        "0.01",
        "clip_value = 0.1",
        "sqrt",
        "forward",
        3,
    ),
    "in a loop": ("output out = x\n -> repeat(3, dense(6) -> exp -> square)\n -> dense(1)", "1", "", "", "forward", 2),
    "in the objective": ("output out = x -> dense(1)", "1", "minimize = mean(log(0 * out - 1))", "log", "forward", 0),
}


def spec_of(name: str, path: Path) -> tuple[nnspec.Spec, int]:
    body, rate, more, _, _, line = CASES[name]
    text = HEAD + body + TAIL % (rate, more)
    if "minimize" in more:
        text = text.replace("minimize = mse(out, t);", "")
    path.write_text(text)
    number = text.split("\n").index(body.split("\n")[line - 1]) + 1 if line else text.count("\n")
    return nnspec.load(path), number


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("careful", [False, True])
def test_the_first_operation_is_found_with_its_line(tmp_path: Path, name: str, careful: bool) -> None:
    spec, line = spec_of(name, tmp_path / "net.nn")
    _, _, _, operation, phase, _ = CASES[name]
    with pytest.raises(Diverged) as caught:
        train(spec, run_dir=tmp_path / "run", debug_nans=careful)
    error = caught.value
    assert error.exit_code == 4
    assert error.finding is not None
    assert error.finding.span is not None
    assert operation in error.finding.operation
    assert (error.finding.phase, error.finding.span.line) == (phase, line), error.message
    assert f"net.nn:{line}:" in error.message
    assert f"at step {error.step} " in error.message
    last = checkpoints.load(tmp_path / "run" / "checkpoints" / "last")
    assert last.progress.step < error.step
    assert all(np.isfinite(array).all() for array in last.weights.values())


# An infinity that the clip makes finite again leaves no trace in the weights: only who looks at gradients sees it.
FLAT = """
model Net {
    input  x: float32[2]
    target t: float32
    param w: float32[2] = zeros
    output out = sqrt(w[0] ^ 2 + 0 * mean(x)) + w[1]
}
data { source = random(16) }
train { minimize = mse(out, t); optimizer = sgd(0.01); epochs = 2; batch = 8 }
"""


def test_a_gradient_alone_is_seen(tmp_path: Path) -> None:
    (tmp_path / "net.nn").write_text(FLAT)
    with pytest.raises(Diverged, match=r"the gradient of w is not finite at step 1 \(epoch 1\); first sqrt"):
        train(nnspec.load(tmp_path / "net.nn"), run_dir=tmp_path / "run", debug_nans=True)


def test_looking_at_gradients_changes_no_bit(tmp_path: Path) -> None:
    text = HEAD + "output out = x -> dense(4) -> batch_norm -> tanh -> dropout(0.2) -> dense(1)" + TAIL % ("0.1", "")
    (tmp_path / "net.nn").write_text(text)
    spec = nnspec.load(tmp_path / "net.nn")
    plain = train(spec, run_dir=tmp_path / "plain")
    careful = train(spec, run_dir=tmp_path / "careful", debug_nans=True, checkpoint_every=Every(steps=5))
    assert plain.history == careful.history
    one, other = (checkpoints.load(tmp_path / name / "checkpoints" / "last") for name in ("plain", "careful"))
    for name, array in one.weights.items():
        assert array.tobytes() == other.weights[name].tobytes()


@pytest.mark.parametrize("backend", [pytest.param("torch", marks=pytest.mark.torch)])
def test_other_backends_say_the_same(tmp_path: Path, backend: str) -> None:
    spec, line = spec_of("overflow", tmp_path / "net.nn")
    with pytest.raises(Diverged) as caught:
        train(spec, backend, run_dir=tmp_path / "run")
    assert caught.value.finding is not None
    assert caught.value.finding.span is not None
    assert caught.value.finding.span.line == line


@pytest.mark.torch
def test_a_run_that_numpy_has_no_form_of_still_ends_in_words(tmp_path: Path) -> None:
    spec_of("log", tmp_path / "net.nn")
    text = (tmp_path / "net.nn").read_text().replace("batch = 8;", "batch = 8; precision = bfloat16;")
    (tmp_path / "net.nn").write_text(text)
    with pytest.raises(Diverged) as caught:
        train(nnspec.load(tmp_path / "net.nn"), "torch", run_dir=tmp_path / "run")
    assert caught.value.finding is None
