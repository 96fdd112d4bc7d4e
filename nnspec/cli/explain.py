"""`nnspec explain E0301`: what a diagnostic means, an example of it, and how to fix it."""

from __future__ import annotations

from textwrap import fill, indent

import click

from nnspec.cli.console import USAGE, Failure


@click.command(name="explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain the diagnostic CODE, as in `nnspec explain E0301`; without one, list all codes."""
    from nnspec.codes import CODES
    from nnspec.suggest import did_you_mean

    if code is None:
        click.echo("\n".join(f"{name}  {entry.title}" for name, entry in sorted(CODES.items())))
        return
    wanted = code.strip().strip("[]").upper()
    if wanted not in CODES:
        raise Failure(
            f"there is no code {code}", USAGE, help=did_you_mean(wanted, CODES, "nnspec explain lists them all")
        )
    click.echo(explanation(wanted))


def explanation(code: str) -> str:
    """Title, cause, and where a spec can show it an example with the same put right."""
    from nnspec.codes import CODES

    entry = CODES[code]
    parts = [f"{code}: {entry.title}", fill(entry.cause, 100)]
    if entry.example:
        parts.append("for example\n\n" + indent(entry.example, "    "))
    if entry.fix:
        parts.append("put right\n\n" + indent(entry.fix, "    "))
    return "\n\n".join(parts)
