"""`nnspec new [TEMPLATE] [FILE]`: a commented spec to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from nnspec.cli.console import OK, Failure, message

TEMPLATES = {
    "mlp": "a multilayer perceptron on handwritten digits",
    "cnn": "a convolutional network on handwritten digits",
    "resnet": "a residual network, with a block of its own",
    "gpt": "a transformer that continues a text",
    "regression": "a number from numbers",
    "csv": "classes from a table of your own",
}
TABLE = "leaves.csv"  # what the template `csv` reads
STDOUT = "-"


@click.command(name="new")
@click.argument("template", default="mlp", metavar="[TEMPLATE]")
@click.argument("file", required=False, type=click.Path(allow_dash=True), metavar="[FILE]")
@click.option("--list", "listed", is_flag=True, help="List the templates.")
def command(template: str, file: str | None, listed: bool) -> int:
    """Write a starter spec: mlp (the default), cnn, resnet, gpt, regression or csv.

    FILE is TEMPLATE.nn where none is given; `-` writes to standard output. A file that exists is never overwritten.
    """
    if listed:
        click.echo("\n".join(f"{name:<11} {what}" for name, what in TEMPLATES.items()))
        return OK
    if template not in TEMPLATES:
        from nnspec.suggest import did_you_mean

        help = did_you_mean(template, TEMPLATES, f"the templates are {', '.join(TEMPLATES)}")
        raise Failure(f"there is no template {template}", help=help)
    path = Path(file or f"{template}.nn")
    text = starter(template, path.name if file != STDOUT else f"{template}.nn")
    if file == STDOUT:
        click.echo(text, nl=False)
        return OK
    _write(path, text)
    message(f"wrote {path}: {TEMPLATES[template]}")
    if template == "csv" and not (table := path.with_name(TABLE)).exists():
        _write(table, _read(TABLE))
        message(f"wrote {table}: a table to try it with")
    message(f"next: nnspec check {path} -v, nnspec train {path}")
    return OK


def starter(template: str, name: str) -> str:
    """The text of a template for a file of that name."""
    if any(c in name for c in '"\\\n\r') or not name.isprintable():
        raise Failure(f"{name!r} is no name for a spec", help="letters, digits, `-`, `_` and points")
    return _read(f"{template}.nn").replace("FILE", name).replace("DATA", TABLE)


def _read(name: str) -> str:
    return files("nnspec.templates").joinpath(name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """A new file; one that exists stays as it is (Failure, exit code 2)."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise Failure(f"{path} exists already", help="name another file: nnspec new TEMPLATE FILE") from error
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error
