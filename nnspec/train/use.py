"""Trained runs in use: evaluation and prediction, also of specs that have nothing to train."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import NOTHING, Memory, column_names, count, read_inputs
from nnspec.data.errors import DataError
from nnspec.diagnostics import SpecError
from nnspec.record import Record
from nnspec.train.checkpoint import averaged
from nnspec.train.checkpoint import require_fit as fits_model
from nnspec.train.errors import TrainError
from nnspec.train.evaluate import evaluate, outputs
from nnspec.train.files import write
from nnspec.train.folder import Run, is_run, read_run, same_program
from nnspec.train.initial import initial_state
from nnspec.train.meaning import class_of, pairs
from nnspec.train.plan import BATCH
from nnspec.train.session import (
    Compiled,
    base_of,
    known_backend,
    one_blas_thread,
    open_driver,
    read_examples,
    run_seed,
    working_float,
)
from nnspec.train.sizes import require_fit
from nnspec.train.weights import read_weights

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.backends.choices import Choices
    from nnspec.ir.graph import Graph

    Array = np.ndarray[Any, Any]


class Evaluation(Record):
    """Objective and metrics over one part: `values` holds `loss` and each metric by name.

    `changed` names the data files that are not what they were when the run was trained: the parts may be others.
    """

    part: str
    examples: int
    values: dict[str, float]
    backend: str
    checkpoint: str
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what was wrong with the checkpoint that was to be used, where another was taken


class Prediction(Record):
    """`outputs`: each output of the model (examples, ...), in the units of its target before normalisation.

    `classes`: for each class target, the class predicted for every example, by name where classes have names; those of
    a window of characters as one text.
    """

    outputs: dict[str, Array]
    classes: dict[str, Array]
    notes: tuple[str, ...] = ()  # as those of an Evaluation

    @property
    def size(self) -> int:
        return count(self.outputs)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """A header and one row an example: predicted classes, then the numbers of every output, flattened."""
        header: list[str] = []
        columns: list[list[Any]] = []
        for name, array in [*self.classes.items(), *self.outputs.items()]:
            flat = array.reshape(len(array), -1)
            header += [name] if array.ndim == 1 or flat.shape[1] == 1 else [f"{name}_{i}" for i in range(flat.shape[1])]
            columns += [column.tolist() for column in flat.T]
        return header, [list(row) for row in zip(*columns, strict=True)]


class Subject(Record):
    """What is used: a spec with weights. Its paths are relative to `base`; `memory` is how its data was treated."""

    spec: Compiled
    base: Path
    backend: str
    dtype: str
    seed: int
    batch: int
    weights: dict[str, Any]
    memory: Memory | None
    code: Path | None  # emitted code that the run kept
    checkpoint: str
    files: dict[str, str] = {}  # noqa: RUF012 - a Record is frozen; the data files of training and their hashes
    notes: tuple[str, ...] = ()
    emitted: Choices = ()  # what was chosen when the code was written


def evaluate_run(
    target: str | Path | Compiled,
    backend: str | None = None,
    *,
    part: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
    checkpoint: str | None = None,
    weights: str | Path | None = None,
) -> Evaluation:
    """Objective and metrics of a run (a folder), of a spec with `weights` from a file, or of one with nothing to train.

    `part` is "test", "validation" or "train"; by default the first of these that exists. Any backend can
    evaluate any run. Raises TrainError, DataError, SpecError.
    """
    subject = _subject(target, backend, dtype, checkpoint, weights)
    graph = subject.spec.graph
    if graph.training is None:
        raise TrainError(f"{subject.spec.path} has no train {{ }}, so nothing says how well it does")
    examples = read_examples(subject.spec, subject.base, subject.seed, subject.dtype, subject.memory)
    known = [name for name in ("test", "validation", "train") if name in examples.parts]
    chosen = part or (known[0] if known else "")
    if chosen not in known:
        raise TrainError(f"the data has no {chosen or 'examples'} part", help=f"it has {', '.join(known) or 'none'}")
    require_fit(subject.spec, examples.parts[chosen])
    with _driver(subject, device) as driver:
        values = evaluate(driver, examples.parts[chosen], subject.batch)
    now = set(getattr(examples, "files", {}).values())
    changed = tuple(path for path, known in subject.files.items() if known not in now)
    return Evaluation(
        chosen, examples.size(chosen), values, subject.backend, subject.checkpoint, changed, subject.notes
    )


def predict(
    target: str | Path | Compiled,
    input: str | Path | None = None,
    backend: str | None = None,
    *,
    device: str = "auto",
    dtype: str | None = None,
    checkpoint: str | None = None,
    weights: str | Path | None = None,
) -> Prediction:
    """The outputs of a model for the examples in a csv or npz file.

    The model is that of a run (a folder), a spec with `weights` from a file, or a spec that has nothing to train.
    Without `input`, for all examples of the spec's own data in the order of the source. Inputs are treated as
    those of training were, outputs whose target was normalised are given in its units. Raises TrainError,
    DataError, SpecError.
    """
    subject = _subject(target, backend, dtype, checkpoint, weights)
    graph = subject.spec.graph
    if input is None:
        examples = read_examples(subject.spec, subject.base, subject.seed, subject.dtype, subject.memory, whole=True)
        arrays = dict(examples.parts.get("train", {}))
        memory = getattr(examples, "memory", NOTHING)
    else:
        memory = subject.memory or _memory(subject)
        source = graph.data.settings.get("source", graph.data.settings.get("train")) if graph.data else None
        mapping = column_names(source, tuple(f.name for f in graph.fields))
        try:
            arrays = read_inputs(Path(input), graph.fields, mapping, memory, subject.dtype)
        except DataError as error:
            raise _without_place(error) from error.__cause__
    wanted = {f.name for f in graph.fields if f.role == "input"}
    arrays = {name: array for name, array in arrays.items() if name in wanted}
    require_fit(subject.spec, arrays)
    with _driver(subject, device) as driver:
        found = outputs(driver, arrays, subject.batch) if arrays else dict(driver.outputs({}))
    return _in_words(graph, found, memory).replace(notes=subject.notes)


def _in_words(graph: Graph, found: dict[str, Array], memory: Memory) -> Prediction:
    """Outputs in the units of their targets, and the classes they stand for."""
    results = {name: found[name] for name in graph.outputs if name in found}  # in the order of the spec
    classes: dict[str, Array] = {}
    for pair in pairs(graph):
        if pair.output not in found:
            continue
        if pair.target in memory.scaling and found[pair.output].size:
            results[pair.output] = memory.scaling[pair.target].invert(found[pair.output])
        numbers = class_of(pair, found[pair.output])
        if numbers is not None and pair.target not in classes:
            names = memory.classes.get(pair.target)
            classes[pair.target] = np.array(names, dtype=object)[numbers] if names else numbers
            if names and memory.tokens and numbers.ndim == 2:  # characters of a text are read together
                classes[pair.target] = np.array(["".join(row) for row in classes[pair.target]], dtype=object)
    return Prediction(results, classes)


# ---------------------------------------------------------------- what is used


def _subject(
    target: str | Path | Compiled,
    backend: str | None,
    dtype: str | None,
    checkpoint: str | None,
    weights: str | Path | None,
) -> Subject:
    if isinstance(target, str | Path) and (Path(target).is_dir() or is_run(target)):
        subject = _of_run(read_run(target), backend, dtype, checkpoint)
        return subject if weights is None else _with_weights(subject, Path(weights))
    if isinstance(target, str | Path):
        from nnspec.compiler import load

        target = load(target)
    subject = _of_spec(target, backend, dtype, trained=weights is not None)
    return subject if weights is None else _with_weights(subject, Path(weights))


def _with_weights(subject: Subject, path: Path) -> Subject:
    """The weights of a file instead of its own: every parameter and buffer must be there. Raises TrainError."""
    return subject.replace(weights=read_weights(subject.spec.graph, path), checkpoint=str(path))


def _of_run(run: Run, backend: str | None, dtype: str | None, checkpoint: str | None) -> Subject:
    from nnspec.compiler import load

    run.texts()  # refuses what was changed
    spec: Compiled = load(run.folder / "spec.nn", model=run.model)
    chosen = known_backend(backend or str(run.resolved["backend"]))
    stored = run.checkpoint(checkpoint)
    fits_model(stored, spec.graph, run.folder)
    memory = Memory.from_json(run.resolved["data"]["memory"]) if "memory" in run.resolved["data"] else None
    choices = run.choices() if chosen == run.backend else ()
    code = _kept_code(run, spec, chosen, choices)
    return Subject(
        spec,
        run.base,
        chosen,
        dtype or str(run.resolved["dtype"]),
        int(run.resolved["seed"]),
        int(run.resolved["plan"]["batch"]),
        averaged(stored.weights, stored.optimizer),
        memory,
        code,
        checkpoint or run.preferred,
        dict(run.resolved["data"].get("files", {})),
        stored.notes,
        choices if code is not None else (),
    )


def _kept_code(run: Run, spec: Compiled, backend: str, choices: Choices) -> Path | None:
    """The code that a run kept, where it is what its spec says: the folder of someone else may hold any program."""
    code = run.source(backend)
    if not code.is_file():
        return None
    text = code.read_text(encoding="utf-8", errors="replace")
    return code if same_program(text, spec.source(backend, choices=choices)) else None


def _of_spec(spec: Compiled, backend: str | None, dtype: str | None, *, trained: bool) -> Subject:
    graph = spec.graph
    trainable = [p.path for p in graph.root.parameters() if p.trainable]
    if graph.training is not None and trainable and not trained:
        raise TrainError(
            f"{graph.name} is not trained: {spec.path} is a spec, not a run",
            help=f"nnspec train {spec.path}, then use its run folder; or give it weights with --weights FILE",
        )
    seed, working = run_seed(graph, None), working_float(graph, dtype)
    weights = {} if trained else initial_state(graph, seed, working)
    return Subject(
        spec, base_of(spec), known_backend(backend or "numpy"), working, seed, BATCH, weights, None, None, "initial"
    )


@contextmanager
def _driver(subject: Subject, device: str) -> Iterator[Driver]:
    """A driver with the weights loaded; code that no run kept is emitted to a folder that goes afterwards."""
    with one_blas_thread(subject.backend), tempfile.TemporaryDirectory(prefix="nnspec-") as scratch:
        code = subject.code
        if code is None:
            code = Path(scratch) / f"model_{subject.backend}.py"
            write(code, subject.spec.source(subject.backend))
        options: dict[str, Any] = {"dtype": subject.dtype, "device": device, "seed": subject.seed}
        driver = open_driver(subject.backend, code, subject.spec, emitted=subject.emitted, **options)
        driver.load({name: _cast(array, subject.dtype) for name, array in subject.weights.items()})
        yield driver


def _cast(array: Array, dtype: str) -> Array:
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _memory(subject: Subject) -> Memory:
    """How a spec without a run would treat its data; nothing is known where it cannot be read."""
    if subject.spec.graph.data is None:
        return NOTHING
    try:
        examples = read_examples(subject.spec, subject.base, subject.seed, subject.dtype)
    except SpecError:
        return NOTHING
    return getattr(examples, "memory", NOTHING)


def _without_place(error: DataError) -> TrainError:
    """A fault of the file that the user named on the command line: it has no place in the spec."""
    found = TrainError(error.message, help="" if error.code == "E0520" else error.help)  # paths are the user's own here
    found.exit_code = error.exit_code if error.exit_code != 1 else 2
    return found
