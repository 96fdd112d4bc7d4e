"""What all verbs share: exit codes, messages on stderr, colours, and how an exception becomes a message.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | errors in the spec |
| 2 | wrong usage, or a file that cannot be read or written |
| 3 | a missing extra; the message is the command that installs it |
| 4 | training diverged or stopped, memory ran out, backends disagree, or a target was missed |
| 70 | a bug in nnspec |
| 130 | stopped by Ctrl-C; what was trained is saved |
| 143 | stopped by SIGTERM, likewise |
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nnspec.diagnostics import Diagnostic

OK, SPEC, USAGE, EXTRA, FAILED, BUG, STOPPED, TERMINATED = 0, 1, 2, 3, 4, 70, 130, 143

# Modules that extras bring, and the extra that brings each.
EXTRAS = {
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "optax": "jax",
    "sklearn": "data",
    "scipy": "data",
    "joblib": "data",
    "PIL": "data",
    "pygls": "lsp",
    "lsprotocol": "lsp",
    "tensorboard": "tensorboard",
    "optuna": "tune",
}

# Codes that say a file could not be read, where it is the file the user named (and not an import of it).
UNREADABLE = frozenset({"E0501", "E0502", "E0503", "E0506", "E0514"})


class Failure(Exception):
    """Ends a verb with a message and an exit code."""

    def __init__(self, message: str, code: int = USAGE, *, help: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.help = message, code, help


def run(arguments: list[str] | None = None) -> int:
    """One command from its arguments to its exit code; every expected exception becomes a message."""
    from nnspec.cli.app import app
    from nnspec.diagnostics import SpecError

    try:
        result = app.main(arguments, prog_name="nnspec", standalone_mode=False)
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        message("stopped")
        return STOPPED
    except Failure as failure:
        complain(failure.message, failure.help)
        return failure.code
    except SpecError as error:
        if error.__cause__ is not None and os.environ.get("NNSPEC_TRACEBACK"):
            _print_traceback(error.__cause__)
        report(error.diagnostics, error.sources)
        own = getattr(error, "exit_code", None)  # of data that cannot be read, or that an extra carries
        return own if isinstance(own, int) else code_of(error.diagnostics, error.sources)
    except ModuleNotFoundError as error:
        return _missing(error)
    except BrokenPipeError:
        return USAGE
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
        return USAGE
    except Exception as error:
        return _expected(error)


def _expected(error: Exception) -> int:
    """Errors that carry their own words and exit code (of training, of a backend); anything else is a bug."""
    code = getattr(error, "exit_code", None)
    if code in (STOPPED, TERMINATED):
        message(f"{error}\nto go on: {getattr(error, 'help', '')}")
        return int(code)
    if isinstance(code, int):
        complain(str(error), getattr(error, "help", ""))
        return code
    if isinstance(error, MemoryError):
        complain(f"out of memory: {error or 'no more to have'}", "less data at once, or a smaller model")
        return FAILED
    return _bug(error)


def code_of(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> int:
    """2 where the file that the user named could not be read, 1 where the spec has errors, else 0."""
    errors = [d for d in diagnostics if d.severity == "error"]
    if any(d.code in UNREADABLE and d.span.path not in sources for d in errors):
        return USAGE
    return SPEC if errors else OK


def _missing(error: ModuleNotFoundError) -> int:
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return _bug(error)
    complain(f"this needs {error.name}, which is not installed", install(extra))
    return EXTRA


def install(extra: str) -> str:
    """The exact command that adds an extra to this environment."""
    return f'pip install "nnspec[{extra}]"'


def _bug(error: Exception) -> int:
    _print_traceback(error)
    complain(f"this is a bug in nnspec: {type(error).__name__}", "please report the lines above, with the spec")
    return BUG


def _print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


# ---------------------------------------------------------------- stderr


def colourful(stream: TextIO) -> bool:
    """Whether to colour: only on a terminal, never against NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def message(text: str) -> None:
    """One line for the reader, beside the data."""
    print(text, file=sys.stderr)


def complain(text: str, help: str = "") -> None:
    """`error: ...` and, where there is one, what to do about it."""
    bold, plain = ("\x1b[1;31m", "\x1b[0m") if colourful(sys.stderr) else ("", "")
    message(f"{bold}error{plain}: {text}" + (f"\nhelp: {help}" if help else ""))


def report(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> None:
    """Diagnostics with their excerpts, and a last line that counts them."""
    from nnspec.rendering import render, summary

    found = tuple(diagnostics)
    if found:
        message(render(found, sources, colour=colourful(sys.stderr)))
        message(summary(found))
