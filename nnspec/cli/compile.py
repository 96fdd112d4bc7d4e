"""`nnspec compile FILE --backend torch -o model.py`: a model as source that needs no nnspec."""

from __future__ import annotations

from pathlib import Path

import click

from nnspec.cli.files import keep, wrote
from nnspec.cli.options import backend_option, file_argument, spec_options
from nnspec.cli.specs import load


@click.command(name="compile")
@file_argument
@backend_option()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT", help="The file to write (default: stdout)."
)
@click.option(
    "-O",
    "--optimize",
    type=click.Choice(["0", "1"]),
    default="1",
    show_default=True,
    help="-O0 is the textbook form, -O1 the planned form that training runs.",
)
@spec_options
def command(
    file: str, backend: str, output: Path | None, optimize: str, model: str | None, settings: dict[str, str]
) -> None:
    """Write a model, its loss, gradients and training step as one Python file."""
    spec = load(file, model, settings)
    if output is not None:
        keep(output, *spec.sources)
    source = spec.source(backend, optimize=int(optimize))
    if output is None or str(output) == "-":
        click.echo(source, nl=False)
        return
    wrote(output, source)
