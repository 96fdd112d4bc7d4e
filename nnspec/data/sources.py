"""The sources of `data { source = ... }` by name, each read into a Table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnspec.data.binary import read_idx, read_npy, read_npz
from nnspec.data.bundled import read_bundled
from nnspec.data.cifar import read_cifar
from nnspec.data.csvfile import read_csv, read_table
from nnspec.data.errors import DataError, nearest
from nnspec.data.hub import read_huggingface
from nnspec.data.parquet import read_parquet
from nnspec.data.pictures import SUFFIXES, read_images
from nnspec.data.text import TOKENS, read_text
from nnspec.ir.graph import CallValue
from nnspec.passes.datablock import show_plain
from nnspec.passes.keys import SKLEARN
from nnspec.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.data.table import Table


class Read:
    """A source that was read: its table, and which columns its call names for which fields."""

    __slots__ = ("mapping", "table")

    def __init__(self, table: Table, mapping: dict[str, list[str | int]]) -> None:
        self.table = table
        self.mapping = mapping


def read_source(source: object, base: Path, fields: tuple[str, ...], part: str = "train") -> Read:
    """The table behind `csv("f.csv", y = "price")` and the like; paths are relative to `base`.

    `fields` are the names that keyword arguments may give columns to. `part` is the part that it is read for, of
    sources that know parts. Raises DataError, E0523 for an unknown source, E0524 for wrong arguments.
    """
    if not isinstance(source, CallValue):
        raise DataError("E0523", f'a source is a call, as in csv("file.csv"), not {source!r}')
    known = (*SOURCES, *PARTED, "random")
    if source.name not in known:
        raise DataError("E0523", f"unknown source {source.name}", source.span, help=nearest(source.name, known))
    try:
        if source.name in PARTED:
            return PARTED[source.name](source, base, fields, part)
        return SOURCES[source.name](source, base, fields)
    except DataError as error:
        raise error.at(source.span) from error.__cause__


def read_file(path: Path, mapping: dict[str, list[str | int]], tokens: str = "") -> Read:
    """A file by its suffix, for `predict`; any other as a text where `tokens` says what it is cut into."""
    if tokens and path.suffix not in (".npz", ".csv"):
        return Read(read_text(path, tokens), mapping)
    if path.suffix == ".npz":
        return Read(read_npz(path), mapping)
    if path.suffix == ".npy":
        return Read(read_npy([path]), mapping)
    if path.suffix == ".parquet":
        return Read(read_parquet(path), mapping)
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return Read(read_images(path), mapping)
    if path.suffix in (".csv", ".tsv", ".txt", ".data"):
        return Read(read_csv(path), mapping)
    kinds = ".csv, .npz, .npy and .parquet files, from an image and from folders of images"
    raise DataError("E0521", f"{path}: inputs are read from {kinds}", exit_code=2)


def _sklearn(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (name,) = _texts(call, 1, "the name of a data set")
    if name not in SKLEARN:
        raise DataError(
            "E0525", f'scikit-learn carries no data set "{name}" that nnspec reads', help=nearest(name, SKLEARN)
        )
    return Read(read_bundled(name), _mapping(call.kwargs, fields))


def column_names(source: object, fields: tuple[str, ...]) -> dict[str, list[str | int]]:
    """Which columns the call of a source gives to which fields, without reading it."""
    if isinstance(source, CallValue) and source.name in ("csv", "npz", "table", "sklearn", "parquet"):
        return _mapping({k: v for k, v in source.kwargs.items() if k in fields}, fields)
    return {}


def _csv(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a path")
    named = dict(call.kwargs)
    header = named.pop("header", None) if "header" not in fields else None
    if header is not None and not isinstance(header, bool):
        raise DataError("E0524", "header of csv is true or false")
    return Read(read_csv(base / path, header=header), _mapping(named, fields))


def _parquet(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a path")
    return Read(read_parquet(base / path), _mapping(call.kwargs, fields))


def _npz(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    if any(str(path).endswith(".npy") for path in (*call.args, *call.kwargs.values())):
        return _files(call, base, fields, read_npy, 'npz("images.npy", "labels.npy")')
    (path,) = _texts(call, 1, "a path")
    return Read(read_npz(base / path), _mapping(call.kwargs, fields))


def _idx(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    return _files(call, base, fields, read_idx, 'idx("images.idx.gz", "labels.idx.gz")')


def _files(
    call: CallValue, base: Path, fields: tuple[str, ...], read: Callable[[list[Path]], Table], example: str
) -> Read:
    """A file a field, in the order of the fields or each by the name of its field."""
    if call.kwargs and call.args:
        message = f"{call.name} takes its files all by position or all by field name"
        raise DataError("E0524", message, help=f"as in {example}")
    if call.kwargs:
        named = _mapping(call.kwargs, fields)
        paths = [_text_path(call, paths[0]) for paths in named.values()]
        table = read([base / path for path in paths])
        for column, name in zip(table.columns, named, strict=True):
            column.name = name
        table.named = True
        return Read(table, {})
    if not call.args:
        raise DataError("E0524", f"{call.name} takes the files of the fields in order: {example}")
    return Read(read([base / _text_path(call, path) for path in call.args]), {})


def _images(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a folder")
    return Read(read_images(base / path), _mapping(call.kwargs, fields))


def _cifar(call: CallValue, base: Path, fields: tuple[str, ...], part: str) -> Read:
    (path,) = _texts(call, 1, "a folder")
    named = dict(call.kwargs)
    chosen = named.pop("part", part)
    if chosen not in ("train", "validation", "test"):
        raise DataError(
            "E0524", f"part of cifar is train or test, not {show_plain(chosen)}", help='as in part = "test"'
        )
    return Read(read_cifar(base / path, str(chosen)), _mapping(named, fields))


def _huggingface(call: CallValue, base: Path, fields: tuple[str, ...], part: str) -> Read:
    (name,) = _texts(call, 1, "a name or a folder")
    named = dict(call.kwargs)
    chosen, config = named.pop("part", part), named.pop("config", None)
    if not isinstance(chosen, str) or not isinstance(config, str | None):
        raise DataError("E0524", "part and config of huggingface are words in quotes", help='as in part = "test"')
    return Read(read_huggingface(name, base, chosen, config), _mapping(named, fields))


def _text(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a path")
    tokens = call.kwargs.get("tokens", "characters")
    if tokens not in TOKENS or call.kwargs.keys() - {"tokens"}:
        raise DataError("E0524", "text takes a path and tokens = bytes or characters", help='as in text("a.txt")')
    return Read(read_text(base / path, str(tokens)), {})


def _table(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    if len(call.args) != 1:
        raise DataError("E0524", "table takes one list of rows: table([[0, 1], [1, 0]])")
    return Read(read_table(call.args[0]), _mapping(call.kwargs, fields))


def _text_path(call: CallValue, path: object) -> str:
    if not isinstance(path, str):
        raise DataError("E0524", f"{call.name} takes paths in quotes, not {show_plain(path)}")
    return path


def _texts(call: CallValue, count: int, what: str) -> list[str]:
    if len(call.args) != count or not all(isinstance(a, str) for a in call.args):
        raise DataError("E0524", f'{call.name} takes {what} in quotes first, as in {call.name}("...")')
    return [str(a) for a in call.args]


def _mapping(named: dict[str, object], fields: tuple[str, ...]) -> dict[str, list[str | int]]:
    mapping: dict[str, list[str | int]] = {}
    for field, columns in named.items():
        if field not in fields:
            help = did_you_mean(field, fields, f"it has {', '.join(fields)}" if fields else "")
            raise DataError("E0524", f"the model has no input or target {field}", help=help)
        mapping[field] = []
        for column in columns if isinstance(columns, list) else [columns]:
            if isinstance(column, bool) or not isinstance(column, str | int):
                message = f"{field} takes columns by name or number, not {show_plain(column)}"
                raise DataError("E0524", message, help=f'as in {field} = ["area", "rooms"], or {field} = [0, 1]')
            mapping[field].append(column)
    return mapping


SOURCES: dict[str, Callable[[CallValue, Path, tuple[str, ...]], Read]] = {
    "sklearn": _sklearn,
    "csv": _csv,
    "npz": _npz,
    "idx": _idx,
    "parquet": _parquet,
    "images": _images,
    "text": _text,
    "table": _table,
}

PARTED: dict[str, Callable[[CallValue, Path, tuple[str, ...], str], Read]] = {
    "cifar": _cifar,
    "huggingface": _huggingface,
}
