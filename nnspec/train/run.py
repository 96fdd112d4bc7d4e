"""`train`, `resume`: from a compiled spec, or a run that was stopped, to a run folder with a trained model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train import folder as folders
from nnspec.train import nans
from nnspec.train.checkpoint import Checkpoint, Progress
from nnspec.train.errors import Diverged, TrainError
from nnspec.train.evaluate import evaluate
from nnspec.train.files import tidy, write_json
from nnspec.train.job import Job
from nnspec.train.logs import Logs
from nnspec.train.loop import Epoch, Hooks, Loop, averages
from nnspec.train.plan import Plan
from nnspec.train.saving import Every
from nnspec.train.session import one_blas_thread
from nnspec.train.stored import RESULT, read_stored

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.backends.choices import Choices
    from nnspec.train.session import Compiled


class Result(Record):
    """A finished run. `history` holds the lines of metrics.jsonl that epochs wrote; `test` is None without a test part.

    `train` is objective and metrics after the last step on the training part, where it is all the data there is.

    `stopped` says why it ended: "steps", "patience" or "gradient_below". `checkpoint` names the one that
    `test` was measured with and that evaluation and prediction use: "best" where there is a validation part.
    `seconds` is the time of this call.
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
    """What is known before the first step, for who shows progress. `step` is where a resumed run goes on from, and
    `notes` are what should be known about that."""

    folder: Path
    model: str
    backend: str
    device: str
    dtype: str
    seed: int
    plan: Plan
    examples: dict[str, int]
    choices: Choices = ()
    step: int = 0
    notes: tuple[str, ...] = ()
    memory: str = ""  # the estimate of the run's peak, in words


class Listener(Record):
    """Who is told what, how often a checkpoint is written, and whether the gradients of every step are looked at."""

    on_start: Callable[[Start], None] | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    on_step: Callable[[int, int], None] | None = None
    every: Every = Every()
    debug_nans: bool = False


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
    checkpoint_every: Every | None = None,
    debug_nans: bool = False,
    allow_memory: bool = False,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Train a spec and keep everything in a run folder (DESIGN, "Runs").

    `dtype` (float32, float64), `seed` and `epochs` override what the spec says. `run_dir` is the folder of this run,
    new or empty; without it, the next `runs/<model>/<n>`. `wishes` overrides what is chosen for the backend
    (`nnspec.backends.choices.read_wishes`). `debug_nans` looks at every gradient, step by step. A run
    that would not fit into memory is refused, unless `allow_memory`.

    Raises DataError (data that does not fit), TrainError (settings, files), Diverged, Interrupted, and
    ModuleNotFoundError when the backend's framework is not installed. A run that fails before its first step leaves
    no folder.
    """
    began = time.perf_counter()
    every = checkpoint_every or Every()
    with one_blas_thread(backend):
        settings: dict[str, Any] = {"device": device, "dtype": dtype, "seed": seed, "epochs": epochs}
        job = Job(spec, backend, **settings, wishes=wishes, most_steps=every.steps, allow_memory=allow_memory)
        return begin(job, run_dir, Listener(on_start, on_epoch, on_step, every, debug_nans), began)


def begin(job: Job, run_dir: str | Path | None, listener: Listener, began: float) -> Result:
    """A job in a folder of its own, from its first step."""
    folder = folders.create(job.spec.graph.name, run_dir, job.code, job.source)
    with folders.locked(folder):
        tidy(folder)
        try:
            driver = job.set_up(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return _run(job, folder, driver, listener, None, began)


def resume(
    run: str | Path,
    *,
    checkpoint_every: Every | None = None,
    debug_nans: bool = False,
    allow_memory: bool = False,
    trust_code: bool = False,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Go on with a run that was stopped, from its last checkpoint: it ends with the same bits as one never stopped.

    Plan, choices and code are those that the run keeps. A run that is finished gives its result again. Raises
    TrainError where data, spec or metrics are not what they were, where the code is not what its spec says (unless
    `trust_code`), or another process is at work on the run.
    """
    from nnspec.compiler import load

    began = time.perf_counter()
    found = folders.read_run(run)
    with folders.locked(found.folder), one_blas_thread(found.backend, found.resolved["blas"]):
        done = finished(found)
        if done is not None:
            return done
        found.texts()  # refuses what was changed
        spec: Compiled = load(found.folder / "spec.nn", model=found.model)
        options: dict[str, Any] = {**found.settings, "allow_memory": allow_memory, "trust_code": trust_code}
        job = Job(spec, found.backend, **options, kept=found)
        driver = job.open(found.folder)
        saved = _saved(job, found.folder / "checkpoints")
        if saved.optimizer:
            checkpoints.require_fit(saved, spec.graph, found.folder)
            driver.load(saved.weights)
            try:
                driver.load_optimizer(saved.optimizer)
            except (KeyError, ValueError) as error:
                message = f"the checkpoint of {found.folder} has another optimizer's state: {checkpoints.reason(error)}"
                raise TrainError(message) from error
        else:
            job.initialise(driver)
        tidy(found.folder)
        listener = Listener(on_start, on_epoch, on_step, checkpoint_every or Every(), debug_nans)
        return _run(job, found.folder, driver, listener, saved, began)


