"""`nnspec tune FILE`: searches the domains of the spec's `let`s for better settings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnspec.cli.console import FAILED, OK, Failure, message
from nnspec.cli.options import backend_option, file_argument, outside_allowed, run_options, spec_options
from nnspec.cli.specs import load
from nnspec.views.numbers import number

if TYPE_CHECKING:
    from nnspec.tune.study import Study, Trial


def positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise click.BadParameter(f"{value:g} is no time to search in", ctx, param)
    return value


@click.command(name="tune")
@file_argument
@click.option(
    "--trials", type=click.IntRange(min=1), default=50, show_default=True, help="How many, in the whole study."
)
@click.option("--timeout", type=float, callback=positive, metavar="SECONDS", help="Begin no trial after this time.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that share the work.")
@click.option("--study", type=click.Path(path_type=Path), metavar="FOLDER", help="Its folder (default: studies/FILE).")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="SPEC", help="What to write (best.nn).")
@backend_option(default="numpy")
@click.option("--metric", default="loss", show_default=True, help="What of the validation part to compare trials by.")
@click.option(
    "--direction", type=click.Choice(["minimize", "maximize"]), help="Which is better (default: as the metric is)."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the proposals (default: 0).")
@click.option("--keep", is_flag=True, help="Keep the whole run of each trial in STUDY/runs.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="A table, or data.")
@click.option("--worker", type=int, default=0, hidden=True)
@run_options
@spec_options
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    trials: int,
    timeout: float | None,
    jobs: int,
    study: Path | None,
    output: Path | None,
    backend: str,
    metric: str,
    direction: str | None,
    seed: int | None,
    keep: bool,
    form: str,
    worker: int,
    device: str,
    dtype: str | None,
    model: str | None,
    settings: dict[str, str],
) -> int:
    """Search the domains of FILE for the settings with the best validation loss, and write them into best.nn.

    \b
      let lr  = 1e-3 in log_uniform(1e-5, 1e-1)
      let act = tanh in [relu, tanh, gelu]
      let width = 32 in 8..64

    The first trial is the spec as it stands. Trials that fall behind are ended early; one that diverges or does not
    compile is noted with its reason. The same command goes on with a study that was stopped, and more processes,
    also on other machines, may join it with the same --study.
    """
    spec = load(file, model, settings)
    from nnspec.tune.begun import hold_to, read
    from nnspec.tune.best import refuse_to_replace, write_best
    from nnspec.tune.search import prepare, spec_name

    search = prepare(spec, backend, device=device, dtype=dtype, metric=metric, direction=direction)
    folder, output = study or Path("studies") / spec_name(spec), output or Path("best.nn")
    begun = read(folder)
    if begun is not None:
        hold_to(folder, begun, search, seed)
    if not worker:
        refuse_to_replace(spec, output)
    from nnspec.tune.study import Study
    from nnspec.tune.workers import Orders, share, work

    again = "the same command" + ("" if study is None else f", with --study {folder}")
    opened = Study(folder, search, seed)
    try:
        progress = Progress(opened, trials, quiet=bool(worker))
        orders = Orders(trials, timeout, keep=keep, parent=worker)
        if not worker:
            progress.start()
        if jobs == 1:
            work(opened, orders, progress.show, again)
        else:
            options = _options(file, ctx.params, folder)
            share(opened, options, jobs, progress.show, again, backend)
        best = opened.best()
        if worker:
            return OK
        if best is None:
            raise Failure(f"no trial of {folder} came to its end", FAILED, help="their reasons stand above")
        write_best(spec, best.settings, output)
        _tell(opened, best, output, form)
    finally:
        opened.close()
    return OK


def _options(file: str, given: dict[str, Any], folder: Path) -> list[str]:
    """The command of a worker."""
    found = ["tune", file, "--study", str(folder)]
    for name in ("trials", "timeout", "backend", "metric", "direction", "seed", "device", "dtype", "model"):
        if given[name] is not None:
            found += [f"--{name}", str(given[name])]
    for name, value in given["settings"].items():
        found += ["--set", f"{name}={value}"]
    found += ["--allow-outside"] if outside_allowed() else []
    return [*found, *(["--keep"] if given["keep"] else [])]


class Progress:
    """One line a trial, whichever process did it."""

    def __init__(self, study: Study, trials: int, *, quiet: bool) -> None:
        self.study, self.trials, self.quiet = study, trials, quiet
        self.shown: set[int] = set()
        self.best: Trial | None = None

    def start(self) -> None:
        """What is searched, and what was found before."""
        search, study = self.study.search, self.study
        spec = search.spec
        message(
            f"{spec.model} on {search.backend}: {'highest' if search.rises else 'lowest'} validation {search.metric}"
        )
        for domain in search.domains.values():
            message(f"  {domain.name} = {domain.default} in {domain.describe()}")
        for note in search.notes():
            message(f"warning: {note}")
        before = study.trials()
        if before:
            message(f"going on with {study.folder}: {len(before)} of {self.trials} trials are over")
            self.shown = {t.number for t in before}
            self.best = study.best()

    def show(self) -> None:
        if self.quiet:
            return
        new = [t for t in self.study.trials() if t.number not in self.shown]
        for trial in new:
            self.shown.add(trial.number)
            message(self.line(trial))

    def line(self, trial: Trial) -> str:
        """`trial  3/12  loss 0.1234  width = 40, lr = 0.0021  best 0.1101 (2)`."""
        search = self.study.search
        width = len(str(self.trials))
        if trial.state == "complete" and trial.value is not None:
            known = self.best.value if self.best is not None else None
            if known is None or search.better(trial.value, known):
                self.best = trial
            came = f"{search.metric} {number(trial.value)}"
        else:
            came = f"{trial.state}"
        settings = ", ".join(f"{name} = {value}" for name, value in trial.settings.items())
        parts = [f"trial {trial.number:>{width}}/{self.trials}", came, settings]
        if trial.state != "complete":
            parts.append(trial.reason)
        if self.best is not None and self.best.value is not None:
            parts.append(f"best {number(self.best.value)} (trial {self.best.number})")
        return "  ".join(parts)


def _tell(study: Study, best: Trial, output: Path, form: str) -> None:
    from nnspec.views.table import table

    search, trials, importances = study.search, study.trials(), study.importances()
    first = next((t for t in trials if t.number == 1), None)
    assert best.value is not None
    if form == "json":
        found = {
            "study": str(study.folder),
            "model": search.spec.model,
            "backend": search.backend,
            "metric": search.metric,
            "direction": "maximize" if search.rises else "minimize",
            "best": best.to_json(),
            "default": first.to_json() if first is not None else None,
            "importances": importances or None,
            "trials": [t.to_json() for t in trials],
            "spec": str(output),
        }
        click.echo(json.dumps(found, indent=2))
        return
    at_first = f", with the defaults {number(first.value)}" if first is not None and first.value is not None else ""
    click.echo(f"best {search.metric} {number(best.value)} in trial {best.number} of {len(trials)}{at_first}\n")
    header = ("setting", "best", "default", "domain", *(["importance"] if importances else []))
    rows = []
    for name, domain in search.domains.items():
        share = [f"{importances[name]:.0%}"] if importances else []
        rows.append((name, best.settings[name], str(domain.default), domain.describe(), *share))
    click.echo(table(header, rows, right=" >> >"))
    if not importances:
        message("too few trials came to their end to say what mattered")
    message(f"{output} is the spec with these values; {study.folder} keeps the study")
