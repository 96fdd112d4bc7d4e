"""What a run takes in memory: estimated within 20 % of what is measured, and refused where it cannot be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import nnspec
from nnspec.cli.console import run
from nnspec.train import memory

ROOT = Path(__file__).resolve().parent.parent

GPT = """
block Block(x; heads) {
    h = x + (x -> ln_1: layer_norm -> attn: self_attention(heads, causal = true))
    h + (h -> ln_2: layer_norm -> fc: dense(4 * h.features) -> gelu -> proj: dense(h.features))
}
model GPT(width = 64) {
    input  tokens: class(75)[32]
    target next: class(75)[32]
    output logits = tokens -> wte: embedding(75, width) -> wpe: positional(32) -> h: repeat(2, Block(4))
        -> ln_f: layer_norm -> head: dense(75, bias = false)
}
data { source = random(1200); split = [0.6, 0.4] }
train { minimize = cross_entropy(logits, next); optimizer = adamw(1e-3); steps = 4; batch = 32 }
"""
WIDE = """
model Wide {
    input  x: float32[512]
    target y: class(10)
    output logits = x -> repeat(4, dense(1536) -> relu) -> dense(10)
}
data { source = random(200); split = [0.8, 0.2] }
train { minimize = cross_entropy(logits, y); optimizer = adamw(1e-3); steps = 4; batch = 32 }
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=pytest.mark.torch)])
def test_the_estimate_is_within_a_fifth_of_the_measured_peak(tmp_path: Path, backend: str) -> None:
    specs = []
    for name in ("mlp", "lenet5", "residual"):
        text = (ROOT / "examples" / f"{name}.nn").read_text()
        specs.append((name, text.replace("epochs    = ", "epochs    = 1 #")))
    specs.append(("lenet400", specs[1][1].replace("batch     = 32", "batch     = 400")))
    for name, text in [*specs, ("gpt", GPT), ("wide", WIDE)]:
        (tmp_path / f"{name}.nn").write_text(text)
    names = ("mlp", "lenet5", "residual", "lenet400", "gpt", "wide")
    program = [sys.executable, str(ROOT / "tests" / "measuring.py"), backend, str(tmp_path)]
    arguments = [str(tmp_path / f"{name}.nn") for name in names]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    off = {Path(line["spec"]).stem: line["estimate"] / line["peak"] for line in lines}
    assert list(off) == list(names)
    assert all(0.8 <= ratio <= 1.2 for ratio in off.values()), (off, done.stdout)


@pytest.mark.parametrize(
    "body, source, told",
    [
        ("x -> dense(600_000) -> dense(600_000) -> dense(1)", "random(10)", "MB for parameters"),
        ("x -> dense(1)", "random(100_000_000_000_000)", "MB for data and framework"),
    ],
)
def test_what_cannot_fit_is_refused_with_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, source: str, told: str
) -> None:
    text = f"""
    model Huge {{ input x: float32[4]; target y: float32[1]; output out = {body} }}
    data {{ source = {source} }}
    train {{ minimize = mse(out, y); optimizer = adam; steps = 1 }}
    """
    (tmp_path / "huge.nn").write_text(text)
    assert run(["train", str(tmp_path / "huge.nn"), "--run-dir", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "Huge would take" in message
    assert told in message
    assert "this machine has" in message or "its control group allows" in message
    assert "--allow-memory" in message
    assert not (tmp_path / "run").exists()


def test_the_limit_can_be_overridden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt.nn").write_text(GPT.replace("random(1200)", "random(40)").replace("steps = 4", "steps = 1"))
    monkeypatch.setattr(memory, "available", lambda: (10_000_000, "its control group allows"))
    words = ["train", str(tmp_path / "gpt.nn"), "--run-dir", str(tmp_path / "run")]
    assert run(words) == 2
    assert "its control group allows 10 MB" in capsys.readouterr().err
    assert run([*words, "--allow-memory", "-v"]) == 0
    assert "memory = " in capsys.readouterr().err


def test_an_estimate_grows_with_what_is_asked() -> None:
    graph = nnspec.load(GPT).graph
    small = memory.estimate(graph, "numpy", batch=32, held=0)
    assert memory.estimate(graph, "numpy", batch=64, held=0).step == 2 * small.step
    assert memory.estimate(graph, "numpy", batch=32, held=0, dtype="float64").parameters == 2 * small.parameters
    parameters = sum(p.shape[0] * (p.shape[1] if len(p.shape) > 1 else 1) for p in graph.root.parameters())
    # Values, gradients and two slots; a checkpoint's copy of values and slots.
    assert small.parameters == 4 * parameters * (4 + 3)


def test_limits_of_control_groups_are_found(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("12:cpu,memory:/job\n0::/user/job\n")
    (tmp_path / "user" / "job").mkdir(parents=True)
    (tmp_path / "user" / "job" / "memory.max").write_text("max\n")
    (tmp_path / "user" / "memory.max").write_text("5000000\n")
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text("7000000\n")
    assert sorted(memory._groups(tmp_path, tmp_path / "own")) == [5_000_000, 7_000_000]
    assert memory._groups(tmp_path, tmp_path / "none") == []
