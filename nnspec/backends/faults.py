"""What goes wrong while emitted code runs, told at the line of the spec that the code stands for.

`Guarded` stands around a driver. An exception that passes through the emitted file becomes a `RunError` (E0602) at
the step of the innermost frame whose line stands for one; frames further out say which uses of blocks led there.
Memory that ran out is told as that (E0603). Where no frame stands for a step (backpropagation of a framework, compiled
code) the model is named, and the message says why there is no line. An exception that the emitted file had no part
in is left as it is.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

from nnspec.backends.base import Options, Unsupported
from nnspec.backends.program import Invoke, Statement
from nnspec.backends.tracing import (
    Place,
    Traced,
    callers,
    in_files,
    place_at,
    place_of,
    span_of,
    traced,
    uses_of,
    words_of,
)
from nnspec.diagnostics import Diagnostic, Label, Span, SpecError
from nnspec.ir.types import show_shape
from nnspec.ops.registry import prelude_path
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from nnspec.backends.base import Array, Driver, State
    from nnspec.backends.tracing import Use
    from nnspec.ir.graph import Call, Graph, Module

TITLES = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
LONGEST = 300  # characters of a framework's message; some hold the text of a whole program
_MEMORY = re.compile(
    r"not enough memory|out of memory|RESOURCE_EXHAUSTED|can't allocate memory|ALLOC_FAILED|bad_alloc"
    r"|array is too big|Maximum allowed (?:size|dimension) exceeded|Unable to allocate",
    re.IGNORECASE,
)
_DEVICE = ("JaxRuntimeError", "XlaRuntimeError", "AcceleratorError")  # of compiled code, which has no frames
_CHECK = re.compile(r"^\[enforce fail at [^\]]*\][^.]*\. ")  # a line of torch's own source, before what it says
# A frame in a message: the file, the line, and where Python wrote them the columns under the text of the line.
_FRAME = re.compile(r'File "([^"]+)", line (\d+)[^\n]*(?:\n( *)\S[^\n]*\n( *)(\^+))?')
_COMPILER = re.compile(r"got \w+\(['\"](.+?)['\"]\)")  # what stopped torch's compiler, in its own account


class RunError(SpecError):
    """Emitted code that stopped while it ran. `__cause__` is the exception of the framework."""

    exit_code = 4


class Origin(Record):
    """What an emitted file was made from: enough to make it again, with its map. `sources`: texts of the spec."""

    graph: Graph
    backend: str
    options: Options = Options()
    sources: Mapping[str, str] = {}  # never changed


class Guarded:
    """A driver whose exceptions point back to the spec; see `nnspec.backends.base.Driver`."""

    def __init__(self, make: Callable[[], Driver], source: Path, origin: Origin) -> None:
        self.origin = origin
        self.files = {str(source)}
        with self.told():
            self.driver = make()
        module = getattr(self.driver, "module", None)
        self.files.add(str(getattr(module, "__file__", source)))

    @contextmanager
    def told(self) -> Iterator[None]:
        try:
            yield
        except (SpecError, OSError, ImportError):
            raise
        except Exception as error:
            found = explained(error, self.origin, self.files)
            if found is None:
                raise
            raise found from error

    def __getattr__(self, name: str) -> Any:
        """What a backend's driver has beyond the protocol."""
        if name == "driver":  # it could not be made
            raise AttributeError(name)
        return getattr(self.driver, name)

    def load(self, state: State) -> None:
        with self.told():
            self.driver.load(state)

    def state(self) -> dict[str, Array]:
        with self.told():
            return self.driver.state()

    def optimizer_state(self) -> dict[str, Array]:
        with self.told():
            return self.driver.optimizer_state()

    def load_optimizer(self, state: State) -> None:
        with self.told():
            self.driver.load_optimizer(state)

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]:
        with self.told():
            return self.driver.outputs(batch, training=training)

    def gradients(self, batch: State, *, step: int = 1, objective: int = 0) -> tuple[float, dict[str, Array]]:
        with self.told():
            return self.driver.gradients(batch, step=step, objective=objective)

    def update(self, gradients: State, lr: tuple[float, ...], objective: int = 0) -> None:
        with self.told():
            self.driver.update(gradients, lr, objective)

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        with self.told():
            return self.driver.train_steps(data, order, lr, first_step=first_step)

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        with self.told():
            return self.driver.evaluate(batch)


# ---------------------------------------------------------------- from an exception to a diagnostic


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a process or a device has no memory left: each framework has an error of its own for that."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError | ValueError) and bool(_MEMORY.search(str(error))))
    )


