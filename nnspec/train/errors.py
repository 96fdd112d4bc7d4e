"""How a training run can end other than well."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.train.nans import Finding


class TrainError(Exception):
    """A run that cannot be done or read, with the exit code of the command line and what may help."""

    exit_code = 2

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class Diverged(TrainError):
    """The objective or a parameter is no longer a finite number. `folder` keeps the last good checkpoint, `finding`
    is the operation that was the first to give such a number."""

    exit_code = 4

    def __init__(self, message: str, step: int, folder: Path, finding: Finding | None = None) -> None:
        super().__init__(
            message, help="a smaller learning rate, or clip_norm; the last good checkpoint is in " + str(folder)
        )
        self.step = step
        self.folder = folder
        self.finding = finding


class Interrupted(TrainError):
    """Ctrl-C (exit code 130) or SIGTERM (143): the state after `step` steps is saved in `folder`."""

    exit_code = 130

    def __init__(self, step: int, folder: Path, number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped after step {step}; saved in {folder}", help=f"nnspec train --resume {folder.parent}")
        self.step = step
        self.folder = folder
        self.exit_code = 128 + number  # as a shell reports what a signal ended
