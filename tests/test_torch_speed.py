"""The planned form of PyTorch files: equal to the textbook form, its choices by rule, its step compiled where asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

from nnspec.backends import memory
from nnspec.backends.choices import Run, choose, read_wishes, value_of
from nnspec.backends.torch.emit import Options, emit

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MLP = """
model Mlp {
    input  x: float32[5]
    target label: class(3)
    output logits = x -> dense(7) -> relu -> dense(3)
}
train { minimize = cross_entropy(logits, label); optimizer = adam(0.01); steps = 9; batch = 4 }
"""
IMAGES = """
block Residual(x; width) {
    y = x -> conv(width, 3, padding = 1, bias = false) -> batch_norm -> relu
    y + x -> relu
}
model Images {
    input  image: float32[3, 7, 5]
    target label: class(4)
    output logits = image -> conv(6, 3) -> batch_norm -> Residual(6) -> max_pool(2) -> flatten -> dense(4)
}
train { minimize = cross_entropy(logits, label); optimizer = sgd(0.05, momentum = 0.9); steps = 9; batch = 4 }
"""
GROUPS = IMAGES.replace(
    "steps = 9", 'optimizer("dense1*") = adamw(0.01); optimizer("*conv1*") = frozen; clip_norm = 0.5; steps = 9'
)
NOISE = MLP.replace("-> relu", "-> relu -> dropout(0.5)")
LADDER = """
model Signals {
    input  x: float32[2, 9]
    target y: float32[3]
    param kernel: float32[2, 2, 1, 1] = normal(0.1)
    output z = x -> conv(3, 3) -> relu -> global_avg_pool -> dense(3)
}
train { minimize = mse(z, y) + 0.1 * sum(kernel); optimizer = adagrad(0.1); steps = 9; batch = 4 }
"""
SPECS = {"mlp": MLP, "images": IMAGES, "groups": GROUPS, "signals": LADDER, "rmsprop": MLP.replace("adam(", "rmsprop(")}
TEN = 10
ROOT = Path(__file__).parents[1]


def _driver(text: str, folder: Path, optimize: int = 1, plan: str = "", dtype: str = "float64") -> Any:
    from nnspec.backends.torch.driver import Driver

    graph = graph_of(text)
    choices = choose("torch", graph, Run(), read_wishes("torch", plan))
    path = folder / f"emitted_{len(list(folder.iterdir()))}.py"
    path.write_text(emit(graph, Options(optimize=optimize, choices=choices)))
    return Driver(path, dtype=dtype, device="cpu", seed=3, choices=choices)


def _data(text: str) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        field.name: random.integers(field.value.type.classes, size=TEN)
        if field.value.type.classes
        else random.standard_normal((TEN, *field.value.type.shape))
        for field in graph_of(text).fields
    }


def _trained(driver: Any, data: dict[str, Any]) -> dict[str, Any]:
    """State, optimizer state and losses after an epoch whose last batch is smaller, with a pause in the middle."""
    order = np.random.default_rng(1).permutation(TEN)
    rate = np.full((2, 3), 0.01)
    losses = [driver.train_steps(data, order[:8].reshape(2, 4), rate, first_step=1)]
    state, slots = driver.state(), driver.optimizer_state()
    driver.evaluate(data)
    driver.load(state)
    driver.load_optimizer(slots)
    losses.append(driver.train_steps(data, order[8:][None], rate[:1], first_step=3))
    return {**driver.state(), **driver.optimizer_state(), "losses": np.concatenate(losses)}


def _assert_equal(found: dict[str, Any], wanted: dict[str, Any], **tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, err_msg=name, **tolerance)


@pytest.mark.parametrize("name", SPECS)
def test_the_planned_form_trains_as_the_textbook_form(name: str, tmp_path: Path) -> None:
    data = _data(SPECS[name])
    textbook = _driver(SPECS[name], tmp_path, optimize=0)
    planned = _driver(SPECS[name], tmp_path)
    planned.load(textbook.state())
    start = textbook.state()
    wanted = _trained(textbook, data)
    _assert_equal(_trained(planned, data), wanted, rtol=1e-10, atol=1e-12)
    assert any(not np.array_equal(wanted[path], value) for path, value in start.items())


def test_noise_is_that_of_the_textbook_form(tmp_path: Path) -> None:
    textbook, planned = _driver(NOISE, tmp_path, optimize=0), _driver(NOISE, tmp_path)
    planned.load(textbook.state())
    data = _data(NOISE)
    _assert_equal(_trained(planned, data), _trained(textbook, data), rtol=1e-10, atol=1e-12)


def test_one_seed_gives_one_result(tmp_path: Path) -> None:
    first, second = _driver(IMAGES, tmp_path, dtype="float32"), _driver(IMAGES, tmp_path, dtype="float32")
    second.load(first.state())
    wanted, found = _trained(first, _data(IMAGES)), _trained(second, _data(IMAGES))
    assert all(np.array_equal(found[name], value) for name, value in wanted.items())


def test_kernels_have_the_layout_that_was_chosen_and_states_the_shape_they_always_have(tmp_path: Path) -> None:
    for plan, wanted in (("", True), ("contiguous", False)):
        driver = _driver(IMAGES, tmp_path, plan=plan)
        weight = driver.model.conv1.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is wanted
        assert driver.state()["conv1.weight"].flags.c_contiguous
        assert driver.state()["conv1.weight"].shape == (6, 3, 3, 3)


def test_threads_are_put_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        driver = _driver(MLP, tmp_path, plan="threads=1")
        driver.train_steps(_data(MLP), np.arange(4)[None], np.full((1, 1), 0.1), first_step=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_are_set_only_to_change_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", found.append)
    for wish in (before, before + 1):
        driver = _driver(MLP, tmp_path, plan=f"threads={wish}")
        found.clear()
        driver.train_steps(_data(MLP), np.arange(4)[None], np.full((1, 1), 0.1), first_step=1)
        assert found == ([] if wish == before else [wish, before])


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="no C++ compiler")
@pytest.mark.filterwarnings("default")  # what torch's compiler says of itself
def test_a_compiled_step_trains_as_an_eager_one(tmp_path: Path) -> None:
    eager, compiled = _driver(GROUPS, tmp_path, plan="eager"), _driver(GROUPS, tmp_path, plan="step=compile")
    assert compiled.compiled and not eager.compiled
    compiled.load(eager.state())
    _assert_equal(_trained(compiled, _data(GROUPS)), _trained(eager, _data(GROUPS)), rtol=1e-9, atol=1e-11)


ALIASES = """
model Shared {
    input  image: float32[3, 4, 4]
    target label: class(2)
    a = image -> conv(3, 3, padding = 1)
    before = a -> flatten
    read_again = image -> batch_norm
    returned = image -> conv(2, 1)
    own = (image + read_again) -> relu
    logits = (a -> relu -> flatten) + before + (read_again -> relu -> flatten) + (read_again -> flatten) +
        (returned -> relu -> global_avg_pool -> dense(48)) + (own -> flatten)
    output scores = logits -> dense(2)
    output kept = returned
}
train { minimize = cross_entropy(scores, label); optimizer = sgd(0.1); steps = 9; batch = 4 }
"""


def test_a_relu_overwrites_only_what_nobody_else_reads(tmp_path: Path) -> None:
    source = emit(graph_of(ALIASES), Options())
    assert "F.relu(image + read_again, inplace=True)" in source
    assert source.count("inplace=True") == 1
    assert "inplace" not in emit(graph_of(ALIASES), Options(optimize=0))
    textbook, planned = _driver(ALIASES, tmp_path, optimize=0), _driver(ALIASES, tmp_path)
    planned.load(textbook.state())
    data = _data(ALIASES)
    np.testing.assert_allclose(planned.outputs(data)["kept"], textbook.outputs(data)["kept"], rtol=1e-10)
    _assert_equal(_trained(planned, data), _trained(textbook, data), rtol=1e-10, atol=1e-12)


PRODUCTS = """
model Products {
    input  x: float32[4, 6]
    target label: class(5)
    param one: float32[7, 6] = normal(0.3)
    param two: float32[7] = normal(0.3)
    param three: float32[5, 28] = normal(0.3)
    param four: float32[1] = normal(0.3)
    a = matmul(x, transpose(one)) + two
    b = matmul(x, transpose(one)) -> tanh
    kept = matmul(x, transpose(one))
    twice = (kept + two) * kept
    wide = a + b + twice -> flatten
    product = matmul(wide, transpose(three))
    output logits = product + four
}
train { minimize = cross_entropy(logits, label); optimizer = sgd(0.1); steps = 9; batch = 4 }
"""


def test_a_product_with_its_bias_is_one_call_where_nobody_else_reads_it(tmp_path: Path) -> None:
    source = emit(graph_of(PRODUCTS), Options())
    assert "F.linear(x, self.one, self.two)" in source  # a
    assert source.count("F.linear(x, self.one)") == 2  # b, and kept, which is read twice
    assert "F.linear(wide, self.three)" in source  # four is added to all features alike
    assert "F.linear" not in emit(graph_of(PRODUCTS), Options(optimize=0))
    textbook, planned = _driver(PRODUCTS, tmp_path, optimize=0), _driver(PRODUCTS, tmp_path)
    planned.load(textbook.state())
    data = _data(PRODUCTS)
    _assert_equal(_trained(planned, data), _trained(textbook, data), rtol=1e-10, atol=1e-12)


FAULTS = """
import resource, sys
from nnspec.backends import memory
if sys.argv[1] == "kept":
    memory.keep()
bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not memory.can_keep(), reason="another C library")
def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how], env=environment, cwd=ROOT))
        for how in ("kept", "returned")
    }
    assert faults["kept"] < 100 < faults["returned"], faults


# ---------------------------------------------------------------- what is chosen

WARMING = MLP.replace("cross_entropy(logits, label)", "(1 - exp(-t / 10)) * cross_entropy(logits, label)")
VOLUME = """
model Volume {
    input x: float32[1, 4, 4, 4]
    output y = x -> conv(2, 3) -> flatten -> dense(1)
}
train { minimize = mean(y); optimizer = sgd(0.1); steps = 1; batch = 1 }
"""
BOTH = IMAGES.replace("target label", "input v: float32[1, 4, 4, 4]\n    target label").replace(
    "flatten -> dense(4)", "flatten -> dense(4)\n    output w = v -> conv(2, 3) -> flatten -> dense(1)"
)
RULES = [
    # spec, run, wish -> what is chosen, a word of the reason
    (MLP, Run(steps=100), "", "step", "eager", "earn back"),
    (MLP, Run(steps=0), "", "step", "eager", "unknown length"),
    (MLP, Run(steps=10_000_000), "", "step", "compile", "save more"),
    (MLP, Run(steps=10_000_000), "eager", "step", "eager", "asked for"),
    (MLP, Run(steps=1), "compile", "step", "compile", "asked for"),
    (IMAGES, Run(steps=10_000_000), "", "step", "eager", "convolutions"),
    (IMAGES, Run(steps=10_000_000), "step=compile", "step", "compile", "asked for"),
    (IMAGES, Run(), "", "memory_format", "channels_last", "convolutions"),
    (IMAGES, Run(), "contiguous", "memory_format", "contiguous", "asked for"),
    (MLP, Run(), "", "memory_format", "contiguous", "no convolution"),
    (VOLUME, Run(), "", "memory_format", "contiguous", "no convolution"),
    (BOTH, Run(), "", "memory_format", "contiguous", "rank 4 or 5"),
    (LADDER, Run(), "", "memory_format", "contiguous", "no convolution"),
    (MLP, Run(batch=4), "", "threads", "1", "too few"),
    (MLP, Run(batch=100_000), "", "threads", "3", "worth sharing"),
    (MLP, Run(batch=4), "threads=2", "threads", "2", "asked for"),
    (WARMING, Run(steps=10_000_000), "", "step", "eager", "changes with the step"),
    (WARMING, Run(), "compile", "step", "eager", "changes with the step"),
    (MLP, Run(), "", "freed_memory", "kept", "anew"),
    (MLP, Run(), "returned", "freed_memory", "returned", "asked for"),
    (MLP, Run(device="cuda"), "", "freed_memory", "returned", "itself"),
]


@pytest.mark.parametrize(("text", "run", "wish", "what", "value", "why"), RULES)
def test_choices(
    text: str, run: Run, wish: str, what: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr("nnspec.backends.torch.choose.which", lambda name: name)
    monkeypatch.setattr("nnspec.backends.memory.can_keep", lambda: True)
    choices = choose("torch", graph_of(text), run, read_wishes("torch", wish))
    assert value_of(choices, what) == value
    assert why in next(c.why for c in choices if c.what == what)


def test_without_a_compiler_the_step_stays_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnspec.backends.torch.choose.which", lambda name: None)
    for run, wish in ((Run(steps=10_000_000), {}), (Run(), {"step": "compile"})):
        step = choose("torch", graph_of(MLP), run, wish)[0]
        assert (step.value, "C++ compiler" in step.why) == ("eager", True)


def test_memory_is_returned_where_the_c_library_knows_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnspec.backends.memory.can_keep", lambda: False)
    for wish in ({}, {"freed_memory": "kept"}):
        assert value_of(choose("torch", graph_of(MLP), Run(), wish), "freed_memory") == "returned"
