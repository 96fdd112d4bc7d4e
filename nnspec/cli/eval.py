"""`nnspec eval RUN`: how well a trained run does on its data."""

from __future__ import annotations

import click

from nnspec.backends import BACKENDS
from nnspec.cli.console import message
from nnspec.cli.options import run_options
from nnspec.views.numbers import measured


@click.command(name="eval")
@click.argument("run", type=click.Path(), metavar="RUN")
@click.option("--part", type=click.Choice(["test", "validation", "train"]), help="Which examples (default: test).")
@click.option("--backend", type=click.Choice(BACKENDS), help="What runs the model (default: what trained it).")
@click.option("--checkpoint", type=click.Choice(["best", "last"]), help="Which weights (default: best).")
@run_options
def command(
    run: str, part: str | None, backend: str | None, checkpoint: str | None, device: str, dtype: str | None
) -> None:
    """Evaluate the run in folder RUN on the test part of its data. Any backend can evaluate any run."""
    from nnspec.train import evaluate_run

    found = evaluate_run(run, backend, part=part, device=device, dtype=dtype, checkpoint=checkpoint)
    for path in found.changed:
        message(f"warning: {path} has changed since this run was trained: its parts may be others")
    message(f"{found.examples:,} examples on {found.backend}, checkpoint {found.checkpoint}")
    click.echo(f"{found.part}  {measured(found.values)}")
