"""`nnspec train FILE`: trains a model and keeps everything in a run folder."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnspec.cli.console import message
from nnspec.cli.options import backend_option, file_argument, run_options, spec_options
from nnspec.cli.specs import load
from nnspec.views.numbers import measured, seconds_in_words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nnspec.train import Epoch, Start


@click.command(name="train")
@file_argument
@backend_option(default="numpy")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, order and noise (default: the spec's).")
@click.option("--epochs", type=click.IntRange(min=1), help="How long (default: the spec's).")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder of this run (default: runs/MODEL/N)."
)
@click.option("--plan", metavar="WORDS", default="", help="Override what is chosen for the backend (see -v).")
@click.option("-v", "--verbose", is_flag=True, help="Say what was chosen for the backend, and why.")
@run_options
@spec_options
def command(
    file: str,
    backend: str,
    seed: int | None,
    epochs: int | None,
    run_dir: Path | None,
    plan: str,
    verbose: bool,
    device: str,
    dtype: str | None,
    model: str | None,
    settings: dict[str, str],
) -> None:
    """Train a model: the run folder keeps the spec, the code that ran, metrics and checkpoints.

    Shows a progress bar on a terminal and one line an epoch otherwise; the result on the test part goes to stdout.
    """
    spec = load(file, model, settings)
    from nnspec.backends.choices import read_wishes
    from nnspec.train import train

    try:
        wishes = read_wishes(backend, plan)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--plan") from None

    with ExitStack() as stack:
        show = Bar(stack, verbose) if sys.stderr.isatty() else Lines(verbose)
        result = train(
            spec,
            backend,
            device=device,
            dtype=dtype,
            seed=seed,
            epochs=epochs,
            run_dir=run_dir,
            wishes=wishes,
            on_start=show.start,
            on_epoch=show.epoch,
            on_step=show.step,
        )
    why = "" if result.stopped == "steps" else f" ({result.stopped} after epoch {result.epochs})"
    message(f"{result.steps} steps in {seconds_in_words(result.seconds)}{why}, kept in {result.folder}")
    if result.test is not None:
        click.echo(f"test  {measured(result.test)}")
    else:
        last = result.history[-1]
        part = "validation" if "validation" in last else "train"
        click.echo(f"{part}  {measured(result.train or last[part])}")


class Lines:
    """One line an epoch; before them, where asked for, a line for each choice."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose

    def start(self, start: Start) -> None:
        sizes = ", ".join(f"{count:,} {part}" for part, count in start.examples.items())
        where = "" if start.device == "auto" else f"{start.device}, "
        how = f"{where}{start.dtype}, seed {start.seed}"
        message(f"{start.model} on {start.backend} ({how}): {sizes or 'no data'}")
        for choice in start.choices if self.verbose else ():
            message(f"  {choice.what} = {choice.value}: {choice.why}")

    def epoch(self, epoch: Epoch) -> None:
        message(line_of(epoch))

    def step(self, step: int, steps: int) -> None:
        pass


class Bar(Lines):
    """A bar over all steps, with the line of each epoch above it."""

    def __init__(self, stack: ExitStack, verbose: bool) -> None:
        super().__init__(verbose)
        self.stack = stack
        self.progress: Progress | None = None
        self.task: TaskID

    def start(self, start: Start) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().start(start)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = self.stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
        self.task = self.progress.add_task("steps", total=start.plan.steps)

    def epoch(self, epoch: Epoch) -> None:
        if self.progress is not None:
            self.progress.console.print(line_of(epoch), markup=False, highlight=False, soft_wrap=True)

    def step(self, step: int, steps: int) -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=step)


def line_of(epoch: Epoch) -> str:
    """`epoch  3/15  train loss 0.1234  validation loss 0.1502 accuracy 0.9556  1.2 s`."""
    width = len(str(epoch.epochs))
    parts = [f"epoch {epoch.epoch:>{width}}/{epoch.epochs}", f"train {measured(epoch.train)}"]
    if epoch.validation is not None:
        parts.append(f"validation {measured(epoch.validation)}")
    return "  ".join([*parts, seconds_in_words(epoch.seconds)])
