"""One run before its first step: everything that can be wrong with spec, data and plan is found here, and the run
folder is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.backends.choices import Choice, Run, choose, value_of
from nnspec.backends.values import micro_batch, trainable
from nnspec.data import Dataset
from nnspec.diagnostics import Diagnostic, Span, SpecError
from nnspec.passes.cost import batch_of, totals
from nnspec.train import folder as folders
from nnspec.train.errors import TrainError
from nnspec.train.files import sha256, write, write_json
from nnspec.train.initial import initial_files, initial_state
from nnspec.train.loop import seconds_a_step
from nnspec.train.memory import Estimate, estimate, made_up, require
from nnspec.train.plan import CHUNK_SECONDS, Plan, plan_run, rates, watch
from nnspec.train.session import (
    base_of,
    blas_threads,
    device_of,
    known_backend,
    open_driver,
    plain,
    read_examples,
    run_seed,
    working_float,
)
from nnspec.train.sizes import require_fit
from nnspec.train.specfile import SpecFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.backends.base import Driver
    from nnspec.backends.choices import Choices
    from nnspec.ir.graph import Graph, Training
    from nnspec.train.examples import Examples
    from nnspec.train.session import Compiled

FEW_STEPS = 8  # too few to be worth timing one
SLOW = 1e9  # multiply-adds or bytes a second that any machine reaches, and a call in a millisecond


class Job:
    """A spec, its data and its settings, ready to run.

    `kept` is the run whose plan, choices and code are used again, in `resume` and `reproduce`: then the spec is that of
    the run's folder, and `trust_code` runs its code whatever that is. Raises TrainError where what is there now is not
    what the run was made with, SpecError where no parameter is left to train.
    """

    def __init__(
        self,
        spec: Compiled,
        backend: str,
        *,
        device: str = "auto",
        dtype: str | None = None,
        seed: int | None = None,
        epochs: int | None = None,
        wishes: Mapping[str, str] | None = None,
        most_steps: int = 0,
        kept: folders.Run | None = None,
        allow_memory: bool = False,
        trust_code: bool = False,
    ) -> None:
        graph, training = spec.graph, spec.graph.training
        if training is None:
            help = "nnspec predict uses a model as it is"
            raise TrainError(f"{spec.path} has no train {{ }} for {graph.name}", help=help)
        _require_trainable(spec, training)
        self.spec, self.training, self.backend, self.kept = spec, training, known_backend(backend), kept
        self.base = kept.base if kept is not None else base_of(spec)
        self.device = device_of(backend, device)
        self.dtype, self.seed, self.epochs = working_float(graph, dtype), run_seed(graph, seed), epochs
        self.blas = kept.resolved["blas"] if kept is not None else blas_threads()
        check = not allow_memory and self.device == "cpu"
        if check:  # before any data is read: what is too large by itself
            least = estimate(graph, backend, batch=batch_of(graph), dtype=self.dtype, held=made_up(graph))
            require(least, graph.name)
        self.examples = read_examples(spec, self.base, self.seed, self.dtype)
        for part in self.examples.parts.values():
            require_fit(spec, part)
        self.most_steps = most_steps
        self.plan = plan_run(training, self.examples.size(), epochs)
        self.watch = watch(training, "validation" in self.examples.parts)
        at_once = micro_batch(training) or self.plan.batch
        self.memory = self.estimate(at_once)
        if check:
            require(self.memory, graph.name)
        run = Run(self.device, at_once, self.plan.steps, self.examples.size(), self.dtype)
        self.choices: Choices = choose(backend, graph, run, wishes or {}) if kept is None else kept.choices()
        if kept is None and dtype is not None and training.settings.get("precision") == "bfloat16":
            self.choices = (*self.choices, Choice("precision", dtype, "asked for"))
        self.source = spec.source(backend, choices=self.choices)
        if kept is not None:
            self.source = self.kept_source(kept, trust_code)
        if kept is not None:
            self.hold_to(kept)

    def estimate(self, at_once: int) -> Estimate:
        """What the run will take at its most, now that the data is there."""
        measured = [part for part in self.examples.parts if part != "train"]
        every = list(self.examples.parts) if not measured or self.watch.gradient else measured
        evaluated = max((self.examples.size(part) for part in every), default=0)
        return estimate(self.spec.graph, self.backend, batch=at_once, evaluated=evaluated, dtype=self.dtype)

    # ---------------------------------------------------------------- the same as before

    def kept_source(self, run: folders.Run, trusted: bool) -> str:
        """The code that the run goes on with. Raises TrainError for another than this nnspec writes for its spec,
        unless it is `trusted`: the folder of someone else may hold any program."""
        code = run.code()
        if not trusted and not folders.same_program(code, self.source):
            raise TrainError(
                f"{run.source(run.backend)} is not what this nnspec writes for the spec of the run",
                help="if the run is your own, of another version, say --trust-code: then that file is run as it is",
            )
        return code

    def hold_to(self, run: folders.Run) -> None:
        """Raise TrainError unless spec, data and plan are those that the run was made with."""
        known = Plan(**{name: value for name, value in run.resolved["plan"].items() if name in Plan._fields})
        for path in run.changed({**self.data_files(), **self.initial_files()}):
            raise TrainError(
                f"{path} is not what it was when {run.folder} was begun: the run would go on with other examples",
                help="put the file back, or train anew",
            )
        now = self.plan.replace(chunk=known.chunk)
        if now != known or self.sizes() != run.resolved["examples"]:
            raise TrainError(f"{run.folder} was begun with {known}, and now the plan is {now}")
        self.plan = known

    def data_files(self) -> dict[str, str]:
        """Every file of the data, by its path as the run stores it, with the hash of its content."""
        files = self.examples.files if isinstance(self.examples, Dataset) else {}
        return {_within(path, self.base): digest for path, digest in files.items()}

    def initial_files(self) -> dict[str, str]:
        """Likewise the files of weights that the run starts from."""
        paths = initial_files(self.spec.graph, self.base)
        return {_within(str(path), self.base): sha256(path.read_bytes()) for path in paths if path.is_file()}

    @property
    def facts(self) -> dict[str, Any]:
        """What the bits of the run depend on besides spec and data."""
        return {
            "backend": self.backend,
            "device": self.device,
            "dtype": self.dtype,
            "seed": self.seed,
            "blas": self.blas,
            "chunk": self.plan.chunk,
            "choices": {c.what: c.value for c in self.choices},
        }

    # ---------------------------------------------------------------- the folder

    def open(self, folder: Path) -> Driver:
        """The emitted code in the folder, imported; its weights are not loaded yet."""
        options: dict[str, Any] = {"dtype": self.dtype, "device": self.device, "seed": self.seed}
        return open_driver(self.backend, folder / self.code, self.spec, choices=self.choices, **options)

    @property
    def code(self) -> str:
        return f"model_{self.backend}.py"

    def set_up(self, folder: Path) -> Driver:
        """A new run's code in its folder and running, weights loaded, the plan settled and written down."""
        write(folder / self.code, self.source)
        driver = self.open(folder)
        self.initialise(driver)
        if self.kept is None:
            self.plan = chunked(driver, self.examples, self.spec.graph, self.plan)
            if self.most_steps:
                self.plan = self.plan.replace(chunk=min(self.plan.chunk, self.most_steps))
        self.describe(folder)
        return driver

    def initialise(self, driver: Driver) -> None:
        """The weights of step 0."""
        driver.load(initial_state(self.spec.graph, self.seed, self.dtype, self.base))

    def describe(self, folder: Path) -> None:
        """spec.nn, environment.json and, last because it makes the folder a run, resolved.json."""
        texts = self.texts()
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write(folder / name, text)
        write_json(folder / "environment.json", folders.environment(self.backend, self.device))
        hashes = {name: sha256(text.encode()) for name, text in {**texts, self.code: self.source}.items()}
        write_json(folder / "resolved.json", self.resolved(folder, hashes))

    def texts(self) -> dict[str, str]:
        """The spec as the run keeps it, by file name."""
        if self.kept is not None:
            return self.kept.texts()
        return run_texts(self.spec, self.overrides())

    def overrides(self) -> dict[str, object]:
        """What the caller said otherwise than the spec, as `--set` would."""
        found: dict[str, object] = {} if self.epochs is None else {"train.epochs": self.epochs}
        if self.training.settings.get("seed", 0) != self.seed:
            found["train.seed"] = self.seed
        if working_float(self.spec.graph, None) != self.dtype or value_of(self.choices, "precision"):
            found["train.precision"] = self.dtype
        return found

    def resolved(self, folder: Path, hashes: Mapping[str, str]) -> dict[str, Any]:
        """Every default made explicit, and what of the data must be remembered."""
        spec, training, data = self.spec, self.training, self.spec.graph.data
        groups = [{"pattern": g.pattern, "optimizer": plain(g.optimizer)} for g in training.groups]
        memory = {"memory": self.examples.memory.to_json()} if isinstance(self.examples, Dataset) else {}
        settings = {**spec.settings, **self.overrides()}
        origin = folders.near(Path(spec.path), folder)
        if self.kept is not None:
            settings, origin = self.kept.resolved["settings"], folders.near(self.kept.spec, folder)
        return {
            "model": spec.graph.name,
            "spec": origin,
            "base": folders.near(self.base, folder),
            "settings": plain(settings),
            **self.facts,
            "plan": {name: getattr(self.plan, name) for name in Plan._fields},
            "examples": self.sizes(),
            "train": {"groups": groups, "metrics": [m.name for m in training.metrics], **plain(training.settings)},
            "data": {**(plain(data.settings) if data else {}), "files": self.data_files(), **memory},
            "init": self.initial_files(),
            "parameters": {p.path: list(p.shape) for p in spec.graph.root.parameters()},
            "hashes": dict(hashes),
        }

    def sizes(self) -> dict[str, int]:
        return {name: self.examples.size(name) for name in self.examples.parts}


