"""`cifar("folder")`: CIFAR-10 and CIFAR-100 in their binary version (Krizhevsky, 2009), mapped from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import AGAIN, DataError
from nnspec.data.stream import Joined, mapped, whole
from nnspec.data.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Array = np.ndarray[Any, Any]

PIXELS = 3 * 32 * 32
FOLDERS = ("", "cifar-10-batches-bin", "cifar-100-binary")  # the archives unpack into these
TEN = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
HUNDRED = {"train": ("train.bin",), "test": ("test.bin",)}


def read_cifar(folder: Path, part: str) -> Table:
    """The training images, or with `part` "test" the test images: a column `image`, and labels.

    A record is one byte of label (CIFAR-100: a coarse and a fine one), then red, green and blue planes of 32 x 32.
    Raises DataError E0520, E0521.
    """
    place = "test" if part == "test" else "train"
    for name in FOLDERS:
        for files, labels in ((TEN, ("label",)), (HUNDRED, ("coarse", "label"))):
            paths = [folder / name / file for file in files[place]]
            if all(path.is_file() for path in paths):
                return _table(folder / name, paths, labels)
    help = f"the binary version has {', '.join(TEN[place])} (CIFAR-10) or {HUNDRED[place][0]} (CIFAR-100)"
    what = f"{folder} does not hold the {place} images of CIFAR" if folder.is_dir() else f"{folder} is not a folder"
    raise DataError("E0520", what, help=help, exit_code=2)


def _table(folder: Path, paths: list[Path], labels: tuple[str, ...]) -> Table:
    size = len(labels) + PIXELS
    records = Joined([_records(path, size) for path in paths])
    images = mapped(records, lambda part: part[:, -PIXELS:].reshape(-1, 3, 32, 32), (3, 32, 32), np.uint8)
    columns = [Column("image", images, 0)]
    for place, label in enumerate(labels):
        numbers = whole(mapped(records, _byte(place), (), np.uint8)).astype(np.int64)
        role = "target" if label == "label" else "extra"
        columns.append(Column(label, numbers, place + 1, role=role, classes=_names(folder, label, len(labels))))
    return Table(str(folder), columns, files=tuple(paths))


def _byte(place: int) -> Callable[[Array], Array]:
    return lambda part: part[:, place]


def _records(path: Path, size: int) -> Array:
    held = path.stat().st_size
    if not held or held % size:
        message = f"{path} holds {held:,} bytes, which are no whole number of records of {size:,}"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)
    return np.memmap(path, np.uint8, "r").reshape(-1, size)


def _names(folder: Path, label: str, labels: int) -> tuple[str, ...]:
    """The names of the classes, from the text file beside the records, if it is there."""
    file = "batches.meta.txt" if labels == 1 else f"{'fine' if label == 'label' else 'coarse'}_label_names.txt"
    path = folder / file
    try:
        return tuple(path.read_text(encoding="utf-8").split()) if path.is_file() else ()
    except UnicodeDecodeError as error:
        raise DataError("E0521", f"{path} is not UTF-8 text (byte {error.start})", help=AGAIN, exit_code=2) from error
