"""The sources of `data { source = ... }` by name, each read into a Table."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.binary import read_idx, read_npz
from nnspec.data.csvfile import read_csv, read_table
from nnspec.data.errors import DataError, MissingData, nearest
from nnspec.data.table import Column, Table
from nnspec.data.text import TOKENS, read_text
from nnspec.ir.graph import CallValue
from nnspec.passes.keys import SKLEARN

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

LATER = ("parquet", "cifar", "images", "huggingface")


class Read:
    """A source that was read: its table, and which columns its call names for which fields."""

    __slots__ = ("mapping", "table")

    def __init__(self, table: Table, mapping: dict[str, list[str | int]]) -> None:
        self.table = table
        self.mapping = mapping


def read_source(source: object, base: Path, fields: tuple[str, ...]) -> Read:
    """The table behind `csv("f.csv", y = "price")` and the like; paths are relative to `base`.

    `fields` are the names that keyword arguments may give columns to. Raises DataError, E0522 for a
    source that this version does not have, E0523 for an unknown one, E0524 for wrong arguments.
    """
    if not isinstance(source, CallValue):
        raise DataError("E0523", f'a source is a call, as in csv("file.csv"), not {source!r}')
    if source.name in LATER:
        help = "available: " + ", ".join((*SOURCES, "random"))
        raise DataError("E0522", f"the source {source.name} is not available in this version", source.span, help=help)
    if source.name not in SOURCES:
        raise DataError(
            "E0523", f"unknown source {source.name}", source.span, help=nearest(source.name, (*SOURCES, "random"))
        )
    try:
        return SOURCES[source.name](source, base, fields)
    except DataError as error:
        raise error.at(source.span) from error.__cause__


def read_file(path: Path, mapping: dict[str, list[str | int]], tokens: str = "") -> Read:
    """A csv or npz file by its suffix, for `predict`; any other as a text where `tokens` says what it is cut into."""
    if tokens and path.suffix not in (".npz", ".csv"):
        return Read(read_text(path, tokens), mapping)
    if path.suffix == ".npz":
        return Read(read_npz(path), mapping)
    if path.suffix in (".csv", ".tsv", ".txt", ".data"):
        return Read(read_csv(path), mapping)
    raise DataError("E0521", f"{path}: inputs are read from .csv and .npz files", exit_code=2)


def column_names(source: object, fields: tuple[str, ...]) -> dict[str, list[str | int]]:
    """Which columns the call of a source gives to which fields, without reading it."""
    if isinstance(source, CallValue) and source.name in ("csv", "npz", "table", "sklearn"):
        return _mapping({k: v for k, v in source.kwargs.items() if k in fields}, fields)
    return {}


def _csv(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a path")
    named = dict(call.kwargs)
    header = named.pop("header", None) if "header" not in fields else None
    if header is not None and not isinstance(header, bool):
        raise DataError("E0524", "header of csv is true or false")
    return Read(read_csv(base / path, header=header), _mapping(named, fields))


def _npz(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (path,) = _texts(call, 1, "a path")
    return Read(read_npz(base / path), _mapping(call.kwargs, fields))


def _idx(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    if call.kwargs and call.args:
        raise DataError("E0524", "idx takes its files all by position or all by field name")
    if call.kwargs:
        named = _mapping(call.kwargs, fields)
        paths = [_text_path(call, paths[0]) for paths in named.values()]
        table = read_idx([base / path for path in paths])
        for column, name in zip(table.columns, named, strict=True):
            column.name = name
        table.named = True
        return Read(table, {})
    if not call.args:
        raise DataError("E0524", 'idx takes the files of the fields in order: idx("images.idx.gz", "labels.idx.gz")')
    return Read(read_idx([base / _text_path(call, path) for path in call.args]), {})


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
        raise DataError("E0524", f"{call.name} takes paths in quotes, not {path!r}")
    return path


def _texts(call: CallValue, count: int, what: str) -> list[str]:
    if len(call.args) != count or not all(isinstance(a, str) for a in call.args):
        raise DataError("E0524", f'{call.name} takes {what} in quotes first, as in {call.name}("...")')
    return [str(a) for a in call.args]


def _mapping(named: dict[str, object], fields: tuple[str, ...]) -> dict[str, list[str | int]]:
    mapping: dict[str, list[str | int]] = {}
    for field, columns in named.items():
        if field not in fields:
            raise DataError("E0524", f"the model has no input or target {field}", help=nearest(field, fields))
        mapping[field] = []
        for column in columns if isinstance(columns, list) else [columns]:
            if isinstance(column, bool) or not isinstance(column, str | int):
                raise DataError("E0524", f"{field} takes the name of a column or a list of names, not {column!r}")
            mapping[field].append(column)
    return mapping


# ---------------------------------------------------------------- the data sets in scikit-learn's wheel

IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
WINE = (
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline",
)  # fmt: skip
CELL = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
)  # fmt: skip
CANCER = (*(f"mean {c}" for c in CELL), *(f"{c} error" for c in CELL), *(f"worst {c}" for c in CELL))
DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
DIGITS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))


def _sklearn(call: CallValue, base: Path, fields: tuple[str, ...]) -> Read:
    (name,) = _texts(call, 1, "the name of a data set")
    if name not in SKLEARN:
        raise DataError(
            "E0525", f'scikit-learn carries no data set "{name}" that nnspec reads', help=nearest(name, SKLEARN)
        )
    return Read(_bundled(name, _sklearn_folder()), _mapping(call.kwargs, fields))


def _sklearn_folder() -> Path:
    """Where the wheel keeps its data; finding it costs nothing, importing scikit-learn 1.7 s."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise MissingData("this data is part of scikit-learn, which is not installed", 'pip install "nnspec[data]"')
    return Path(found.origin).parent / "datasets" / "data"


