"""`doctor`: what can be known of a training run before it starts: its data, its first loss, whether it can learn."""

from __future__ import annotations

import tempfile
import time
from math import ceil, isfinite, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.backends.metrics import objective_keys
from nnspec.backends.values import micro_batch
from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.evaluate import outputs
from nnspec.train.files import write
from nnspec.train.initial import initial_state
from nnspec.train.meaning import pairs
from nnspec.train.memory import Estimate, available, estimate, mb
from nnspec.train.plan import plan_run, rates
from nnspec.train.session import (
    base_of,
    known_backend,
    one_blas_thread,
    open_driver,
    read_examples,
    run_seed,
    working_float,
)
from nnspec.train.sizes import require_fit

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.ir.graph import Graph, Training
    from nnspec.train.examples import Examples
    from nnspec.train.meaning import Pair
    from nnspec.train.plan import Plan
    from nnspec.train.session import Compiled

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Any]

SECONDS, STEPS = 10.0, 200  # of training on one batch, whichever ends first
FEW = 20  # steps that are too few to say that nothing is learned
RARE = 10  # times that the largest class may outweigh the smallest
FAR = 1.0  # by which a first cross-entropy may be above that of a guess; below it, it should not be under half
FALLS = 0.5  # part of its first value to which the objective should come on one batch


class Finding(Record):
    """One line of the report. `verdict` is "ok", "note" (worth a look) or "bad" (training cannot work like this)."""

    what: str
    verdict: str
    text: str


