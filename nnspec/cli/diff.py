"""`nnspec diff A.nn B.nn`: layers, costs, settings, and the weights that still fit."""

from __future__ import annotations

import json

import click

from nnspec.cli.console import OK
from nnspec.cli.options import spec_options
from nnspec.cli.specs import load


@click.command(name="diff")
@click.argument("before", type=click.Path(), metavar="A")
@click.argument("after", type=click.Path(), metavar="B")
@click.option("--other-model", metavar="NAME", help="The model to take from B (default: --model, else its last).")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@spec_options
def command(
    before: str, after: str, other_model: str | None, form: str, model: str | None, settings: dict[str, str]
) -> int:
    """Compare two models: operations, parameters, multiply-adds, training settings, and which weights transfer.

    A weight transfers when B has one of the same path and shape. A and B may be one file with two models. `--set`
    holds for both.
    """
    from nnspec.views.diff import as_text, difference

    a = load(before, model, settings)
    b = load(after, other_model or model, settings)
    found = difference(a, b)
    click.echo(json.dumps(found.as_json(), indent=2) if form == "json" else as_text(found))
    return OK
