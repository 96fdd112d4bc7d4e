"""JAX files: what is hard to say in pure functions agrees with the NumPy backend; runs, noise, precision, state."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

from nnspec.backends.base import Options
from nnspec.backends.choices import Choice
from nnspec.ops.draw import draw
from nnspec.verify.setup import open_drivers, random, random_batch

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
HELPERS = Path(__file__).resolve().parent.parent / "nnspec" / "backends" / "jax" / "helpers"

# What a model has that a tree of dataclasses must carry through: shared statistics, branches, loops, names.
SPECS = {
    "a layer with statistics used three times, also inside a block that it is passed to": """
        block Twice(x; f) { x + (x -> f -> f) }
        model Shared {
            input a: float32[4]
            target y: float32[4]
            layer enc = dense(4) -> batch_norm -> tanh
            output z = a -> enc -> Twice(enc)
        }
        train {
            minimize = mse(z, y) + 0.1 * norm(enc.0.weight)
            optimizer = sgd(0.1, momentum = 0.9); steps = 3; batch = 4
        }
    """,
    "groups, a frozen part that runs as in evaluation, clipping, the step in the objective": """
        model Groups {
            input x: float32[4]
            target y: float32[2]
            h = x -> body: (dense(4) -> batch_norm -> relu -> dropout(0.2)) -> mid: dense(4) -> batch_norm
            output z = h -> head: dense(2)
        }
        train {
            minimize = mse(z, y) * t
            optimizer = adam(1e-3); optimizer("head*") = sgd(0.1); optimizer("body") = frozen
            clip_norm = 0.5; steps = 3; batch = 4
        }
    """,
    "copies that differ in a branch, in a list, in a loop, side by side": """
        block Stage(x; n, down = false) {
            x -> body: (dense(n) -> (if down { dense(n) -> relu } else { tanh }) -> dense(n))
        }
        block Side(x; n) {
            a, b = x -> split(2)
            y = if n > 2 { a -> dense(n) -> batch_norm } else { b -> dense(n) }
            concat(y, x)
        }
        model Branches {
            input x: float32[4]
            h = x -> for n, d in [[3, true], [4, false], [5, true]] { Stage(n, down = d) }
            output y = h -> dense(4) -> repeat(2, Side(3) -> dense(4)) -> Side(2)
        }
    """,
    "numbers that follow a loop and one inside it, labels by iteration": """
        block Cell(x; w) { x + (x -> dense(w) -> batch_norm -> relu) }
        model Nested {
            input x: float32[4]
            h = x -> stages: (for w in [4, 4] { dense(w) -> repeat(2, Cell(w)) })
            output y = h -> out: (dense(2) -> two: dense(3))
            output k = x -> for i in 1..3 { lin{i}: dense(4) }
        }
    """,
    "names that mean something else in the file": """
        block GroupNorm(x) { x -> init: dense(3) -> group_norm(1) }
        block Conv(x; stride = 1) { x -> field: dense(3 * stride) -> lambda: dense(3 * stride) }
        model Array(key = 2) {
            input norm: float32[4, 3]
            target weights: float32[3]
            jnp = norm -> dense(3 * key // 2) -> clip(-1, 1)
            clip = jnp -> GroupNorm -> clip(-2, 2) -> Conv -> Conv(stride = 2) -> dense(3)
            output optax = mean(clip, axis = 0)
        }
        train { minimize = mse(optax, weights) + l2(weights) * 0.1; optimizer = adagrad(0.1); steps = 2; batch = 2 }
    """,
    "noise that the batch brings, a value that only the objective reads": """
        model Vae(latent = 3) {
            input x: float32[5]
            noise e: float32[latent] = normal(1)
            mu, logvar = x -> enc: dense(2 * latent) -> split(2)
            output recon = mu + exp(0.5 * logvar) * e -> dec: dense(5)
            kl = -0.5 * sum(1 + logvar - square(mu) - exp(logvar))
        }
        train {
            minimize = squared_error(recon, x) + 0.1 * kl
            optimizer = rmsprop(1e-2, momentum = 0.5); steps = 3; batch = 4
        }
    """,
}
NOISY = """
model Noisy {
    input x: float32[50]
    output y = x -> dropout(0.25)
    output s = bernoulli(0.5 + 0 * x)
}
"""
MLP = """
model Mlp {
    input x: float32[6]
    target y: class(3)
    output z = x -> dense(5) -> tanh -> dropout(0.5) -> dense(3)
}
train { minimize = cross_entropy(z, y); optimizer = adamw(1e-2); steps = 4; batch = 3 }
"""


def started(graph: Any, dtype: str = "float64") -> dict[str, Any]:
    state = {}
    for p in graph.root.parameters():
        shift = 0.1 * random(0, p.path).standard_normal(p.shape) if p.role != "buffer" else 0.0
        state[p.path] = (draw(p.init, p.shape, 0, p.path) + shift).astype(dtype)
    return state


def assert_same(found: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
    assert found.keys() == wanted.keys(), what
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-12, err_msg=f"{what}: {name}")


@pytest.mark.parametrize("spec", SPECS, ids=[s.replace(" ", "_")[:40] for s in SPECS])
def test_jax_says_what_numpy_says(spec: str, tmp_path: Path) -> None:
    graph = graph_of(SPECS[spec])
    numpy, found = open_drivers(graph, ("numpy", "jax"), "float64", "cpu", 1, tmp_path).values()
    batch = random_batch(graph, 5, 0, "float64")
    for driver in (numpy, found):
        driver.load(started(graph))
    outputs = numpy.outputs(batch)
    assert_same(found.outputs(batch), outputs, "outputs in evaluation")
    batch |= {f"{name}.weight": random(1, name).standard_normal(value.shape) for name, value in outputs.items()}
    (value, gradients), (wanted, theirs) = found.gradients(batch, step=2), numpy.gradients(batch, step=2)
    np.testing.assert_allclose(value, wanted, rtol=1e-10)
    assert_same(gradients, theirs, "gradients")
    assert_same(found.state(), numpy.state(), "running statistics")
    if graph.training is None:
        return
    rates = (0.01, 0.02, 0.03)[: len(graph.training.groups)]
    for _ in range(2):
        for driver in (numpy, found):
            driver.update(theirs, rates)
    assert_same(found.state(), numpy.state(), "updates")
    assert_same(found.optimizer_state(), numpy.optimizer_state(), "state of the optimizer")


def mlp(tmp_path: Path, optimize: int = 1, dtype: str = "float64", seed: int = 0) -> Any:
    from nnspec.backends.jax.driver import Driver
    from nnspec.backends.jax.emit import emit

    graph = graph_of(MLP)
    path = tmp_path / f"mlp_{optimize}.py"
    choices = (Choice("steps", "scan", ""),) if optimize else ()
    path.write_text(emit(graph, Options(optimize=optimize, choices=choices)))
    driver = Driver(path, dtype=dtype, device="cpu", seed=seed)
    driver.load(started(graph, dtype))
    return driver


DATA = {"x": random(0, "x").standard_normal((7, 6)), "y": random(0, "y").integers(0, 3, 7)}
ORDER = random(0, "order").integers(0, 7, (4, 3))
RATES = np.full((4, 1), 0.01)


def test_one_scan_is_a_loop_of_steps(tmp_path: Path) -> None:
    scan, loop = mlp(tmp_path, 1), mlp(tmp_path, 0)
    assert "lax.fori_loop" in (tmp_path / "mlp_1.py").read_text()
    assert "lax.fori_loop" not in (tmp_path / "mlp_0.py").read_text()
    losses = [d.train_steps(DATA, ORDER, RATES, first_step=1) for d in (scan, loop)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
    assert_same(scan.state(), loop.state(), "state")


def test_trees_of_two_modules_are_never_taken_for_each_other(tmp_path: Path) -> None:
    import jax

    form, double, other = (jax.tree.structure(mlp(tmp_path, o).model) for o in (0, 0, 1))
    assert form == double
    assert form != other


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole, first, second = (mlp(tmp_path, 0) for _ in range(3))
    losses = whole.train_steps(DATA, ORDER, RATES, first_step=1)
    first.train_steps(DATA, ORDER[:2], RATES[:2], first_step=1)
    second.load(first.state())
    second.load_optimizer(first.optimizer_state())
    np.testing.assert_array_equal(second.train_steps(DATA, ORDER[2:], RATES[2:], first_step=3), losses[2:])
    for path, value in whole.state().items():
        np.testing.assert_array_equal(second.state()[path], value)


def test_noise_is_a_function_of_seed_and_step_alone(tmp_path: Path) -> None:
    driver, other = mlp(tmp_path, 0, seed=1), mlp(tmp_path, 0, seed=2)
    one, again, next_step = (driver.gradients(DATA, step=s)[0] for s in (1, 1, 2))
    assert one == again
    assert one != next_step
    assert one != other.gradients(DATA, step=1)[0]


def test_both_precisions_live_in_one_process(tmp_path: Path) -> None:
    wide, narrow = mlp(tmp_path, 0, "float64"), mlp(tmp_path, 0, "float32")
    assert {v.dtype for v in wide.state().values()} == {np.dtype("float64")}
    wide.gradients(DATA)
    _, gradients = narrow.gradients(DATA)
    assert {v.dtype for v in (*narrow.state().values(), *gradients.values())} == {np.dtype("float32")}
    narrow.update(gradients, (0.1,))
    assert {v.dtype for v in narrow.state().values()} == {np.dtype("float32")}


def test_a_state_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    driver = mlp(tmp_path, 0)
    state = driver.state()
    with pytest.raises(ValueError, match=r"missing: dense1\.bias"):
        driver.load({p: v for p, v in state.items() if p != "dense1.bias"})
    with pytest.raises(ValueError, match="not in the model: extra"):
        driver.load({**state, "extra": state["dense1.bias"]})
    with pytest.raises(ValueError, match=r"dense1\.weight has shape \(2,\)"):
        driver.load({**state, "dense1.weight": np.zeros(2)})


def test_dropout_keeps_the_mean_and_samples_follow_their_probability(tmp_path: Path) -> None:
    from nnspec.backends.jax.driver import Driver
    from nnspec.backends.jax.emit import emit

    path = tmp_path / "noisy.py"
    path.write_text(emit(graph_of(NOISY)))
    driver = Driver(path, device="cpu", seed=3)
    x = np.ones((400, 50), np.float32)
    trained, kept = driver.outputs({"x": x}, training=True), driver.outputs({"x": x})
    np.testing.assert_array_equal(kept["y"], x)
    np.testing.assert_allclose(np.unique(trained["y"]), [0, 1 / 0.75], rtol=1e-6)
    assert abs(np.mean(trained["y"] == 0) - 0.25) < 0.02  # 6 standard deviations of 20,000 draws
    assert set(np.unique(kept["s"])) == {0.0, 1.0}
    assert abs(kept["s"].mean() - 0.5) < 0.022


def test_an_unknown_device_is_named(tmp_path: Path) -> None:
    from nnspec.backends.jax.driver import Driver

    with pytest.raises(OSError, match="device tpu: this JAX sees"):
        Driver(tmp_path / "none.py", device="tpu")


def ruff(folder: Path, *arguments: str) -> str:
    """What ruff has to say; empty when it is content."""
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", folder]
    ran = subprocess.run(command, capture_output=True, text=True)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_carried_definitions_are_formatted_as_they_will_stand() -> None:
    assert not ruff(HELPERS, "format", "--check", "--diff", "--line-length", "88")


@pytest.mark.parametrize("spec", SPECS)
def test_what_a_file_reads_is_what_a_parser_finds(spec: str) -> None:
    from nnspec.backends.jax.emit import emit
    from nnspec.backends.jax.library import IMPORTED, definitions, names
    from nnspec.backends.reading import names_read

    known = IMPORTED | definitions("batch_last").keys() | definitions("channels_last").keys()
    for optimize in (0, 1):
        text = emit(graph_of(SPECS[spec]), Options(optimize=optimize))
        assert names_read(text) & known == names(ast.parse(text)) & known


def test_every_definition_is_carried_with_all_that_it_needs(tmp_path: Path) -> None:
    from nnspec.backends.jax.library import carried, definitions, imports

    for form in ("", "batch_last", "channels_last"):
        for name in definitions(form):
            texts = [d.text for d in carried(name, form)]
            lines = ["from __future__ import annotations", imports("\n".join(texts)), *texts]
            (tmp_path / f"{name}_{form}.py").write_text("\n".join(lines) + "\n")
    assert not ruff(tmp_path, "check", "--select", "F")


# What a file that is compiled to be read writes out for the model: layers with some options, of every rank, mixed uses.
READ = {
    "images": """
        model Images {
            input x: float32[4, 9, 9]
            target y: class(3)
            h = x -> conv(6, 3, padding = 1, groups = 2) -> batch_norm -> relu -> max_pool(3, stride = 2, padding = 1)
                  -> conv(6, [3, 1], padding = [1, 0], bias = false, dilation = 2) -> batch_norm -> relu -> avg_pool(2)
            output z = h -> flatten -> dense(8, bias = false) -> layer_norm -> dense(3)
        }
    """,
    "signals": """
        block Unit(x; conv1) { x -> conv1: conv(conv1, 3, stride = 2) -> batch_norm(eps = 1e-3) -> relu }
        model Signals {
            input x: float32[4, 32]
            target y: class(3)
            h = x -> Unit(4) -> max_pool(2) -> body: (Unit(5) -> repeat(1, dense(3)))
            output z = h -> max_pool(2, stride = 1) -> flatten -> dense(6) -> batch_norm(momentum = 0.2) -> dense(3)
        }
    """,
    "tokens": """
        model Tokens {
            input x: class(7)[5]
            target y: class(7)[5]
            h = x -> embedding(7, 8) -> layer_norm(eps = 1e-6) -> self_attention(2, causal = true)
            output z = h -> (for i in 1..3 { dense(8, weight_init = normal(0.1)) -> layer_norm })
                -> dense(7) -> transpose
        }
    """,
}


@pytest.mark.parametrize("spec", READ)
def test_a_file_that_is_read_says_what_numpy_says(spec: str, tmp_path: Path) -> None:
    from nnspec.backends.jax.driver import Driver
    from nnspec.backends.jax.emit import emit

    train = "\ntrain { minimize = cross_entropy(z, y, axis = AXIS); optimizer = adamw(0.1); steps = 3; batch = 4 }"
    graph = graph_of(READ[spec] + train.replace("AXIS", "0" if spec == "tokens" else "-1"))
    path = tmp_path / "read.py"
    path.write_text(emit(graph))
    assert not ruff(tmp_path, "check") and not ruff(tmp_path, "format", "--check")
    found = Driver(path, dtype="float64", device="cpu")
    (numpy,) = open_drivers(graph, ("numpy",), "float64", "cpu", 1, tmp_path).values()
    batch = random_batch(graph, 5, 0, "float64")
    for driver in (numpy, found):
        driver.load(started(graph))
    assert_same(found.outputs(batch), numpy.outputs(batch), "outputs in evaluation")
    (value, gradients), (wanted, theirs) = found.gradients(batch), numpy.gradients(batch)
    np.testing.assert_allclose(value, wanted, rtol=1e-10)
    assert_same(gradients, theirs, "gradients")
    assert_same(found.state(), numpy.state(), "running statistics")
    order, rates = np.array([[0, 1, 2], [2, 3, 4]]), np.full((2, 1), 0.01)
    losses = [driver.train_steps(batch, order, rates, first_step=1) for driver in (numpy, found)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-8)
    assert found.optimizer_state().keys() == numpy.optimizer_state().keys()