def _saved(job: Job, folder: Path) -> Checkpoint:
    """The checkpoint to go on from. Where none is whole the run begins again, which gives the same bits later.

    Raises TrainError where the checkpoint is of another run.
    """
    try:
        saved = checkpoints.load(folder / "last")
        if saved.progress.best_epoch and _best(folder).progress.best_epoch < saved.progress.best_epoch:
            raise TrainError(f"the checkpoint {folder / 'best'} is older than the run")
    except TrainError as error:
        notes = (error.message, "begun again from the first step")
        return Checkpoint({}, {}, Progress(), job.facts, notes=notes if folder.exists() else notes[1:])
    for name, value in job.facts.items():
        if saved.run.get(name) != value:
            before = saved.run.get(name)
            raise TrainError(f"the run has {name} = {value}, its checkpoint {folder / 'last'} {name} = {before}")
    return saved


def _best(folder: Path) -> Checkpoint:
    return checkpoints.load(folder / "best")


def _run(job: Job, folder: Path, driver: Driver, listener: Listener, saved: Checkpoint | None, began: float) -> Result:
    """Train to the end, from `saved` if there is one, and measure the test part."""
    logs = Logs(folder, saved.metrics if saved is not None else None)
    if listener.on_start is not None:
        listener.on_start(_start(job, folder, driver, saved))
    plan = job.plan.replace(chunk=1) if listener.debug_nans else job.plan
    parts = (driver, job.examples, job.training, plan, job.watch, folder / "checkpoints")
    progress = saved.progress if saved is not None else None
    kind = nans.Careful if listener.debug_nans else Loop
    loop = kind(
        *parts,
        write=logs.write,
        mark=logs.mark,
        facts=job.facts,
        hooks=Hooks(listener.on_epoch, listener.on_step),
        progress=progress,
        every=listener.every,
    )
    loop.gradients = listener.debug_nans
    try:
        end = loop.run()
    except Diverged as error:
        raise nans.explained(job, loop, folder, error) from error
    history, known = list(logs.history), job.examples.parts
    chosen = "best" if "validation" in known and end.best_epoch else "last"
    with averages(driver, job.training):
        test = _test(driver, job, folder, chosen)
        train = evaluate(driver, known["train"], job.plan.batch) if set(known) == {"train"} else None
    if test is not None:
        logs.write("metrics", {"epoch": end.epoch - 1, "step": end.step, "test": test, "checkpoint": chosen})
        logs.mark()
    summary: dict[str, Any] = {
        "epochs": end.epoch - 1,
        "steps": end.step,
        "test": test,
        "train": train,
        "checkpoint": chosen,
        "best_epoch": end.best_epoch,
        "stopped": end.finished,
    }
    write_json(folder / folders.RESULT, summary)
    seconds = time.perf_counter() - began
    return Result(folder=folder, backend=job.backend, history=history, seconds=seconds, **summary)


def _start(job: Job, folder: Path, driver: Driver, saved: Checkpoint | None) -> Start:
    device = str(getattr(driver, "device", job.device))
    known = (folder, job.spec.graph.name, job.backend, device, job.dtype, job.seed, job.plan, job.sizes(), job.choices)
    memory = str(job.memory)
    if saved is None:
        return Start(*known, memory=memory)
    notes = (*saved.notes, *folders.differences(folder, job.backend, job.device))
    return Start(*known, step=saved.progress.step, notes=notes, memory=memory)


def _test(driver: Driver, job: Job, folder: Path, chosen: str) -> dict[str, float] | None:
    if "test" not in job.examples.parts:
        return None
    if chosen == "best":
        driver.load(_best(folder / "checkpoints").weights)
    return evaluate(driver, job.examples.parts["test"], job.plan.batch)


def finished(run: folders.Run) -> Result | None:
    """The result of a run that has come to its end."""
    path = run.folder / folders.RESULT
    if not path.is_file():
        return None
    summary = read_stored(path, RESULT)
    history = [r for r in run.metrics() if "train" in r]
    try:
        return Result(folder=run.folder, backend=run.backend, history=history, seconds=0.0, **summary)
    except TypeError as error:  # keys of another version
        raise TrainError(f"{path} cannot be read: {error}") from error
