"""The hand-written programs of the benchmarks train the very models that nnspec compiles from the specs."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path

import numpy as np
import pytest

from nnspec.compiler import load

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
EXTRA = 5  # examples in the smaller last batch
SLOW = ("resnet20", "gpt")


def programs() -> list[object]:
    found = []
    for path in sorted((BENCHMARKS / "peers").glob("*_*.py")):
        workload, _, name = path.stem.partition("_")
        if workload in ("mlp", "lenet5", "resnet20", "gpt") and not name.endswith("compiled"):
            framework = name.split("_")[0]
            marks = [getattr(pytest.mark, framework)] if framework != "numpy" else []
            marks += [pytest.mark.slow] if workload in SLOW else []
            found.append(pytest.param(workload, name, marks=marks, id=path.stem))
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """By workload: data, initial state, an order of its examples, the losses of nnspec's steps."""
    known = {}

    def of(name, workload):
        if name not in known:
            known[name] = reference(workload, tmp_path_factory.mktemp(name))
        return known[name]

    return of


def reference(workload, folder):
    from nnspec.backends.numpy.driver import Driver
    from nnspec.train.plan import plan_run, rates

    spec = load(str(workload.spec))
    code = folder / f"{workload.name}.py"
    code.write_text(spec.source("numpy", optimize=0), encoding="utf-8")
    count = 2 * workload.batch + EXTRA if workload.name not in SLOW else EXTRA
    data, state = workload.data(count), workload.state()
    order = np.random.default_rng(3).permutation(count)
    driver = Driver(code, dtype="float64")
    driver.load(state)
    training, losses = spec.graph.training, []
    assert training.settings["batch"] == workload.batch
    plan = plan_run(training, count)
    for epoch in (1, 2):
        for first in range(0, count, workload.batch):
            lr = rates(training, plan, len(losses) + 1, epoch, 1)
            rows = order[None, first : first + workload.batch]
            losses.extend(driver.train_steps(data, rows, lr, first_step=len(losses) + 1))
    return data, state, order, losses


@pytest.mark.parametrize("workload, name", programs())
def test_a_hand_written_program_takes_the_steps_of_the_spec(workload, name, expected, monkeypatch):
    if util.find_spec("sklearn") is None:
        pytest.skip("the digits are a file of scikit-learn")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    known = import_module("workloads").WORKLOADS[workload]
    data, state, order, losses = expected(workload, known)
    epoch = import_module(f"peers.{workload}_{name}").start(data, state)
    found = [*epoch(order), *epoch(order)]
    np.testing.assert_allclose(np.asarray(found, np.float64), losses, rtol=2e-4, atol=2e-5)
