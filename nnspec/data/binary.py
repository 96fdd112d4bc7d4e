"""Arrays from binary files: NumPy archives and MNIST's idx format. Sizes are checked before memory is taken."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_npz(path: Path) -> Table:
    """A NumPy archive, one array a field, examples along the first axis. Pickles are never read.

    Names that `numpy.savez` made up (`arr_0`, ...) count as no names. Raises DataError E0520, E0521.
    """
    existing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {_stem(info): _npy(archive, info, path) for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise DataError("E0521", f"{path} is not a NumPy archive: {error}", exit_code=2) from error
    except (OSError, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError("E0521", f"{path} cannot be read: {error}", exit_code=2) from error
    if not arrays:
        raise DataError("E0521", f"{path} holds no arrays", exit_code=2)
    anonymous = set(arrays) == {f"arr_{i}" for i in range(len(arrays))}
    names = [f"arr_{i}" for i in range(len(arrays))] if anonymous else list(arrays)
    columns = [Column("" if anonymous else name, arrays[name], i) for i, name in enumerate(names)]
    _same_length(str(path), [(column.title(), column.values) for column in columns])
    return Table(str(path), columns, files=(path,), kind="array")


def _stem(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _npy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    name = _stem(info)
    try:
        with archive.open(info) as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
        if dtype.hasobject:
            raise DataError("E0521", f'{path}, array "{name}": holds Python objects, which are never unpickled')
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > info.file_size:
            raise DataError("E0521", f'{path}, array "{name}": declares {shape}, more than the file holds', exit_code=2)
        with archive.open(info) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise DataError("E0521", f'{path}, array "{name}": {error}', exit_code=2) from error
    if array.ndim == 0:
        raise DataError("E0521", f'{path}, array "{name}": is a single number, not one entry an example')
    return array.astype(object) if array.dtype.kind == "U" else array


def read_idx(paths: Sequence[Path]) -> Table:
    """Files of MNIST's format, gzipped or not, in the order of the fields. Raises DataError E0520, E0521."""
    arrays = [_idx(existing(path)) for path in paths]
    _same_length("idx", [(str(path), array) for path, array in zip(paths, arrays, strict=True)])
    label = ", ".join(path.name for path in paths)
    columns = [Column("", array, i) for i, array in enumerate(arrays)]
    return Table(label, columns, files=tuple(paths), kind="file")


def _idx(path: Path) -> Array:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]  # both read bytes
            return _idx_array(path, file)
    except (OSError, zlib.error, EOFError) as error:
        raise DataError("E0521", f"{path} cannot be read: {error}", exit_code=2) from error


def _idx_array(path: Path, file: BinaryIO) -> Array:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES or not magic[3]:
        raise DataError("E0521", f"{path} is not an idx file (it starts with {magic.hex(' ')})", exit_code=2)
    dtype = np.dtype(IDX_TYPES[magic[2]])
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError("E0521", f"{path} ends inside its header", exit_code=2)
    shape = struct.unpack(f">{magic[3]}I", sizes)
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    content = _read_at_most(file, wanted + 1)
    if len(content) != wanted:
        found = "more" if len(content) > wanted else f"{len(content):,}"
        raise DataError("E0521", f"{path} declares {list(shape)}, {wanted:,} bytes, and holds {found}", exit_code=2)
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _read_at_most(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes in pieces, so that a lying header takes no more memory than the file gives."""
    pieces, left = [], count
    while left > 0:
        piece = file.read(min(left, 1 << 24))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _same_length(label: str, arrays: list[tuple[str, Array]]) -> None:
    name, first = arrays[0]
    if not len(first):
        raise DataError("E0521", f"{label}: {name} holds no examples")
    for other, array in arrays[1:]:
        if len(array) != len(first):
            raise DataError("E0521", f"{label}: {name} has {len(first)} examples, {other} has {len(array)}")
