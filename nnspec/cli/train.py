"""`nnspec train FILE`: trains a model and keeps everything in a run folder."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnspec.backends import BACKENDS
from nnspec.cli.console import Failure, message
from nnspec.cli.options import run_options, spec_options, trust_option
from nnspec.cli.specs import load
from nnspec.views.numbers import measured, seconds_in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from nnspec.compiler import Spec
    from nnspec.train import Epoch, Result, Start
    from nnspec.train.saving import Every
    from nnspec.train.tensorboard import Board

T = TypeVar("T")
NEWEST = "\0newest"  # `--resume` without a run; no path is called that


def every_given(ctx: click.Context, param: click.Parameter, value: str | None) -> Every | None:
    """`--checkpoint-every 5m` as `nnspec.train.saving` takes it."""
    if value is None:
        return None
    from nnspec.train.saving import read_every

    try:
        return read_every(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command(name="train")
@click.argument("file", type=click.Path(), metavar="[SPEC]", required=False)
@click.option("--resume", is_flag=False, flag_value=NEWEST, metavar="[RUN]", help="Go on with a run that was stopped.")
@click.option("--backend", type=click.Choice(BACKENDS), help="What runs the model (default: numpy).")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of weights, order and noise (default: the spec's).")
@click.option("--epochs", type=click.IntRange(min=1), help="How long (default: the spec's).")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder of this run (default: runs/MODEL/N)."
)
@click.option(
    "--checkpoint-every",
    metavar="TIME",
    callback=every_given,
    help="30s, 5m, 1h, 100steps or 2epochs (default: 2s, or less often where a save takes long).",
)
@click.option("--log", type=click.Choice(["tensorboard"]), help="Write curves for TensorBoard as well, beside metrics.")
@click.option("--debug-nans", is_flag=True, help="Look at every gradient for NaN and infinities: half as fast or less.")
@click.option("--allow-memory", is_flag=True, help="Start even where the memory is estimated not to suffice.")
@click.option("--plan", metavar="WORDS", default="", help="Override what is chosen for the backend (see -v).")
@click.option("-v", "--verbose", is_flag=True, help="Say what was chosen for the backend, and why.")
@trust_option
@run_options
@spec_options
def command(
    file: str | None,
    resume: str | None,
    backend: str | None,
    seed: int | None,
    epochs: int | None,
    run_dir: Path | None,
    checkpoint_every: Every | None,
    log: str | None,
    debug_nans: bool,
    allow_memory: bool,
    trust_code: bool,
    plan: str,
    verbose: bool,
    device: str,
    dtype: str | None,
    model: str | None,
    settings: dict[str, str],
) -> None:
    """Train a model: the run folder keeps the spec, the code that ran, metrics and checkpoints.

    Shows a progress bar on a terminal and one line an epoch otherwise; the result on the test part goes to stdout.

    \b
      nnspec train digits.nn                    a new run in runs/MODEL/N
      nnspec train digits.nn --resume           the newest run of it that was stopped
      nnspec train --resume runs/LeNet/3        that run

    Ctrl-C and SIGTERM save before they end the run; a second one ends it at once.
    """
    from nnspec.backends.choices import read_wishes
    from nnspec.train import resume as go_on
    from nnspec.train import train

    given = {"backend": backend, "seed": seed, "epochs": epochs, "dtype": dtype}
    given["device"] = None if device == "auto" else device
    run, spec = _subject(file, resume, model, settings, run_dir, given)
    try:
        wishes = read_wishes(backend or "numpy", plan)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--plan") from None
    if run is not None and wishes:
        raise Failure(f"{run} has a plan, which does not change", help="without --resume a new run begins")

    with ExitStack() as stack:
        show = Bar(stack, verbose) if sys.stderr.isatty() else Lines(verbose)
        told: dict[str, Any] = {"on_start": show.start, "on_epoch": show.epoch, "on_step": show.step}
        board = _board(stack) if log is not None else None
        if board is not None:
            told["on_start"] = _both(show.start, board.start)
            told["on_epoch"] = _both(show.epoch, board.epoch)
        told.update(checkpoint_every=checkpoint_every, debug_nans=debug_nans, allow_memory=allow_memory)
        if run is not None:
            result = go_on(run, trust_code=trust_code, **told)
        else:
            assert spec is not None
            options: dict[str, Any] = {"device": device, "dtype": dtype, "seed": seed, "epochs": epochs}
            result = train(spec, backend or "numpy", **options, run_dir=run_dir, wishes=wishes, **told)
        if board is not None:
            board.result(result)
    _tell(result)


def _subject(
    file: str | None,
    resume: str | None,
    model: str | None,
    settings: dict[str, str],
    run_dir: Path | None,
    given: dict[str, Any],
) -> tuple[Path | None, Spec | None]:
    """The run to go on with, or the spec to train."""
    if resume is not None and resume != NEWEST and Path(resume).suffix == ".nn" and file is None:
        file, resume = resume, NEWEST  # `--resume SPEC` means `SPEC --resume`
    if resume is None or resume == NEWEST:
        if file is None:
            raise click.UsageError("which spec? nnspec train SPEC, or nnspec train --resume RUN")
        spec = load(file, model, settings)
        if resume is None:
            return None, spec
        from nnspec.train.unfinished import run_to_resume

        run = run_to_resume(spec, run_dir, given)
        if run is None:
            message(f"no run of {file} was begun yet: this is the first")
        return (None, spec) if run is None else (run.folder, None)
    said = [f"--{name}" for name, value in given.items() if value is not None]
    said += ["--model"] * (model is not None) + ["--set"] * bool(settings) + ["--run-dir"] * (run_dir is not None)
    if file is not None or said:
        words = " ".join([file, *said] if file else said)
        raise Failure(f"{resume} has a spec and settings, which {words} cannot change", help=f"--resume {resume} alone")
    return Path(resume), None


def _board(stack: ExitStack) -> Board:
    """What writes for TensorBoard. ModuleNotFoundError, before anything is trained, where that is not installed."""
    from nnspec.train.tensorboard import Board

    board = Board()
    stack.callback(board.close)
    return board


def _both(one: Callable[[T], None], other: Callable[[T], None]) -> Callable[[T], None]:
    def call(what: T) -> None:
        one(what)
        other(what)

    return call


def _tell(result: Result) -> None:
    why = "" if result.stopped == "steps" else f" ({result.stopped} after epoch {result.epochs})"
    if result.seconds:
        message(f"{result.steps} steps in {seconds_in_words(result.seconds)}{why}, kept in {result.folder}")
    else:
        message(f"{result.folder} was finished before: {result.steps} steps{why}")
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
        for note in start.notes:
            message(f"warning: {note}")
        if start.step:
            message(f"going on after step {start.step:,} of {start.plan.steps:,}")
        if self.verbose and start.memory:
            message(f"  memory = {start.memory}")
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
        self.task = self.progress.add_task("steps", total=start.plan.steps, completed=start.step)

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
