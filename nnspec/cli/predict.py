"""`nnspec predict RUN --input FILE`: the outputs of a model for new examples."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnspec.backends import BACKENDS
from nnspec.cli.console import message
from nnspec.cli.files import keep, wrote
from nnspec.cli.options import run_options, spec_options, weights_option
from nnspec.cli.specs import run_or_spec

if TYPE_CHECKING:
    from nnspec.train import Prediction


@click.command(name="predict")
@click.argument("target", type=click.Path(), metavar="RUN|SPEC")
@click.option(
    "--input", "examples", type=click.Path(), metavar="FILE", help="A csv or npz file (default: the spec's own data)."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT", help="The file to write (default: stdout)."
)
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option(
    "--backend", type=click.Choice(BACKENDS), help="What runs the model (default: what trained it, or numpy)."
)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), help="Which weights (default: best).")
@weights_option
@run_options
@spec_options
def command(
    target: str,
    examples: str | None,
    output: Path | None,
    form: str,
    backend: str | None,
    checkpoint: str | None,
    weights: Path | None,
    device: str,
    dtype: str | None,
    model: str | None,
    settings: dict[str, str],
) -> None:
    """Compute a model's outputs: of a trained RUN, of a SPEC with --weights, or of one that has nothing to train.

    Inputs are normalised as those of training were. Predicted classes come first, then every output.
    """
    from nnspec.train import predict

    subject = run_or_spec(target, model, settings)
    if output is not None:
        keep(output, target, *(path for path in (examples, weights) if path is not None))
    found = predict(subject, examples, backend, device=device, dtype=dtype, checkpoint=checkpoint, weights=weights)
    for note in found.notes:
        message(f"warning: {note}")
    text = written(found, form)
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
        return
    wrote(output, text)


def written(prediction: Prediction, form: str) -> str:
    """One line (csv) or one object (json lines) an example."""
    header, rows = prediction.table()
    stream = io.StringIO()
    if form == "csv":
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[_plain(v) for v in row] for row in rows])
        return stream.getvalue()
    for row in rows:
        stream.write(json.dumps({name: _plain(v) for name, v in zip(header, row, strict=True)}) + "\n")
    return stream.getvalue()


def _plain(value: object) -> object:
    """Seven digits say all that a float32 holds."""
    item = value.item() if hasattr(value, "item") else value
    return float(f"{item:.7g}") if isinstance(item, float) else item
