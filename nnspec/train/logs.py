"""What a run writes line by line: `metrics.jsonl`, which depends on nothing but the run's spec and data, and
`timings.jsonl`, which holds the wall-clock times.

A checkpoint remembers how far `metrics.jsonl` had come. A run that is resumed cuts the file back to there and writes
the lines after it again, so that it ends with the same bytes as a run that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.train.errors import TrainError
from nnspec.train.files import append, sync, write
from nnspec.train.stored import METRICS as FORM
from nnspec.train.stored import checked

if TYPE_CHECKING:
    from pathlib import Path

METRICS = "metrics.jsonl"


class Mark(Record):
    """The first `size` bytes of a file and their SHA-256."""

    size: int = 0
    hash: str = hashlib.sha256(b"").hexdigest()


class Logs:
    """The two files of a run folder, which goes on after `mark`. `history` are the records of metrics so far."""

    def __init__(self, folder: Path, mark: Mark | None = None) -> None:
        self.folder = folder
        self.history: list[dict[str, Any]] = []
        self._size, self._hash, self._synced = 0, hashlib.sha256(), 0
        if mark is not None:
            self._cut(mark)

    def write(self, name: str, record: dict[str, Any]) -> None:
        """One more line of json in `<name>.jsonl`."""
        line = (json.dumps(record) + "\n").encode()
        append(self.folder / f"{name}.jsonl", line)
        if name == "metrics":
            self.history.append(record)
            self._count(line)

    def mark(self) -> Mark:
        """Where `metrics.jsonl` stands; what it holds is on the disk when this returns."""
        if self._size > self._synced:
            sync(self.folder / METRICS)
            self._synced = self._size
        return Mark(self._size, self._hash.hexdigest())

    def _count(self, line: bytes) -> None:
        self._size += len(line)
        self._hash.update(line)

    def _cut(self, mark: Mark) -> None:
        """Take away what was written after `mark`. Raises TrainError where the file is not what it was then."""
        path = self.folder / METRICS
        content = path.read_bytes() if path.exists() else b""
        kept = content[: mark.size]
        self._count(kept)
        if (self._size, self._hash.hexdigest()) != (mark.size, mark.hash):
            raise TrainError(
                f"{path} is not what it was when the checkpoint was written",
                help="a run cannot go on from metrics that were changed; train again in another folder",
            )
        if len(content) > mark.size:
            write(path, kept)
        self.history = [record(line, path) for line in kept.splitlines()]
        self._synced = self._size


def record(line: bytes, path: Path) -> dict[str, Any]:
    """One line of `metrics.jsonl`. Raises TrainError where it is none."""
    try:
        found: dict[str, Any] = checked(json.loads(line), FORM, path)
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} has a line that is no json: {error}") from error
    return found
