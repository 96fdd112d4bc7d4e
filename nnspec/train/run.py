"""`train`: from a compiled spec to a run folder with a trained model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import Dataset
from nnspec.diagnostics import Diagnostic, SpecError
from nnspec.passes.cost import totals
from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train import folder as folders
from nnspec.train.errors import TrainError
from nnspec.train.evaluate import evaluate
from nnspec.train.files import to_json, write
from nnspec.train.initial import initial_state
from nnspec.train.loop import Epoch, Hooks, Loop, seconds_a_step
from nnspec.train.plan import CHUNK_SECONDS, Plan, plan_run, rates, watch
from nnspec.train.session import base_of, known_backend, open_driver, plain, read_examples, run_seed, working_float
from nnspec.train.specfile import SpecFiles

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.ir.graph import Graph, Training
    from nnspec.train.examples import Examples
    from nnspec.train.session import Compiled

    Array = np.ndarray[Any, Any]

FEW_STEPS = 8  # too few to be worth timing one
SLOW = 1e9  # multiply-adds or bytes a second that any machine reaches, and a call in a millisecond


class Result(Record):
    """A finished run. `history` holds the lines of metrics.jsonl that epochs wrote; `test` is None without a test part.

    `stopped` says why it ended: "steps", "patience" or "gradient_below". `checkpoint` names the one that
    `test` was measured with and that evaluation and prediction use: "best" where there is a validation part.
    """

    folder: Path
    backend: str
    epochs: int
    steps: int
    history: list[dict[str, Any]]
    test: dict[str, float] | None
    checkpoint: str
    best_epoch: int
    stopped: str
    seconds: float


class Start(Record):
    """What is known before the first step, for who shows progress."""

    folder: Path
    model: str
    backend: str
    device: str
    dtype: str
    seed: int
    plan: Plan
    examples: dict[str, int]


def train(
    spec: Compiled,
    backend: str = "numpy",
    *,
    device: str = "auto",
    dtype: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    run_dir: str | Path | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Train a spec and keep everything in a run folder (DESIGN, "Runs").

    `dtype` (float32, float64), `seed` and `epochs` override what the spec says. `run_dir` is the folder of this run,
    new or empty; without it, the next `runs/<model>/<n>`. Raises DataError (data that does not fit), TrainError
    (settings, files), Diverged, Interrupted, and ModuleNotFoundError when the backend's framework is not
    installed. A run that fails before its first step leaves no folder.
    """
    graph = spec.graph
    if graph.training is None:
        raise TrainError(
            f"{spec.path} has no train {{ }} for {graph.name}", help="nnspec predict uses a model as it is"
        )
    started = time.perf_counter()
    _refuse_later_settings(spec, graph.training)
    dtype, seed = working_float(graph, dtype), run_seed(graph, seed)
    examples = read_examples(spec, base_of(spec), seed, dtype)
    plan = plan_run(graph.training, examples.size(), epochs)
    looks_at = watch(graph.training, "validation" in examples.parts)
    source = spec.source(known_backend(backend))
    state = initial_state(graph, seed, dtype, base_of(spec))
    folder = folders.create(graph.name, run_dir)
    try:
        code = folder / f"model_{backend}.py"
        write(code, source)
        driver = open_driver(backend, code, dtype=dtype, device=device, seed=seed)
        driver.load(state)
        plan = _chunked(driver, examples, graph, plan)
        facts = {"backend": backend, "dtype": dtype, "seed": seed, "chunk": plan.chunk}
        _describe(folder, spec, examples, plan, facts, device, epochs)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if on_start is not None:
        sizes = {name: examples.size(name) for name in examples.parts}
        on_start(Start(folder, graph.name, backend, str(getattr(driver, "device", device)), dtype, seed, plan, sizes))
    history: list[dict[str, Any]] = []

    def log(name: str, record: dict[str, Any]) -> None:
        if name == "metrics":
            history.append(record)
        folders.append(folder / f"{name}.jsonl", record)

    hooks = Hooks(on_epoch, on_step)
    loop = Loop(
        driver, examples, graph.training, plan, looks_at, folder / "checkpoints", write=log, facts=facts, hooks=hooks
    )
    end = loop.run()
    chosen = "best" if "validation" in examples.parts and end.best_epoch else "last"
    test = _test(driver, examples, plan, folder, chosen)
    if test is not None:
        folders.append(
            folder / "metrics.jsonl", {"epoch": end.epoch - 1, "step": end.step, "test": test, "checkpoint": chosen}
        )
    seconds = time.perf_counter() - started
    return Result(
        folder, backend, end.epoch - 1, end.step, history, test, chosen, end.best_epoch, end.finished, seconds
    )


