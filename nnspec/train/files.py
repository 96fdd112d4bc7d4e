"""Files that are either wholly there or not at all: temporary name, fsync, rename, fsync of the folder.

Everything goes through `os.open`, `os.write`, `os.fsync` and `os.replace`, each with its result looked at: a write
may take only a part of what it was given, and a full disk may show first when a file is synced.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SMALL = 1 << 16  # bytes
PIECE = 1 << 26  # bytes given to one write; Linux takes no more than 2 GiB
FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def write(path: Path, content: bytes | str) -> None:
    """Replace one file atomically and durably. Raises OSError, which names the file, and leaves the old one."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_through(temporary, data)
        with naming(path):
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write(path, to_json(value))


def to_json(value: Any) -> str:
    """Readable json in the order given; floats keep every bit."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, which is made where there is none. What a failure leaves is the caller's to cut."""
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as handle:
        _write_all(handle, content, path)


def sync(path: Path) -> None:
    """Make durable what was appended to a file."""
    with opened(path, os.O_RDWR) as handle:
        os.fsync(handle)


def write_folder(path: Path, files: Mapping[str, Iterable[bytes | memoryview]], previous: Path) -> None:
    """Replace a folder of files, each given in pieces; the one that stood there becomes `previous`.

    Stopped or failing at any point, one of `candidates(path, previous)` is whole: the new folder, or the old one.
    Raises OSError, which names the file.
    """
    new = _new(path)
    try:
        remove(new)  # left by a save that was stopped
        with naming(new):
            os.makedirs(new)
        for name, content in files.items():
            write_through(new / name, *content)
        sync_folder(new)
        if path.exists():
            remove(previous)
            with naming(path):
                os.replace(path, previous)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _move(new, path, previous)
    sync_folder(path.parent)


def _move(new: Path, path: Path, previous: Path) -> None:
    """`new` in the place of `path`; where that fails, what stood there before is put back."""
    try:
        with naming(path):
            os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            if not path.exists():
                os.replace(previous, path)
            shutil.rmtree(new, ignore_errors=True)
        raise


def candidates(path: Path, previous: Path) -> list[Path]:
    """Where a folder written by `write_folder` may be, the newest first; not all of them are whole."""
    return [folder for folder in (path, _new(path), previous) if folder.is_dir()]


def remove(path: Path) -> None:
    """Remove a folder, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def tidy(folder: Path) -> None:
    """Remove what writes that were stopped have left in a folder."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def sha256(*pieces: bytes | memoryview) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def write_through(path: Path, *pieces: bytes | memoryview) -> None:
    """Write a new file as far as the disk, not only as far as the system's memory."""
    with contextlib.suppress(FileNotFoundError):  # left by a save that was stopped; or a link that leads elsewhere
        os.unlink(path)
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
        for piece in _gathered(pieces):
            _write_all(handle, piece, path)
        os.fsync(handle)


def sync_folder(path: Path) -> None:
    """Make a rename durable. Windows cannot open folders and needs no such call."""
    if os.name == "nt":
        return
    with opened(path, os.O_RDONLY) as handle:
        os.fsync(handle)


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A handle on a file, closed afterwards; errors name the file."""
    with naming(path):
        handle = os.open(path, flags | FLAGS, 0o666)
        try:
            yield handle
        finally:
            os.close(handle)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of calls on handles do not say which file they are about: add it."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def _gathered(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes with small pieces put together: a call to the system costs more than copying them."""
    small = bytearray()
    for piece in pieces:
        if len(piece) < SMALL:
            small += piece
            continue
        yield bytes(small)
        small.clear()
        yield piece
    yield bytes(small)


def _write_all(handle: int, content: bytes | memoryview, path: Path) -> None:
    rest = memoryview(content)
    while rest:
        count = os.write(handle, rest[:PIECE])
        if count <= 0:
            raise OSError(errno.EIO, "nothing more is written", str(path))
        rest = rest[count:]


def _new(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")
