"""`nnspec check FILE...`: every error of every file in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnspec.cli.console import OK, SPEC, code_of, message, report
from nnspec.cli.files import write_text
from nnspec.cli.options import outside_allowed, spec_options

if TYPE_CHECKING:
    from nnspec.compiler import Spec
    from nnspec.diagnostics import Diagnostic

FORMATS = ("text", "json", "github", "sarif")


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("-v", "--verbose", is_flag=True, help="Show the layers of each model as a table.")
@click.option("--resolved", is_flag=True, help="Print each model with every default made explicit.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How errors are written."
)
@click.option("--fix", is_flag=True, help="Mend what can only have been meant one way, and say what was done.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@spec_options
def command(
    files: tuple[str, ...],
    verbose: bool,
    resolved: bool,
    form: str,
    fix: bool,
    strict: bool,
    model: str | None,
    settings: dict[str, str],
) -> int:
    """Check specs: names, shapes, settings, without importing a framework.

    Every model of each file is checked. Exit code 0 when all is well, 1 when a spec has errors, 2 when a file
    cannot be read. A comment `# nnspec: allow(W0301)` silences a warning on its line.
    """
    from nnspec.compiler import check

    code, outside = OK, outside_allowed()
    everything: list[Diagnostic] = []
    for file in files:
        if fix:
            fix_file(Path(file), settings, outside)
        found = check(Path(file), model=model, set=settings, allow_outside=outside)
        if form == "json":
            from nnspec.fixes import with_fixes

            found = with_fixes(found, settings, model, outside)
        everything += found.diagnostics
        code = max(code, code_of(found.diagnostics, found.sources), SPEC if strict and found.diagnostics else OK)
        if form == "text":
            report(found.diagnostics, found.sources)
            if not found.diagnostics and not (verbose or resolved):
                message(f"{file}: ok")
        if found.ok:
            for spec in found.specs.values():
                show(spec, verbose, resolved)
    if form != "text":
        click.echo(_written(everything, form))
    return code


def fix_file(path: Path, settings: dict[str, str], allow_outside: bool = False) -> None:
    """Makes the safe fixes of a file and says which. A file that cannot be read is for the check to report."""
    from nnspec.compiler import check
    from nnspec.fixes import mend

    before = check(path, set=settings, allow_outside=allow_outside)
    if before.path not in before.sources or not before.diagnostics:
        return
    raw = path.read_bytes().decode("utf-8")
    ends = "\r\n" if "\r\n" in raw else "\n"
    mended, done = mend(before.path, before.sources[before.path], settings, allow_outside)
    if not done:
        return
    mark = "\ufeff" if raw.startswith("\ufeff") else ""
    write_text(path, mark + mended.replace("\n", ends))
    for diagnostic, fix in done:
        place = f"{path}:{diagnostic.span.line}:{diagnostic.span.column}"
        message(f"{place}: fixed {diagnostic.code}, {diagnostic.message}: {fix.message}")


def show(spec: Spec, verbose: bool, resolved: bool) -> None:
    """The table, or the text with every default, of one model."""
    if verbose:
        from nnspec.views.summary import summary

        click.echo(summary(spec.graph) + "\n")
    if resolved:
        from nnspec.views.resolved import resolved as written

        click.echo(written(spec.graph) + "\n")


def _written(diagnostics: list[Diagnostic], form: str) -> str:
    from nnspec import rendering
    from nnspec.version import __version__

    if form == "json":
        return rendering.to_json(diagnostics)
    if form == "github":
        return rendering.to_github(diagnostics)
    return rendering.to_sarif(diagnostics, __version__)
