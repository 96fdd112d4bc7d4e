"""`Spec.build`: the framework's own object, with the same weights everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnspec

NET = """\
model Net {
    input image: float32[1, 8, 8]
    output y = image -> conv(4, 3) -> bn: batch_norm -> tanh -> flatten -> head: dense(3)
}
"""
RNG = np.random.Generator(np.random.Philox(7))
IMAGE = RNG.standard_normal((5, 1, 8, 8))


def numpy_output(seed: int) -> Any:
    built = nnspec.load(NET).build("numpy", dtype="float64", seed=seed)
    return built.forward(IMAGE)[0]


@pytest.mark.torch
def test_a_torch_model_is_a_module_of_ones_own() -> None:
    import torch

    net = nnspec.load(NET).build("torch", dtype="float64", device="cpu", seed=3)
    assert isinstance(net, torch.nn.Module)
    names = {"conv1.weight", "conv1.bias", "head.weight", "head.bias", "bn.weight", "bn.bias"}
    assert {name for name, _ in net.named_parameters()} == names
    result = net.eval()(torch.from_numpy(IMAGE))
    np.testing.assert_allclose(result.detach().numpy(), evaluated(3), rtol=1e-10, atol=1e-12)
    net.train()(torch.from_numpy(IMAGE)).sum().backward()
    assert net.head.weight.grad is not None


@pytest.mark.jax
def test_a_jax_model_is_a_tree_that_can_be_called() -> None:
    import jax

    net = nnspec.load(NET.replace("-> bn: batch_norm ", "")).build("jax", seed=3)
    assert sorted(leaf.shape for leaf in jax.tree.leaves(net)) == [(3,), (3, 144), (4,), (4, 1, 3, 3)]
    assert net(IMAGE.astype("float32")).shape == (5, 3)


def evaluated(seed: int) -> Any:
    """The model by hand: convolution, batch norm with its first statistics, tanh, dense."""
    from nnspec.ops.draw import draw

    graph = nnspec.load(NET).graph
    w = {p.path: draw(p.init, p.shape, seed, p.path) for p in graph.root.parameters()}
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE[:, 0], (3, 3), axis=(1, 2))
    x = np.einsum("nhwij,cij->nchw", windows, w["conv1.weight"][:, 0]) + w["conv1.bias"][:, None, None]
    x = np.tanh(x / np.sqrt(1 + 1e-5)).reshape(5, -1)
    return x @ w["head.weight"].T + w["head.bias"]


def test_the_seed_decides_the_weights() -> None:
    np.testing.assert_array_equal(numpy_output(1), numpy_output(1))
    assert not np.allclose(numpy_output(1), numpy_output(2))


@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=pytest.mark.torch)])
def test_two_models_live_side_by_side(backend: str) -> None:
    spec = nnspec.load(NET)
    first, second = spec.build(backend), spec.build(backend)
    assert type(first) is not type(second)
    assert type(first).__name__ == type(second).__name__ == "Net"


def test_nothing_of_nnspec_is_imported_by_the_text() -> None:
    for backend in ("numpy", "torch", "jax"):
        source = nnspec.compile(NET, backend)
        assert "import nnspec" not in source
        assert "from nnspec" not in source
