"""Files that are either wholly there or not at all: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(path: Path, content: bytes | str) -> None:
    """Replace one file atomically and durably."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write_through(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write(path, to_json(value))


def to_json(value: Any) -> str:
    """Readable json in the order given; floats keep every bit."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Replace a folder of files. Stopped at any point, one of `candidates(path)` is whole."""
    new, old = path.with_name(path.name + ".new"), path.with_name(path.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name, content in files.items():
        _write_through(new / name, content)
    _sync_folder(new)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(path, old)
    os.replace(new, path)
    _sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def candidates(path: Path) -> list[Path]:
    """Where a folder written by `write_folder` may be, the newest first; not all of them are whole."""
    return [p for p in (path, path.with_name(path.name + ".new"), path.with_name(path.name + ".old")) if p.is_dir()]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make a rename durable. Windows cannot open folders and needs no such call."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
