"""Every optimizer from one recorded sequence of gradients: the backends against each other and against torch.optim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from specs import graph_of

from nnspec.verify.setup import open_drivers, random

STEPS = 100

OPTIMIZERS: dict[str, tuple[str, Any]] = {
    "sgd": ("sgd(0.1)", lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": ("sgd(0.1, momentum = 0.9)", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "nesterov": (
        "sgd(0.1, momentum = 0.8, nesterov = true)",
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    ),
    "adagrad": ("adagrad(0.05)", lambda p: torch.optim.Adagrad(p, lr=0.05)),
    "rmsprop": ("rmsprop(0.01)", lambda p: torch.optim.RMSprop(p, lr=0.01)),
    "rmsprop_momentum": (
        "rmsprop(0.01, alpha = 0.9, momentum = 0.5)",
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.5),
    ),
    "adam": ("adam(0.01)", lambda p: torch.optim.Adam(p, lr=0.01)),
    "adam_betas": (
        "adam(0.01, beta1 = 0.8, beta2 = 0.95, eps = 1e-5)",
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-5),
    ),
    "adamw": ("adamw(0.01)", lambda p: torch.optim.AdamW(p, lr=0.01)),
    "adagrad_inside": ("adagrad(0.05, eps = 1e-3, eps_inside = true)", None),
    "rmsprop_inside": ("rmsprop(0.01, eps = 1e-3, momentum = 0.5, eps_inside = true)", None),
    "adam_inside": ("adam(0.01, eps = 1e-3, eps_inside = true)", None),
    "adamw_inside": ("adamw(0.01, eps = 1e-3, eps_inside = true)", None),
    "lion": ("lion(0.01, decay = 0.1, beta1 = 0.8)", None),
    "adamw_decay": ("adamw(0.01, decay = 0.2)", lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.2)),
}

SPEC = """
model Tiny {{
    input  x: float32[3]
    target y: float32[2]
    output h = x -> dense(4) -> tanh -> dense(2)
}}
train {{ minimize = mse(h, y); optimizer = {optimizer}; steps = 20; batch = 2 }}
"""


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_updates_are_those_of_torch_optim(
    name: str, optimize: int, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    text, make = OPTIMIZERS[name]
    graph = graph_of(SPEC.format(optimizer=text))
    shapes = {p.path: p.shape for p in graph.root.parameters()}
    start = {path: random(0, path).standard_normal(shape) for path, shape in shapes.items()}
    recorded = [{p: random(k, f"g/{p}").standard_normal(s) for p, s in shapes.items()} for k in range(STEPS)]
    # JAX emits the same optimizer at both levels
    chosen = backends if optimize else tuple(b for b in backends if b != "jax")
    wanted = _by_torch(start, recorded, make) if make is not None else _by_optax(start, recorded, OPTAX[name]())
    for backend, driver in open_drivers(graph, chosen, "float64", "cpu", optimize, tmp_path).items():
        driver.load(start)
        rate = graph.training.groups[0].optimizer.lr.rate(1, 1, STEPS, 1)  # type: ignore[union-attr]  # it has both
        for gradients in recorded:
            driver.update(gradients, (rate,))
        for path, value in driver.state().items():
            np.testing.assert_allclose(value, wanted[path], rtol=1e-10, atol=1e-12, err_msg=f"{backend} {path}")


# What torch.optim lacks: rules of optax, or of the paper.
OPTAX: dict[str, Any] = {
    "adagrad_inside": lambda: _adagrad_with_eps_inside(0.05, 1e-3),
    "rmsprop_inside": lambda: _optax().rmsprop(0.01, decay=0.99, eps=1e-3, eps_in_sqrt=True, momentum=0.5),
    "adam_inside": lambda: _optax().adam(0.01, eps=0.0, eps_root=1e-3),
    "adamw_inside": lambda: _optax().adamw(0.01, eps=0.0, eps_root=1e-3, weight_decay=0.01),
    "lion": lambda: _optax().lion(0.01, b1=0.8, b2=0.99, weight_decay=0.1),
}


def _optax() -> Any:
    return pytest.importorskip("optax")


def _adagrad_with_eps_inside(lr: float, eps: float) -> Any:
    """g / sqrt(sum of g^2 + eps): optax.scale_by_rss leaves out what has no sum yet, so this is written here."""
    import jax

    def update(grads: Any, total: Any, params: Any = None) -> Any:
        total = jax.tree.map(lambda s, g: s + g**2, total, grads)
        return jax.tree.map(lambda g, s: -lr * g / (s + eps) ** 0.5, grads, total), total

    return _optax().GradientTransformation(lambda params: jax.tree.map(lambda p: 0.0 * p, params), update)


def _by_optax(start: dict[str, Any], recorded: list[dict[str, Any]], rule: Any) -> dict[str, Any]:
    import jax

    with jax.enable_x64(True):
        params = {path: jax.numpy.asarray(value) for path, value in start.items()}
        state, update = rule.init(params), jax.jit(rule.update)
        for gradients in recorded:
            steps, state = update(gradients, state, params)
            params = {path: value + steps[path] for path, value in params.items()}
        return {path: np.array(value) for path, value in params.items()}


def _by_torch(start: dict[str, Any], recorded: list[dict[str, Any]], make: Any) -> dict[str, Any]:
    parameters = {path: torch.nn.Parameter(torch.tensor(value)) for path, value in start.items()}
    optimizer = make(list(parameters.values()))
    for gradients in recorded:
        for path, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[path])
        optimizer.step()
    return {path: parameter.detach().numpy() for path, parameter in parameters.items()}


def test_groups_have_optimizers_of_their_own_and_frozen_ones_stay(tmp_path: Path, backends: tuple[str, ...]) -> None:
    text = SPEC.format(optimizer="sgd(0.1)").replace(
        "steps = 20", 'optimizer("dense2*") = adam(0.01); optimizer("dense1.bias") = frozen; steps = 20'
    )
    graph = graph_of(text)
    state = {p.path: random(0, p.path).standard_normal(p.shape) for p in graph.root.parameters()}
    for backend, driver in open_drivers(graph, backends, "float64", "cpu", 1, tmp_path).items():
        driver.load(state)
        gradients = {p: np.ones_like(v) for p, v in state.items() if p != "dense1.bias"}
        driver.update(gradients, (0.1, 0.01, 0.0))
        after = driver.state()
        np.testing.assert_allclose(after["dense1.weight"], state["dense1.weight"] - 0.1, err_msg=backend)
        np.testing.assert_allclose(after["dense2.bias"], state["dense2.bias"] - 0.01, rtol=1e-6, err_msg=backend)
        np.testing.assert_array_equal(after["dense1.bias"], state["dense1.bias"], err_msg=backend)


@pytest.mark.parametrize("clip", ["clip_norm = 0.5", "clip_value = 0.3", "clip_norm = 0.5; clip_value = 0.3"])
def test_gradients_are_clipped_as_torch_clips_them(clip: str, tmp_path: Path, backends: tuple[str, ...]) -> None:
    graph = graph_of(SPEC.format(optimizer="sgd(1)").replace("steps = 20", f"{clip}; steps = 20"))
    state = {p.path: random(0, p.path).standard_normal(p.shape) for p in graph.root.parameters()}
    gradients = {path: random(1, path).standard_normal(v.shape) for path, v in state.items()}
    parameters = [torch.nn.Parameter(torch.tensor(v)) for v in state.values()]
    for parameter, gradient in zip(parameters, gradients.values(), strict=True):
        parameter.grad = torch.tensor(gradient)
    if "clip_value" in clip:
        torch.nn.utils.clip_grad_value_(parameters, 0.3)
    if "clip_norm" in clip:
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
    wanted = {path: state[path] - p.grad.numpy() for path, p in zip(state, parameters, strict=True)}
    for backend, driver in open_drivers(graph, backends, "float64", "cpu", 1, tmp_path).items():
        driver.load(state)
        driver.update(gradients, (1.0,))
        for path, value in driver.state().items():
            np.testing.assert_allclose(value, wanted[path], rtol=1e-10, atol=1e-12, err_msg=f"{backend} {path}")
