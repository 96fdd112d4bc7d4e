"""The NumPy backend: backpropagation through every structure a spec can have, and what its files hold.

Each spec is verified alone (finite differences, updates, evaluation) and, where torch is there, against it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

from nnspec.backends.base import Options
from nnspec.backends.numpy.driver import Driver
from nnspec.backends.numpy.emit import emit
from nnspec.backends.numpy.library import _library, carry
from nnspec.verify import verify

SPECS: dict[str, str] = {
    "a shared tower with several values of one block": """
        block Pair(x; n) {
            a = x -> dense(n) -> tanh
            b = x -> dense(n) -> relu
            a * b + a
        }
        model Siamese {
            input p: float32[6]
            input q: float32[6]
            target y: float32
            layer enc = dense(5) -> tanh -> Pair(4)
            u = p -> enc
            v = q -> enc
            output d = norm(u - v)
            output s = sum(u * v)
        }
        train { minimize = mse(d, y) + 0.1 * abs(s) + 1e-3 * l1(weights("enc*")); optimizer = adam(1e-2); steps = 3 }
    """,
    "attention, open length, residual sums": """
        block Transformer(x; heads, drop = 0.1) {
            h = x + (x -> ln_1: layer_norm -> attn: self_attention(heads, causal = true) -> dropout(drop))
            h + (h -> ln_2: layer_norm -> fc: dense(4 * h.features) -> gelu -> proj: dense(h.features) -> dropout(drop))
        }
        model GPT {
            dim T = 5
            input tokens: class(11)[T]
            target next: class(11)[T]
            output logits = tokens
                -> embedding(11, 8) -> sinusoidal -> repeat(2, Transformer(2)) -> layer_norm -> dense(11)
        }
        train { minimize = cross_entropy(logits, next, axis = -1); optimizer = adamw(1e-3); steps = 3 }
    """,
    "a free parameter, constants, an output nothing differentiates": """
        model Hopfield {
            input pattern: float32[8]
            param W: float32[8, 8] = normal(0.1)
            links = W * (1 - eye(8))
            layer update = matmul(links) -> sign
            output energy = -0.5 * sum(pattern * matmul(pattern, links))
            output recalled = pattern -> repeat(3, update)
        }
        train { minimize = energy; optimizer = sgd(0.1); steps = 2 }
    """,
    "a for over tensors": """
        model TextCNN {
            input  words: class(20)[12]
            target label: class(3)
            x = words -> embedding(20, 6) -> transpose
            y = concat(for k in [3, 4, 5] { x -> conv(7, k) -> relu -> global_max_pool })
            output logits = y -> dropout(0.5) -> dense(3)
        }
        train {
            minimize  = cross_entropy(logits, label, label_smoothing = 0.1)
            optimizer = rmsprop(1e-3, momentum = 0.9)
            steps     = 3
        }
    """,
    "split, noise, a value used three times": """
        model VAE {
            input x: float32[10]
            noise e: float32[3] = normal(1)
            mu, logvar = x -> dense(8) -> tanh -> dense(6) -> split(2)
            z = mu + exp(0.5 * logvar) * e
            output xhat = z -> dense(8) -> tanh -> dense(10)
            output kl = -0.5 * sum(1 + logvar - mu ^ 2 - exp(logvar))
        }
        train { minimize = binary_cross_entropy(xhat, sigmoid(x)) + 0.5 * kl; optimizer = adagrad(1e-2); steps = 3 }
    """,
    "blocks of two tensors, skips across blocks": """
        block Up(x, skip; width) {
            y = concat(x -> upsample(2), skip)
            y -> conv(width, 3, padding = 1) -> batch_norm -> tanh
        }
        block Down(x; width) { x -> conv(width, 3, padding = 1, stride = 2) -> batch_norm -> tanh }
        model UNet {
            input image: float32[1, 8, 8]
            target mask: class(3)[8, 8]
            a = image -> conv(4, 3, padding = 1) -> tanh
            b = a -> Down(8)
            c = b -> Down(16)
            output logits = c -> Up(b, 8) -> Up(a, 4) -> conv(3, 1)
        }
        train {
            minimize  = cross_entropy(logits, mask)
            optimizer = sgd(0.1, momentum = 0.9)
            steps     = 3
            metrics   = [accuracy]
        }
    """,
    "labels that hold loop values, two optimizers": """
        block DenseLayer(x; growth) {
            new = x -> norm1: batch_norm -> tanh -> conv1: conv(growth, 3, padding = 1, bias = false)
            concat(x, new)
        }
        model DenseNet {
            input image: float32[3, 8, 8]
            target label: class(4)
            output logits = image
                -> features: (conv0: conv(4, 3, padding = 1)
                    -> denseblock1: (for i in 1..3 { denselayer{i}: DenseLayer(4) }) -> norm5: batch_norm -> tanh)
                -> global_avg_pool -> classifier: dense(4)
        }
        train {
            minimize = cross_entropy(logits, label) + 1e-4 * l2(weights)
            optimizer("features") = sgd(0.1)
            optimizer("classifier") = adam(0.01)
            steps = 3
            metrics = [accuracy, accuracy(logits, label, top = 2)]
        }
    """,
    "an if that differs between the uses of a block": """
        block Bottleneck(x; width, stride = 1) {
            y = x -> conv1: conv(width, 1, bias = false) -> bn1: batch_norm -> tanh
                  -> conv2: conv(width, 3, stride = stride, padding = 1, bias = false) -> bn2: batch_norm -> tanh
                  -> conv3: conv(4 * width, 1, bias = false) -> bn3: batch_norm
            skip = if stride != 1 or x.channels != 4 * width {
                x -> downsample: (conv(4 * width, 1, stride = stride, bias = false) -> batch_norm)
            } else { x }
            y + skip -> tanh
        }
        model Net {
            input  image: float32[3, 8, 8]
            target label: class(5)
            output logits = image
                -> conv1: conv(4, 3, padding = 1, bias = false) -> bn1: batch_norm -> tanh
                -> layer1: repeat(2, Bottleneck(2))
                -> layer2: (Bottleneck(3, stride = 2) -> repeat(2, Bottleneck(3)))
                -> global_avg_pool
                -> fc: dense(5)
        }
        train { minimize = cross_entropy(logits, label); optimizer = sgd(0.1); steps = 3 }
    """,
    "a layer shared by a loop, values from outside a loop, a parameter in the objective": """
        block Mix(h, x; n) { (h -> dense(n)) + (x -> dense(n)) }
        model Caps {
            input x: float32[4]
            target y: float32[5]
            layer proj = dense(5)
            param w: float32[5] = normal(0.5)
            g = x -> proj
            layer body = (dense(5) -> tanh -> last: dense(5))
            output o = g -> body -> repeat(3, body) -> for i in 1..2 { Mix(x, 5) -> tanh }
            output q = o * w + (o -> proj3: dense(5)) * g
        }
        train {
            minimize  = mse(q, y) + 0.1 * l2(weights("proj*")) + 0.5 * sum(square(proj.weight))
            optimizer = sgd(0.1, momentum = 0.9, nesterov = true)
            steps     = 3
        }
    """,
    "frozen layers, a target that is computed": """
        model Distil {
            input x: float32[4]
            layer teacher = dense(6) -> batch_norm -> dropout(0.5) -> dense(3)
            layer student = dense(5) -> tanh -> dense(3)
            output s = x -> student
            output wanted = x -> teacher
        }
        train {
            minimize = kl_divergence(log_softmax(s), softmax(wanted)) + 0.1 * mse(s, wanted)
            optimizer = adam(1e-2)
            optimizer("teacher") = frozen
            steps = 3
        }
    """,
    "numbers of the step, clipping, unused values, every kind of index": """
        model Odd {
            input x: float32[4]
            target y: float32[2]
            a = x -> dense(6) -> tanh
            b = a * 2 + 1 / (2 + square(a)) - a / 3
            c, d = b -> reshape([2, 3]) -> permute([1, 0]) -> flatten -> split([2, 4])
            unused = d -> softmax
            output z = c / (1 + square(d[1:3])) + max(d) - d[-1] + where(c > 0, c, 0.5 * c) ^ 3
        }
        train { minimize = huber(z, y, delta = 0.5) + 0.01 / t; optimizer = sgd(0.1 / t); steps = 3 }
    """,
    "names that Python, NumPy or the file have taken": """
        block Adam(x; proj = 3) { x -> proj: dense(proj) }
        model Module {
            input lambda: float32[4]
            target cache: float32[3]
            forward = lambda -> self: dense(6) -> frozen: dense(6) -> tanh
            np = lambda[0:2] -> import: dense(6)
            state = forward * np
            output dx = state -> backward: Adam -> renamed: dense(3)
        }
        train { minimize = mse(dx, cache) + 1e-3 * l2(weights("self*")); optimizer = adam(1e-3); steps = 3 }
    """,
    "recurrent layers: shared, repeated, in a composition, in a block, a weight that is read": """
        block Reader(x; n, layers = 1, both = false) { x -> lstm(n, layers = layers, bidirectional = both) -> tanh }
        model Net {
            dim T = 5
            input x: float32[T, 4]; target y: float32[3]
            layer enc = gru(4)
            body = x -> enc -> repeat(2, rnn(4)) -> enc -> trunk: (rnn(4, activation = relu) -> dense(4))
            h = body -> Reader(3) -> Reader(2, layers = 2, both = true) -> for n in [3, 4] { lstm(n, bias = false) }
            output z = (h -> rotary(heads = 2) -> take(-1) -> dense(3)) + matmul(enc.weight_hh_l0[0:3], body[0])
        }
        train { minimize = mse(z, y) + 1e-2 * l2(weights); optimizer = adam(1e-2); steps = 3 }
    """,
    "no training: several outputs, also of whole numbers": """
        model Plain {
            input x: float32[3, 6]
            param s: float32[6] = ones
            param c: float32 = constant(0.5)
            h = x * s -> rms_norm -> dense(4) -> prelu
            output a = where(h > c, h, c * h ^ 2) -> mean
            output b = concat(s, s) -> dense(2)
            output k = h -> argmax
            output m = stack(h, h * c, axis = 1) -> sum(axis = 1)
        }
    """,
}
AGAINST_TORCH = {"names that Python, NumPy or the file have taken"}  # torch.nn's own attributes forbid some of them


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("name", SPECS)
def test_gradients_are_those_of_the_function(name: str, optimize: int) -> None:
    report = verify(graph_of(SPECS[name]), ("numpy",), steps=2, batch=4, dtype="float64", optimize=optimize)
    assert report.ok, report.summary()


@pytest.mark.torch
@pytest.mark.parametrize("name", [n for n in SPECS if n not in AGAINST_TORCH])
def test_numpy_agrees_with_torch(name: str) -> None:
    pytest.importorskip("torch")
    report = verify(graph_of(SPECS[name]), ("torch", "numpy"), steps=3, batch=4, dtype="float64")
    assert report.ok, report.summary()


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("name", SPECS)
def test_float32_models_compute_in_float32(name: str, optimize: int, tmp_path: Path) -> None:
    driver = opened(SPECS[name], tmp_path, optimize)
    graph = graph_of(SPECS[name])
    batch = random_batch(graph)
    assert {v.dtype for v in driver.outputs(batch).values() if v.dtype.kind == "f"} <= {np.dtype("float32")}
    if graph.training is not None:
        _, found = driver.gradients(batch)
        assert {g.dtype for g in found.values()} == {np.dtype("float32")}
        rates = np.full((2, len(graph.training.groups)), 1e-3)
        losses = driver.train_steps(batch, np.array([[0, 1, 2], [2, 3, 0]]), rates, first_step=1)
        assert np.isfinite(losses).all()
        assert {v.dtype for v in driver.state().values()} == {np.dtype("float32")}


def opened(text: str, folder: Path, optimize: int = 1, seed: int = 0) -> Driver:
    path = folder / "model.py"
    path.write_text(emit(graph_of(text), Options(optimize=optimize)))
    return Driver(path, dtype="float32", seed=seed)


def random_batch(graph: Any, size: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    env = {name: value or 4 for name, value in graph.dims.items()}
    found: dict[str, Any] = {}
    for field in graph.fields:
        kind = field.value.type
        shape = (size, *(n if isinstance(n, int) else n.evaluate(env) for n in kind.shape))
        if field.role != "noise":
            found[field.name] = rng.integers(0, kind.classes, shape) if kind.classes else rng.random(shape)
    return found


DROPOUT = """
model Noisy {
    input x: float32[50]
    target y: float32[50]
    output z = x -> dense(50) -> dropout(0.5)
}
train { minimize = mse(z, y); optimizer = sgd(0); steps = 2; batch = 4 }
"""


def test_noise_is_a_function_of_seed_and_step_alone(tmp_path: Path) -> None:
    batch = random_batch(graph_of(DROPOUT))
    driver = opened(DROPOUT, tmp_path)
    first = driver.gradients(batch, step=3)[0]
    assert driver.gradients(batch, step=4)[0] != first
    assert driver.gradients(batch, step=3)[0] == first
    order, rates = np.array([[0, 1, 2, 3]] * 2), np.zeros((2, 1))
    losses = driver.train_steps(batch, order, rates, first_step=3)
    assert losses[0] == pytest.approx(first)
    assert losses[1] == pytest.approx(driver.train_steps(batch, order[:1], rates[:1], first_step=4)[0])
    other = opened(DROPOUT, tmp_path, seed=1)
    other.load(driver.state())
    assert other.gradients(batch, step=3)[0] != first


def test_noise_layers_rest_in_evaluation(tmp_path: Path) -> None:
    driver = opened(DROPOUT, tmp_path)
    batch = random_batch(graph_of(DROPOUT))
    assert driver.outputs(batch)["z"].all()
    assert not driver.outputs(batch, training=True)["z"].all()


FROZEN = """
model Distil {
    input x: float32[4]
    layer teacher = dense(6) -> batch_norm -> dense(3)
    output s = x -> student: dense(3)
    output wanted = x -> teacher
}
train { minimize = mse(s, wanted); optimizer = sgd(0.1); optimizer("teacher") = frozen; steps = 2; batch = 4 }
"""


def test_what_is_frozen_stays_as_it_is(tmp_path: Path) -> None:
    driver = opened(FROZEN, tmp_path)
    before = driver.state()
    driver.train_steps(random_batch(graph_of(FROZEN)), np.array([[0, 1, 2, 3]] * 3), np.full((3, 2), 0.1), first_step=1)
    after = driver.state()
    for path, value in before.items():
        assert np.array_equal(value, after[path]) == path.startswith("teacher"), path


CLIPPED = """
model Line {
    input x: float32[3]
    target y: float32
    output z = x -> dense(1) -> sum
}
train { minimize = squared_error(z, y); optimizer = sgd(1); steps = 2; batch = 4; KEY }
"""


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("key, order", [("clip_norm = 0.25", 2), ("clip_value = 0.25", np.inf)])
def test_clipping_bounds_what_an_update_takes(key: str, order: float, optimize: int, tmp_path: Path) -> None:
    driver = opened(CLIPPED.replace("KEY", key), tmp_path, optimize)
    before = driver.state()
    driver.update({"dense1.weight": np.array([[3.0, 0.1, -4.0]]), "dense1.bias": np.array([1.0])}, (1.0,))
    moved = np.concatenate([(driver.state()[p] - before[p]).ravel() for p in ("dense1.weight", "dense1.bias")])
    assert np.linalg.norm(moved, order) == pytest.approx(0.25, rel=1e-5)


def test_a_state_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    driver = opened(DROPOUT, tmp_path)
    state = driver.state()
    with pytest.raises(ValueError, match=r"dense1\.bias"):
        driver.load({"dense1.weight": state["dense1.weight"]})
    with pytest.raises(ValueError, match="extra"):
        driver.load({**state, "extra": np.zeros(1)})
    with pytest.raises(ValueError, match=r"dense1\.bias has shape"):
        driver.load({**state, "dense1.bias": np.zeros(3)})


@pytest.mark.parametrize("optimize", [0, 1])
def test_a_run_that_is_taken_up_again_ends_with_the_same_bits(optimize: int, tmp_path: Path) -> None:
    text = SPECS["a shared tower with several values of one block"]
    batch, rates = random_batch(graph_of(text)), np.full((4, 1), 1e-2)
    order = np.array([[0, 1], [2, 3], [1, 2], [3, 0]])
    whole = opened(text, tmp_path, optimize)
    start = whole.state()
    whole.train_steps(batch, order, rates, first_step=1)
    first, second = opened(text, tmp_path, optimize), opened(text, tmp_path, optimize)
    first.load(start)
    first.train_steps(batch, order[:2], rates[:2], first_step=1)
    second.load(first.state())
    second.load_optimizer(first.optimizer_state())
    second.train_steps(batch, order[2:], rates[2:], first_step=3)
    for path, value in whole.state().items():
        np.testing.assert_array_equal(value, second.state()[path])


def test_the_planned_optimizer_holds_all_parameters_in_one_vector(tmp_path: Path) -> None:
    driver = opened(SPECS["a shared tower with several values of one block"], tmp_path)
    (optimizer,) = driver.optimizer
    for parameter in optimizer.parameters.values():
        assert np.shares_memory(parameter.value, optimizer.value)
        assert np.shares_memory(parameter.grad, optimizer.grad)


@pytest.mark.parametrize("planned", [False, True])
def test_a_carried_definition_brings_all_that_it_reads(planned: bool) -> None:
    library = _library(planned)
    for name in library:
        found = carry({name}, planned)
        defined = {d.name for d in found}
        missing = {n for d in found for n in d.reads if n in library} - defined
        assert not missing, name
        text = "\n".join(d.text for d in found)
        ast.parse(text)
        assert "nnspec" not in text


@pytest.mark.parametrize("planned", [False, True])
def test_what_a_definition_reads_is_what_a_parser_finds(planned: bool) -> None:
    library = _library(planned)
    for name, definition in library.items():
        parsed = {n.id for n in ast.walk(ast.parse(definition.text)) if isinstance(n, ast.Name)} - {name}
        assert definition.reads & library.keys() == parsed & library.keys(), name


@pytest.mark.parametrize("name", SPECS)
def test_a_file_reads_no_name_that_it_lacks(name: str) -> None:
    text = emit(graph_of(SPECS[name]), Options())
    assert "nnspec." not in text.split('"""', 2)[2]
    tree = ast.parse(text)
    top = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert {n for n in called if n.endswith(("_forward", "_backward"))} <= top
