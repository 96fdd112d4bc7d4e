"""The planned step gives what the textbook form gives: any architecture, any batch, any number of parts, and the
same bits whenever it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnspec
from nnspec.backends.base import Options
from nnspec.backends.choices import Choice, Run, choose, read_wishes
from nnspec.backends.numpy.driver import Driver
from nnspec.backends.numpy.emit import emit

SPECS = {
    "a recurrent network": """
        model Net { input x: class(7)[6]; target y: class(7)[6]
            output z = x -> embedding(7, 4) -> lstm(5, layers = 2, bidirectional = true) -> gru(4) -> rotary -> rnn(6)
                -> dense(7) }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.01); steps = 3 }
    """,
    "dense layers, every planned activation": """
        model Net { input x: float32[7]; target y: class(4)
            output z = x -> dense(9) -> relu -> dense(8) -> tanh -> dense(9) -> sigmoid -> dense(6)
                -> silu -> dense(5) -> leaky_relu(0.2) -> dense(5) -> gelu -> dense(4) -> gelu(approximate = tanh)
                -> dense(4) }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.01); steps = 3 }
    """,
    "weights under penalties, a weighted sum of losses": """
        model Net { input x: float32[5]; target y: class(3); target t: float32[2]
            h = x -> dense(6) -> tanh
            output z = h -> dense(3)
            output r = h -> dense(2) }
        train {
            minimize = 2 * cross_entropy(z, y) + mse(r, t) / 3 - (0 - 1e-2 * l2(weights)) / 2 + l1(weights("dense1*"))
            optimizer = sgd(0.1); steps = 3 }
    """,
    "one layer used twice": """
        model Net { input x: float32[4]; target y: float32[4]
            layer f = dense(4)
            output z = x -> f -> tanh -> f -> tanh -> dense(4) }
        train { minimize = mse(z, y); optimizer = sgd(0.1); steps = 3 }
    """,
    "a value read three times, and its own double": """
        model Net { input x: float32[4]; target y: float32[4]
            h = x -> dense(4) -> relu
            output z = h + (h -> dense(4) -> relu) + h * 0.5 + (h + h) }
        train { minimize = mse(z, y); optimizer = sgd(0.1); steps = 3 }
    """,
    "images of odd sizes": """
        model Net { input x: float32[3, 11, 9]; target y: class(3)
            output z = x -> conv(8, 3, padding = 1) -> relu -> max_pool(2) -> conv(9, 2, bias = false)
                -> batch_norm -> relu -> conv(4, 3, stride = 2, padding = 2) -> tanh -> avg_pool(2, stride = 1)
                -> flatten -> dense(3) }
        train { minimize = cross_entropy(z, y); optimizer = sgd(0.1, momentum = 0.9); steps = 3 }
    """,
    "residuals with batch norm": """
        block Unit(x; c, stride = 1) {
            h = x -> conv(c, 3, stride = stride, padding = 1, bias = false) -> batch_norm -> relu
                -> conv(c, 3, padding = 1, bias = false) -> batch_norm
            skip = if stride != 1 or c != x.channels {
                x -> conv(c, 1, stride = stride, bias = false) -> batch_norm
            } else { x }
            relu(h + skip)
        }
        model Net { input x: float32[3, 9, 9]; target y: class(3)
            output z = x -> conv(4, 3, padding = 1) -> batch_norm -> relu -> Unit(4) -> Unit(8, stride = 2) -> Unit(8)
                -> global_avg_pool -> dense(3) }
        train { minimize = cross_entropy(z, y); optimizer = sgd(0.1); steps = 3 }
    """,
    "branches of images joined": """
        model Net { input x: float32[2, 6, 6]; target y: class(3)
            a = x -> conv(3, 1) -> relu
            b = x -> conv(4, 3, padding = 1, groups = 2) -> tanh
            output z = concat(a, b, axis = 0) -> conv(5, 3, dilation = 2) -> relu -> max_pool(2) -> flatten
                -> dense(3) }
        train { minimize = cross_entropy(z, y); optimizer = sgd(0.1); steps = 3 }
    """,
    "signals": """
        model Net { input x: float32[2, 17]; target y: float32[1]
            output z = x -> conv(8, 5, padding = 2) -> relu -> max_pool(2) -> conv(4, 3, stride = 2) -> gelu -> flatten
                -> dense(1) }
        train { minimize = mse(z, y); optimizer = rmsprop(0.01); steps = 3 }
    """,
    "a transformer": """
        block Layer(x; heads) {
            h = x + (x -> layer_norm -> self_attention(heads, causal = true))
            h + (h -> layer_norm -> dense(4 * x.features) -> gelu -> dense(x.features))
        }
        model Net { input tokens: class(11)[6]; target next: class(11)[6]
            output logits = tokens -> embedding(11, 8) -> positional(6) -> Layer(2) -> Layer(4) -> rms_norm
                -> dense(11) }
        train { minimize = cross_entropy(logits, next); optimizer = adamw(0.01); steps = 3 }
    """,
    "attention between two sequences": """
        model Net { input x: float32[5, 6]; input m: float32[4, 6]; target y: float32[5, 6]
            output z = attention(x -> dense(6), m -> dense(6), m, heads = 3) -> dense(6) }
        train { minimize = mse(z, y); optimizer = sgd(0.1); steps = 3 }
    """,
    "what only the textbook functions do": """
        model Net { input x: float32[4, 6, 6]; target y: class(3)
            output z = x -> conv(8, 3) -> group_norm(2) -> elu -> upsample(2) -> conv_transpose(3, 2, stride = 2)
                -> prelu -> flatten -> dense(6) -> softmax -> dense(3) }
        train { minimize = cross_entropy(z, y, label_smoothing = 0.1); optimizer = sgd(0.1); steps = 3 }
    """,
}
# Further objectives and shapes, two parts asked for: name -> (body of the model, objective).
MORE = {
    "unbatched objective term": """
        model Net {
            input x: float32[3]; target y: float32[2]
            param s: float32[] = constant(0.5)
            output z = (x -> dense(2)) * s
        }
        train { minimize = mse(z, y) + 0.1 * abs(s); optimizer = sgd(0.1); steps = 2 }
    """,
    "two outputs one unused": """
        model Net {
            input x: float32[3]; target y: float32[2]
            h = x -> dense(4) -> relu
            output z = h -> dense(2)
            output u = h -> dense(3)
        }
        train { minimize = mse(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "squared error": """
        model Net {
            input x: float32[3]; target y: float32[2]
            output z = x -> dense(2)
        }
        train { minimize = squared_error(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "bce scalar": """
        model Net {
            input x: float32[3]; target y: class(2)
            output z = x -> dense(1)
        }
        train { minimize = binary_cross_entropy(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "huber of seq": """
        model Net {
            input x: float32[4, 3]; target y: float32[4, 2]
            output z = x -> dense(5) -> relu -> dense(2)
        }
        train { minimize = huber(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "image mlp": """
        model Net {
            input x: float32[1, 4, 4]; target y: class(3)
            output z = x -> flatten -> dense(5) -> tanh -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "pixelwise": """
        model Net {
            input x: float32[2, 5, 4]; target y: class(3)[5, 4]
            output z = x -> conv(4, 3, padding = 1) -> batch_norm -> relu -> conv(3, 1)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "autoencoder": """
        model Net {
            input x: float32[1, 8, 8]
            output z = x -> conv(4, 3, padding = 1) -> relu -> max_pool(2) -> conv(2, 3, padding = 1) -> upsample(2)
                -> conv(1, 3, padding = 1) -> sigmoid
        }
        train { minimize = mse(z, x); optimizer = adam(0.1); steps = 2 }
    """,
    "dropout": """
        model Net {
            input x: float32[6]; target y: class(3)
            output z = x -> dense(8) -> relu -> dropout(0.0) -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "siamese": """
        model Net {
            input a: float32[6]; input b: float32[6]; target y: float32[1]
            layer f = dense(4) -> tanh -> dense(3)
            d = f(a) - f(b)
            output z = sum(d * d, axis = 0, keepdims = true)
        }
        train { minimize = mse(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "tied": """
        model Net {
            input t: class(7)[5]; target n: class(7)[5]
            layer e = embedding(7, 4)
            h = t -> e -> dense(4) -> gelu
            output z = matmul(h, transpose(e.weight))
        }
        train { minimize = cross_entropy(z, n); optimizer = adam(0.1); steps = 2 }
    """,
    "clip": """
        model Net {
            input x: float32[6]; target y: class(3)
            output z = x -> dense(8) -> relu -> dense(3)
        }
        train { minimize = cross_entropy(z, y) + l2(weights); optimizer = adam(0.1); steps = 2; clip_norm = 0.1 }
    """,
    "groups": """
        model Net {
            input x: float32[6]; target y: class(3)
            output z = x -> dense(8) -> relu -> head: dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1)
            optimizer("head") = sgd(0.1, momentum = 0.9); steps = 2 }
    """,
    "bn rows": """
        model Net {
            input x: float32[6]; target y: class(3)
            output z = x -> dense(8) -> batch_norm -> relu -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "conv3d": """
        model Net {
            input x: float32[2, 4, 4, 4]; target y: class(3)
            output z = x -> conv(3, 3) -> relu -> max_pool(2) -> flatten -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "same value thrice in attention": """
        model Net {
            input x: float32[5, 4]; target y: float32[5, 4]
            output z = attention(x -> dense(4), x, x, heads = 2) + x
        }
        train { minimize = mse(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "layer norm no affine cases": """
        model Net {
            input x: float32[5, 4]; target y: float32[5, 4]
            output z = x -> layer_norm -> instance_norm -> softmax -> dense(4)
        }
        train { minimize = mse(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "label smoothing weights": """
        model Net {
            input x: float32[5]; target y: class(3)
            output z = x -> dense(3)
        }
        train { minimize = cross_entropy(z, y, weight = [1, 2, 3]) + 0.5 * cross_entropy(z, y, label_smoothing = 0.1)
            optimizer = adam(0.1); steps = 2 }
    """,
    "relu output read by objective and net": """
        model Net {
            input x: float32[5]; target y: float32[4]
            h = x -> dense(4) -> relu
            output z = h -> dense(4)
        }
        train { minimize = mse(z, y) + 0.1 * mse(h, y); optimizer = adam(0.1); steps = 2 }
    """,
    "prediction twice in losses": """
        model Net {
            input x: float32[5]; target y: class(4)
            output z = x -> dense(4)
        }
        train { minimize = cross_entropy(z, y) + cross_entropy(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "mean of relu": """
        model Net {
            input x: float32[5]; target y: float32[1]
            output z = mean(x -> dense(4) -> relu, axis = 0, keepdims = true)
        }
        train { minimize = mae(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "product of losses": """
        model Net {
            input x: float32[5]; target y: float32[4]
            output z = x -> dense(4)
        }
        train { minimize = mse(z, y) * mae(z, y); optimizer = adam(0.1); steps = 2 }
    """,
    "stop gradient": """
        model Net {
            input x: float32[5]; target y: float32[4]
            h = x -> dense(4)
            output z = h -> tanh -> dense(4)
        }
        train { minimize = mse(z, stop_gradient(h)) + mse(h, y); optimizer = adam(0.1); steps = 2 }
    """,
    # What is read in another layout is changed once: no reader may work in it while others need it.
    "an image and its convolution": """
        model Net {
            input x: float32[2, 5, 4]; target y: class(3)
            h = x + (x -> conv(2, 1))
            output z = h -> flatten -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "three losses of one image": """
        model Net {
            input x: float32[2, 5, 4]
            output z = x -> conv(4, 1) -> tanh -> conv(2, 1)
        }
        train { minimize = mse(z, x) + mae(z, x) + 0.5 * mse(z, x); optimizer = sgd(0.1); steps = 2 }
    """,
    "batch norm of data beside another reader of its gradient": """
        model Net {
            input x: float32[3, 5, 4]; target y: class(3)
            w = (x -> conv(3, 1)) + (x -> batch_norm)
            output z = w -> global_avg_pool -> dense(3)
        }
        train { minimize = cross_entropy(z, y) + 0.1 * mse(w, x); optimizer = sgd(0.1); steps = 2 }
    """,
    "an objective of what a block gives": """
        block Two(x; n) { x -> dense(n) -> tanh -> dense(n) }
        model Net {
            input x: float32[5]; target y: float32[5]
            h = Two(x, 5)
            output z = Two(h, 5)
        }
        train { minimize = mse(z, y) + mse(h, y); optimizer = sgd(0.1); steps = 2 }
    """,
    "from rows to grids and back": """
        model Net {
            input x: float32[2, 6, 4]; target y: class(3)
            s = x -> conv(4, 1) -> softmax(axis = 0)
            v = (s -> tanh) + (s -> conv(4, 1))
            output z = (v + s) -> flatten -> dense(3)
        }
        train { minimize = cross_entropy(z, y); optimizer = sgd(0.1); steps = 2 }
    """,
}
ALONE = {
    "what only the textbook functions do",
    "a recurrent network",
}  # layers that add to gradients: one part whatever is asked for


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("name", SPECS)
def test_planned_gradients_are_those_of_the_textbook_form(name: str, parts: int, tmp_path: Path) -> None:
    graph = nnspec.load(SPECS[name]).graph
    textbook, planned = opened(graph, tmp_path, 0), opened(graph, tmp_path, 1, parts)
    assert hasattr(planned.module, "Step")
    assert parts == planned.module.PARTS or name in ALONE
    planned.load(textbook.state())
    for size in (7, 33, 2, 7):
        data = examples(graph, size)
        wanted, gradients = textbook.gradients(data)
        found, others = planned.gradients(data)
        assert found == pytest.approx(wanted, rel=1e-12)
        assert gradients.keys() == others.keys()
        for path, gradient in gradients.items():
            np.testing.assert_allclose(others[path], gradient, rtol=1e-9, atol=1e-11, err_msg=path)
    for path, value in textbook.state().items():  # running statistics too
        np.testing.assert_allclose(planned.state()[path], value, rtol=1e-10, atol=1e-12, err_msg=path)
    for training in (False, True):  # in evaluation batch norms are folded into convolutions
        results = textbook.outputs(data, training=training)
        for path, value in planned.outputs(data, training=training).items():
            np.testing.assert_allclose(value, results[path], rtol=1e-9, atol=1e-11, err_msg=path)


@pytest.mark.parametrize("name", MORE)
def test_planned_steps_are_those_of_the_textbook_form(name: str, tmp_path: Path) -> None:
    graph = nnspec.load(MORE[name]).graph
    assert graph.training is not None
    textbook, planned = opened(graph, tmp_path, 0), opened(graph, tmp_path, 1, 2)
    assert hasattr(planned.module, "Step")
    planned.load(textbook.state())
    data, rates = examples(graph, 9), np.full((2, len(graph.training.groups)), 0.01)
    order = np.arange(8).reshape(2, 4)
    losses = [driver.train_steps(data, order, rates, first_step=1) for driver in (textbook, planned)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)
    for path, gradient in textbook.gradients(data)[1].items():
        np.testing.assert_allclose(planned.gradients(data)[1][path], gradient, rtol=1e-8, atol=1e-10, err_msg=path)


@pytest.mark.parametrize("name", SPECS)
def test_the_same_steps_give_the_same_bits(name: str, tmp_path: Path) -> None:
    graph = nnspec.load(SPECS[name]).graph
    data = examples(graph, 50)
    order = np.random.default_rng(1).permutation(50)[:48].reshape(4, 12)
    rates = np.full((4, 1), 0.01)
    ends = []
    for _ in range(2):
        driver = opened(graph, tmp_path, 1, 2, "float32")
        losses = driver.train_steps(data, order, rates, first_step=1)
        last = driver.train_steps(data, np.arange(5)[None], rates[:1], first_step=5)  # a last, smaller batch
        again = driver.train_steps(data, order[:1], rates[:1], first_step=6)
        ends.append((np.concatenate([losses, last, again]), driver.state(), driver.optimizer_state()))
    for first, second in zip(*ends, strict=True):
        if isinstance(first, dict):
            assert all(np.array_equal(first[path], second[path]) for path in first)
        else:
            assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["images of odd sizes", "a transformer"])
def test_a_new_optimizer_or_new_weights_are_trained(name: str, tmp_path: Path) -> None:
    """The arrays of a step belong to those of the model: what replaces these replaces them."""
    graph = nnspec.load(SPECS[name]).graph
    driver = opened(graph, tmp_path, 1, 2)
    data, rates = examples(graph, 8), np.full((3, 1), 0.05)
    order = np.arange(8)[None].repeat(3, axis=0)
    first = driver.train_steps(data, order, rates, first_step=1)
    module = driver.module
    driver.model = module.initialise(driver.model, np.float64, 0)
    driver.optimizer = driver.made = module.make_optimizer(driver.model)
    assert np.array_equal(driver.train_steps(data, order, rates, first_step=1), first)
    assert first[2] < first[0]


def test_an_error_in_one_part_stops_all(tmp_path: Path) -> None:
    graph = nnspec.load(SPECS["residuals with batch norm"]).graph
    driver = opened(graph, tmp_path, 1, 2)
    data = examples(graph, 8)
    bad = {"x": data["x"], "y": np.array([0, 1, 2, 0, 0, 0, 999, 0])}
    with pytest.raises(Exception) as caught:  # whichever part is heard first
        driver.gradients(bad)
    assert isinstance(caught.value, IndexError | RuntimeError)
    again = opened(graph, tmp_path, 1, 2)
    again.load(driver.state())
    assert driver.gradients(data)[0] == again.gradients(data)[0]  # and the next batch is as if nothing had been


def test_threads_are_chosen_by_the_work_and_by_wish() -> None:
    small, large = (nnspec.load(SPECS[n]).graph for n in ("one layer used twice", "images of odd sizes"))
    assert [c.value for c in choose("numpy", small, Run(batch=32))] == ["planned", "1"]
    assert [c.value for c in choose("numpy", large, Run(batch=4096))] == ["planned", "2"]
    assert read_wishes("numpy", "threads=3") == {"threads": "3"}
    assert [c.value for c in choose("numpy", small, Run(batch=32), {"threads": "3"})] == ["planned", "3"]
    wishes = read_wishes("numpy", "textbook, threads=2")
    textbook = choose("numpy", small, Run(batch=32), wishes)
    assert [c.value for c in textbook] == ["textbook", "1"]
    assert "class Step" not in emit(small, Options(choices=textbook))
    frozen = nnspec.load(SPECS["one layer used twice"].replace("steps = 3", 'steps = 3; optimizer("f") = frozen')).graph
    assert choose("numpy", frozen, Run(batch=4096))[0].why == "a part is frozen"
    for wrong in ("threads=0", "threads=x", "scan"):
        with pytest.raises(ValueError, match="numpy has no plan"):
            read_wishes("numpy", wrong)


def opened(graph: Any, folder: Path, optimize: int, parts: int = 1, dtype: str = "float64") -> Driver:
    path = folder / f"model_{optimize}_{parts}.py"
    path.write_text(emit(graph, Options(optimize=optimize, choices=(Choice("threads", str(parts), "asked for"),))))
    return Driver(path, dtype=dtype)


def examples(graph: Any, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    found = {}
    for field in graph.fields:
        kind, shape = field.value.type, (size, *field.value.type.shape)
        found[field.name] = rng.integers(0, kind.classes, shape) if kind.classes else rng.normal(size=shape)
    return found