def explained(error: Exception, origin: Origin, files: set[str]) -> RunError | None:
    """The error as the spec's author should read it; None where emitted code had no part in it."""
    error = _of_the_team(error)
    own = [step for step in _steps(error.__traceback__) if step.tb_frame.f_code.co_filename in files]
    memory = is_out_of_memory(error)
    if not (own or memory or type(error).__name__ in _DEVICE):
        return None
    file = _map(origin, files)
    for source in (error, error.__cause__):  # JAX gives an error of bprop the frames of fprop as its cause
        steps = list(_steps(source.__traceback__)) if source is not None else []
        places = _places(steps, file, files)
        if places:
            found = _at_place(error, origin, places, steps)
            break
    else:
        found = _at_line(error, origin, file, files) or _at_model(error, origin, own, file)
    known = next((help for message, help in _KNOWN if message.search(str(error))), "")
    if memory or known:
        found = found.replace(code="E0603" if memory else found.code, help=_MEMORY_HELP if memory else known)
    return RunError((found,), dict(origin.sources))


def _places(steps: list[TracebackType], file: Traced | None, files: set[str]) -> list[tuple[TracebackType, Place]]:
    """The steps of the spec at which the frames of the emitted file were, from outside."""
    own = [step for step in steps if step.tb_frame.f_code.co_filename in files] if file is not None else []
    found = [(step, place_of(file, step)) for step in own if file is not None]
    return [(step, place) for step, place in found if place is not None]


_HELP = (
    "where the data is what the spec says it is, this is a fault of nnspec: please report it with the spec and the "
    "traceback, which NNSPEC_TRACEBACK=1 shows"
)
# What the author of a spec can do where a framework refuses what the others do.
_KNOWN = ((re.compile("Expected more than 1 value per channel"), "batches of two examples at least, the last one too"),)
_MEMORY_HELP = "a smaller batch (with accumulate = n in train an update still sees n batches), or a smaller model"


def _at_place(
    error: Exception, origin: Origin, places: list[tuple[TracebackType, Place]], steps: list[TracebackType]
) -> Diagnostic:
    """At the step of the innermost frame; the uses of blocks that led there are named beside it."""
    prelude, known = str(prelude_path()), callers(origin.graph)
    while len(places) > 1 and span_of(places[-1][1].item).path == prelude:
        places = places[:-1]
    (innermost, place), item = places[-1], places[-1][1].item
    if origin.backend == "torch" and isinstance(item, Statement):
        from nnspec.backends.torch.sequences import stepped_into

        item = stepped_into(item, [step.tb_frame for step in steps[steps.index(innermost) + 1 :]])
    uses = [in_files(use, known) for use in _narrowed(uses_of(item), origin.graph, [place for _, place in places])]
    span = uses[0].span if uses else span_of(item)
    labels = [Label(span, _given(uses, place, innermost))]
    for label in _beside(uses, [outer for _, outer in places[:-1]], known):
        if label.span.path != prelude and label.span not in (other.span for other in labels):
            labels.append(label)
    message = f"{words_of(item, uses)} {_ended(error)} in {TITLES[origin.backend]}: {_words(error)}"
    return Diagnostic("E0602", message, span, tuple(label for label in labels if label.text), _HELP)


def _beside(uses: list[Use], outer: list[Place], known: dict[int, Call]) -> list[Label]:
    """Where a layer that is used here was made, and the uses of blocks that led here, from inside."""
    layer = getattr(uses[0], "layer", None) if uses else None
    made = [Label(layer.span, "made here")] if layer is not None else []
    around = [span_of(place.item) for place in reversed(outer)]
    if not around and uses:  # the planned step of NumPy is one line, without frames of blocks
        around = _around(uses[0], known)
    return [*made, *(Label(span, "in this use") for span in around)]


def _around(use: Use, known: dict[int, Call]) -> list[Span]:
    """The uses of blocks around a step, from inside; of a block that is used again the first one."""
    found = []
    while id(use) in known:
        use = known[id(use)]
        found.append(use.span)
    return found


def _narrowed(uses: list[Use], graph: Graph, places: list[Place]) -> list[Use]:
    """Those of the uses of a class that the uses of blocks on the way lead to."""
    modules: list[Module] = [graph.root]
    for place in places[:-1]:
        if isinstance(place.item, Invoke):
            inside = {id(item) for module in modules for item in module.flat()}
            calls = [call for call in place.item.calls if id(call) in inside]
            modules = [call.module for call in calls or place.item.calls]
    reached = {id(item) for module in modules for item in module.flat()}
    return [use for use in uses if id(use) in reached] or uses


