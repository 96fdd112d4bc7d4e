"""Files of data that are damaged, lie about themselves or mean harm, each with the code that it is refused with.

A row is (source, what it writes into a folder, code; none for what is odd and sound). `spec` is a model that takes it.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Make = Callable[[Path], object]


Bytes = bytes | Callable[[], bytes]  # called when the test runs


def content(name: str, raw: Bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(raw if isinstance(raw, bytes) else raw())


# ---------------------------------------------------------------- NumPy's archives


def npy(shape: object, descr: object = "<f4", body: bytes = bytes(48), head: str = "") -> bytes:
    """A .npy file whose header says what it is told to."""
    text = (head or repr({"descr": descr, "fortran_order": False, "shape": shape})).encode()
    text = text.ljust((len(text) + 10 | 63) - 10) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, raw in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, raw)
    return packed.getvalue()


def npz(shape: object, descr: object = "<f4", body: bytes = bytes(48), head: str = "") -> bytes:
    return zipped(("x.npy", npy(shape, descr, body, head)))


def overlapping() -> bytes:
    """Ten names for the bytes of one member (as in David Fifield's zip bombs)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy((1_000_000, 3), body=bytes(12_000_000)))
        first = archive.infolist()[0]
        for number in range(9):
            copy = zipfile.ZipInfo(f"y{number}.npy")
            for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
        archive._didModify = True
    return packed.getvalue()


def flagged(raw: bytes) -> bytes:
    """The same archive, its member said to be encrypted."""
    changed = bytearray(raw)
    changed[6] |= 1
    changed[raw.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


SOUND = npz((4, 3))
NPZ: dict[str, tuple[Bytes, str]] = {
    "half": (SOUND[: len(SOUND) // 2], "E0521"),
    "changed": (SOUND[:60] + bytes([SOUND[60] ^ 255]) + SOUND[61:], "E0521"),
    "empty": (b"", "E0521"),
    "no members": (zipped(), "E0528"),
    "huge": (npz((2**40, 3)), "E0521"),
    "overflow": (npz((2**62, 2**62)), "E0521"),
    "negative": (npz((-4, 3)), "E0521"),
    "truth as a size": (npz((True, 12)), "E05"),
    "strings of no length": (npz((2**60,), "|S0", b""), "E0521"),
    "axes": (npz((1,) * 40, body=bytes(4)), "E0521"),
    "objects": (npz((4, 3), "|O", bytes(96)), "E0529"),
    "records": (npz((4, 3), [("a", "<f4")]), "E0529"),
    "complex": (npz((2, 3), "<c8"), "E0529"),
    "arrays in an array": (npz((2,), "(2,3)<f4"), "E05"),
    "a dtype that is none": (npz((4, 3), "import os"), "E0521"),
    "more than it says": (npz((4, 3), body=bytes(480)), "E0521"),
    "nan": (npz((4, 3), body=struct.pack("<12f", *[float("nan")] * 12)), "E0532"),
    "open brackets": (npz((4, 3), head="(" * 9000), "E0521"),
    "an open bracket": (npz((4, 3), head="{'descr': ("), "E0521"),
    "signs": (npz((4, 3), head="-" * 9000 + "1"), "E0521"),
    "a call": (npz((4, 3), head="__import__('os').system('true')"), "E0521"),
    "a list for a header": (npz((4, 3), head="[1, 2]"), "E0521"),
    "a long header": (npz((4, 3), head="'" + "a" * 60_000 + "'"), "E0521"),
    "encrypted": (flagged(SOUND), "E0521"),
    "one name twice": (zipped(("x.npy", npy((4, 3))), ("y.npy", npy((4, 3)))).replace(b"y.npy", b"x.npy"), "E0521"),
    "no array": (zipped(("x.txt", b"hello")), "E0521"),
    "a packed bomb": (zipped(("x.npy", npy((2**28, 3), body=b""))), "E0521"),
    "one member under ten names": (overlapping, "E05"),
    "an archive in lzma": (
        zipped(("x.npy", npy((400_000, 3), body=bytes(4_800_000))), method=zipfile.ZIP_LZMA),
        "E0521",
    ),
}
NPY: dict[str, tuple[Bytes, str]] = {
    "text": (b"hello", "E0521"),
    "no magic": (npy((4, 3))[6:], "E0521"),
    "version 9": (npy((4, 3)).replace(b"NUMPY\x01", b"NUMPY\x09"), "E0521"),
    "short": (npy((4, 3))[:-1], "E0521"),
    "long": (npy((4, 3)) + b"more", "E0521"),
    "cut in the header": (npy((4, 3))[:40], "E0521"),
    "objects": (npy((4, 3), "|O", bytes(96)), "E0529"),
    "huge": (npy((2**40, 3)), "E0521"),
    "an open bracket": (npy((4, 3), head="{'descr': ("), "E0521"),
}

# ---------------------------------------------------------------- MNIST's and CIFAR's formats


def idx(sizes: tuple[int, ...], body: bytes, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes) + body


IDX: dict[str, tuple[Bytes, str]] = {
    "empty": (b"", "E0521"),
    "half": (idx((4, 3), bytes(5)), "E0521"),
    "more": (idx((4, 3), bytes(13)), "E0521"),
    "huge": (idx((2**32 - 1,) * 3, b""), "E0521"),
    "axes": (idx((1,) * 200, b"0"), "E0521"),
    "no axes": (idx((), b"0"), "E0521"),
    "no examples": (idx((0, 3), b""), "E05"),
    "kind": (idx((4, 3), bytes(12), kind=7), "E0521"),
    "nan": (idx((4, 3), struct.pack(">12f", *[float("nan")] * 12), kind=13), "E0532"),
    "bomb": (gzip.compress(idx((2**31, 3), bytes(10_000))), "E0521"),
    "bomb of a small header": (lambda: gzip.compress(idx((4, 3), bytes(50_000_000)), 1), "E0521"),
    "tail": (gzip.compress(idx((4, 3), bytes(12)))[:-9], "E0521"),
    "wrong sum": (gzip.compress(idx((4, 3), bytes(12)))[:-8] + bytes(8), "E0521"),
    "two streams": (gzip.compress(idx((4, 3), bytes(12))) * 2, "E0521"),
    "no gzip": (b"\x1f\x8bnonsense", "E0521"),
}


def cifar(change: Callable[[bytearray], object] = lambda raw: None, **files: bytes) -> Make:
    def make(folder: Path) -> None:
        (folder / "c").mkdir()
        for number in range(1, 6):
            raw = bytearray(3073 * 2)
            change(raw)
            (folder / "c" / f"data_batch_{number}.bin").write_bytes(raw)
        for name, content in files.items():
            (folder / "c" / name.replace("__", ".")).write_bytes(content)

    return make


def label_of_255(raw: bytearray) -> None:
    raw[0] = 255


# ---------------------------------------------------------------- csv and text

CSV: dict[str, tuple[Bytes, str]] = {
    "empty": (b"", "E0528"),
    "a header alone": (b"a,b,c\n", "E0528"),
    "blank lines": (b"\n\n\n", "E0528"),
    "zero bytes": (b"a,b,c\n1,\x00,3\n", "E05"),
    "zero bytes alone": (bytes(10_000), "E05"),
    "a field of 200,000 digits": (b"a,b,c\n1,2," + b"9" * 200_000 + b"\n", "E0521"),
    "a number too large": (b"a,b,c\n1,2,1e999\n", "E0532"),
    "nan": (b"a,b,c\n1,2,nan\n", "E0532"),
    "words": (b"a,b,c\n1,2,hello\n", "E0532"),
    "an open quote": (b'a,b,c\n1,"2,3\n4,5,6\n' * 50, "E05"),
    "a quote and more": (b'a,b,c\n1,"2"x,3\n', "E0521"),
    "100,000 columns": (b",".join(b"c%d" % i for i in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n", "E0522"),
    "ragged": (b"a,b,c\n1,2\n", "E0522"),
    "one column twice": (b"a,a,c\n1,2,3\n", "E05"),
    "UTF-16": ("a,b,c\n1,2,3\n".encode("utf-16"), "E0521"),
    "Latin-1": ("a,b,ü\n1,2,3\n".encode("latin-1"), "E0521"),
    "half a character": (b"a,b,c\n1,2,3\n\xe2\x82", "E0521"),
    "gzip": (gzip.compress(b"a,b,c\n1,2,3\n"), "E0521"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "E0521"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "E05"),
}


def sparse(name: str, size: int) -> Make:
    """A file that claims a size and takes no room."""

    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return make


TEXT: dict[str, tuple[Bytes, str]] = {
    "empty": (b"", "E0528"),
    "no UTF-8": (b"hello \xff world" * 20, "E0521"),
    "surrogates": (b"abc" + b"\xed\xa0\x80" * 20, "E0521"),
    "too short": (b"abc", "E05"),
    "too many characters": ("".join(map(chr, range(100, 900))).encode(), "E0533"),
}

# ---------------------------------------------------------------- pictures


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes = b"", *more: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    from PIL import Image

    raw = io.BytesIO()
    Image.new(mode, size).save(raw, kind, **options)
    return raw.getvalue()


def animated() -> bytes:
    from PIL import Image

    raw = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (100 * n, 0, 0)) for n in range(3)]
    frames[0].save(raw, "GIF", save_all=True, append_images=frames[1:])
    return raw.getvalue()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(pwned) (w) file closefile\nshowpage\n%%EOF\n"
# The second row is a picture that can be used.
PICTURES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "half a png": ("a.png", lambda: picture("PNG")[:48], "E0521"),
    "a changed png": ("a.png", lambda: png(8, 8, bytes(72))[:-30] + bytes(30), "E0521"),
    "half a jpeg": ("a.jpg", lambda: picture("JPEG", size=(64, 64))[:400], "E0521"),
    "an empty file": ("a.png", lambda: b"", "E0521"),
    "text": ("a.png", lambda: b"hello", "E0521"),
    "PostScript": ("a.png", lambda: POSTSCRIPT, "E0521"),
    "60,000 x 60,000": ("a.png", lambda: png(60_000, 60_000, bytes(10_000), depth=1), "E0521"),
    "12,000 x 12,000": ("a.png", lambda: png(12_000, 12_000, bytes(10_000), depth=1), "E0521"),
    "4,000,000,000 x 1": ("a.png", lambda: png(2**31 - 1, 1, bytes(10)), "E0521"),
    "no width": ("a.png", lambda: png(0, 8, bytes(72)), "E0521"),
    "less data than its size": ("a.png", lambda: png(4000, 4000, bytes(10)), "E0521"),
    "16 bits": ("a.png", lambda: picture("PNG", "I;16"), "E05"),
    "floats": ("a.tiff", lambda: picture("TIFF", "F"), "E05"),
    "an animation": ("a.gif", animated, "E05"),
    "text that unpacks to 100 MB": (
        "a.png",
        lambda: png(8, 8, bytes(72), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000), 1))),
        "E0521",
    ),
    "an icon": ("a.png", lambda: picture("ICO", "RGBA"), "E0521"),
    "CMYK": ("a.jpg", lambda: picture("JPEG", "CMYK"), ""),
    "a palette": ("a.png", lambda: picture("PNG", "P"), ""),
    "a jpeg called png": ("a.png", lambda: picture("JPEG"), ""),
}


