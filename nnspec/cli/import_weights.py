"""`nnspec import-weights SPEC WEIGHTS -o OUT.safetensors`: weights of another program under the model's names."""

from __future__ import annotations

from pathlib import Path

import click

from nnspec.cli.console import Failure, message
from nnspec.cli.files import keep
from nnspec.cli.options import file_argument, spec_options
from nnspec.cli.specs import load


@click.command(name="import-weights")
@file_argument
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The .safetensors file to write.",
)
@click.option("--key", metavar="NAME", help="The entry of a PyTorch checkpoint that holds the weights.")
@click.option("--strip", metavar="PREFIX", help="What names of the file begin with and the model's do not.")
@click.option("--prefix", metavar="PREFIX", default="", help="What the model's names begin with and the file's do not.")
@click.option("--ignore", metavar="GLOB", multiple=True, help="Entries of the file to leave out (may be repeated).")
@click.option("--allow-missing", is_flag=True, help="Write what the file has, even if the model has more.")
@spec_options
def command(
    file: str,
    weights: Path,
    output: Path,
    key: str | None,
    strip: str | None,
    prefix: str,
    ignore: tuple[str, ...],
    allow_missing: bool,
    model: str | None,
    settings: dict[str, str],
) -> None:
    """Take the WEIGHTS of a .safetensors, .npz or PyTorch file for the model of a spec.

    Every name and shape is checked against the model, and nothing is written where one is wrong. Use the result with
    --weights, or in a spec as init = "OUT". A PyTorch file is read as tensors alone, never unpickled.
    """
    if output.suffix != ".safetensors":
        raise Failure(f"{output} is not named .safetensors", help=f"-o {output.with_suffix('.safetensors')}")
    spec = load(file, model, settings)
    keep(output, weights, *spec.sources)
    from nnspec.train.weights import import_weights, save_weights

    found = import_weights(
        spec.graph, weights, key=key, strip=strip, prefix=prefix, ignore=ignore, allow_missing=allow_missing
    )
    save_weights(output, found.state)
    for note in found.notes:
        message(f"note: {note}")
    if found.missing:
        message(f"note: {weights} lacks {len(found.missing)} that the model has: {', '.join(found.missing[:6])}")
    numbers = sum(array.size for array in found.state.values())
    message(f"wrote {output}: {len(found.state)} arrays of {spec.graph.name}, {numbers:,} numbers")
