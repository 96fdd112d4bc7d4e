"""Everything that can be measured, behind one function: `open_contestant(workload, name)` gives an `Epoch`.

Names: `torch`, `jax`, ... is the hand-written program `peers/<workload>_<name>.py`; `nnspec-numpy`, `nnspec-torch`,
`nnspec-jax` is what `nnspec train` runs for the workload's spec, with the words of `--plan` after a colon
(`nnspec-torch:compile`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workloads import HERE, WORKLOADS, Array, Workload

if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

OURS = ("nnspec-numpy", "nnspec-torch", "nnspec-jax")


class Opened(NamedTuple):
    """`epoch(number)` trains once over the data and returns the loss of each step; `examples` in an epoch."""

    epoch: Callable[[int], Array]
    examples: int
    parameters: int
    note: str = ""


def framework(name: str) -> str:
    """Which library a contestant runs on: numpy, torch or jax."""
    return name.removeprefix("nnspec-").split(":")[0].split("_")[0]


def environment(name: str) -> dict[str, str]:
    """Threads: PyTorch and JAX as they come; hand-written NumPy with BLAS on one thread, as `nnspec train` has it.

    Byte code is kept, as an installed package has it.
    """
    mine = dict(os.environ)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONDONTWRITEBYTECODE"):
        mine.pop(variable, None)
    if framework(name) == "numpy" and not name.startswith("nnspec"):
        mine["OPENBLAS_NUM_THREADS"] = mine["MKL_NUM_THREADS"] = "1"
    return mine


def open_contestant(workload: str, name: str, steps: int | None = None) -> Opened:
    known = WORKLOADS[workload]
    return open_nnspec(known, name, steps) if name.startswith("nnspec-") else open_peer(known, name)


def open_peer(workload: Workload, name: str) -> Opened:
    peer = import_module(f"peers.{workload.name}_{name}")
    state = workload.state()
    train = peer.start(workload.data(workload.examples), state)

    def epoch(number: int) -> Array:
        order = np.random.default_rng(number).permutation(workload.examples)
        return np.asarray(train(order), dtype=np.float64)

    return Opened(epoch, workload.examples, workload.parameters)


# ---------------------------------------------------------------- nnspec


def open_nnspec(workload: Workload, name: str, steps: int | None = None) -> Opened:
    """The spec compiled and driven as `nnspec.train` does: the same data, choices, plan of chunks and calls."""
    from nnspec.backends.choices import Run, choose, read_wishes
    from nnspec.compiler import load
    from nnspec.train.initial import initial_state
    from nnspec.train.job import chunked
    from nnspec.train.plan import plan_run, rates
    from nnspec.train.session import base_of, device_of, one_blas_thread, open_driver, read_examples, run_seed

    backend, _, words = name.removeprefix("nnspec-").partition(":")
    one_blas_thread(backend).__enter__()  # until the process ends
    spec = load(str(workload.spec))
    graph, training = spec.graph, spec.graph.training
    assert training is not None
    seed = run_seed(graph, None)
    examples = read_examples(spec, base_of(spec), seed, "float32")
    plan = plan_run(training, examples.size())
    run = Run(device_of(backend, "auto"), plan.batch, steps or plan.steps, examples.size(), "float32")
    choices = choose(backend, graph, run, read_wishes(backend, words))
    code = kept(f"{workload.name}_{backend}", spec.source(backend, choices=choices))
    driver = open_driver(backend, code, dtype="float32", device="auto", seed=seed, choices=choices)
    driver.load(initial_state(graph, seed, "float32", base_of(spec)))
    plan = chunked(driver, examples, graph, plan)
    endless = plan.replace(steps=sys.maxsize, epochs=sys.maxsize)
    step = 0

    def epoch(number: int) -> Array:
        nonlocal step
        arrays, order, found = examples.epoch(number), examples.order(number), []
        for chunk in endless.chunks(order, number, 0):
            lr = rates(training, plan, step + 1, number, len(chunk))
            losses = np.asarray(driver.train_steps(arrays, chunk, lr, first_step=step + 1), dtype=np.float64)
            assert np.isfinite(losses).all()
            found.append(losses)
            step += len(chunk)
        return np.concatenate(found)

    parameters = sum(int(np.prod(p.shape)) for p in graph.root.parameters() if p.role != "buffer")
    assert (parameters, examples.size()) == (workload.parameters, workload.examples)
    return Opened(epoch, examples.size(), parameters, said(choices))


def said(choices: Any) -> str:
    return "; ".join(f"{c.what} = {c.value}: {c.why}" for c in choices)


def kept(name: str, source: str) -> Path:
    """Emitted text in a file that stays until the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="nnspec-bench-")
    _folders.append(folder)
    code = Path(folder.name) / f"{name}.py"
    code.write_text(source, encoding="utf-8")
    return code


_folders: list[Any] = []
