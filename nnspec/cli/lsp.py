"""`nnspec lsp`: the language server, for an editor to start."""

from __future__ import annotations

import gc
import os
import sys

import click


@click.command(name="lsp")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output (the default, and the only way).")
def command(stdio: bool) -> None:
    """Serve an editor over standard input and output: errors, shapes beside layers, completion, rename."""
    from nnspec.lsp.server import server

    gc.freeze()  # what was imported stays
    gc.disable()  # the documents collect when nobody types
    sys.setrecursionlimit(20_000)  # as the compiler's passes do, which here run on a thread of their own
    sys.setswitchinterval(0.001)  # an answer should not wait 5 ms for its turn beside them
    # The server closes what it is given, and the process still has its own to flush.
    with os.fdopen(os.dup(0), "rb") as stdin, os.fdopen(os.dup(1), "wb") as stdout:
        server.start_io(stdin, stdout)
