"""The command group: the verbs by name, each imported only when it runs or when its help is shown."""

from __future__ import annotations

from importlib import import_module

import click

from nnspec.version import __version__

VERBS = {
    "new": "Write a starter spec.",
    "check": "Check specs: shapes, names, settings.",
    "fmt": "Write specs in their one canonical form.",
    "summary": "Show the layers of a model as a table.",
    "compile": "Write a model as NumPy, PyTorch or JAX source.",
    "diff": "Compare two models, and which weights transfer.",
    "doctor": "Look at data, first loss and learning before a long run.",
    "train": "Train a model, with a run folder that keeps everything.",
    "tune": "Search the domains of a spec for better settings.",
    "runs": "List and compare trained runs.",
    "reproduce": "Train a run again and compare every bit.",
    "eval": "Evaluate a trained run on its test data.",
    "predict": "Compute a model's outputs for new inputs.",
    "import-weights": "Take the weights of a PyTorch checkpoint.",
    "verify": "Prove that all backends compute the same.",
    "lsp": "Serve an editor: errors, shapes, completion.",
    "explain": "Explain a diagnostic code, or the sizes on a line.",
}


class Verbs(click.Group):
    """A group whose commands live in modules of their own names (`nnspec.cli.check.command`)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        found: click.Command = import_module(f"nnspec.cli.{cmd_name.replace('-', '_')}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from nnspec.suggest import did_you_mean

            hint = did_you_mean(args[0], VERBS, f"the commands are {', '.join(VERBS)}")
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="nnspec %(version)s")
def app() -> None:
    """Neural networks from a declarative spec: check it, read it as code, train it, verify it.

    \b
      nnspec check digits.nn -v
      nnspec compile digits.nn --backend torch -o digits.py
      nnspec train digits.nn --backend numpy

    Exit codes: 0 done, 1 errors in the spec, 2 usage or files, 3 a missing extra, 4 a run diverged,
    stopped or ran out of memory, or backends disagree, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
