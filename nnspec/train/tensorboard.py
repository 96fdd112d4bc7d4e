"""`--log tensorboard`: the curves of a run as TensorBoard reads them, through TensorBoard's own writer.

Importing this module imports tensorboard (ModuleNotFoundError where it is not installed), and neither TensorFlow nor
PyTorch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnspec.train.loop import Epoch
    from nnspec.train.run import Result, Start

FOLDER = "tensorboard"  # in the run's


class Board:
    """Writes `train/loss`, `validation/accuracy`, `lr`, ... against the step, an event an epoch."""

    def __init__(self) -> None:
        self.writer: EventFileWriter | None = None

    def start(self, start: Start) -> None:
        self.writer = EventFileWriter(str(start.folder / FOLDER))
        if start.step:  # TensorBoard then forgets what a run that was stopped had written after its checkpoint
            session = SessionLog(status=SessionLog.START)
            self.writer.add_event(Event(wall_time=time.time(), step=start.step + 1, session_log=session))

    def epoch(self, epoch: Epoch) -> None:
        rates = {"lr" if len(epoch.lr) == 1 else f"lr/{group}": rate for group, rate in enumerate(epoch.lr)}
        self.add(epoch.step, {**_named("train", epoch.train), **_named("validation", epoch.validation or {}), **rates})

    def result(self, result: Result) -> None:
        self.add(result.steps, _named("test", result.test or {}))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        if self.writer is not None and values:
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
            self.writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _named(part: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{part}/{name}": value for name, value in values.items()}