def pictures(name: str, make: Callable[[], bytes]) -> Make:
    def write(folder: Path) -> None:
        for place in ("cat", "dog"):
            (folder / "p" / place).mkdir(parents=True)
            for number in range(4):
                (folder / "p" / place / f"{number}.png").write_bytes(picture("PNG"))
        (folder / "p" / "cat" / name).write_bytes(make())

    return write


# ---------------------------------------------------------------- Parquet


def parquet(**columns: Any) -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    raw = io.BytesIO()
    files.write_table(pyarrow.table(columns), raw)
    return raw.getvalue()


def abc(rows: int = 12, **more: Any) -> bytes:
    return parquet(**{**{name: np.arange(float(rows)) for name in "abc"}, **more})


def footer(raw: bytes, length: int) -> bytes:
    return raw[:-8] + struct.pack("<I", length) + raw[-4:]


PARQUET: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "E0521"),
    "text": (lambda: b"a,b,c\n1,2,3\n", "E0521"),
    "half": (lambda: abc()[: len(abc()) // 2], "E0521"),
    "no footer": (lambda: abc()[:-4], "E0521"),
    "a footer beyond the file": (lambda: footer(abc(), 2**31), "E0521"),
    "a footer of nothing": (lambda: footer(abc(), 0), "E0521"),
    "a changed footer": (lambda: abc()[:-60] + bytes(20) + abc()[-40:], "E0521"),
    "changed pages": (lambda: abc()[:4] + bytes(100) + abc()[104:], "E05"),
    "no rows": (lambda: abc(0), "E0528"),
    "no columns": (lambda: parquet(), "E05"),
    "a gap": (lambda: abc(c=[None, *range(11)]), "E0532"),
    "nothing but gaps": (lambda: abc(c=[None] * 12), "E0532"),
    "words": (lambda: abc(c=["w"] * 12), "E0532"),
    "records": (lambda: abc(c=[{"d": 1}] * 12), "E0529"),
    "maps of maps": (lambda: abc(c=[{"d": {"e": [1]}}] * 12), "E0529"),
    "lists that differ in length": (lambda: abc(c=[[1.0]] * 11 + [[1.0, 2.0]]), "E0522"),
    "lists of nothing": (lambda: abc(c=[[]] * 12), "E05"),
    "lists with gaps": (lambda: abc(c=[[1.0]] * 11 + [None]), "E0532"),
    "lists in lists": (lambda: abc(c=[[[1.0]], [[1.0, 2.0]]] * 6), "E0522"),
    "bytes": (lambda: abc(c=[b"\xff\xfe"] * 12), "E05"),
    "infinities": (lambda: abc(c=[float("inf")] * 12), "E0532"),
}


# ---------------------------------------------------------------- files that are none


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "a.csv")


