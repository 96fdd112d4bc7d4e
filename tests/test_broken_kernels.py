"""The check can fail: a wrong sign, axis, sum or transpose in an emitted backward pass is found and named."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from specs import graph_of

from nnspec.verify import verify

SPEC = """
model Net {
    input  image: float32[2, 6, 6]
    target label: class(3)
    param shift: float32[4, 1, 1] = normal(1)
    h = (image -> conv1: conv(4, 3) -> tanh) + shift
    output logits = h -> max_pool(2) -> flatten -> fc: dense(3)
}
train { minimize = cross_entropy(logits, label) + 1e-2 * l2(weights); optimizer = adam(1e-2); steps = 3; batch = 4 }
"""

# what is broken: (text of the emitted NumPy file, what stands there instead, the layer that must be named)
BROKEN = {
    "wrong sign": ("dy * (1.0 - y * y)", "dy * (y * y - 1.0)", "conv1"),
    "missing broadcast sum": ("np.sum(d, axis=axes, keepdims=True)", "np.mean(d, axis=axes, keepdims=True)", "shift"),
    "transposed weight": ("dy, weight, out=None", "dy, weight.reshape(weight.shape[::-1]).T, out=None", "conv1"),
    "wrong axis": ("np.sum(np.exp(shifted), axis=axis", "np.sum(np.exp(shifted), axis=0", "fc"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_kernel_is_caught_and_its_layer_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong, layer = BROKEN[name]
    module = import_module("nnspec.backends.numpy.emit")
    emit = module.emit

    def broken(*arguments: Any) -> str:
        text: str = emit(*arguments)
        replaced.append(right in text)
        return text.replace(right, wrong)

    replaced: list[bool] = []
    monkeypatch.setattr(module, "emit", broken)
    report = verify(graph_of(SPEC), ("torch", "numpy"), steps=1, dtype="float64", batch=3, optimize=0)
    assert replaced[0], f"the emitted file no longer holds {right!r}"
    assert not report.ok
    assert report.divergence is not None
    assert report.divergence.layer == layer


def test_the_same_model_unbroken_passes() -> None:
    report = verify(graph_of(SPEC), ("numpy", "torch"), steps=3, dtype="float64", batch=3)
    assert report.ok, report.summary()
