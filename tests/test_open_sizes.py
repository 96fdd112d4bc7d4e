"""Open sizes in use: noise takes the size of the batch, and a trained run predicts for examples of other sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnspec
from nnspec.train import predict, train
from nnspec.verify import verify

SPEC = """
model Restore {{
    dim H = {height}, W = {width}
    input image: float32[1, 2 * H, W]
    noise e: float32[1, 2 * H, W] = normal(0.1)
    noise level: float32[H + 1] = uniform(0, 1)
    output restored = image + e * mean(level) -> conv(2, 3, padding = 1) -> relu -> conv(1, 1)
}}
data {{ source = npz("images.npz"); split = [0.8, 0.2] }}
train {{ minimize = mse(restored, image); optimizer = adam(1e-2); epochs = 1; batch = 4 }}
"""

BACKENDS = ["numpy", pytest.param("torch", marks=pytest.mark.torch), pytest.param("jax", marks=pytest.mark.jax)]


def images(folder: Path, name: str, *shape: int) -> Path:
    np.savez(folder / name, image=np.random.default_rng(0).random(shape))
    return folder / name


@pytest.mark.parametrize("backend", BACKENDS)
def test_noise_of_an_open_size_is_drawn_in_the_size_of_the_batch(backend: str, tmp_path: Path) -> None:
    images(tmp_path, "images.npz", 10, 1, 6, 5)
    (tmp_path / "restore.nn").write_text(SPEC.format(height=2, width=2))  # what the data says counts
    result = train(nnspec.load(tmp_path / "restore.nn"), backend, run_dir=tmp_path / "run")
    assert np.isfinite(result.history[-1]["train"]["loss"])
    found = predict(tmp_path / "run", images(tmp_path, "larger.npz", 3, 1, 8, 12), backend)
    assert found.outputs["restored"].shape == (3, 1, 8, 12)


def test_flat_columns_that_do_not_settle_all_open_sizes_take_their_defaults(tmp_path: Path) -> None:
    images(tmp_path, "images.npz", 10, 1, 6, 5)
    (tmp_path / "restore.nn").write_text(SPEC.format(height=3, width=5))
    train(nnspec.load(tmp_path / "restore.nn"), "numpy", run_dir=tmp_path / "run")
    rows = np.random.default_rng(0).random((4, 30))
    np.savetxt(tmp_path / "flat.csv", rows, delimiter=",")
    assert predict(tmp_path / "run", tmp_path / "flat.csv").outputs["restored"].shape == (4, 1, 6, 5)


NUMBERS = """
model M {
    dim T = 5
    input x: float32[T, 8]
    output ramp = matmul(arange(T) / T, x)
    output pair = constant([T, 2]) + mean(x)
    output part = arange(3) / (T + 1) + x.length * mean(x)
}
"""


def test_an_open_size_is_a_number_like_any_other(backends: tuple[str, ...]) -> None:
    for optimize in (0, 1):
        report = verify(nnspec.load("numbers.nn", text=NUMBERS).graph, backends, batch=3, optimize=optimize)
        assert report.ok, report.summary()


SHORT = """model M {
    dim T = 16
    input x: float32[3, T]
    target y: float32
    h = x -> conv(4, 5, stride = 2) -> relu
    output p = h -> mean(axis = 1) -> dense(1)
}
data { source = npz("short.npz") }
train { minimize = mse(p, y); optimizer = sgd(0.1); epochs = 1; batch = 4 }
"""


def test_examples_too_short_for_a_kernel_are_told_at_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """(3 - 5) // 2 + 1 = 0 entries are left: the report stands at the convolution, before anything is trained."""
    from nnspec.diagnostics import SpecError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.nn").write_text(SHORT)
    for length, fits in ((5, True), (3, False)):
        np.savez(tmp_path / "short.npz", x=np.zeros((5, 3, length), np.float32), y=np.zeros(5, np.float32))
        if fits:
            train(nnspec.load("s.nn"), "numpy")
            continue
        with pytest.raises(SpecError) as told:
            train(nnspec.load("s.nn"), "numpy")
        (found,) = told.value.diagnostics
        assert (found.code, found.span.line) == ("E0312", 5)
        assert "with T = 3 conv has nothing left to compute: its output would be [4, 0]" in found.message
