"""Makes small files of each kind that docs/data.md reads, from the digits and the flowers of scikit-learn's wheel.

    python docs/example_files.py

They come into the working folder: mnist/ (four gzipped idx files), flowers.csv, digits/train and digits/test (a folder
of images for each class) and digits.parquet.
"""

from __future__ import annotations

import csv
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_iris

TEST = 360  # of 1,797 digits


def main() -> None:
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # 0 (paper) to 255 (ink), 8 x 8
    parts = {"train": slice(0, -TEST), "t10k": slice(-TEST, None)}
    for part, rows in parts.items():
        write_idx(Path(f"mnist/{part}-images-idx3-ubyte.gz"), images[rows])
        write_idx(Path(f"mnist/{part}-labels-idx1-ubyte.gz"), digits.target[rows].astype(np.uint8))
    for part, rows in {"train": parts["train"], "test": parts["t10k"]}.items():
        for number, (image, label) in enumerate(zip(images[rows], digits.target[rows], strict=True)):
            path = Path(f"digits/{part}/{label}/{number:04}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    write_csv(Path("flowers.csv"))
    write_parquet(Path("digits.parquet"), digits.data.astype(np.float32), digits.target)


def write_idx(path: Path, array: np.ndarray) -> None:
    """MNIST's format: two zeros, the type (8: unsigned bytes), the rank, the sizes, the bytes."""
    path.parent.mkdir(exist_ok=True)
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def write_csv(path: Path) -> None:
    iris = load_iris()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sepal_length", "sepal_width", "petal_length", "petal_width", "species"])
        for row, species in zip(iris.data, iris.target, strict=True):
            writer.writerow([*row, iris.target_names[species]])


def write_parquet(path: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"pixels": pixels.tolist(), "label": labels}), path, row_group_size=500)


if __name__ == "__main__":
    main()
