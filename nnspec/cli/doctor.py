"""`nnspec doctor FILE`: what is wrong with a training run, before hours are spent on it."""

from __future__ import annotations

import click

from nnspec.cli.console import FAILED, OK, message
from nnspec.cli.options import backend_option, file_argument, run_options, spec_options
from nnspec.cli.specs import load


@click.command(name="doctor")
@file_argument
@backend_option(default="numpy")
@run_options
@spec_options
def command(
    file: str, backend: str, device: str, dtype: str | None, model: str | None, settings: dict[str, str]
) -> int:
    """Look at the data of FILE, its first loss, and whether it can learn one batch by heart.

    Also says what memory and time an epoch will take. Exit code 4 where training cannot work.
    """
    spec = load(file, model, settings)
    from nnspec.train.doctor import examine
    from nnspec.views.table import table

    found = examine(spec, backend, device=device, dtype=dtype)
    click.echo(table(("", "what", "found"), [(f.verdict, f.what, f.text) for f in found.findings]))
    message(f"{spec.graph.name} is ready to train" if found.healthy else f"{spec.graph.name} cannot train like this")
    return OK if found.healthy else FAILED
