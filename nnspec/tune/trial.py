"""One trial: a run of the spec with the values proposed, of which only settings and metrics are kept."""

from __future__ import annotations

import math
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.backends.faults import is_out_of_memory
from nnspec.compiler import load
from nnspec.diagnostics import SpecError
from nnspec.record import Record
from nnspec.train.errors import Interrupted, TrainError
from nnspec.train.run import train
from nnspec.train.saving import Every

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.compiler import Spec
    from nnspec.train.loop import Epoch
    from nnspec.train.run import Start
    from nnspec.tune.search import Search

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
REPORTS = 50  # values of a trial that are compared with those of others: more would make the journal long


class Outcome(Record):
    """What a trial came to. `value` is the metric of the weights that the run would keep; a trial that was `pruned`
    has the last one it reached, one that failed a `reason`. `history` holds the metrics of each epoch."""

    state: str
    value: float | None
    history: list[dict[str, Any]]
    reason: str = ""


class _Ended(Exception):
    """Ends a run between two epochs."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Watcher:
    """Follows the epochs of a run. `behind(value, epoch, epochs)` says whether a run with that value is given up."""

    def __init__(self, search: Search, behind: Callable[[float, int, int], bool]) -> None:
        self.search, self.behind = search, behind
        self.history: list[dict[str, Any]] = []

    def epoch(self, epoch: Epoch) -> None:
        record: dict[str, Any] = {"epoch": epoch.epoch, "train": epoch.train, "validation": epoch.validation}
        self.history.append(record)
        value = (epoch.validation or {})[self.search.metric]
        if not math.isfinite(value):
            raise _Ended(self.failed(f"the validation {self.search.metric} is {value} after epoch {epoch.epoch}"))
        every = math.ceil(epoch.epochs / REPORTS)
        if epoch.epoch % every == 0 and epoch.epoch < epoch.epochs and self.behind(value, epoch.epoch, epoch.epochs):
            raise _Ended(Outcome(PRUNED, value, self.history, f"behind the others at epoch {epoch.epoch}"))

    def failed(self, reason: str) -> Outcome:
        return Outcome(FAILED, None, self.history, reason)


def run_trial(
    search: Search,
    values: dict[str, str],
    behind: Callable[[float, int, int], bool],
    *,
    keep: Path | None = None,
    on_start: Callable[[Start], None] | None = None,
) -> Outcome:
    """Train the spec with these values of its `let`s; the run folder is `keep`, or thrown away.

    Settings that do not compile, do not fit the memory or diverge are a failed outcome with its reason. Raises
    Interrupted on a signal, TrainError where the spec is no longer what it was, and OSError.
    """
    watcher = Watcher(search, behind)
    try:
        spec = _load(search, values)
        with nullcontext(keep) if keep is not None else tempfile.TemporaryDirectory(prefix="nnspec-") as folder:
            options: dict[str, Any] = {"device": search.device, "dtype": search.dtype, "run_dir": Path(folder)}
            if keep is None:
                options["checkpoint_every"] = Every(seconds=math.inf)
            result = train(spec, search.backend, **options, on_start=on_start, on_epoch=watcher.epoch)
    except _Ended as ended:
        return ended.outcome
    except Interrupted:
        raise
    except SpecError as error:
        return watcher.failed(_first(error))
    except Changed:
        raise
    except TrainError as error:
        return watcher.failed(error.message.split("\n")[0])
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            return watcher.failed(f"out of memory: {str(error).splitlines()[0] if str(error) else 'no more to have'}")
        raise
    kept = next(r for r in watcher.history if r["epoch"] == result.best_epoch)
    return Outcome(COMPLETE, kept["validation"][search.metric], watcher.history)


class Changed(TrainError):
    """The spec is not what the study began with."""


def _load(search: Search, values: dict[str, str]) -> Spec:
    first = search.spec
    settings = {**first.settings, **values}
    spec = load(Path(first.path), model=first.model, set=settings, allow_outside=first.allow_outside)
    for path, text in first.sources.items():
        if not path.startswith("--set") and spec.sources.get(path) != text:
            raise Changed(f"{path} was changed while it was tuned", help="begin again: a study is of one spec")
    return spec


def _first(error: SpecError) -> str:
    """`E0301: kernel 7x7 does not fit its padded input 5x5 (line 9)`."""
    found = next((d for d in error.diagnostics if d.severity == "error"), error.diagnostics[0])
    return f"{found.code}: {found.message} ({found.span.path}:{found.span.line})"