def _given(uses: list[Use], place: Place, step: TracebackType) -> str:
    """The shapes of what the step was given, as far as they have names, and those that the spec says."""
    values = {name: getattr(step.tb_frame.f_locals.get(name), "shape", None) for name in place.reads}
    shapes = [f"{name} is {show_shape(tuple(shape))}" for name, shape in values.items() if isinstance(shape, tuple)]
    said = {tuple(show_shape(v.type.shape) for v in use.inputs if v.type.batched) for use in uses}
    known = f"an example is {', '.join(next(iter(said)))} in the spec" if shapes and len(said) == 1 else ""
    return "; ".join(filter(None, [", ".join(shapes[:4]), known]))


def _at_line(error: Exception, origin: Origin, file: Traced | None, files: set[str]) -> Diagnostic | None:
    """By the lines of the emitted file that a message names, as torch's compiler does for the code that it compiles."""
    for path, line, indent, space, carets in reversed(_FRAME.findall(str(error)) if file is not None else ()):
        if file is None or path not in files:
            continue
        number = int(line)
        text = file.text.split("\n")[number - 1]
        column = len(space) - len(indent) + len(text) - len(text.lstrip())
        end = column + len(carets) - 1  # torch's compiler sometimes draws one too many
        place = place_at(file, number, (number, number, column, end) if carets else None)
        if place is not None:
            message = f"{words_of(place.item)} {_ended(error)} in {TITLES[origin.backend]}: {_words(error)}"
            return Diagnostic("E0602", message, span_of(place.item), (), _HELP)
    return None


def _at_model(error: Exception, origin: Origin, own: list[TracebackType], file: Traced | None) -> Diagnostic:
    """The model as a whole, and why no line of it can be told."""
    graph, title = origin.graph, TITLES[origin.backend]
    reason = f"{title} does not say in which step"
    if own:
        last = own[-1]
        name = last.tb_frame.f_code.co_name
        where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}, in {name}"
        reason = f"{where}, which stands for no step of the model"
        if file is not None and ".backward(" in file.text.split("\n")[last.tb_lineno - 1]:
            reason = f"in backpropagation ({where}), where {title} does not say for which step"
        elif file is None:
            reason = f"{where}, a file that this version of nnspec would write otherwise"
    span = _head(graph.root.span, origin.sources)
    message = f"{graph.name} {_ended(error)} in {title}: {_words(error)}"
    return Diagnostic("E0602", message, span, (Label(span, reason),), _HELP)


def _head(span: Span, sources: Mapping[str, str]) -> Span:
    """The first line of what is longer."""
    if span.end_line == span.line:
        return span
    lines = sources.get(span.path, "").split("\n")
    end = len(lines[span.line - 1].rstrip()) if span.line <= len(lines) else 0
    return Span(span.path, span.line, span.column, span.line, max(end, span.column) + 1)


def _ended(error: Exception) -> str:
    return "ran out of memory" if is_out_of_memory(error) else "stopped"


def _words(error: Exception) -> str:
    """The first line of what the framework says, with the kind of error where that line does not explain itself."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    inside = _COMPILER.search(str(error)) if type(error).__name__ == "TorchRuntimeError" else None
    first = inside[1] if inside is not None else _CHECK.sub("", first)
    if len(first) > LONGEST:
        first = first[:LONGEST] + " ..."
    return first if len(first.split()) > 2 else f"{type(error).__name__}{': ' if first else ''}{first}"


# ---------------------------------------------------------------- frames


def _steps(step: TracebackType | None) -> Iterator[TracebackType]:
    while step is not None:
        yield step
        step = step.tb_next


def _of_the_team(error: Exception) -> Exception:
    """Where threads share a batch of NumPy's planned step, one that fails keeps the others from meeting: its error
    is the one that counts, and the frame that waits for all of them knows it."""
    if not isinstance(error, BrokenBarrierError):
        return error
    for step in _steps(error.__traceback__):
        for other in step.tb_frame.f_locals.get("others", ()):
            first = other.exception() if hasattr(other, "exception") else None
            if isinstance(first, Exception) and not isinstance(first, BrokenBarrierError):
                return first
    return error


def _map(origin: Origin, files: set[str]) -> Traced | None:
    """The map of the emitted file; None if this version would write another file, whose lines are not these.

    The first line, which names the spec, may differ: a run keeps its spec under another name.
    """
    texts = [path.read_text(encoding="utf-8") for path in map(Path, files) if path.is_file()]
    try:
        found = traced(origin.graph, origin.backend, origin.options)
    except Unsupported:
        return None
    return found if _below(found.text) in map(_below, texts) else None


def _below(text: str) -> str:
    return text.partition("\n")[2]
