"""Where a number stopped being finite: the step is replayed from the last checkpoint, then traced line by line.

The replay is exact, because everything in a run is a function of its seed and step. The step that went wrong is then
done in the textbook form of the NumPy backend, whatever backend trains, and the first line of fprop or bprop that
gives NaN or an infinity is the operation looked for; `backends/tracing.py` knows its place in the spec.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.base import Options, Unsupported
from nnspec.backends.tracing import Traced, span_of, traced, words_of
from nnspec.backends.values import micro_batch
from nnspec.record import Record
from nnspec.train import checkpoint as checkpoints
from nnspec.train.errors import Diverged
from nnspec.train.files import write
from nnspec.train.loop import Loop
from nnspec.train.session import open_driver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from nnspec.backends.base import Driver
    from nnspec.backends.tracing import Item
    from nnspec.diagnostics import Span
    from nnspec.train.job import Job

    Array = np.ndarray[Any, Any]
    Arrays = Mapping[str, Array]


class Finding(Record):
    """The first operation that gave a number that is not finite: in which pass, and where it stands in the spec."""

    step: int
    operation: str
    phase: str  # "forward", "backward", "update"
    span: Span | None
    value: str


class Moment(Record):
    """The state before a step, and the examples of it."""

    step: int
    weights: dict[str, Array]
    optimizer: dict[str, Array]
    batch: dict[str, Array]


class Careful(Loop):
    """A loop of single steps that remembers the state before each, and looks at the weights after it.

    With `gradients` it looks at the gradients of every step as well, which costs as much again as the step.
    """

    moment: Moment

    def steps(self, arrays: Mapping[str, Array], chunk: Array) -> None:
        gathered, places = self.examples.gathered(arrays, chunk)
        self.moment = Moment(
            self.progress.step + 1,
            copied(self.driver.state()),
            copied(self.driver.optimizer_state()),
            {name: np.asarray(array[places[0]]) for name, array in gathered.items()},
        )
        if self.gradients:
            self.look_at_gradients()
        super().steps(arrays, chunk)
        self.weights()

    def look_at_gradients(self) -> None:
        moment = self.moment
        for index in range(len(self.training.objectives)):
            with np.errstate(all="ignore"):
                _, found = self.driver.gradients(moment.batch, step=moment.step, objective=index)
            for path, gradient in found.items():
                if not np.isfinite(gradient).all():
                    raise self.diverged(f"the gradient of {path} is not finite", moment.step)
        self.driver.load(moment.weights)  # running statistics were changed
        self.driver.load_optimizer(moment.optimizer)


def explained(job: Job, loop: Loop, folder: Path, error: Diverged) -> Diverged:
    """`error` with the operation that was the first to give a number that is not finite."""
    if error.step == 0:  # the weights that were given
        return error
    if isinstance(loop, Careful):
        return _located(job, error, loop.moment)
    driver, saved = loop.driver, checkpoints.load(folder / "checkpoints" / "last")
    driver.load(saved.weights)
    driver.load_optimizer(saved.optimizer)
    parts = (driver, job.examples, job.training, job.plan.replace(chunk=1), job.watch, loop.folder)
    replay = Careful(*parts, write=lambda name, record: None, facts=job.facts, progress=saved.progress)
    replay.save = lambda *, force=False: None  # type: ignore[method-assign]  # nothing is written
    try:
        replay.run()
    except Diverged as again:
        return _located(job, again, replay.moment)
    return error  # not met again: the backend does not compute the same twice


def _located(job: Job, error: Diverged, moment: Moment) -> Diverged:
    try:
        return _told(job, error, locate(job, moment))
    except Unsupported:  # NumPy, in which the step is traced, has no form of it
        return error


def locate(job: Job, moment: Moment) -> Finding:
    """The first operation of a step that gives what is not finite."""
    with tempfile.TemporaryDirectory(prefix="nnspec-") as scratch:
        path = Path(scratch) / "traced.py"
        file = traced(job.spec.graph, "numpy", Options(optimize=0))
        write(path, file.text)
        driver = open_driver("numpy", path, job.spec, dtype=job.dtype, device="cpu", seed=job.seed, optimize=0)
        driver.load(moment.weights)
        size = len(next(iter(moment.batch.values()))) if moment.batch else 1
        part = micro_batch(job.training) or size
        for index in range(len(job.training.objectives)):
            for start in range(0, size, part):
                batch = {name: array[start : start + part] for name, array in moment.batch.items()}
                tracer = Tracer(str(path), file)
                gradients = tracer.run(driver, batch, moment.step, index)
                if tracer.found is not None:
                    return tracer.found
                for name, gradient in gradients.items():
                    if not np.isfinite(gradient).all():
                        return Finding(moment.step, f"the gradient of {name}", "backward", _span(job, name), "")
    return Finding(moment.step, "the optimizer's update", "update", None, "")


class Tracer:
    """Watches the lines of an emitted file and stops looking at the first that gives what is not finite."""

    def __init__(self, path: str, file: Traced) -> None:
        self.path = path
        self.lines: dict[int, tuple[int, tuple[str, ...], Item]] = {}  # by line: statement, its names, its step
        self.last: dict[FrameType, int] = {}
        self.found: Finding | None = None
        self.step = 0
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and node.lineno in file.lines:
                known = (node.lineno, _names(node), file.lines[node.lineno][-1].item)
                self.lines.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), known))

    def run(self, driver: Driver, batch: Arrays, step: int, objective: int) -> Arrays:
        """The gradients of a batch, watched."""
        self.step = step
        before = sys.gettrace()
        sys.settrace(self.enter)
        try:
            with np.errstate(all="ignore"):
                _, found = driver.gradients(batch, step=step, objective=objective)
        finally:
            sys.settrace(before)
        return found

    def enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self.watch if frame.f_code.co_filename == self.path and self.found is None else None

    def watch(self, frame: FrameType, event: str, argument: object) -> Any:
        before = self.lines.get(self.last.get(frame, 0))
        now = self.lines.get(frame.f_lineno)
        done = event == "return" or now is None or before is None or now[0] != before[0]
        if before is not None and done and event != "exception" and self.found is None:
            self.look(frame, before)
        self.last[frame] = frame.f_lineno
        return self.watch

    def look(self, frame: FrameType, known: tuple[int, tuple[str, ...], Item]) -> None:
        _, names, item = known
        for name in names:
            value = _not_finite(frame.f_locals.get(name))
            if value:
                phase = "backward" if "backward" in frame.f_code.co_name else "forward"
                self.found = Finding(self.step, words_of(item), phase, span_of(item), value)
                return


def copied(state: Arrays) -> dict[str, Array]:
    return {name: np.array(array) for name, array in state.items()}


def _names(node: ast.Assign | ast.AugAssign | ast.Expr) -> tuple[str, ...]:
    """The variables that a statement sets."""
    if isinstance(node, ast.Expr):
        return ()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return tuple(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))


def _not_finite(value: object) -> str:
    """ "nan", "inf" or "-inf" where some number in `value` is that; else empty. What was kept for bprop is left out."""
    if isinstance(value, float | np.ndarray | np.floating):
        array = np.asarray(value)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return str(float(array[~np.isfinite(array)].reshape(-1)[0]))
    if isinstance(value, list):
        return next(filter(None, map(_not_finite, value)), "")
    return ""


def _span(job: Job, path: str) -> Span | None:
    return next((p.span for p in job.spec.graph.root.parameters() if p.path == path), None)


def _told(job: Job, error: Diverged, finding: Finding) -> Diverged:
    value = f" gives {finding.value}" if finding.value else ""
    said = f"{error.message}; first {finding.operation}{value} ({finding.phase})"
    if finding.span is not None:
        span = finding.span
        where = span.path if job.kept is None else str(job.kept.folder / Path(span.path).name)
        lines = job.spec.sources.get(span.path, "").split("\n")
        excerpt = f"\n{span.line:>5} | {lines[span.line - 1]}" if span.line <= len(lines) else ""
        said += f"\n  --> {where}:{span.line}:{span.column}{excerpt}"
    return Diverged(said, error.step, error.folder, finding)