class Checkup(Record):
    """All findings about a spec, in the order in which they were made."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        return all(finding.verdict != "bad" for finding in self.findings)


def examine(spec: Compiled, backend: str = "numpy", *, device: str = "auto", dtype: str | None = None) -> Checkup:
    """Look at the data of a spec, its first loss, and a few steps on its first batch; nothing is kept.

    Raises DataError where the data does not fit, TrainError where there is no `train`, as `train` would.
    """
    graph, training = spec.graph, spec.graph.training
    if training is None:
        raise TrainError(f"{spec.path} has no train {{ }} for {graph.name}", help="nnspec check looks at the model")
    seed, working = run_seed(graph, None), working_float(graph, dtype)
    with one_blas_thread(known_backend(backend)), tempfile.TemporaryDirectory(prefix="nnspec-") as scratch:
        examples = read_examples(spec, base_of(spec), seed, working)
        for part in examples.parts.values():
            require_fit(spec, part)
        plan = plan_run(training, examples.size())
        evaluated = max((examples.size(part) for part in examples.parts if part != "train"), default=0)
        at_once = micro_batch(training) or plan.batch
        memory = estimate(graph, backend, batch=at_once, evaluated=evaluated, dtype=working)
        code = Path(scratch) / f"model_{backend}.py"
        write(code, spec.source(backend))
        driver = open_driver(backend, code, spec, dtype=working, device=device, seed=seed)
        driver.load(initial_state(graph, seed, working, base_of(spec)))
        batch, order = examples.gathered(examples.epoch(1), examples.order(1)[None, : plan.batch])
        first = {name: np.asarray(array[order[0]]) for name, array in batch.items()}
        found = [*_data(graph, examples, first), *_balance(graph, examples), *_first_loss(graph, driver, first)]
        learned, seconds = _overfit(driver, training, plan, first)
        found += [*learned, *_costs(memory, plan, seconds)]
    return Checkup(tuple(found))


def _data(graph: Graph, examples: Examples, first: Arrays) -> list[Finding]:
    """The sizes of the parts, and the fields of one batch."""
    found = []
    sizes = ", ".join(f"{examples.size(name):,} {name}" for name in examples.parts)
    if sizes:
        found.append(Finding("examples", "ok", sizes))
    types = {field.name: field.value.type for field in graph.fields}
    for name, array in first.items():
        if not array.size:
            continue
        sizes = "" if types[name].shape == array.shape[1:] else f" as {list(array.shape[1:])}"
        text = f"{types[name]}{sizes}, {array.min():g} to {array.max():g}"
        wide = types[name].is_float and float(np.abs(array).max()) > 100
        if array.dtype.kind == "f" and array.max() == array.min():
            found.append(Finding(name, "note", f"{text}: every number of the first batch is the same"))
        elif wide:
            found.append(Finding(name, "note", f"{text}: large numbers; normalize = standard brings them in"))
        else:
            found.append(Finding(name, "ok", text))
    return found


def _balance(graph: Graph, examples: Examples) -> list[Finding]:
    """How often each class of a target comes in the training part."""
    found = []
    for field in graph.fields:
        type = field.value.type
        if field.role != "target" or type.dtype != "class" or type.shape or "train" not in examples.parts:
            continue
        counts = np.bincount(np.asarray(examples.parts["train"][field.name][:]), minlength=type.classes)
        share = counts.max() / counts.sum()
        text = f"{type.classes} classes, {counts.min():,} to {counts.max():,} examples; always the largest: {share:.1%}"
        missing = [str(number) for number in np.flatnonzero(counts == 0)[:8]]
        what = f"classes of {field.name}"
        if missing:
            found.append(Finding(what, "note", f"{text}; without an example: {', '.join(missing)}"))
        else:
            found.append(Finding(what, "note" if counts.max() > RARE * counts.min() else "ok", text))
    return found


def _first_loss(graph: Graph, driver: Driver, first: Arrays) -> list[Finding]:
    """The objective of the first batch, and the cross-entropy of each classifier beside ln C, that of a guess."""
    with np.errstate(all="ignore"):
        value, _ = driver.evaluate(first)
    found = [Finding("first objective", "ok" if isfinite(value) else "bad", f"{value:.4f}")]
    given = {name: first[name] for name in first if any(f.name == name and f.role == "input" for f in graph.fields)}
    classifiers = [pair for pair in pairs(graph) if pair.classes and pair.axis is not None and pair.target in first]
    computed = outputs(driver, given, len(next(iter(first.values())))) if classifiers and given else {}
    for pair in classifiers:
        if pair.output not in computed:
            continue
        loss, guess = _cross_entropy(pair, computed[pair.output], first[pair.target]), log(pair.classes)
        text = f"{loss:.4f}, a guess among {pair.classes} classes has ln {pair.classes} = {guess:.4f}"
        verdict = "ok" if guess / 2 <= loss <= guess + FAR else "note"
        found.append(Finding(f"cross-entropy of {pair.output}", verdict, text))
    return found


def _cross_entropy(pair: Pair, logits: Array, labels: Array) -> float:
    """Mean of -log softmax at the labels; what is already a probability, or its logarithm, comes out near ln C too."""
    assert pair.axis is not None
    rows = np.moveaxis(logits.astype(np.float64), pair.axis + 1, -1)
    shifted = rows - rows.max(axis=-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -float(np.take_along_axis(logs, labels[..., None], axis=-1).mean())


def _overfit(driver: Driver, training: Training, plan: Plan, first: Arrays) -> tuple[list[Finding], float]:
    """Steps on one batch alone at the highest rates of the run: a model that can learn learns it by heart."""
    size = len(next(iter(first.values()))) if first else plan.batch
    order = np.arange(size)[None]
    steps = np.unique(np.linspace(1, plan.steps, min(plan.steps, 64)).astype(int))
    sampled = [rates(training, plan, int(t), ceil(int(t) / plan.steps_per_epoch), 1) for t in steps]
    highest = np.max(np.concatenate(sampled), axis=0, keepdims=True)
    losses: list[float] = []  # of a step: the sum of all objectives
    each: list[Array] = []
    times: list[float] = []
    began = time.perf_counter()
    while len(losses) < STEPS and (len(losses) < 2 or time.perf_counter() - began < SECONDS):
        started = time.perf_counter()
        with np.errstate(all="ignore"):
            found = driver.train_steps(first, order, highest, first_step=len(losses) + 1)
        each.append(np.asarray(found, dtype=np.float64).reshape(-1))
        losses.append(float(each[-1].sum()))
        times.append(time.perf_counter() - started)
        if not isfinite(losses[-1]):
            text = f"the objective is {losses[-1]} at step {len(losses)} at a rate of {highest.max():g}"
            return [Finding("one batch", "bad", f"{text}: a smaller one, or clip_norm")], min(times)
    if len(training.objectives) > 1:  # those that work against each other may rise: whoever reads this judges
        names = objective_keys(training)
        moves = [f"{name} goes from {a:.4f} to {b:.4f}" for name, a, b in zip(names, each[0], each[-1], strict=True)]
        text = f"{', '.join(moves)} in {len(losses)} steps on {size} examples"
        return [Finding("one batch", "ok", text)], min(times)
    text = f"the objective falls from {losses[0]:.4f} to {losses[-1]:.4f} in {len(losses)} steps on {size} examples"
    falls = losses[-1] <= FALLS * losses[0] or losses[-1] <= losses[0] - FALLS * abs(losses[0])
    if losses[-1] > losses[0] and len(losses) >= FEW:
        return [Finding("one batch", "bad", text.replace("falls", "rises"))], min(times)
    return [Finding("one batch", "ok" if falls or len(losses) < FEW else "note", text)], min(times)


def _costs(memory: Estimate, plan: Plan, seconds: float) -> list[Finding]:
    """What `train` will take, by the same estimate by which it refuses what cannot fit."""
    limit, whose = available()
    fits = not limit or memory.peak <= limit
    epoch, whole = seconds * plan.steps_per_epoch, seconds * plan.steps
    return [
        Finding("memory", "ok" if fits else "bad", f"{memory}" if fits else f"{memory}; {whose} {mb(limit)}"),
        Finding("time", "ok", f"{_time(epoch)} an epoch of {plan.steps_per_epoch:,} steps, {_time(whole)} in all"),
    ]


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