def _bundled(name: str, folder: Path) -> Table:
    if name == "digits":
        path = folder / "digits.csv.gz"
        rows = _numbers(path, ",")
        return _columns(name, rows[:, :-1], DIGITS, rows[:, -1], (), (path,))
    if name == "diabetes":
        paths = (folder / "diabetes_data_raw.csv.gz", folder / "diabetes_target.csv.gz")
        data = _numbers(paths[0], " ")
        # As load_diabetes() gives it: every column centred, its sum of squares 1.
        data = (data - data.mean(axis=0)) / (data.std(axis=0) * len(data) ** 0.5)
        return _columns(name, data, DIABETES, _numbers(paths[1], " ")[:, 0], (), paths)
    file, titles = {
        "iris": ("iris.csv", IRIS),
        "wine": ("wine_data.csv", WINE),
        "breast_cancer": ("breast_cancer.csv", CANCER),
    }[name]
    path = folder / file
    with path.open(encoding="utf-8", newline="") as lines:
        first, *body = csv.reader(lines)
    rows = np.array(body, dtype=np.float64)
    return _columns(name, rows[:, :-1], titles, rows[:, -1], tuple(first[2:]), (path,))


def _numbers(path: Path, delimiter: str) -> Array:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return np.array(list(csv.reader(lines, delimiter=delimiter)), dtype=np.float64)


def _columns(
    name: str, data: Array, titles: tuple[str, ...], target: Array, classes: tuple[str, ...], files: tuple[Path, ...]
) -> Table:
    columns = [Column(title, data[:, i], i) for i, title in enumerate(titles)]
    columns.append(Column("target", target, len(columns), role="target", classes=classes))
    return Table(f'sklearn("{name}")', columns, files=files)


SOURCES: dict[str, Callable[[CallValue, Path, tuple[str, ...]], Read]] = {
    "sklearn": _sklearn,
    "csv": _csv,
    "npz": _npz,
    "idx": _idx,
    "text": _text,
    "table": _table,
}
