"""What training, evaluation and prediction share: a driver over emitted code, a data set, and their settings."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nnspec.backends import BACKENDS
from nnspec.backends.base import Options
from nnspec.backends.faults import Guarded, Origin
from nnspec.data import DataError, Dataset, load_data
from nnspec.diagnostics import SpecError
from nnspec.train.errors import TrainError
from nnspec.train.examples import NoData

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nnspec.backends.base import Driver
    from nnspec.backends.choices import Choices
    from nnspec.data import Memory
    from nnspec.ir.graph import Graph

DTYPES = ("float32", "float64")


class Compiled(Protocol):
    """What this package needs of `nnspec.compiler.Spec`."""

    @property
    def graph(self) -> Graph: ...

    @property
    def path(self) -> str: ...

    @property
    def sources(self) -> Mapping[str, str]: ...

    @property
    def settings(self) -> Mapping[str, object]:
        """The `--set` values as they were given."""
        ...

    @property
    def allow_outside(self) -> bool:
        """Whether imports may leave the project folder."""
        ...

    def source(self, backend: str, optimize: int = 1, *, choices: Choices = ()) -> str: ...


def open_driver(
    backend: str,
    source: Path,
    spec: Compiled | None = None,
    *,
    dtype: str,
    device: str,
    seed: int,
    choices: Choices = (),
    optimize: int = 1,
    emitted: Choices | None = None,
) -> Driver:
    """The driver of a backend over the file that `spec` became. ModuleNotFoundError when its framework is missing.

    What goes wrong in that file while it runs is told at the lines of the spec (`nnspec.backends.faults`); without a
    spec it is left as it is. `emitted` are the choices that the file was made with, where they are not those with
    which it runs.
    """
    module = import_module(f"nnspec.backends.{known_backend(backend)}.driver")
    make = partial(module.Driver, source, dtype=dtype, device=device, seed=seed, choices=choices)
    if spec is None:
        alone: Driver = make()
        return alone
    options = Options(optimize=optimize, choices=choices if emitted is None else emitted)
    return Guarded(make, source, Origin(spec.graph, backend, options, spec.sources))


def device_of(backend: str, device: str) -> str:
    """ "cpu" or "cuda": what `auto` will come to, asked of the framework that is about to run."""
    if device != "auto" or backend == "numpy":
        return "cpu" if device == "auto" else device
    found: str = import_module(f"nnspec.backends.{backend}.driver").automatic_device()
    return found


def known_backend(name: str) -> str:
    if name not in BACKENDS:
        raise TrainError(f"there is no backend {name}", help="backends: " + ", ".join(BACKENDS))
    return name


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def blas_threads() -> int:
    """How many threads NumPy's matrix products take: what the environment says, else one."""
    return next((int(os.environ[name]) for name in THREADS if os.environ.get(name, "").isdigit()), 1)


def one_blas_thread(backend: str, threads: int | None = None) -> AbstractContextManager[object]:
    """NumPy's matrix products on one thread, unless the environment, or the run that goes on, says how many.

    The products of a training step are too small to share (measured on examples/digits.nn on two busy cores: 1.6 s
    with one thread, 8.2 s with two), and a sum's bits must not depend on the number of cores.
    """
    given = any(os.environ.get(name) for name in THREADS)
    wanted = threads if threads is not None else blas_threads()
    if backend != "numpy" or (given and wanted == blas_threads()):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[object] = threadpool_limits(limits=wanted, user_api="blas")
    return limited


def working_float(graph: Graph, dtype: str | None) -> str:
    """`dtype` if given, else what `precision` says, else float32: what weights and batches are handed over in.

    Under `precision = bfloat16` that is float32; the emitted loss computes in the other.
    """
    chosen = dtype or (str(graph.training.settings.get("precision", "float32")) if graph.training else "float32")
    return "float32" if chosen == "bfloat16" else chosen


def run_seed(graph: Graph, seed: int | None) -> int:
    if seed is not None:
        return seed
    return int(str(graph.training.settings.get("seed", 0))) if graph.training else 0


def needs_data(graph: Graph) -> bool:
    return any(field.role != "noise" for field in graph.fields)


def read_examples(
    spec: Compiled, base: Path, seed: int, dtype: str, memory: Memory | None = None, *, whole: bool = False
) -> Dataset | NoData:
    """The data of a spec, or bare steps for a model without inputs and targets.

    `whole` leaves the split aside: everything is in the part "train", in the order of the source.
    Raises DataError, which knows the texts of the spec.
    """
    graph = spec.graph
    if not needs_data(graph):
        batch = graph.training.settings.get("batch", 1) if graph.training else 1
        return NoData(batch if isinstance(batch, int) else 1)
    try:
        if graph.data is None:
            first = next(f for f in graph.fields if f.role != "noise")
            raise DataError(
                "E0527",
                f"the model has the {first.role} {first.name}, and the spec has no data {{ }} for it",
                first.value.span,
                help="data { source = random(100) } is enough to try a spec out",
            )
        settings = graph.data
        if whole:
            settings = settings.replace(
                settings={k: v for k, v in settings.settings.items() if k not in ("split", "augment")}
            )
        return load_data(graph.fields, settings, base, seed, dtype=dtype, dims=graph.dims, memory=memory)
    except SpecError as error:
        error.sources = {**spec.sources, **error.sources}
        raise


def base_of(spec: Compiled) -> Path:
    """The folder that the paths of a spec are relative to."""
    return Path(spec.path).parent


def plain(value: Any) -> Any:
    """Settings as json holds them: calls and records by name with their values."""
    fields: Iterator[str] | tuple[str, ...] = getattr(value, "_fields", ())
    if hasattr(value, "kwargs") and hasattr(value, "args"):
        return {
            "call": value.name,
            "args": plain(list(value.args)),
            **({"kwargs": plain(value.kwargs)} if value.kwargs else {}),
        }
    if fields:
        name = getattr(value, "name", "") or type(value).__name__
        # What equality ignores (places, functions behind a text) is not what the record says.
        hidden = {"span", "name", *getattr(value, "_unequal", ())}
        return {"name": name, **{f: plain(getattr(value, f)) for f in fields if f not in hidden}}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
