"""`nnspec reproduce RUN`: proves that a run can be made again from what its folder keeps."""

from __future__ import annotations

from pathlib import Path

import click

from nnspec.cli.console import FAILED, OK, message
from nnspec.cli.options import trust_option
from nnspec.cli.train import Lines


@click.command(name="reproduce")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the new run (default: runs/MODEL/N)."
)
@trust_option
def command(run: Path, run_dir: Path | None, trust_code: bool) -> int:
    """Train RUN again from its own files, in a new folder, and compare it bit for bit.

    Compared are weights, optimizer state, metrics and the result. Exit code 0 where every bit is the same, 4 where not.
    """
    from nnspec.train.reproduce import reproduce
    from nnspec.train.run import Listener

    show = Lines(verbose=False)
    found = reproduce(run, run_dir=run_dir, listener=Listener(show.start, show.epoch, show.step), trust_code=trust_code)
    for note in found.notes if found.different else ():
        message(f"warning: {note}")
    for what in found.same:
        click.echo(f"same       {what}")
    for what in found.different:
        click.echo(f"different  {what}")
    message(f"{run} was trained again in {found.result.folder}: " + ("not the same" if found.different else "the same"))
    return FAILED if found.different else OK
