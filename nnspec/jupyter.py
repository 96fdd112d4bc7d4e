"""The cell magic `%%nn`: a spec in a notebook, checked when the cell runs.

%load_ext nnspec.jupyter

%%nn net
model Net { input x: float32[3]; output y = x -> dense(2) }

net.build("torch")
"""

from __future__ import annotations

import sys
from typing import Any

from nnspec.compiler import check
from nnspec.rendering import render


def load_ipython_extension(shell: Any) -> None:
    """Registers `%%nn` (called by `%load_ext nnspec.jupyter`)."""

    def nn(line: str, cell: str) -> None:
        run(shell, line, cell)

    shell.register_magic_function(nn, magic_kind="cell", magic_name="nn")


def run(shell: Any, line: str, cell: str) -> None:
    """Checks a cell; without errors its last model is bound to the name after `%%nn` (default `spec`) and shown.

    Errors go to stderr with their place in the cell, and the name keeps what it had.
    """
    name = line.strip() or "spec"
    if not name.isidentifier():
        sys.stderr.write(f"{name} is no name for a variable: %%nn net\n")
        return
    found = check("cell.nn", text=cell)
    if found.diagnostics:
        sys.stderr.write(render(found.diagnostics, found.sources))
    if found.specs:
        spec = list(found.specs.values())[-1]
        shell.push({name: spec})
        sys.stdout.write(spec.summary() + "\n")
