"""`huggingface("name or folder")`: a data set read by the datasets library, from its hub or from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError, MissingData, nearest
from nnspec.data.pictures import Pictures, common_shape, shape_of
from nnspec.data.stream import Stream
from nnspec.data.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]


def read_huggingface(name: str, base: Path, part: str, config: str | None) -> Table:
    """One split of a data set: `part`, by default that of the entry (`source` and `train`: "train").

    `name` is a folder, relative to `base`, of data files or as `save_to_disk` writes it, or a name on the hub. The
    rows stay in the library's memory-mapped files. Raises DataError E0520, E0525, MissingData.
    """
    datasets = _library()
    folder = base / name
    found = _local(datasets, folder, config) if folder.is_dir() else _from_hub(datasets, name, folder, config)
    if not isinstance(found, dict):
        found = {"train": found}
    if part not in found:
        message = f'huggingface("{name}") has no split "{part}"'
        raise DataError("E0525", message, help=nearest(part, found))
    rows = found[part]
    if not len(rows):
        raise DataError("E0528", f'huggingface("{name}"), split "{part}" holds no rows')
    columns = [_column(datasets, rows, column, i) for i, column in enumerate(rows.column_names)]
    files = (folder,) if folder.is_dir() else tuple(Path(file["filename"]) for file in rows.cache_files)
    return Table(f'huggingface("{name}")', columns, files=files)


def _library() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        message = "data sets of Hugging Face are read by the package datasets, which is not installed"
        raise MissingData(message, "huggingface") from error
    datasets.disable_progress_bars()
    return datasets


def _local(datasets: Any, folder: Path, config: str | None) -> Any:
    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    read: Callable[[], Any] = lambda: (  # noqa: E731
        datasets.load_from_disk(str(folder)) if saved else datasets.load_dataset(str(folder), config)
    )
    return _tried(read, f"the folder {folder}")


def _from_hub(datasets: Any, name: str, folder: Path, config: str | None) -> Any:
    return _tried(lambda: datasets.load_dataset(name, config), f'"{name}", which is no folder ({folder}),')


def _tried(read: Callable[[], Any], what: str) -> Any:
    try:
        return read()
    except Exception as error:  # the library raises whatever the network, its cache or a file format raised
        text = str(error).strip().split("\n")[0]
        raise DataError("E0525", f"{what} cannot be read by datasets: {text}", exit_code=2) from error


def _column(datasets: Any, rows: Any, name: str, index: int) -> Column:
    """Numbers and text are read; pictures and arrays stay where they are."""
    feature = rows.features[name]
    if isinstance(feature, datasets.ClassLabel):
        labels = np.asarray(rows.with_format("numpy")[name][:], dtype=np.int64)
        return Column(name, labels, index, role="target", classes=tuple(feature.names))
    if isinstance(feature, datasets.Image):
        return Column(name, _pictures(rows, name), index)
    if isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string"):
        return Column(name, np.array(["" if cell is None else cell for cell in rows[name]], dtype=object), index)
    if isinstance(feature, datasets.Value):
        return Column(name, np.asarray(rows.with_format("numpy")[name][:]), index)
    return Column(name, Listed(rows.select_columns([name]).with_format("numpy"), name), index)


def _pictures(rows: Any, name: str) -> Pictures:
    images = rows.select_columns([name])
    # All of them would have to be decoded.
    shape = common_shape({shape_of(row[name]) for row in images.select(range(min(len(rows), 64)))})
    names = [f'row {i + 1}, column "{name}"' for i in range(len(rows))]
    return Pictures(lambda i: images[i][name], names, shape)


class Listed(Stream):
    """A column of lists or arrays of one size."""

    def __init__(self, rows: Any, name: str) -> None:
        first = np.asarray(rows[0][name])
        super().__init__((len(rows), *first.shape), first.dtype)
        self.rows, self.name = rows, name

    def take(self, index: Array) -> Array:
        cells = self.rows[index.tolist()][self.name]
        array = np.asarray(cells)
        if array.shape[1:] != self.shape[1:]:
            raise DataError("E0522", f'column "{self.name}": its lists differ in length')
        return array
