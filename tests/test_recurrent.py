"""Recurrent layers through the front door: state dicts of torch.nn load by name, and every length is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

import nnspec
from nnspec.backends.choices import Run, choose
from nnspec.passes.cost import totals
from nnspec.verify import verify
from nnspec.verify.setup import open_drivers

KINDS = {
    "rnn(4, layers = 2, bidirectional = true, activation = relu)": ("RNN", {"nonlinearity": "relu"}),
    "lstm(4, layers = 2, bidirectional = true)": ("LSTM", {}),
    "gru(4, layers = 2, bidirectional = true)": ("GRU", {}),
}


def model(layer: str, length: str = "T", features: int = 3) -> str:
    return f"""
        model Net {{
            dim T = 5
            input x: float32[{length}, {features}]
            output y = x -> rnn1: {layer}
        }}
    """


def torch_module(kind: str, settings: dict[str, Any], bias: bool = True) -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    made = getattr(torch.nn, kind)
    return made(3, 4, num_layers=2, bidirectional=True, batch_first=True, bias=bias, **settings).double()


@pytest.mark.torch
@pytest.mark.parametrize("layer", KINDS)
def test_a_state_dict_of_torch_loads_by_name_and_gives_the_same_outputs(
    layer: str, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    """Also at other lengths than the declared one, at length 1, and for one example."""
    import torch

    reference = torch_module(*KINDS[layer])
    held = {f"rnn1.{name}": value for name, value in reference.state_dict().items()}
    drivers = open_drivers(graph_of(model(layer)), backends, "float64", "cpu", 1, tmp_path)
    assert list(drivers["torch"].state()) == list(held)
    drivers["torch"].model.load_state_dict(held, strict=True)  # type: ignore[attr-defined]  # an nn.Module
    for name in set(backends) - {"torch"}:
        drivers[name].load({path: value.numpy() for path, value in held.items()})
    for batch, length in ((3, 5), (1, 1), (2, 8)):
        x = np.random.default_rng(length).standard_normal((batch, length, 3))
        wanted = reference(torch.tensor(x))[0].detach().numpy()
        for name, driver in drivers.items():
            found = driver.outputs({"x": x})["y"]
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.torch
@pytest.mark.parametrize("layer", KINDS)
def test_gradients_pass_back_through_a_long_sequence(layer: str, tmp_path: Path) -> None:
    """200 steps, against torch's autograd through its own module."""
    import torch

    reference = torch_module(*KINDS[layer])
    (driver,) = open_drivers(graph_of(model(layer)), ("numpy",), "float64", "cpu", 1, tmp_path).values()
    driver.load({f"rnn1.{name}": value.numpy() for name, value in reference.state_dict().items()})
    draw = np.random.default_rng(0)
    x, weight = draw.standard_normal((2, 200, 3)), draw.standard_normal((2, 200, 8))
    value, gradients = driver.gradients({"x": x, "y.weight": weight})
    loss = (reference(torch.tensor(x))[0] * torch.tensor(weight)).sum()
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-10)
    for name, parameter in reference.named_parameters():
        np.testing.assert_allclose(gradients[f"rnn1.{name}"], parameter.grad.numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.torch
@pytest.mark.parametrize("layer", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_are_those_of_torch(layer: str, bias: bool) -> None:
    reference = torch_module(*KINDS[layer], bias=bias)
    text = model(layer.replace(")", ", bias = false)") if not bias else layer)
    graph = graph_of(text)
    found = {p.path.removeprefix("rnn1."): p.shape for p in graph.root.parameters()}
    assert found == {name: tuple(value.shape) for name, value in reference.state_dict().items()}
    assert list(found) == list(reference.state_dict())
    assert totals(graph)["parameters"] == sum(value.numel() for value in reference.parameters())


def test_multiply_adds_grow_with_the_length() -> None:
    """A step of an LSTM from I to H features has 4 H (I + H) (Hochreiter and Schmidhuber's gates and candidate)."""
    for length in (1, 10):
        text = model("lstm(7)", str(length), 5).replace("dim T = 5", "")
        assert totals(graph_of(text))["macs"] == length * 4 * 7 * (5 + 7)


def test_weights_are_the_matrices_and_no_bias(tmp_path: Path) -> None:
    text = model("lstm(4, bidirectional = true)") + (
        "train { minimize = 0 * mean(y) + l2(weights); optimizer = sgd(0.1); steps = 1 }"
    )
    (driver,) = open_drivers(graph_of(text), ("numpy",), "float64", "cpu", 1, tmp_path).values()
    driver.load({path: np.random.default_rng(0).standard_normal(v.shape) for path, v in driver.state().items()})
    state = driver.state()
    matrices = [f"rnn1.weight_{a}_l0{end}" for a in ("ih", "hh") for end in ("", "_reverse")]
    value, gradients = driver.gradients({"x": np.ones((2, 5, 3))})
    assert value == pytest.approx(sum(0.5 * np.sum(state[path] ** 2) for path in matrices))
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, state[path] if path in matrices else 0.0, atol=1e-14)


def test_emitted_layers_are_what_a_reader_of_the_framework_expects() -> None:
    text = """
        model Tagger {
            dim T = 8
            input words: class(50)[T]
            output logits = words -> embedding(50, 32) -> lstm(64) -> body: (gru(16, layers = 2) -> dense(5))
        }
    """
    torch, jax, numpy = (nnspec.load(text).source(name) for name in ("torch", "jax", "numpy"))
    assert "self.lstm1 = nn.LSTM(32, 64, batch_first=True)" in torch
    assert "x, _ = self.lstm1(" in torch
    assert 'self.body["0"] = nn.GRU(64, 16, num_layers=2, batch_first=True)' in torch
    assert "lstm1 = LSTM.init(next(keys), 32, 64)" in jax
    assert "lax.scan(" in jax
    assert "self.lstm1 = LSTM(32, 64)" in numpy
    assert "def lstm_backward(" in numpy


@pytest.mark.torch
@pytest.mark.parametrize("layer", ["rnn(4)", "lstm(4)", "gru(4)"])
def test_torch_does_not_compile_a_step_with_recurrent_layers(layer: str) -> None:
    """Its compiler would leave each of them out of the graph, and a long run would pay for nothing."""
    text = model(layer) + "train { minimize = mean(y); optimizer = sgd(0.1); steps = 3 }"
    step = choose("torch", graph_of(text), Run(batch=4, steps=10_000_000), {"step": "compile"})[0]
    assert (step.what, step.value) == ("step", "eager")
    assert "recurrent" in step.why


def test_models_may_be_called_like_a_layer(backends: tuple[str, ...]) -> None:
    text = """
        block GRU(x; n) { x -> gru(n) }
        model LSTM { input x: float32[3, 2]; output y = x -> GRU(2) -> lstm(2) -> rotary }
    """
    report = verify(graph_of(text), backends, steps=1, batch=2, dtype="float64")
    assert report.ok, report.summary()


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        ("take(0) -> lstm(4)", "E0305", "lstm takes a sequence [length, features], its input is [3]"),
        ("reshape([1, 5, 3]) -> gru(4)", "E0305", "gru takes a sequence [length, features], its input is [1, 5, 3]"),
        ("transpose -> rnn(4)", "E0310", "the weight_ih_l0 of rnn would have the open size [4, T]"),
        ("lstm(4, layers = T)", "E0306", "layers of lstm is a whole number >= 1, not T"),
        ("lstm(T)", "E0310", "the weight_ih_l0 of lstm would have the open size [4 * T, 3]"),
        ("rotary", "E0314", "rotary turns pairs of features: 3 in 1 heads are no even number a head"),
        ("transpose -> rotary", "E0304", "rotary needs whole numbers of features and heads, got T and 1"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(step: str, code: str, message: str) -> None:
    length = "5" if "reshape" in step else "T"
    text = f"model Net {{\n    dim T = 5\n    input x: float32[{length}, 3]\n    output y = x -> {step}\n}}\n"
    with pytest.raises(nnspec.SpecError) as caught:
        graph_of(text)
    (error,) = caught.value.diagnostics
    assert (error.code, error.message, error.span.line) == (code, message, 4)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("0", "E0306"),
        ("2.5", "E0306"),
        ("4, layers = 0", "E0306"),
        ("4, layers = 1.5", "E0306"),
        ("4, activation = sigmoid", "E0217"),
        ("", "E0209"),
    ],
)
def test_impossible_settings_are_refused(settings: str, code: str) -> None:
    with pytest.raises(nnspec.SpecError) as caught:
        graph_of(model(f"rnn({settings})"))
    (error,) = caught.value.diagnostics
    assert error.code == code, error


def test_rotary_tells_distances_alone() -> None:
    """<R_s q, R_t k> is the same for every s - t (Su et al., 2021), in each head."""
    kernel = import_module("nnspec.kernels.attention")
    q, k = np.random.default_rng(0).standard_normal((2, 1, 8))
    turned = [kernel.rotary_forward(np.repeat(v, 9, axis=0), heads=2)[0].reshape(9, 2, 4) for v in (q, k)]
    products = np.einsum("shd,thd->hst", *turned)
    for head in products:
        for distance in range(-8, 9):
            assert np.ptp(np.diagonal(head, distance)) < 1e-12
        assert np.ptp(head) > 1e-2
