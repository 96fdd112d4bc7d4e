"""The command `nnspec`: one file a verb, loaded when it is called. Nothing outside this folder prints or exits."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs one command and ends the process with its exit code (`nnspec.cli.console` lists them)."""
    from nnspec.cli.console import run

    code = run(arguments)
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # the shell's `>&-` leaves none
                stream.flush()
    except OSError:  # the reader of a pipe has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
