"""`nnspec runs [FOLDER]`: what was trained, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnspec.cli.console import Failure, message
from nnspec.views.numbers import measured

if TYPE_CHECKING:
    from nnspec.train.listing import Entry


@click.command(name="runs")
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="A table, or data.")
def command(folder: Path, form: str) -> None:
    """List the runs in FOLDER (default: runs) and compare them: what they came to, and in which settings they differ.

    A run is finished, running, or stopped (nnspec train --resume RUN goes on with it).
    """
    from nnspec.train.listing import listed

    if not folder.is_dir():
        raise Failure(f"there is no folder {folder}", help="runs are kept in runs/<model>/<number> by nnspec train")
    found, problems = listed(folder)
    for problem in problems:
        message(f"warning: {problem}")
    if form == "json":
        import json

        click.echo(json.dumps([entry.to_json() for entry in found], indent=2))
        return
    if not found:
        message(f"no runs in {folder}")
        return
    rows = [("run", "state", "backend", "epoch", "result", "differs in"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _row(entry: Entry) -> tuple[str, ...]:
    result = f"{entry.part}  {measured(entry.values)}" if entry.values else ""
    differs = ", ".join(f"{name} = {value}" for name, value in entry.settings.items())
    return entry.folder, entry.state, entry.backend, f"{entry.epoch}/{entry.epochs}", result, differs
