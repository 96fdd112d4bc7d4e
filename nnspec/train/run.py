"""`train`: from a compiled spec to a run folder with a trained model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.choices import Run, choose
from nnspec.backends.values import micro_batch
from nnspec.data import Dataset
from nnspec.passes.cost import totals
from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train import folder as folders
from nnspec.train.errors import TrainError
from nnspec.train.evaluate import evaluate
from nnspec.train.files import to_json, write
from nnspec.train.initial import initial_state
from nnspec.train.loop import Epoch, Hooks, Loop, averages, seconds_a_step
from nnspec.train.plan import CHUNK_SECONDS, Plan, plan_run, rates, watch
from nnspec.train.session import (
    base_of,
    device_of,
    known_backend,
    one_blas_thread,
    open_driver,
    plain,
    read_examples,
    run_seed,
    working_float,
)
from nnspec.train.specfile import SpecFiles

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.backends.choices import Choices
    from nnspec.ir.graph import Graph
    from nnspec.train.examples import Examples
    from nnspec.train.session import Compiled

    Array = np.ndarray[Any, Any]

FEW_STEPS = 8  # too few to be worth timing one
SLOW = 1e9  # multiply-adds or bytes a second that any machine reaches, and a call in a millisecond


class Result(Record):
    """A finished run. `history` holds the lines of metrics.jsonl that epochs wrote; `test` is None without a test part.

    `train` is objective and metrics after the last step on the training part, where it is all the data there is.

    `stopped` says why it ended: "steps", "patience" or "gradient_below". `checkpoint` names the one that
    `test` was measured with and that evaluation and prediction use: "best" where there is a validation part.
    """

    folder: Path
    backend: str
    epochs: int
    steps: int
    history: list[dict[str, Any]]
    test: dict[str, float] | None
    train: dict[str, float] | None
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
    choices: Choices = ()


def train(
    spec: Compiled,
    backend: str = "numpy",
    *,
    device: str = "auto",
    dtype: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    run_dir: str | Path | None = None,
    wishes: Mapping[str, str] | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Train a spec and keep everything in a run folder (DESIGN, "Runs").

    `dtype` (float32, float64), `seed` and `epochs` override what the spec says. `run_dir` is the folder of this run,
    new or empty; without it, the next `runs/<model>/<n>`. `wishes` overrides what is chosen for the backend
    (`nnspec.backends.choices.read_wishes`). Raises DataError (data that does not fit), TrainError
    (settings, files), Diverged, Interrupted, and ModuleNotFoundError when the backend's framework is not
    installed. A run that fails before its first step leaves no folder.
    """
    with one_blas_thread(backend):
        job = _Job(spec, known_backend(backend), device, dtype, seed, epochs, wishes or {})
        folder = folders.create(spec.graph.name, run_dir)
        try:
            driver = job.set_up(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if on_start is not None:
            on_start(job.start(folder, driver))
        return job.run(folder, driver, Hooks(on_epoch, on_step))


class _Job:
    """One call of `train`. Everything that can be wrong with spec and data is found when it is made."""

    def __init__(
        self,
        spec: Compiled,
        backend: str,
        device: str,
        dtype: str | None,
        seed: int | None,
        epochs: int | None,
        wishes: Mapping[str, str],
    ) -> None:
        self.began = time.perf_counter()
        graph, training = spec.graph, spec.graph.training
        if training is None:
            help = "nnspec predict uses a model as it is"
            raise TrainError(f"{spec.path} has no train {{ }} for {graph.name}", help=help)
        self.spec, self.training, self.backend, self.device = spec, training, backend, device
        self.dtype, self.seed, self.epochs = working_float(graph, dtype), run_seed(graph, seed), epochs
        self.examples = read_examples(spec, base_of(spec), self.seed, self.dtype)
        self.plan = plan_run(training, self.examples.size(), epochs)
        self.watch = watch(training, "validation" in self.examples.parts)
        at_once = micro_batch(training) or self.plan.batch
        run = Run(device_of(backend, device), at_once, self.plan.steps, self.examples.size(), self.dtype)
        self.choices = choose(backend, graph, run, wishes)
        self.source = spec.source(backend, choices=self.choices)
        self.state = initial_state(graph, self.seed, self.dtype, base_of(spec))

    @property
    def facts(self) -> dict[str, Any]:
        """What the bits of the run depend on besides spec and data."""
        choices = {c.what: c.value for c in self.choices}
        return {
            "backend": self.backend,
            "dtype": self.dtype,
            "seed": self.seed,
            "chunk": self.plan.chunk,
            "choices": choices,
        }

    def set_up(self, folder: Path) -> Driver:
        """The emitted code in the folder and running, weights loaded, the plan settled and written down."""
        code = folder / f"model_{self.backend}.py"
        write(code, self.source)
        driver = open_driver(
            self.backend, code, dtype=self.dtype, device=self.device, seed=self.seed, choices=self.choices
        )
        driver.load(self.state)
        self.plan = _chunked(driver, self.examples, self.spec.graph, self.plan)
        self.describe(folder)
        return driver

    def describe(self, folder: Path) -> None:
        """spec.nn, resolved.json and environment.json."""
        for name, text in run_texts(self.spec, self.overrides()).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write(folder / name, text)
        folders.write_resolved(folder, self.resolved())
        write(folder / "environment.json", to_json(folders.environment(self.backend, self.device)))

    def overrides(self) -> dict[str, object]:
        """What the caller said otherwise than the spec, as `--set` would."""
        found: dict[str, object] = {} if self.epochs is None else {"train.epochs": self.epochs}
        if self.training.settings.get("seed", 0) != self.seed:
            found["train.seed"] = self.seed
        if self.training.settings.get("precision", "float32") != self.dtype:
            found["train.precision"] = self.dtype
        return found

    def resolved(self) -> dict[str, Any]:
        """Every default made explicit, and what of the data must be remembered."""
        spec, training, data = self.spec, self.training, self.spec.graph.data
        groups = [{"pattern": g.pattern, "optimizer": plain(g.optimizer)} for g in training.groups]
        known: dict[str, Any] = {}
        if isinstance(self.examples, Dataset):
            known = {"files": self.examples.files, "memory": self.examples.memory.to_json()}
        return {
            "model": spec.graph.name,
            "spec": str(Path(spec.path).resolve()),
            "base": str(base_of(spec).resolve()),
            **self.facts,
            "device": self.device,
            "plan": {name: getattr(self.plan, name) for name in Plan._fields},
            "examples": self.sizes(),
            "train": {"groups": groups, "metrics": [m.name for m in training.metrics], **plain(training.settings)},
            "data": {**(plain(data.settings) if data else {}), **known},
            "parameters": {p.path: list(p.shape) for p in spec.graph.root.parameters()},
        }

    def sizes(self) -> dict[str, int]:
        return {name: self.examples.size(name) for name in self.examples.parts}

    def start(self, folder: Path, driver: Driver) -> Start:
        device = str(getattr(driver, "device", self.device))
        model = self.spec.graph.name
        return Start(folder, model, self.backend, device, self.dtype, self.seed, self.plan, self.sizes(), self.choices)

    def run(self, folder: Path, driver: Driver, hooks: Hooks) -> Result:
        """Train to the end and measure the test part."""
        history: list[dict[str, Any]] = []

        def log(name: str, record: dict[str, Any]) -> None:
            if name == "metrics":
                history.append(record)
            folders.append(folder / f"{name}.jsonl", record)

        parts = (driver, self.examples, self.training, self.plan, self.watch, folder / "checkpoints")
        end = Loop(*parts, write=log, facts=self.facts, hooks=hooks).run()
        epochs, chosen = end.epoch - 1, "best" if "validation" in self.examples.parts and end.best_epoch else "last"
        known = self.examples.parts
        with averages(driver, self.training):
            test = _test(driver, self.examples, self.plan, folder, chosen)
            train = evaluate(driver, known["train"], self.plan.batch) if set(known) == {"train"} else None
        if test is not None:
            line = {"epoch": epochs, "step": end.step, "test": test, "checkpoint": chosen}
            folders.append(folder / "metrics.jsonl", line)
        seconds = time.perf_counter() - self.began
        return Result(
            folder, self.backend, epochs, end.step, history, test, train, chosen, end.best_epoch, end.finished, seconds
        )


def run_texts(spec: Compiled, overrides: Mapping[str, object]) -> dict[str, str]:
    """The spec as the run keeps it, by file name: `--set` values and `overrides` written in."""
    files = SpecFiles(spec.path, spec.sources, spec.graph.name)
    files.apply({**spec.settings, **overrides})
    return files.files()


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
    arrays, first = examples.gathered(examples.epoch(1), examples.order(1)[None, : plan.batch])
    return plan.chunked(seconds_a_step(driver, arrays, first[0], rates(graph.training, plan, 1, 1, 1)))


def _test(driver: Driver, examples: Examples, plan: Plan, folder: Path, chosen: str) -> dict[str, float] | None:
    if "test" not in examples.parts:
        return None
    if chosen == "best":
        driver.load(checkpoints.load(folder / "checkpoints" / "best").weights)
    return evaluate(driver, examples.parts["test"], plan.batch)
