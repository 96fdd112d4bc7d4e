"""Emitted files as a reviewer sees them: the text itself, its length, and that it runs as it stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from goldens import BACKENDS, MODELS, path_of, text_of
from specs import graph_of

from nnspec.backends.loading import import_file

IMAGE = {"lenet5": (1, 28, 28), "residual": (1, 8, 8)}  # of an example; the larger networks take any size


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_golden(name: str, backend: str) -> None:
    """`python tests/golden/update.py` writes them anew."""
    assert text_of(name, backend) == path_of(name, backend).read_text()


def test_goldens_are_formatted_and_free_of_lint() -> None:
    files = [str(path_of(name, backend)) for name in MODELS for backend in BACKENDS]
    for command in (["format", "--check", "--diff"], ["check"]):
        ran = subprocess.run([sys.executable, "-m", "ruff", *command, "--isolated", *files], capture_output=True)
        assert ran.returncode == 0, ran.stdout.decode()


# ---------------------------------------------------------------- how long a reader reads

# Lines of the model's classes together, and of the whole file. A file of JAX carries the layers that PyTorch has.
YARDSTICKS = {
    ("resnet50", "torch"): (80, 180),
    ("gpt", "torch"): (70, 170),
    ("resnet50", "jax"): (80, 300),
    ("gpt", "jax"): (80, 250),
}
OWN = {
    "resnet50": {"Bottleneck", "ResNet50"},
    "gpt": {"Positional", "SelfAttention", "Block", "GPT"},
}


def lines_of(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return (node.end_lineno or first) - first + 1


@pytest.mark.parametrize("name, backend", YARDSTICKS)
def test_emitted_models_are_as_short_as_written_ones(name: str, backend: str) -> None:
    text = path_of(name, backend).read_text()
    body = ast.parse(text).body
    model = [node for node in body if isinstance(node, ast.ClassDef) and node.name in OWN[name]]
    classes, whole = YARDSTICKS[name, backend]
    assert {node.name for node in model} == OWN[name]
    assert sum(map(lines_of, model)) <= classes
    assert len(text.splitlines()) <= whole


@pytest.mark.parametrize("name, most", [("resnet50", 80), ("gpt", 70)])
def test_the_model_part_of_a_planned_numpy_file_is_as_short(name: str, most: int) -> None:
    import nnspec

    file, model, _ = MODELS[name]
    text = nnspec.load(path_of(name, "numpy").parents[2] / "examples" / file, model=model).source("numpy")
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name in OWN[name]]
    assert sum(map(lines_of, classes)) <= most


# ---------------------------------------------------------------- that they run


def batch_of(name: str) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    if name == "gpt":
        return {key: generator.integers(0, 75, (2, 32)) for key in ("tokens", "next")}
    image = generator.random((4, *IMAGE.get(name, (3, 32, 32))), np.float32)
    return {"image": image, "label": generator.integers(0, 10, 4)}


@pytest.mark.parametrize("name", MODELS)
def test_a_golden_file_of_numpy_trains(name: str) -> None:
    module: Any = import_file(path_of(name, "numpy"))
    model = module.initialise(module.Model())
    optimizer, batch = module.make_optimizer(model), batch_of(name)
    losses = [module.train_step(model, optimizer, batch, [1e-3], step) for step in (1, 2)]
    assert np.isfinite(losses).all() and losses[0] != losses[1]


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS)
def test_a_golden_file_of_torch_trains(name: str) -> None:
    import torch

    module: Any = import_file(path_of(name, "torch"))
    torch.manual_seed(0)
    model = module.initialise(module.Model())
    optimizer, batch = module.make_optimizer(model), {n: torch.tensor(a) for n, a in batch_of(name).items()}
    losses = [float(module.train_step(model, optimizer, batch, [1e-3], step)) for step in (1, 2)]
    assert np.isfinite(losses).all() and losses[0] != losses[1]
    value, metrics = module.evaluate(model, batch)
    assert np.isfinite(float(value)) and 0 <= float(metrics.get("accuracy", 0)) <= 1


@pytest.mark.jax
@pytest.mark.parametrize("name", MODELS)
def test_a_golden_file_of_jax_traces_a_step(name: str) -> None:
    """Shapes and types of a whole step: XLA takes minutes to compile one of ResNet-50 on a CPU.

    `test_emitted` runs files of JAX, and `verify` of every example holds their numbers.
    """
    import inspect

    import jax
    import jax.numpy as jnp

    module: Any = import_file(path_of(name, "jax"))
    batch = {n: jnp.asarray(a, "int32" if a.dtype.kind == "i" else "float32") for n, a in batch_of(name).items()}
    step = module.train_step
    more = {"key": jax.random.key(1)} if "key" in inspect.signature(step).parameters else {}
    model = jax.eval_shape(module.Model.init, jax.random.key(0))
    state = jax.eval_shape(module.optimizer(1e-3).init, model)
    after, _, value = jax.eval_shape(lambda m, s, b: step(m, s, b, 1e-3, **more), model, state, batch)
    assert value.shape == () and value.dtype == "float32"
    assert jax.tree.structure(after) == jax.tree.structure(model)


NESTED = """
model Nested {
    input x: float32[3]
    h = x -> features: (dense(4) -> (for i in 1..1 { (dense(4) -> relu) }) -> (for i in 1..2 { (dense(4) -> tanh) }))
    output y = h -> tail: ((relu -> (for i in 1..1 { (dense(4) -> relu) })) -> dense(2))
}
"""


@pytest.mark.torch
def test_compositions_of_one_step_stand_in_a_sequential(tmp_path: Path) -> None:
    """`features.1.0` is named below a composition that no step of the text stands for."""
    from nnspec.backends.torch.emit import emit

    graph = graph_of(NESTED)
    text = emit(graph)
    assert "ModuleDict" not in text
    (tmp_path / "nested.py").write_text(text)
    module: Any = import_file(tmp_path / "nested.py")
    wanted = {p.path: p.shape for p in graph.root.parameters()}
    assert {name: tuple(p.shape) for name, p in module.Model().named_parameters()} == wanted