def circle(folder: Path) -> None:
    (folder / "a.csv").symlink_to(folder / "a.csv")


def picture_circle(folder: Path) -> None:
    (folder / "p" / "cat").mkdir(parents=True)
    (folder / "p" / "cat" / "again").symlink_to(folder / "p")
    (folder / "p" / "cat" / "a.png").symlink_to(folder / "p" / "cat" / "a.png")


def hub(**files: str) -> Make:
    def make(folder: Path) -> None:
        (folder / "h").mkdir()
        for name, text in files.items():
            (folder / "h" / name.replace("__", ".")).write_text(text)

    return make


ROWS: dict[str, tuple[str, Make, str]] = {
    **{f"npz: {name}": ('npz("a.npz")', content("a.npz", raw), code) for name, (raw, code) in NPZ.items()},
    **{f"npy: {name}": ('npz("a.npy")', content("a.npy", raw), code) for name, (raw, code) in NPY.items()},
    **{f"idx: {name}": ('idx("a.idx")', content("a.idx", raw), code) for name, (raw, code) in IDX.items()},
    **{f"csv: {name}": ('csv("a.csv")', content("a.csv", raw), code) for name, (raw, code) in CSV.items()},
    "csv: a pipe": ('csv("a.csv")', fifo, "E0520"),
    "csv: a link to itself": ('csv("a.csv")', circle, "E0520"),
    "csv: a device": ('csv("/dev/zero")', lambda folder: None, "E0520"),
    "csv: a folder": ('csv(".")', lambda folder: None, "E0520"),
    "csv: 1 TiB of nothing": ('csv("a.csv")', sparse("a.csv", 1 << 40), "E05"),
    "npy: 1 TiB of nothing": ('npz("a.npy")', sparse("a.npy", 1 << 40), "E0521"),
    "npz: 1 TiB of nothing": ('npz("a.npz")', sparse("a.npz", 1 << 40), "E0521"),
    "idx: 1 TiB of nothing": ('idx("a.idx")', sparse("a.idx", 1 << 40), "E0521"),
    "parquet: 1 TiB of nothing": ('parquet("a.parquet")', sparse("a.parquet", 1 << 40), "E0521"),
    "cifar: half a record": ('cifar("c")', cifar(lambda raw: raw.pop()), "E0521"),
    "cifar: empty files": ('cifar("c")', cifar(lambda raw: raw.clear()), "E0521"),
    "cifar: a label of 255": ('cifar("c")', cifar(label_of_255), "E0533"),
    "cifar: names in no UTF-8": ('cifar("c")', cifar(batches__meta__txt=b"\xff\xfe"), "E0521"),
    "cifar: no folder": ('cifar("c")', lambda folder: None, "E0520"),
    **{f"text: {name}": ('text("a.txt")', content("a.txt", raw), code) for name, (raw, code) in TEXT.items()},
    "text: a line of 1 TiB": ('text("a.txt")', sparse("a.txt", 1 << 40), "E05"),
    **{f"images: {n}": ('images("p")', pictures(name, make), code) for n, (name, make, code) in PICTURES.items()},
    "images: a circle of links": ('images("p")', picture_circle, "E0528"),
    "images: no folder": ('images("p")', lambda folder: None, "E0520"),
    **{
        f"parquet: {name}": (
            'parquet("a.parquet")',
            lambda folder, make=make: (folder / "a.parquet").write_bytes(make()),  # type: ignore[misc]
            code,
        )
        for name, (make, code) in PARQUET.items()
    },
    "hub: a script": ('huggingface("h")', hub(h__py="open('pwned', 'w').write('x')\n"), "E0525"),
    "hub: a state that is no json": ('huggingface("h")', hub(state__json="{", dataset_info__json="{"), "E0525"),
    "hub: a dataset_dict that is a list": ('huggingface("h")', hub(dataset_dict__json="[1, 2]"), "E0525"),
    "hub: a table that is none": ('huggingface("h")', hub(a__parquet="PAR1nonsense"), "E0525"),
    "hub: an empty folder": ('huggingface("h")', hub(), "E0525"),
}


def spec(source: str) -> str:
    """A model that takes what a source should give, and is trained on it for one epoch."""
    shape = "[3]"
    if source.startswith(("images", "cifar")):
        shape = "[3, 8, 8]" if source.startswith("images") else "[3, 32, 32]"
        body = f"input x: float32{shape}; target label: class(10); output y = x -> flatten -> dense(10)"
        objective = "cross_entropy(y, label)"
    elif source.startswith("text"):
        body = "dim T = 8\n input x: class(300)[T]; target z: class(300)[T]\n output y = x -> embedding(300, 300)"
        objective = "cross_entropy(y, z, axis = 1)"
    else:
        body, objective = f"input x: float32{shape}; output y = x -> dense(1) -> sum", "y"
    window = "; window = 8" if source.startswith("text") else ""
    return f"""model M {{ {body} }}
data {{ source = {source}{window} }}
train {{ minimize = {objective}; optimizer = sgd(0.1); epochs = 1; batch = 2 }}
"""