def run_texts(spec: Compiled, overrides: Mapping[str, object]) -> dict[str, str]:
    """The spec as the run keeps it, by file name: `--set` values and `overrides` written in."""
    files = SpecFiles(spec.path, spec.sources, spec.graph.name)
    files.apply({**spec.settings, **overrides})
    return files.files()


LATER = {"accumulate": "accumulate", "ema": "ema", "objectives": 'minimize("pattern")'}


def _refuse_later_settings(spec: Compiled, training: Training) -> None:
    """What the language has and this version cannot do yet is refused, never left out in silence."""
    for key, shown in LATER.items():
        if training.settings.get(key, 1) != 1:
            diagnostic = Diagnostic("E0420", f"{shown} is not available in this version", training.span)
            raise SpecError((diagnostic,), dict(spec.sources))


def _chunked(driver: Driver, examples: Examples, graph: Graph, plan: Plan) -> Plan:
    """The plan with chunks of about half a second of steps.

    What is small by its costs runs an epoch at a time; only else is a step timed, which makes JAX compile once more.
    """
    assert graph.training is not None
    costs = totals(graph, plan.batch)
    longest = (3 * costs["macs"] * plan.batch + costs["memory"]) / SLOW + 1e-3
    if longest * plan.steps_per_epoch <= CHUNK_SECONDS:
        return plan.replace(chunk=plan.steps_per_epoch)
    if plan.steps <= FEW_STEPS:
        return plan
    first = examples.order(1)[: plan.batch]
    return plan.chunked(seconds_a_step(driver, examples.epoch(1), first, rates(graph.training, plan, 1, 1, 1)))


def _test(driver: Driver, examples: Examples, plan: Plan, folder: Path, chosen: str) -> dict[str, float] | None:
    if "test" not in examples.parts:
        return None
    if chosen == "best":
        driver.load(checkpoints.load(folder / "checkpoints" / "best").weights)
    return evaluate(driver, examples.parts["test"], plan.batch)


def _describe(
    folder: Path,
    spec: Compiled,
    examples: Examples,
    plan: Plan,
    facts: dict[str, Any],
    device: str,
    epochs: int | None,
) -> None:
    """spec.nn, resolved.json and environment.json."""
    graph = spec.graph
    training, data = graph.training, graph.data
    assert training is not None
    overrides: dict[str, object] = {} if epochs is None else {"train.epochs": epochs}
    if training.settings.get("seed", 0) != facts["seed"]:
        overrides["train.seed"] = facts["seed"]
    if training.settings.get("precision", "float32") != facts["dtype"]:
        overrides["train.precision"] = facts["dtype"]
    for name, text in run_texts(spec, overrides).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, text)
    found: dict[str, Any] = {}
    if isinstance(examples, Dataset):
        found = {"files": examples.files, "memory": examples.memory.to_json()}
    groups = [{"pattern": g.pattern, "optimizer": plain(g.optimizer)} for g in training.groups]
    resolved = {
        "model": graph.name,
        "spec": str(Path(spec.path).resolve()),
        "base": str(base_of(spec).resolve()),
        **facts,
        "device": device,
        "plan": {name: getattr(plan, name) for name in Plan._fields},
        "examples": {name: examples.size(name) for name in examples.parts},
        "train": {"groups": groups, "metrics": [m.name for m in training.metrics], **plain(training.settings)},
        "data": {**(plain(data.settings) if data else {}), **found},
        "parameters": {p.path: list(p.shape) for p in graph.root.parameters()},
    }
    folders.write_resolved(folder, resolved)
    write(folder / "environment.json", to_json(folders.environment(facts["backend"], device)))
