"""The runs below a folder, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.folder import Run, locked, read_run, run_folders

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("backend", "device", "dtype", "seed")  # what runs may differ in besides their settings


class Entry(Record):
    """One run. `state` is "finished", "running" or "stopped"; `values` are the last measured on `part`.

    `settings` are those in which the runs of this model differ, by name: `seed`, `train.epochs`, `train.optimizer`, ...
    """

    folder: str
    model: str
    state: str
    backend: str
    epoch: int
    epochs: int
    step: int
    part: str
    values: dict[str, float]
    best: dict[str, float]
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}


def listed(folder: Path) -> tuple[list[Entry], list[str]]:
    """Every run below a folder, in the order in which they were begun, and what was wrong with others."""
    runs: list[Run] = []
    problems: list[str] = []
    for path in run_folders(folder):
        try:
            run = read_run(path)
            run.metrics()
            runs.append(run)
        except TrainError as error:
            problems.append(error.message)
    return [_entry(run, _differing([r for r in runs if r.model == run.model])) for run in runs], problems


def _entry(run: Run, differing: list[str]) -> Entry:
    lines = run.metrics()
    last = lines[-1] if lines else {}
    part = next((name for name in ("test", "validation", "train") if name in last), "")
    validated = [line["validation"] for line in lines if "validation" in line]
    best = min(validated, key=lambda values: values["loss"]) if validated else {}
    known = settings_of(run)
    return Entry(
        str(run.folder),
        run.model,
        _state(run),
        run.backend,
        int(last.get("epoch", 0)),
        int(run.resolved["plan"]["epochs"]),
        int(last.get("step", 0)),
        part,
        last.get(part, {}),
        best,
        {name: known.get(name) for name in differing},
    )


def _state(run: Run) -> str:
    if run.finished:
        return "finished"
    try:
        with locked(run.folder):
            return "stopped"
    except TrainError:
        return "running"


def settings_of(run: Run) -> dict[str, Any]:
    """What a run was trained with, flat: the spec's values of `let` and parameters of the model as they were set, the
    keys of `train`, and what the command line says."""
    train = {f"train.{k}": v for k, v in run.resolved["train"].items() if k not in ("groups", "seed", "precision")}
    groups = run.resolved["train"]["groups"]
    train["train.optimizer"] = " ".join(f"{g['pattern']}: {_words(g['optimizer'])}" for g in groups)
    size = {"parameters": sum(_product(shape) for shape in run.resolved["parameters"].values())}
    return {**{name: run.resolved[name] for name in SHOWN}, **train, **run.resolved["settings"], **size}


def _words(value: Any) -> str:
    """A setting as one reads it: `adam(lr = 0.01, ...)`."""
    if isinstance(value, dict):
        name = value.get("name", value.get("call", ""))
        inside = ", ".join(f"{k} = {_words(v)}" for k, v in value.items() if k not in ("name", "call"))
        return f"{name}({inside})"
    return str(value)


def _product(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _differing(runs: list[Run]) -> list[str]:
    """The settings that are not the same in all of these runs."""
    every = [settings_of(run) for run in runs]
    names = dict.fromkeys(name for known in every for name in known)
    return [name for name in names if any(known.get(name) != every[0].get(name) for known in every)]
