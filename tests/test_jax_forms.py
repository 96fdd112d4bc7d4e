"""JAX: every form of convolution and of steps agrees with the textbook form; which one is chosen for which run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import graph_of

from nnspec.backends.base import Options
from nnspec.backends.choices import Choice, Run, choose, read_wishes, value_of
from nnspec.backends.jax.choose import FORMS
from nnspec.ops.draw import draw
from nnspec.verify.setup import random, random_batch

TRAIN = "\ntrain { minimize = cross_entropy(z, y); optimizer = sgd(0.1, momentum = 0.9); steps = 3; batch = 3 }"
# Odd sizes, strides that leave a rest, dilation, uneven kernels, windows that overlap, hang over or tie, and ops that
# know nothing of a layout: what goes in and out of them stands channels first.
SPECS = {
    "odd sizes, strides, dilation, a kernel that is not square, ties in pools": """
        model Odd {
            input x: float32[3, 13, 11]
            target y: class(4)
            h = x -> conv(5, [3, 2], stride = 2, padding = [1, 0]) -> batch_norm -> relu
                  -> conv(4, 3, dilation = 2, padding = 2, bias = false) -> relu
                  -> conv(6, 3, padding = same) -> relu -> max_pool(3, stride = 2, padding = 1, ceil = true)
            output z = h -> conv(4, 2, stride = 2) -> flatten -> dense(4) -> batch_norm
        }
    """,
    "pools side by side, with a rest, with ceil, without the padding counted; means over the image": """
        model Pools {
            input x: float32[2, 9, 10]
            target y: class(3)
            h = x -> conv(4, 3, padding = 1) -> relu
            a = h -> max_pool(2) -> avg_pool(3, stride = 1, padding = 1)
            b = h -> avg_pool(2, ceil = true) -> max_pool([2, 1], stride = [1, 1]) -> conv(4, 1) -> sigmoid
            c = h -> max_pool([3, 2]) -> mean(axis = [1, 2], keepdims = true)
            output z = concat(a -> global_avg_pool, b -> global_max_pool, c -> flatten) -> dense(3)
        }
    """,
    "blocks, a loop, a choice, gates over channels, images in and out, ops that want channels first": """
        block Unit(x; n, stride = 1) {
            y = x -> conv(n, 3, stride = stride, padding = 1, bias = false) -> batch_norm -> silu
            gate = y -> global_avg_pool -> dense(n) -> sigmoid -> reshape([n, 1, 1])
            skip = if stride != 1 or x.channels != n { x -> conv(n, 1, stride = stride) } else { x }
            y * gate + skip
        }
        model Mixed {
            input x: float32[48]
            input image: float32[3, 4, 4]
            target y: class(3)
            param shift: float32[3, 1, 1] = normal(0.1)
            h = concat(x -> reshape([3, 4, 4]), image + shift)
                -> for n, s in [[4, 1], [6, 2], [6, 1]] { Unit(n, stride = s) }
            a, b = h -> split(2)
            g = stack(for k in [1, 3] { a -> conv(2, k, padding = k // 2) }) -> mean(axis = 0)
            output map = concat(g, b, axis = 0) -> group_norm(1) -> softmax(axis = 0) -> upsample(2)
            output z = map * 2 -> prelu -> conv_transpose(2, 2) -> permute([2, 0, 1]) -> flatten -> dense(3)
        }
    """,
}


def driver(graph: Any, folder: Path, *choices: Choice, optimize: int = 1) -> Any:
    from nnspec.backends.jax.driver import Driver
    from nnspec.backends.jax.emit import emit

    path = folder / f"{'_'.join(['model', *(c.value for c in choices)])}_{optimize}.py"
    path.write_text(emit(graph, Options(optimize=optimize, choices=choices)))
    found = Driver(path, dtype="float64", device="cpu")
    state = {p.path: draw(p.init, p.shape, 0, p.path) for p in graph.root.parameters()}
    found.load(
        {k: v + (0 if "running" in k else 0.1) * random(0, k).standard_normal(v.shape) for k, v in state.items()}
    )
    return found


@pytest.mark.jax
@pytest.mark.parametrize("spec", SPECS, ids=[s.split()[0] for s in SPECS])
def test_forms_of_convolution_agree(spec: str, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    graph = graph_of(SPECS[spec] + TRAIN)
    batch = random_batch(graph, 7, 0, "float64")
    plain = driver(graph, tmp_path, optimize=0)
    outputs, (loss, gradients) = plain.outputs(batch), plain.gradients(batch)
    for form in ("dot", "chunks"):
        planned = driver(graph, tmp_path, Choice("convolution", form, ""), Choice("steps", "loop", ""))
        assert ("batch_last(" in (tmp_path / f"model_{form}_loop_1.py").read_text()) == (form == "dot")
        assert_same(planned.outputs(batch), outputs)
        value, found = planned.gradients(batch)
        np.testing.assert_allclose(value, loss, rtol=1e-12)
        assert_same(found, gradients)
        assert_same(planned.state(), plain.state())  # running statistics


@pytest.mark.jax
def test_steps_in_one_loop_and_a_last_smaller_batch_are_those_of_the_textbook(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    text = "model M { input x: float32[2, 5, 7]; target y: class(3); output z = x -> conv(3, 3, stride = 2)"
    graph = graph_of(f"{text} -> tanh -> max_pool(2) -> flatten -> dense(3) }}{TRAIN}")
    data, order = random_batch(graph, 8, 0, "float64"), random(0, "order").permutation(8)
    forms = [("dot", "scan"), ("chunks", "loop")]
    planned = [driver(graph, tmp_path, Choice("convolution", c, ""), Choice("steps", s, "")) for c, s in forms]
    drivers = [driver(graph, tmp_path, optimize=0), *planned]
    losses = []
    for found in drivers:
        chunks = [(order[:6].reshape(2, 3), 1), (order[6:].reshape(1, 2), 3)]
        losses.append(
            np.concatenate(
                [
                    found.train_steps(data, rows, np.full((len(rows), 1), 0.1), first_step=first)
                    for rows, first in chunks
                ]
            )
        )
        np.testing.assert_allclose(losses[-1], losses[0], rtol=1e-9)
        assert_same(found.state(), drivers[0].state())


@pytest.mark.jax
def test_a_chunk_of_any_length_gives_the_same_bits_without_compiling_anew(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    text = "model M { input x: float32[5]; target y: class(3); output z = x -> dense(7) -> tanh -> dense(3) }"
    graph = graph_of(text + TRAIN)
    data, order = random_batch(graph, 12, 0, "float64"), random(0, "o").integers(0, 12, (9, 3))
    whole, pieces = (driver(graph, tmp_path, Choice("steps", "scan", "")) for _ in range(2))
    rates = np.full((9, 1), 0.1)
    losses = whole.train_steps(data, order, rates, first_step=1)
    parts = [pieces.train_steps(data, order[a:b], rates[a:b], first_step=a + 1) for a, b in ((0, 1), (1, 4), (4, 9))]
    np.testing.assert_array_equal(np.concatenate(parts), losses)
    for path, value in whole.state().items():
        np.testing.assert_array_equal(pieces.state()[path], value)
    assert pieces.module.train_steps._cache_size() == 1


@pytest.mark.jax
def test_compiled_programs_are_kept_where_the_user_has_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    from nnspec.backends.jax import kept

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = jax.config.jax_enable_compilation_cache, jax.config.jax_persistent_cache_min_compile_time_secs
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        kept.keep_compiled()
        assert jax.config.jax_compilation_cache_dir is None
        jax.config.update("jax_enable_compilation_cache", True)
        kept.keep_compiled()
        folder = Path(jax.config.jax_compilation_cache_dir)
        assert folder.parent == tmp_path / "nnspec"
        assert folder.stat().st_mode & 0o077 == 0
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_enable_compilation_cache", before[0])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", before[1])
    for k in range(2 * kept.MOST + 3):
        (folder / f"{k}").touch()
    kept.prune(folder)
    assert len(list(folder.iterdir())) == 2 * kept.MOST


# ---------------------------------------------------------------- what is chosen

SMALL = "model M { input x: float32[1, 28, 28]; target y: class(9); output z = x -> conv(6, 5) -> flatten -> dense(9) }"
WIDE = SMALL.replace("conv(6, 5)", "conv(16, 3) -> relu -> conv(16, 3)")
DENSE = "model M { input x: float32[5]; target y: class(3); output z = x -> dense(3) }"
GROUPS = SMALL.replace("conv(6, 5)", "conv(6, 5) -> conv(6, 3, groups = 2)")
LINES = "model M { input x: float32[2, 9]; target y: class(9); output z = x -> conv(6, 5) -> flatten -> dense(9) }"
RULES = [
    (DENSE, Run(batch=32), "scan", "lax"),
    (DENSE, Run(device="cuda"), "scan", "lax"),
    (SMALL, Run(batch=64), "scan", "dot"),
    (SMALL, Run(batch=4096), "loop", "chunks"),
    (SMALL, Run(device="cuda", batch=64), "scan", "lax"),
    (WIDE, Run(batch=128), "loop", "chunks"),
    (WIDE, Run(batch=4), "scan", "dot"),
    (GROUPS, Run(batch=64), "loop", "lax"),
    (LINES, Run(batch=64), "loop", "lax"),
]


@pytest.mark.parametrize(("text", "run", "steps", "convolution"), RULES)
def test_what_is_chosen(text: str, run: Run, steps: str, convolution: str) -> None:
    found = choose("jax", graph_of(text + TRAIN), run)
    assert [c.what for c in found] == list(FORMS)
    assert all(c.why for c in found)
    assert (value_of(found, "steps"), value_of(found, "convolution")) == (steps, convolution)


def test_wishes_win_and_a_form_that_cannot_be_is_refused() -> None:
    found = choose("jax", graph_of(SMALL + TRAIN), Run(batch=64), read_wishes("jax", "chunks,steps=scan"))
    assert (value_of(found, "steps"), value_of(found, "convolution")) == ("scan", "chunks")
    with pytest.raises(ValueError, match="convolution=dot is not for a convolution with groups"):
        choose("jax", graph_of(GROUPS + TRAIN), Run(), {"convolution": "dot"})


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
