"""Locks between processes, which the system lets go of where a process ends, however it ends.

Optuna's own locks for its journal are files: one left by a process that was killed holds up all others for half a
minute.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

WITHOUT = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF)  # what file systems without locks say


class Lock:
    """A file that one process at a time holds; `acquire` waits for it. In the form in which Optuna takes locks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle: int | None = None

    def acquire(self) -> bool:
        return self._take(wait=True)

    def try_acquire(self) -> bool:
        """Whether nobody else held it; it is held now if so."""
        return self._take(wait=False)

    def _take(self, *, wait: bool) -> bool:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        if sys.platform != "win32":
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError as error:
                if error.errno not in WITHOUT:
                    os.close(handle)
                    raise
        self.handle = handle
        return True

    def release(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


def lockable(folder: Path) -> bool:
    """Whether locks mean something in a folder: not on Windows, nor on file systems without them."""
    if sys.platform == "win32":
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in WITHOUT:
            return False
        raise
    finally:
        os.close(handle)
    return True
