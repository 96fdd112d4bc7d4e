"""Arrays from binary files: NumPy's and MNIST's formats. Sizes are checked before memory is taken.

Large arrays are mapped from their files; packed ones are unpacked into a file that goes with the process.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np

from nnspec.data.errors import AGAIN, DataError, counted
from nnspec.data.stream import MAPPED, scratch
from nnspec.data.table import Column, Table, existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

DEFLATED = 1100  # bytes that one byte of a packed file can stand for: deflate's bound is 1032
MOST_AXES = 32
SAVEZ = "write one with numpy.savez(path, x = ..., y = ...)"
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_npz(path: Path) -> Table:
    """A NumPy archive, one array a field, examples along the first axis. Pickles are never read.

    Names that `numpy.savez` made up (`arr_0`, ...) count as no names. Raises DataError E0520, E0521.
    """
    existing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if twice := [name for name, times in Counter(map(_stem, infos)).items() if times > 1]:
                raise DataError("E0521", f'{path} holds "{twice[0]}" more than once', help=SAVEZ, exit_code=2)
            arrays = {_stem(info): _npy(archive, info, path) for info in infos}
    except zipfile.BadZipFile as error:
        raise DataError("E0521", f"{path} is not a NumPy archive: {error}", help=SAVEZ, exit_code=2) from error
    except (OSError, zlib.error, EOFError, RuntimeError) as error:  # of Python, where a member is encrypted
        raise DataError("E0521", f"{path} cannot be read: {error}", help=AGAIN, exit_code=2) from error
    if not arrays:
        raise DataError("E0528", f"{path} holds no arrays", help=SAVEZ, exit_code=2)
    anonymous = set(arrays) == {f"arr_{i}" for i in range(len(arrays))}
    names = [f"arr_{i}" for i in range(len(arrays))] if anonymous else list(arrays)
    columns = [Column("" if anonymous else name, arrays[name], i) for i, name in enumerate(names)]
    _same_length(str(path), [(column.title(), column.values) for column in columns])
    return Table(str(path), columns, files=(path,), kind="array")


def _stem(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _npy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    label = f'{path}, array "{_stem(info)}"'
    with archive.open(info) as file:
        shape, fortran, dtype = _header(label, file)
        wanted, start = math.prod(shape) * dtype.itemsize, file.tell()
        if start + wanted != info.file_size or wanted > DEFLATED * path.stat().st_size:
            how = "less" if start + wanted < info.file_size else "more"
            message = f"{label}: declares {list(shape)}, {how} than the file holds"
            raise DataError("E0521", message, help=AGAIN, exit_code=2)
        if info.compress_type == zipfile.ZIP_STORED and wanted > MAPPED:
            offset = _data_offset(path, info) + start
            return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
        array = scratch(shape[::-1] if fortran else shape, dtype)
        _fill(array, file, label)
    return _usable(label, array.T if fortran else array)


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype as the header of a .npy file says them. ValueError where it is none."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = reader(file)
    except (ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError, TokenError, TypeError) as error:
        raise ValueError("its header cannot be read") from error  # what Python's parser says of hostile text
    if not all(type(size) is int for size in shape):
        raise ValueError(f"its header declares the shape {shape}")
    return shape, fortran, dtype


def _header(label: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of a .npy file. Pickles are refused."""
    try:
        shape, fortran, dtype = npy_header(file)
    except ValueError as error:
        raise DataError("E0521", f"{label} is no NumPy array, or a damaged one", help=AGAIN, exit_code=2) from error
    if dtype.hasobject:
        message = f"{label} holds Python objects, which could run code"
        raise DataError("E0529", message, help="save it as numbers or strings: array.astype(float)")
    if len(shape) > MOST_AXES or any(size < 0 for size in shape) or not dtype.itemsize:
        raise DataError("E0521", f"{label} declares the shape {list(shape)}", help=AGAIN, exit_code=2)
    if dtype.kind not in "biufUS":
        message = f"{label} holds {_kind(dtype)}, not numbers or strings"
        raise DataError("E0529", message, help="give each part of them as an array of numbers", exit_code=2)
    return shape, fortran, dtype


