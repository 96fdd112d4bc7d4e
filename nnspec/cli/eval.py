"""`nnspec eval RUN|SPEC`: how well a trained model does on its data."""

from __future__ import annotations

from pathlib import Path

import click

from nnspec.backends import BACKENDS
from nnspec.cli.console import message
from nnspec.cli.options import run_options, spec_options, weights_option
from nnspec.cli.specs import run_or_spec
from nnspec.views.numbers import measured


@click.command(name="eval")
@click.argument("target", type=click.Path(), metavar="RUN|SPEC")
@click.option("--part", type=click.Choice(["test", "validation", "train"]), help="Which examples (default: test).")
@click.option("--backend", type=click.Choice(BACKENDS), help="What runs the model (default: what trained it).")
@click.option("--checkpoint", type=click.Choice(["best", "last"]), help="Which weights (default: best).")
@weights_option
@run_options
@spec_options
def command(
    target: str,
    part: str | None,
    backend: str | None,
    checkpoint: str | None,
    weights: Path | None,
    device: str,
    dtype: str | None,
    model: str | None,
    settings: dict[str, str],
) -> None:
    """Evaluate a trained RUN, or a SPEC with --weights, on the test part of its data.

    Any backend can evaluate any run.
    """
    from nnspec.train import evaluate_run

    subject = run_or_spec(target, model, settings)
    found = evaluate_run(
        subject, backend, part=part, device=device, dtype=dtype, checkpoint=checkpoint, weights=weights
    )
    for note in found.notes:
        message(f"warning: {note}")
    for path in found.changed:
        message(f"warning: {path} has changed since this run was trained: its parts may be others")
    message(f"{found.examples:,} examples on {found.backend}, checkpoint {found.checkpoint}")
    click.echo(f"{found.part}  {measured(found.values)}")
