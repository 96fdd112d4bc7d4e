"""`nnspec fmt FILE...`: specs in their one canonical form."""

from __future__ import annotations

import sys
from difflib import unified_diff
from pathlib import Path

import click

from nnspec.cli.console import OK, SPEC, code_of, message, report
from nnspec.cli.files import write_text
from nnspec.diagnostics import Reporter
from nnspec.loader import read_text
from nnspec.syntax.format import format_text

STDIN = "-"


@click.command(name="fmt")
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where a file is not in its canonical form.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Rewrite specs in their canonical form: indentation, spaces, alignment, blank lines.

    Line breaks and comments stay as they are; the meaning does too. `-` reads standard input and writes to standard
    output. A file with syntax errors is left alone, and the exit code is 1.
    """
    return max(_format(file, check, diff) for file in files)


def _format(file: str, check: bool, diff: bool) -> int:
    """Formats one file; the exit code."""
    reporter, path = Reporter(), "<stdin>" if file == STDIN else file
    text = _stdin() if file == STDIN else read_text(file, reporter)
    result = format_text(text, path, reporter) if text is not None else None
    if text is None or result is None:
        sources = {path: text} if text is not None else {}
        report(reporter.sorted(), sources)
        return code_of(reporter.diagnostics, sources)
    if diff:
        shown = unified_diff(text.splitlines(True), result.splitlines(True), path, f"{path} (canonical)")
        click.echo("".join(shown), nl=False)
    if check and result != text:
        message(f"{path}: not in canonical form")
    if not (check or diff):
        if file == STDIN:
            click.echo(result, nl=False)
        elif result != text:
            write_text(Path(file), result)
            message(f"{file}: formatted")
    return SPEC if check and result != text else OK


def _stdin() -> str:
    """Standard input as UTF-8; what is not is kept out of names by the lexer."""
    return sys.stdin.buffer.read().decode("utf-8", "replace")
