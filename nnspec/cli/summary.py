"""`nnspec summary FILE`: the layers of a model as a table."""

from __future__ import annotations

import click

from nnspec.cli.options import file_argument, spec_options
from nnspec.cli.specs import load


@click.command(name="summary")
@file_argument
@spec_options
@click.option("--receptive", is_flag=True, help="Also show how much of the input an entry of each output sees.")
def command(file: str, model: str | None, settings: dict[str, str], receptive: bool) -> None:
    """Show each operation of a model with its output, parameters, multiply-adds and memory.

    Multiply-adds and memory (of the output) are those of one example.
    """
    from nnspec.views.summary import summary

    click.echo(summary(load(file, model, settings).graph, receptive))
