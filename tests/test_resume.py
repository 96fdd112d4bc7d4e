"""Runs that survive: killed at any moment, stopped by a signal, and resumed, they end with the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Everything that a checkpoint must carry: dropout, shuffling, two epochs' worth of best values, a plateau, averages.
MLP = """
model Net {
    input  x: float32[6]
    target y: class(3)
    output logits = x -> dense(8) -> batch_norm -> relu -> dropout(0.3) -> dense(3)
}
data { source = random(90); split = [0.7, 0.3]; normalize = standard }
train {
    minimize = cross_entropy(logits, y) + 1e-3 * l2(weights)
    optimizer = adam(plateau(1e-2, patience = 1)); optimizer("dense2*") = sgd(cosine(0.1), momentum = 0.9)
    epochs = 6; batch = 8; metrics = [accuracy]; ema = 0.9; stop = patience(5); accumulate = 2
}
"""

CONV = """
model Net {
    input  image: float32[2, 6, 6]
    target y: float32[2]
    noise  e: float32[2] = normal(0.1)
    output out = (image -> conv(4, 3) -> batch_norm -> tanh -> drop_path(0.2) -> max_pool(2) -> flatten
        -> dropout(0.2) -> dense(2)) + e
}
data { source = random(50); split = [0.8, 0.2]; augment = [flip, crop(1)] }
train { minimize = squared_error(out, y); optimizer = adamw(1e-2); epochs = 4; batch = 16; clip_norm = 1.0 }
"""


def killed(tmp_path: Path, text: str, backend: str, trials: int, seed: int) -> list[dict[str, Any]]:
    (tmp_path / "net.nn").write_text(text)
    program = [sys.executable, str(ROOT / "tests" / "killing.py")]
    arguments = [str(tmp_path / "net.nn"), backend, str(tmp_path), str(trials), str(seed)]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
@pytest.mark.parametrize(
    "text, backend, trials, kills",
    [
        pytest.param(MLP, "numpy", 20, 22, id="mlp-numpy"),
        pytest.param(CONV, "numpy", 10, 11, id="conv-numpy"),
        pytest.param(MLP, "torch", 4, 4, id="mlp-torch", marks=pytest.mark.torch),
        pytest.param(CONV, "torch", 2, 2, id="conv-torch", marks=pytest.mark.torch),
        pytest.param(MLP, "jax", 2, 2, id="mlp-jax", marks=pytest.mark.jax),
    ],
)
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(
    tmp_path: Path, text: str, backend: str, trials: int, kills: int
) -> None:
    found = killed(tmp_path, text, backend, trials, seed=trials)
    assert [trial["different"] for trial in found] == [[]] * trials
    inside = sum(trial["kills"] for trial in found if trial["inside"])
    assert inside >= trials // 2, found  # each of them dies at least once in a save
    assert sum(trial["kills"] for trial in found) >= kills, found