def _kind(dtype: np.dtype[Any]) -> str:
    """What an array holds that is not read."""
    return {"V": "records", "c": "complex numbers", "M": "dates", "m": "times"}.get(dtype.kind, f"{dtype.name} values")


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member start: after its local header, whose last two fields say how long its names are."""
    with path.open("rb") as raw:
        raw.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", raw.read(4))
    return info.header_offset + 30 + int(name) + int(extra)


def _fill(array: Array, file: IO[bytes], label: str) -> None:
    """The bytes of an array from a file, in pieces. Raises DataError E0521 where they end too soon."""
    target = array.reshape(-1).view(np.uint8)
    done = 0
    while done < len(target):
        piece = file.read(min(len(target) - done, 1 << 24))
        if not piece:
            message = f"{label} declares {len(target):,} bytes and holds {done:,}"
            raise DataError("E0521", message, help=AGAIN, exit_code=2)
        target[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)


def _usable(label: str, array: Array) -> Array:
    if array.ndim == 0:
        raise DataError("E0529", f"{label} is a single number, not one entry an example")
    return array.astype(object) if array.dtype.kind == "U" else array


def read_npy(paths: Sequence[Path]) -> Table:
    """NumPy arrays, a file a field in the order of the fields. Large ones stay in their files."""
    arrays = [_npy_file(existing(path)) for path in paths]
    _same_length("npz", [(str(path), array) for path, array in zip(paths, arrays, strict=True)])
    columns = [Column("", array, i) for i, array in enumerate(arrays)]
    return Table(", ".join(str(path) for path in paths), columns, files=tuple(paths), kind="file")


def _npy_file(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(str(path), file)
            offset = file.tell()
            held = path.stat().st_size - offset
            wanted = math.prod(shape) * dtype.itemsize
            if held != wanted:
                message = f"{path} declares {list(shape)}, {wanted:,} bytes, and holds {held:,}"
                raise DataError("E0521", message, help=AGAIN, exit_code=2)
            if wanted > MAPPED:
                return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
            array = np.empty(shape[::-1] if fortran else shape, dtype)
            _fill(array, file, str(path))
    except OSError as error:
        raise DataError("E0521", f"{path} cannot be read: {error}", help=AGAIN, exit_code=2) from error
    return _usable(str(path), array.T if fortran else array)


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
            return _idx_array(path, file, packed)
    except (OSError, zlib.error, EOFError) as error:
        raise DataError("E0521", f"{path} cannot be read: {error}", help=AGAIN, exit_code=2) from error


def _idx_array(path: Path, file: BinaryIO, packed: bool) -> Array:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES or not magic[3]:
        begins = f"it starts with {magic.hex(' ')}" if magic else "it is empty"
        help = "MNIST's format starts with two zero bytes; csv(...) and npz(...) read other files"
        raise DataError("E0521", f"{path} is not an idx file: {begins}", help=help, exit_code=2)
    dtype = np.dtype(IDX_TYPES[magic[2]])
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError("E0521", f"{path} ends inside its header", help=AGAIN, exit_code=2)
    shape = struct.unpack(f">{magic[3]}I", sizes)
    if len(shape) > MOST_AXES:
        message = f"{path} declares {len(shape)} axes, at most {MOST_AXES} are read"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)
    wanted, start = math.prod(shape) * dtype.itemsize, 4 + 4 * magic[3]
    if packed and wanted > DEFLATED * path.stat().st_size:
        message = f"{path} declares {list(shape)}, more than a file of its size holds"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)
    if packed:
        return _unpacked(path, file, shape, dtype, wanted)
    held = path.stat().st_size - start
    if held != wanted:
        message = f"{path} declares {list(shape)}, {wanted:,} bytes, and holds {held:,}"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)
    if wanted > MAPPED:
        return np.memmap(path, dtype, "r", start, shape)
    return np.frombuffer(file.read(wanted), dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _unpacked(path: Path, file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], wanted: int) -> Array:
    """An array from a gzipped file, piece by piece, so that a lying header takes no more memory than the file gives."""
    if wanted > MAPPED:
        array = scratch(shape, dtype)
        _fill(array, file, str(path))
        more = file.read(1)
    else:
        content = file.read(wanted + 1)
        if len(content) < wanted:
            message = f"{path} declares {list(shape)}, {wanted:,} bytes, and holds {len(content):,}"
            raise DataError("E0521", message, help=AGAIN, exit_code=2)
        array, more = np.frombuffer(content[:wanted], dtype).reshape(shape), content[wanted:]
    if more:
        message = f"{path} declares {list(shape)}, {wanted:,} bytes, and holds more"
        raise DataError("E0521", message, help=AGAIN, exit_code=2)
    return array if isinstance(array, np.memmap) else array.astype(dtype.newbyteorder("="))


def _same_length(label: str, arrays: list[tuple[str, Array]]) -> None:
    name, first = arrays[0]
    if not len(first):
        raise DataError("E0528", f"{label}: {name} holds no examples")
    for other, array in arrays[1:]:
        if len(array) != len(first):
            message = f"{label}: {name} has {counted(len(first), 'example')}, {other} has {len(array)}"
            raise DataError("E0522", message, help="the first axis counts the examples, in every array alike")
