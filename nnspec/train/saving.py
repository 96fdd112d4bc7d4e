"""When a checkpoint is written, and how a signal asks for one."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.train.checkpoint import Progress

SAVE_SECONDS = 2.0  # at most one checkpoint in this time, besides the first and the last
SHARE = 0.05  # of the time of a run that checkpoints may take, where nothing else was asked for
UNITS = {"s": 1, "m": 60, "h": 3600}


class Every(Record):
    """How often a checkpoint is written: after so many `seconds`, `steps` or `epochs`; without any, every two seconds,
    and less often where a save takes long."""

    seconds: float | None = None
    steps: int = 0
    epochs: int = 0


def read_every(text: str) -> Every:
    """`30s`, `5m`, `1h`, `100steps`, `2epochs`. Raises ValueError, which says what there is."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *(s|m|h|steps?|epochs?)", text.strip())
    if found is not None:
        number, unit = float(found[1]), found[2]
        if unit in UNITS:
            return Every(seconds=number * UNITS[unit])
        if number >= 1 and number.is_integer():
            return Every(steps=int(number)) if unit.startswith("step") else Every(epochs=int(number))
    raise ValueError(f"{text!r} is no length of time or number of steps: 30s, 5m, 1h, 100steps, 2epochs")


class Timer:
    """Says when the next checkpoint is due; `saved` is told when one was written, and how long that took."""

    def __init__(self, every: Every, progress: Progress) -> None:
        self.every = every
        self.step, self.epoch = progress.step, progress.epoch
        self.at, self.cost = -float("inf"), 0.0

    def due(self, progress: Progress) -> bool:
        if self.every.steps:
            return progress.step - self.step >= self.every.steps
        if self.every.epochs:
            return progress.epoch - self.epoch >= self.every.epochs
        least = self.every.seconds
        if least is None:
            least = max(SAVE_SECONDS, self.cost / SHARE)
        return time.monotonic() - self.at >= least

    def saved(self, progress: Progress, seconds: float) -> None:
        self.step, self.epoch = progress.step, progress.epoch
        self.at, self.cost = time.monotonic(), seconds


class Stop:
    """Whether the run was asked to end: `number` is the signal that did, or 0."""

    def __init__(self) -> None:
        self.number = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM is noted, a second one acts at once. Only the main thread hears signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def ask(number: int, frame: object) -> None:
            self.number = number
            restore()

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            restore()
