"""The data sets in scikit-learn's wheel, read without importing scikit-learn, which takes 1.7 s."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import MissingData
from nnspec.data.table import Column, Table

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

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


def _folder() -> Path:
    """Where the wheel keeps its data."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise MissingData("this data is part of scikit-learn, which is not installed", "data")
    return Path(found.origin).parent / "datasets" / "data"


def read_bundled(name: str) -> Table:
    """One of `passes.keys.SKLEARN`. Raises MissingData."""
    folder = _folder()
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
