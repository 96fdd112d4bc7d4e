"""Files that rows of tests/errors read and that are no lines of text: made here, by name."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np


def npz(**arrays: Any) -> bytes:
    """A NumPy archive."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=True, **arrays)
    return out.getvalue()


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def archive(content: bytes) -> bytes:
    """An archive of one array "x" whose file holds these bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(zipfile.ZipInfo("x.npy"), content)
    return out.getvalue()


def damaged_archive() -> bytes:
    """A packed array of which some bytes have changed."""
    out = io.BytesIO()
    np.savez_compressed(out, x=np.arange(200.0).reshape(100, 2))
    content = bytearray(out.getvalue())
    content[60:64] = b"\xff\xff\xff\xff"
    return bytes(content)


def idx(*sizes: int, held: int) -> bytes:
    """A file of MNIST's format of bytes that declares these sizes."""
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + bytes(held)


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def picture(size: int = 4, deep: bool = False) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.zeros((size, size), np.uint16 if deep else np.uint8)).save(out, "png")
    return out.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def no_rows() -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"x": pyarrow.array([], pyarrow.float64())}), out)
    return out.getvalue()


def many_errors(line: str) -> bytes:
    """A model of 120 lines that are wrong in the same way."""
    lines = "\n".join(line.format(number) for number in range(120))
    return f"model M {{\n    input x: float32[4]\n{lines}\n    output y = x\n}}\n".encode()


FILES: dict[str, Callable[[], bytes]] = {
    "many.nn": lambda: many_errors("    a{} = x -> dens(3)"),
    "unread.nn": lambda: many_errors("    a{} == x"),
    "latin.nn": lambda: "# caf\u00e9\n".encode("latin-1"),
    "empty.nn": lambda: b"",
    "big.nn": lambda: b"#" * (1 << 20) + b"\n",
    "latin.csv": lambda: "kind\ncaf\u00e9\n".encode("latin-1"),
    "latin.txt": lambda: "a quiet caf\u00e9\n".encode("latin-1"),
    "empty.txt": lambda: b"",
    "text.npz": lambda: b"area,price\n",
    "damaged.npz": damaged_archive,
    "nothing.npz": lambda: npz(),
    "long.npz": lambda: archive(npy(np.zeros((5, 2)))[:-8]),
    "magic.npz": lambda: archive(b"no array at all"),
    "objects.npz": lambda: npz(x=np.array([{}, {}])),
    "records.npz": lambda: npz(x=np.zeros(3, [("a", "f8"), ("b", "f8")])),
    "words.npz": lambda: npz(x=np.array([["1", "2"], ["3", "4"]])),
    "single.npz": lambda: npz(x=np.float64(3)),
    "lengths.npz": lambda: npz(x=np.zeros((3, 2)), t=np.zeros((2, 1))),
    "none.npz": lambda: npz(x=np.zeros((0, 2))),
    "complex.npz": lambda: npz(x=np.zeros((3, 2), complex)),
    "negative.npz": lambda: archive(npy(np.zeros(5)).replace(b"(5,)", b"(-5,)").replace(b" \n", b"\n")),
    "cut.npy": lambda: npy(np.zeros((5, 2)))[:-8],
    "head.idx": lambda: idx(5, 2, held=0)[:-2],
    "axes.idx": lambda: idx(*[1] * 40, held=1),
    "cut.idx": lambda: idx(5, 2, held=9),
    "huge.idx.gz": lambda: gzipped(idx(2_000_000_000, 2, held=9)),
    "short.idx.gz": lambda: gzipped(idx(5, 2, held=9)),
    "more.idx.gz": lambda: gzipped(idx(5, 2, held=11)),
    "torn.idx.gz": lambda: gzipped(idx(5, 2, held=10))[:-12],
    "broken/cats/1.png": lambda: b"no picture",
    "torn/cats/1.png": lambda: picture(64)[:60],
    "deep/cats/1.png": lambda: picture(deep=True),
    "pets/cats/1.png": picture,
    "sizes/cats/1.png": picture,
    "sizes/dogs/2.png": lambda: picture(6),
    "cifar/train.bin": lambda: bytes(3000),
    "broken.parquet": lambda: b"PAR?",
    "empty.parquet": no_rows,
    "a.parquet": lambda: parquet(x=[1.0]),
    "gap.parquet": lambda: parquet(x=[1, None]),
    "missing.parquet": lambda: parquet(x=[[1.0, 2.0], None]),
    "ragged.parquet": lambda: parquet(x=[[1.0, 2.0], [1.0]]),
    "parts/a.parquet": lambda: parquet(x=[1.0]),
    "parts/b.parquet": lambda: parquet(z=[1.0]),
}
