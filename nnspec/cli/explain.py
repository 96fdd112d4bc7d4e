"""`nnspec explain E0301`: what a diagnostic means. `nnspec explain FILE:LINE`: why a size is what it is."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import fill, indent

import click

from nnspec.cli.console import OK, SPEC, USAGE, Failure, code_of, report
from nnspec.cli.options import outside_allowed, spec_options

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[0-9]{1,9})(?::(?P<column>[0-9]{1,9}))?")


@click.command(name="explain")
@click.argument("what", required=False, metavar="CODE|FILE:LINE[:COLUMN]")
@spec_options
def command(what: str | None, model: str | None, settings: dict[str, str]) -> int:
    """Explain a diagnostic, as in `nnspec explain E0301`, or the steps on a line, as in `nnspec explain lenet.nn:9`.

    Of a step: the shapes before and after it, where each size comes from, parameters and multiply-adds, all with
    their numbers. Without an argument, list all codes.
    """
    from nnspec.codes import CODES
    from nnspec.suggest import did_you_mean

    if what is None:
        click.echo("\n".join(f"{name}  {entry.title}" for name, entry in sorted(CODES.items())))
        return OK
    if place := _PLACE.fullmatch(what):
        column = int(place["column"]) if place["column"] else None
        return steps(place["file"], int(place["line"]), column, model, settings)
    wanted = what.strip().strip("[]").upper()
    if wanted not in CODES:
        help = did_you_mean(wanted, CODES, "nnspec explain lists them all; a place is FILE:LINE")
        raise Failure(f"there is no code {what}", USAGE, help=help)
    click.echo(explanation(wanted))
    return OK


def steps(file: str, line: int, column: int | None, model: str | None, settings: dict[str, str]) -> int:
    """Explains the steps on a line, in the last model that has some there; the exit code."""
    from nnspec.compiler import check
    from nnspec.views.explain import explain, field_at, lines_with_steps, steps_at

    found = check(Path(file), model=model, set=settings, allow_outside=outside_allowed())
    if not found.ok:
        report(found.diagnostics, found.sources)
        return code_of(found.diagnostics, found.sources)
    for spec in reversed(found.specs.values()):
        if uses := steps_at(spec.graph, spec.path, line, column):
            click.echo("\n\n".join(explain(spec.graph, each, spec.sources) for each in uses))
            return OK
        if text := field_at(spec.graph, spec.path, line):
            click.echo(text)
            return OK
    lines = sorted({n for spec in found.specs.values() for n in lines_with_steps(spec.graph, spec.path)})
    near = sorted(sorted(lines, key=lambda n: abs(n - line))[:5])
    help = f"steps begin on lines {', '.join(map(str, near))}" if near else ""
    raise Failure(f"no step of a model that is compiled begins at {file}:{line}", SPEC, help=help)


def explanation(code: str) -> str:
    """Title, cause, and where a spec can show it an example with the same put right."""
    from nnspec.codes import CODES
    from nnspec.codes.code import texts

    entry = CODES[code]
    parts = [f"{code}: {entry.title}", fill(entry.cause, 100)]
    parts += [f"{title}\n\n{indent(text, '    ')}" for title, text in texts(entry)]
    return "\n\n".join(parts)
