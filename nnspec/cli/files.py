"""Writing what a verb was asked to write: all of it, or nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nnspec.cli.console import Failure, message


def keep(path: Path, *inputs: str | Path) -> None:
    """Raises Failure (exit code 2) where a file to be written is one that the command reads."""
    for each in inputs:
        if os.path.exists(each) and os.path.exists(path) and os.path.samefile(path, each):
            raise Failure(f"{path} is what this command reads: it stays as it is", help="name another file to write")


def wrote(path: Path, text: str) -> None:
    """`write_text`, and a message that also says whether a file was replaced."""
    replaced = path.is_file()
    write_text(path, text)
    message(f"wrote {path}" + (", in place of the file that was there" if replaced else ""))


def write_text(path: Path, text: str) -> None:
    """Writes a file under a temporary name beside it and renames it, so that no reader sees half of it.
    A file that is replaced keeps its mode.

    Raises Failure (exit code 2) where the folder is missing or cannot be written, and leaves nothing behind.
    """
    folder = path.parent
    if path.is_dir():
        raise Failure(f"{path} is a folder", help=f"name a file, as in {path / 'model.py'}")
    if not folder.is_dir():
        raise Failure(f"there is no folder {folder}")
    if path.exists() and not path.is_file():  # a device or a pipe: there is nothing to replace
        path.write_text(text, encoding="utf-8")
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path.resolve() if path.is_symlink() else path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise Failure(f"cannot write {path}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