def _require_trainable(spec: Compiled, training: Training) -> None:
    if trainable(spec.graph):
        return
    frozen = any(p.role != "buffer" for p in spec.graph.root.parameters())
    why = f"every parameter of {spec.graph.name} is frozen" if frozen else f"{spec.graph.name} has no parameters"
    part = "leave a part of it to an optimizer, or " if frozen else ""
    help = f"{part}use it as it is: nnspec predict and nnspec eval"
    block = training.span
    word = Span(block.path, block.line, block.column, block.line, block.column + len("train"))
    found = Diagnostic("E0421", f"nothing to train: {why}", word, help=help)
    raise SpecError((found,), dict(spec.sources))


def run_texts(spec: Compiled, overrides: Mapping[str, object]) -> dict[str, str]:
    """The spec as a run keeps it, by file name: `--set` values and `overrides` written in."""
    files = SpecFiles(spec.path, spec.sources, spec.graph.name)
    files.apply({**spec.settings, **overrides})
    return files.files()


def _within(path: str, base: Path) -> str:
    """A path relative to the spec's folder where it lies in it."""
    inside, outside = os.path.realpath(path), os.path.realpath(base)
    return os.path.relpath(inside, outside) if inside.startswith(outside + os.sep) else inside


def chunked(driver: Driver, examples: Examples, graph: Graph, plan: Plan) -> Plan:
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
