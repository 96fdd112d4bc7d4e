"""Weight files as others write them: safetensors, NumPy archives and PyTorch checkpoints, read with suspicion.

Names, shapes and dtypes are known before an array is made, so that whoever reads can refuse first. No pickle is
executed: NumPy's are refused, PyTorch's are read with `weights_only`.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.binary import npy_header
from nnspec.record import Record
from nnspec.train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

# safetensors' names of dtypes and NumPy's; bfloat16 is the upper half of a float32, which NumPy does not have.
SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
WORDS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FLOATS = ("float64", "float32", "float16", "bfloat16")
PICKLES = (".pt", ".pth", ".bin", ".ckpt")


class Tensor(Record):
    """One array of a file: `dtype` by name ("float32", "bfloat16", "int64"), `read` makes the array.

    `read` gives bfloat16 as float32.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array]


def read_tensors(path: Path, key: str | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """The arrays of a weight file by name, and what had to be said about it.

    `key` names the entry of a PyTorch checkpoint that holds the weights. Raises TrainError for a file that cannot be
    read or is damaged, and ModuleNotFoundError where a PyTorch checkpoint meets no PyTorch.
    """
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return _checkpoint(path, key)
    if key is not None:
        raise TrainError(f"{path} has no entries to choose with --key", help="--key is for PyTorch checkpoints")
    if suffix == ".npz":
        return _archive(path), []
    if suffix == ".safetensors":
        return _safetensors(path), []
    raise TrainError(
        f"{path}: weights are read from .safetensors, .npz, {', '.join(PICKLES)}, not from {suffix or 'such a file'}"
    )


# ---------------------------------------------------------------- safetensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, deserialize

    content = _bytes(path)
    try:
        # offsets that overlap, leave holes, or pass the end of the file are refused
        entries = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise TrainError(f"{path} is not a safetensors file, or not all of one: {error}") from error
    _no_duplicates(path, _header_names(path, content))
    found = {}
    for name, entry in sorted(entries, key=lambda pair: pair[0]):
        kind, shape = str(entry["dtype"]), tuple(entry["shape"])
        stored = SAFETENSORS.get(kind)
        found[name] = Tensor(shape, WORDS.get(kind, _word(kind)), _from_bytes(entry["data"], stored, shape, kind))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainError(f"{path} cannot be read: {error.strerror}") from error


def _header_names(path: Path, content: bytes) -> list[str]:
    """Every name of the header, also one that stands there twice, of which parsers of JSON keep the last."""
    (length,) = struct.unpack("<Q", content[:8])
    try:
        pairs: Any = json.loads(content[8 : 8 + length], object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} is not a safetensors file, or not all of one: its header cannot be read") from error
    return [name for name, _ in pairs]


def _no_duplicates(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TrainError(f"{path} holds {twice[0]} more than once")


def _word(kind: str) -> str:
    stored = SAFETENSORS.get(kind)
    return str(np.dtype(stored)) if stored else kind.lower()


def _from_bytes(data: bytes, stored: str | None, shape: tuple[int, ...], kind: str) -> Callable[[], Array]:
    def read() -> Array:
        array = np.frombuffer(data, np.dtype(stored)).reshape(shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array

    return read


# ---------------------------------------------------------------- NumPy


def _archive(path: Path) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _no_duplicates(path, [info.filename.removesuffix(".npy") for info in infos])
            return {info.filename.removesuffix(".npy"): _member(path, archive, info) for info in infos}
    except zipfile.BadZipFile as error:
        raise TrainError(f"{path} is not a NumPy archive, or not all of one: {error}") from error
    except (OSError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise TrainError(f"{path} cannot be read: {error}") from error


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Tensor:
    name = info.filename.removesuffix(".npy")
    try:
        with archive.open(info) as file:
            shape, _, dtype = npy_header(file)
    except ValueError as error:
        raise TrainError(f"{path}, array {name}: {error}") from error
    if dtype.hasobject:
        raise TrainError(f"{path}, array {name}: holds Python objects, which are never unpickled")
    if any(size < 0 for size in shape) or prod(shape) * dtype.itemsize > info.file_size:
        raise TrainError(f"{path}, array {name}: declares {list(shape)}, more than the file holds")

    def read() -> Array:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, zlib.error, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise TrainError(f"{path}, array {name}: {error}") from error

    return Tensor(tuple(shape), str(dtype.newbyteorder("=")), read)


# ---------------------------------------------------------------- PyTorch


def _checkpoint(path: Path, key: str | None) -> tuple[dict[str, Tensor], list[str]]:
    import torch

    if not path.is_file():
        raise TrainError(f"{path} cannot be read: {'it is a folder' if path.is_dir() else 'No such file or directory'}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile pickle raises
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainError(
            f"{path} cannot be read as tensors alone (torch.load with weights_only): {first}",
            help="save the weights and nothing else, torch.save(model.state_dict(), path), or write safetensors",
        ) from error
    state, notes = _state_dict(path, content, key, torch.Tensor)
    found = {}
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise TrainError(f"{path}, {name}: is a sparse, quantized or empty tensor, not plain numbers")
        dtype = str(tensor.dtype).removeprefix("torch.")
        found[name] = Tensor(tuple(tensor.shape), dtype, _from_torch(tensor, torch.float32))
    return found, notes


def _state_dict(path: Path, content: Any, key: str | None, kind: type) -> tuple[dict[str, Any], list[str]]:
    """The tensors by name: the checkpoint itself, or its only entry that holds nothing but tensors."""

    def is_state(value: object) -> bool:
        if not isinstance(value, Mapping) or not value:
            return False
        return all(isinstance(n, str) and isinstance(v, kind) for n, v in value.items())

    if not isinstance(content, Mapping):
        raise TrainError(f"{path} holds a {type(content).__name__}, not tensors by name")
    states = [name for name, value in content.items() if isinstance(name, str) and is_state(value)]
    listed = ", ".join(states)
    if key is not None:
        if key not in states:
            raise TrainError(f"{path} has no tensors under {key}", help=f"it has them under {listed or 'no entry'}")
        return dict(content[key]), []
    if is_state(content):
        return dict(content), []
    if len(states) == 1:
        return dict(content[states[0]]), [f"the weights are under {states[0]}"]
    if states:
        raise TrainError(f"{path} has weights under {listed}", help=f"say which: --key {states[0]}")
    others = [str(n) for n, v in content.items() if not isinstance(v, kind)]
    raise TrainError(f"{path} has no entry that is a state dict; not tensors are {', '.join(others[:5])}")


def _from_torch(tensor: Any, single: Any) -> Callable[[], Array]:
    def read() -> Array:
        plain = tensor.detach()
        array: Array = (plain.to(single) if str(plain.dtype) == "torch.bfloat16" else plain).numpy()
        return array

    return read
