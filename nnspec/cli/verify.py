"""`nnspec verify FILE`: the same weights and batch on every backend, compared to the last gradient."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from nnspec.backends import BACKENDS, NEEDS
from nnspec.cli.console import FAILED, OK, message
from nnspec.cli.options import DTYPES, file_argument, spec_options, weights_option
from nnspec.cli.specs import load
from nnspec.diagnostics import SpecError


def backends_given(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """`numpy,torch` as a tuple; without it every backend that is installed."""
    if value is None:
        return tuple(name for name in BACKENDS if all(map(_installed, NEEDS[name])))
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in BACKENDS]
    if unknown or not names:
        raise click.BadParameter(f"{value!r} names no backends; known are {', '.join(BACKENDS)}", ctx, param)
    return names


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a finder that refuses it, a module that is half there
        return False


@click.command(name="verify")
@file_argument
@click.option(
    "--backends",
    callback=backends_given,
    metavar="LIST",
    help="As in numpy,torch; the first is the reference (default: all that are installed).",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Steps of training to compare."
)
@click.option("--dtype", type=click.Choice(DTYPES), default="float64", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Examples of the random batch.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@weights_option
@spec_options
def command(
    file: str,
    backends: tuple[str, ...],
    steps: int,
    dtype: str,
    batch: int,
    seed: int,
    weights: Path | None,
    model: str | None,
    settings: dict[str, str],
) -> int:
    """Prove that backends agree: outputs, loss, every gradient and every optimizer update, step by step.

    Gradients are held against finite differences too. Exit code 4 where anything disagrees.
    """
    spec = load(file, model, settings)
    from nnspec.verify import verify
    from nnspec.views.verify import verdict, verify_table

    if len(backends) == 1:
        message(f"only {backends[0]} takes part: its gradients are held against finite differences alone")
    start = None
    if weights is not None:
        from nnspec.train.weights import read_weights

        start = read_weights(spec.graph, weights)
    try:
        report = verify(spec.graph, backends, steps=steps, dtype=dtype, batch=batch, seed=seed, weights=start)
    except SpecError as error:
        error.sources = {**spec.sources, **error.sources}
        raise
    click.echo(verify_table(report))
    for note in report.notes:
        message(f"note: {note}")
    message(verdict(report))
    return OK if report.ok else FAILED
