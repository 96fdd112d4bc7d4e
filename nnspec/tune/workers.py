"""Who does the trials of a study: this process, or several that share its journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.train.errors import Interrupted, TrainError
from nnspec.train.files import remove
from nnspec.tune.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from nnspec.tune.study import Study, Turn

LOOK = 0.2  # seconds between two looks at what other processes have come to


class Stopped(TrainError):
    """A signal ended the search: 130 after Ctrl-C, 143 after SIGTERM. What was found is kept."""

    def __init__(self, folder: Path, over: int, help: str, number: int = signal.SIGINT) -> None:
        trials = f"{over} trial{'s' * (over != 1)}"
        super().__init__(f"stopped; {trials} kept in {folder}", help=help)
        self.exit_code = 128 + number


class Orders:
    """How long to go on: `trials` in all, and no new one after `seconds`. `keep`: whole run folders are kept.

    `parent` is the process whose end is this one's too (0: none).
    """

    def __init__(self, trials: int, seconds: float | None = None, *, keep: bool = False, parent: int = 0) -> None:
        self.trials, self.keep, self.parent = trials, keep, parent
        self.end = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        late = self.end is not None and time.monotonic() >= self.end
        return late or self.orphan

    @property
    def orphan(self) -> bool:
        return self.parent != 0 and os.getppid() != self.parent


def work(study: Study, orders: Orders, tell: Callable[[], None], again: str) -> None:
    """Do trials until there are enough. `tell` is called after each; `again` is the command that goes on.

    Raises Stopped on a signal, and gives the trial back that it was at.
    """
    while not orders.over:
        turn = _asked(study, orders, again)
        if turn is None:
            return
        try:
            _one(study, turn, orders)
        except (KeyboardInterrupt, Interrupted) as error:
            study.give_back(turn)
            number = getattr(error, "exit_code", 130) - 128
            raise Stopped(study.folder, len(study.trials()), again, number) from None
        except BaseException:
            study.give_back(turn)
            raise
        tell()


def _asked(study: Study, orders: Orders, again: str) -> Turn | None:
    try:
        return study.ask(orders.trials)
    except KeyboardInterrupt:
        raise Stopped(study.folder, len(study.trials()), again) from None


def _one(study: Study, turn: Turn, orders: Orders) -> None:
    def behind(value: float, epoch: int, epochs: int) -> bool:
        if orders.orphan:
            raise KeyboardInterrupt
        return study.behind(turn, value, epoch, epochs)

    keep = study.folder / "runs" / str(turn.number) if orders.keep else None
    if keep is not None:
        remove(keep)  # of a process that was killed at this trial
    study.tell(turn, run_trial(study.search, turn.settings, behind, keep=keep))


# ---------------------------------------------------------------- several processes


def share(study: Study, command: list[str], jobs: int, tell: Callable[[], None], again: str, backend: str) -> None:
    """Run `command` (a worker's) in `jobs` processes until all are done; `tell` is called every moment.

    They hear signals through this process alone, once. Raises Stopped on a signal, and TrainError with what a worker
    said that failed.
    """
    with _hearing() as heard, _started(command, jobs, backend) as workers:
        asked = 0
        while any(worker.poll() is None for worker, _ in workers):
            if heard and heard[-1] != asked:
                asked = heard[-1]
                for worker, _ in workers:
                    if worker.poll() is None:
                        worker.send_signal(asked)
            time.sleep(LOOK)
            tell()
        tell()
        if heard:
            raise Stopped(study.folder, len(study.trials()), again, heard[0])
        for worker, errors in workers:
            if worker.returncode:
                errors.seek(0)
                raise WorkerFailed(errors.read().decode(errors="replace"), worker.returncode)


class WorkerFailed(TrainError):
    """A worker ended with an error; `text` is what it said."""

    def __init__(self, text: str, code: int) -> None:
        what = text.strip() or f"signal {-code} ended it"
        super().__init__(
            f"a worker of the search failed:\n{what}", help="the same command goes on with the others' work"
        )
        self.exit_code = code if code > 0 else 1


@contextmanager
def _hearing() -> Iterator[list[int]]:
    """The signals that ask this process to end, noted instead of acted on."""
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _started(command: list[str], jobs: int, backend: str) -> Iterator[list[tuple[subprocess.Popen[bytes], IO[bytes]]]]:
    """Workers, each with a file for what it says; none is left running."""
    found: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
    environment = dict(os.environ)
    if backend != "numpy":  # whose runs settle their threads themselves
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    try:
        for _ in range(jobs):
            errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed below
            options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": errors, "env": environment}
            worker = [sys.executable, "-m", "nnspec", *command, "--worker", str(os.getpid())]
            found.append(
                (subprocess.Popen(worker, stdin=subprocess.DEVNULL, start_new_session=True, **options), errors)
            )
        yield found
    finally:
        for process, said in found:
            if process.poll() is None:
                process.terminate()
                process.wait()
            said.close()
