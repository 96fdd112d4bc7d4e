"""Texts, Parquet files, images, CIFAR and mapped arrays: what they give, whole or streamed, and what they refuse."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Result
from loading import ENTRY, call, field, label, load, refused, x, y

import nnspec
from nnspec.data import Dataset, Memory, MissingData, read_inputs
from nnspec.data.stream import Stream
from nnspec.ir.dims import Dim
from nnspec.ir.graph import Field, Keyed
from nnspec.train import predict, train

Array = np.ndarray[Any, Any]
T = Dim.symbol("T")


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too large: files are mapped, and examples gathered."""
    for place in ("binary.MAPPED", "csvfile.MAPPED", "stream.MAPPED", "stream.HELD", "stream.REPEATED"):
        monkeypatch.setattr(f"nnspec.data.{place}", 0)


def letters(classes: int, *shape: Any) -> list[Field]:
    return [field("tokens", "class", *shape, classes=classes), label(classes, *shape, name="next")]


def same_data(one: Dataset, two: Dataset) -> None:
    """Every part of two data sets, and the examples of three batches as steps see them."""
    assert one.parts.keys() == two.parts.keys()
    for name, part in one.parts.items():
        for key, array in part.items():
            np.testing.assert_array_equal(array[:], two.parts[name][key][:])
            assert array.dtype == two.parts[name][key].dtype
    order = one.order(1)[:6].reshape(3, 2)
    (a, at), (b, bt) = one.gathered(one.epoch(1), order), two.gathered(two.epoch(1), order)
    for name in a:
        np.testing.assert_array_equal(a[name][at], b[name][bt])


# ---------------------------------------------------------------- text


def test_characters_are_numbered_in_the_order_of_their_code_points(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("banana, éb\n", encoding="utf-8")
    data = load(letters(7, T), tmp_path, source=call("text", "t.txt", tokens="characters"), window=4)
    assert data.memory.classes["tokens"] == ("\n", " ", ",", "a", "b", "n", "é")
    assert data.memory.classes["next"] == data.memory.classes["tokens"]
    assert data.train["tokens"][0].tolist() == [4, 3, 5, 3]
    assert data.train["next"][0].tolist() == [3, 5, 3, 5]
    assert len(data.train["next"]) == 11 - 4
    assert data.memory.dims == {"T": 4}


def test_bytes_are_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "t.bin").write_bytes(bytes(range(256)))
    data = load(letters(256, 5), tmp_path, source=call("text", "t.bin", tokens="bytes"), window=5, shift=2)
    assert data.train["tokens"][-1].tolist() == [249, 250, 251, 252, 253]
    assert data.train["next"][-1].tolist() == [251, 252, 253, 254, 255]
    assert "tokens" not in data.memory.classes


def test_whole_numbers_take_a_text_as_well(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("cabca")
    fields = [field("tokens", "int32", T), label(3, name="next")]
    data = load(fields, tmp_path, source=call("text", "t.txt"), window=2)
    assert data.train["tokens"].dtype == np.int32
    assert data.train["tokens"].tolist() == [[2, 0], [0, 1], [1, 2]]
    assert data.train["next"].tolist() == [1, 2, 0]


def test_rows_of_a_table_in_windows(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,y\n" + "\n".join(f"{i},{10 * i},{100 * i}" for i in range(8)))
    source = call("csv", "d.csv", x=["a", "b"])
    data = load([x(T, 2), y(T)], tmp_path, source=source, window=3, shift=2)
    assert data.train["x"][1].tolist() == [[1, 10], [2, 20], [3, 30]]
    assert data.train["y"][1].tolist() == [300, 400, 500]
    after = load([x(3, 2), y()], tmp_path, source=source, window=3, shift=2)
    assert after.train["y"].tolist() == [400, 500, 600, 700]


def test_one_target_after_each_window(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abcabc")
    fields = [field("tokens", "class", 3, classes=3), label(3, name="next")]
    data = load(fields, tmp_path, source=call("text", "t.txt"), window=3)
    assert data.train["tokens"].tolist() == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert data.train["next"].tolist() == [0, 1, 2]


def test_parts_of_a_text_share_one_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("acacac")
    (tmp_path / "b.txt").write_text("bcbcbc")
    data = load(letters(3, T), tmp_path, train=call("text", "a.txt"), test=call("text", "b.txt"), window=2)
    assert data.memory.classes["tokens"] == ("a", "b", "c")
    assert data.test["tokens"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "content, fields, settings, code, parts",
    [
        (b"abcd" * 4, letters(3, T), {"window": 4}, "E0533", ["4 different characters", "class(3)", "class(4) holds"]),
        (b"abc\xe9", letters(256, T), {"window": 2}, "E0521", ["not UTF-8", "byte 3", "tokens = bytes"]),
        (b"", letters(9, T), {"window": 2}, "E0528", ["no text"]),
        (b"abcd", letters(9, T), {}, "E0538", ["one long row", "window = 64"]),
        (b"abcd", letters(9, T), {"window": 4}, "E0538", ["4 rows", "train part", "the 1 after it"]),
        (b"abcdefgh", letters(9, 6), {"window": 4}, "E0538", ["class(9)[6]", "window = 6"]),
        (b"abcdefgh" * 4, letters(9, T), {"window": 8, "split": [0.9, 0.1]}, "E0538", ["validation part", "3 rows"]),
    ],
)
def test_texts_that_do_not_fit(
    tmp_path: Path, content: bytes, fields: list[Field], settings: dict[str, Any], code: str, parts: list[str]
) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    refused(code, *parts, fields=fields, base=tmp_path, source=call("text", "t.txt"), **settings)


def test_bytes_beyond_the_vocabulary_are_named_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "t.bin").write_bytes(b"\0\1\2\7")
    source = call("text", "t.bin", tokens="bytes")
    refused("E0533", "byte 4: 7 is outside", "class(8)", fields=letters(5, T), base=tmp_path, source=source, window=1)


def test_a_new_text_is_read_with_the_vocabulary_of_training(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("hello world")
    fields = letters(8, T)
    stored = load(fields, tmp_path, source=call("text", "t.txt"), window=4).memory.to_json()
    memory = Memory.from_json(stored)
    (tmp_path / "new.txt").write_text("hollow")
    found = read_inputs(tmp_path / "new.txt", fields, {}, memory)["tokens"]
    assert ["".join(memory.classes["tokens"][i] for i in row) for row in found] == ["holl", "ollo", "llow"]
    (tmp_path / "short.txt").write_text("he")
    assert read_inputs(tmp_path / "short.txt", fields, {}, memory)["tokens"].shape == (1, 2)
    (tmp_path / "odd.txt").write_text("hexe")
    with pytest.raises(Exception, match="character 3: the character 'x' was not known in training"):
        read_inputs(tmp_path / "odd.txt", fields, {}, memory)


# ---------------------------------------------------------------- windows never leak


@pytest.mark.parametrize(
    "rule", [[0.6, 0.2, 0.2], call("in_order", [0.7, 0.3]), call("folds", 4, 2), call("folds", 3, 1)]
)
def test_no_row_stands_in_two_parts(rule: object) -> None:
    rows = call("table", [["x", "y"], *[[i, i] for i in range(60)]])
    data = load([x(T), y(T)], source=rows, window=4, shift=3, split=rule)
    seen = [set(np.unique([*part["x"].ravel(), *part["y"].ravel()])) for part in data.parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 60
    for part in data.parts.values():  # no window reaches over what another part holds
        assert (np.diff(part["x"], axis=1) == 1).all()
        np.testing.assert_array_equal(part["y"], part["x"] + 3)


def test_made_up_examples_are_windows_already() -> None:
    data = load([x(T), y()], train=call("random", 10), window=4, split=[0.7, 0.3])
    assert data.train["x"].shape == (7, 4)
    assert data.validation["x"].shape == (3, 4)


def test_normalisation_of_a_series_counts_every_row_once() -> None:
    values = np.arange(20.0) ** 2
    rows = call("table", [["x"], *[[v] for v in values.tolist()]])
    data = load([x(T), y()], source=rows, window=5, split=call("in_order", [0.5, 0.5]), normalize="standard")
    train = values[:10]
    np.testing.assert_allclose(data.train["x"][2], (train[2:7] - train.mean()) / train.std())
    assert data.memory.window == 5


def test_windows_are_gathered_where_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.txt").write_text("the quick brown fox jumps over the lazy dog " * 5)
    settings: dict[str, Any] = {"source": call("text", "t.txt"), "window": 16, "split": [0.8, 0.2]}
    held = load(letters(27, T), tmp_path, **settings)
    monkeypatch.setattr("nnspec.data.stream.REPEATED", 0)
    streamed = load(letters(27, T), tmp_path, **settings)
    assert isinstance(streamed.train["tokens"], Stream) and not isinstance(held.train["tokens"], Stream)
    assert streamed.held_bytes == 0 < held.held_bytes
    same_data(held, streamed)


# ---------------------------------------------------------------- Parquet


def parquet(path: Path, **columns: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path, row_group_size=3)


def test_parquet_columns_of_every_kind(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(8, 3)
    parquet(
        tmp_path / "d.parquet",
        a=values[:, 0].astype(np.float32),
        b=values[:, 1].astype(np.int32),
        lists=values.tolist(),
        on=[True, False] * 4,
        kind=["cat", "dog"] * 4,
    )
    fields = [x(2), field("lists", "float32", 3), field("on", "bool"), label(2, name="kind")]
    data = load(fields, tmp_path, source=call("parquet", "d.parquet", x=["a", "b"]))
    np.testing.assert_array_equal(data.train["x"], values[:, :2])
    np.testing.assert_array_equal(data.train["lists"], values)
    assert data.train["on"].tolist() == [True, False] * 4
    assert data.train["kind"].tolist() == [0, 1] * 4
    assert data.memory.classes["kind"] == ("cat", "dog")


def test_parquet_in_a_folder_and_streamed(tmp_path: Path, streamed: None) -> None:
    values = np.random.default_rng(0).normal(size=(20, 2))
    parquet(tmp_path / "part-0.parquet", x=values[:7].tolist(), y=values[:7, 0])
    parquet(tmp_path / "part-1.parquet", x=values[7:].tolist(), y=values[7:, 0])
    data = load([x(2), y()], tmp_path, source=call("parquet", "."), split=call("in_order", [0.5, 0.5]))
    assert isinstance(data.train["x"], Stream)
    np.testing.assert_array_equal(data.validation["x"][:], values[10:])
    assert len(data.files) == 2


def test_parquet_that_does_not_fit(tmp_path: Path) -> None:
    parquet(tmp_path / "gap.parquet", x=[1.0, None, 3.0], label=[0, 1, 1])
    parquet(tmp_path / "far.parquet", x=[1.0, 2.0], label=[0, 5])
    parquet(tmp_path / "ragged.parquet", x=[[1.0, 2.0], [1.0]], label=[0, 1])
    parquet(tmp_path / "other.parquet", z=[1.0], w=[0])
    (tmp_path / "no.parquet").write_text("PAR?")
    cases = [
        ("gap", "E0532", ["gap.parquet, row 2", '"x"']),
        ("far", "E0533", ["row 2", '"label"', "class(6)"]),
        ("ragged", "E0522", ["row 2", "differ in length"]),
        ("other", "E0530", ["label"]),
        ("no", "E0521", ["no.parquet cannot be read"]),
        ("none", "E0520", ["none.parquet does not exist"]),
    ]
    for name, code, parts in cases:
        refused(code, *parts, fields=[x(), label(2)], base=tmp_path, source=call("parquet", f"{name}.parquet"))


# ---------------------------------------------------------------- csv, large


@pytest.mark.parametrize("lines", ["a,b,kind\n", "a;b;kind\n", ""])
def test_a_large_csv_is_read_block_by_block(tmp_path: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    mark = ";" if ";" in lines else ","
    rows = [mark.join(map(repr, map(float, random.normal(size=2)))) + f"{mark} k{i % 3}" for i in range(50)]
    (tmp_path / "d.csv").write_text("\ufeff" + lines + "\n".join(rows) + "\n", encoding="utf-8")
    fields = [x(2), label(3, name="kind")]
    settings: dict[str, Any] = {"source": call("csv", "d.csv"), "split": [0.6, 0.4], "normalize": "standard"}
    if not lines:
        settings["source"] = call("csv", "d.csv", header=False)
    read = load(fields, tmp_path, **settings)
    for place, value in {"csvfile.MAPPED": 0, "csvfile.BLOCK": 7, "stream.HELD": 0}.items():
        monkeypatch.setattr(f"nnspec.data.{place}", value)
    streamed = load(fields, tmp_path, **settings)
    assert isinstance(streamed.train["x"], Stream)
    same_data(read, streamed)
    assert read.memory == streamed.memory


@pytest.mark.parametrize(
    "text, code, parts",
    [
        ("x,label\n1,0\n,1\n", "E0532", ["row 2 (line 3)", '"x"', "empty cell"]),
        ("x,label\n1,0\nnan,1\n", "E0532", ["row 2 (line 3)", '"x"', "nan"]),
        ("x,label\n1,0\n2,2\n", "E0533", ["row 2 (line 3)", '"label"', "2 is outside class(2)"]),
        ("x,label\n1,0\n2\n", "E0522", ["line 3", "1 cell where"]),
        ("x,label\n", "E0528", ["no rows"]),
        ("x,x\n1,0\n", "E0522", ["two columns"]),
    ],
)
def test_a_large_csv_is_checked_like_a_small_one(
    tmp_path: Path, streamed: None, text: str, code: str, parts: list[str]
) -> None:
    (tmp_path / "d.csv").write_text(text)
    refused(code, *parts, fields=[x(), label(2)], base=tmp_path, source=call("csv", "d.csv"))


# ---------------------------------------------------------------- images


def write_image(path: Path, array: Array) -> None:
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.fromarray(array).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, shade in (("dog", 0), ("cat", 100), ("emu", 200)):
        for i in range(4):
            array = random.integers(shade, shade + 50, (10, 8, 3), dtype=np.uint8)
            write_image(tmp_path / "animals" / name / f"{i}.png", array)
    return tmp_path


def test_folders_of_images_are_classes_in_sorted_order(pictures: Path) -> None:
    data = load([x(3, 10, 8), label(3)], pictures, source=call("images", "animals"))
    assert data.memory.classes["label"] == ("cat", "dog", "emu")
    assert data.train["label"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    from PIL import Image

    first = np.asarray(Image.open(pictures / "animals" / "cat" / "0.png"))
    np.testing.assert_allclose(data.train["x"][0], first.transpose(2, 0, 1) / 255, rtol=1e-15)
    assert list(data.files) == [str((pictures / "animals").resolve())]


def test_images_are_brought_to_the_declared_channels_and_size(pictures: Path) -> None:
    from PIL import Image

    data = load([x(1, 5, 6), label(3)], pictures, source=call("images", "animals"))
    grey = Image.open(pictures / "animals" / "cat" / "1.png").convert("L").resize((6, 5), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(data.train["x"][1, 0] * 255, np.asarray(grey), atol=1.01)  # Pillow rounds twice
    h, w = Dim.symbol("H"), Dim.symbol("W")
    assert load([x(3, 2 * h, w), label(3)], pictures, source=call("images", "animals")).memory.dims == {"H": 5, "W": 8}
    flat = load([x(240), label(3)], pictures, source=call("images", "animals"))
    assert flat.train["x"].shape == (12, 240)


def test_images_are_decoded_as_they_are_needed(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "source": call("images", "animals"),
        "split": [0.5, 0.25, 0.25],
        "normalize": "standard",
        "augment": ["flip", call("crop", 2)],
    }
    held = load([x(3, 8, 8), label(3)], pictures, **settings)
    monkeypatch.setattr("nnspec.data.stream.HELD", 0)
    streamed = load([x(3, 8, 8), label(3)], pictures, **settings)
    assert isinstance(streamed.train["x"], Stream)
    assert [sorted(p["label"].tolist()) for p in held.parts.values()] == [[0, 0, 1, 1, 2, 2], [0, 1, 2], [0, 1, 2]]
    same_data(held, streamed)


def test_images_that_cannot_be_used(pictures: Path) -> None:
    fields, source = [x(3, 8, 8), label(3)], call("images", "animals")
    write_image(pictures / "deep" / "a" / "0.png", np.zeros((4, 4), np.uint16))
    refused("E0529", "0.png", "more than 8 bits", fields=fields, base=pictures, source=call("images", "deep"))
    refused("E0533", "3 classes", "class(2)", fields=[x(3, 8, 8), label(2)], base=pictures, source=source)
    refused("E0531", "[2, 8, 8]", fields=[x(2, 8, 8), label(3)], base=pictures, source=source)
    (pictures / "empty" / "a").mkdir(parents=True)
    refused("E0528", "holds no images", fields=fields, base=pictures, source=call("images", "empty"))
    broken = pictures / "animals" / "dog" / "2.png"
    broken.write_bytes(broken.read_bytes()[:80])
    refused("E0521", str(broken), fields=fields, base=pictures, source=source)
    broken.write_bytes(b"no picture")
    refused("E0521", str(broken), fields=fields, base=pictures, source=source)
    write_image(pictures / "animals" / "dog" / "2.png", np.zeros((3, 3, 3), np.uint8))
    h = Dim.symbol("H")
    refused("E0531", "different", fields=[x(3, h, 8), label(3)], base=pictures, source=source)


# ---------------------------------------------------------------- CIFAR


def cifar_records(path: Path, labels: list[list[int]], seed: int) -> Array:
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    heads = np.array(labels, np.uint8)
    path.write_bytes(np.concatenate([heads, images.reshape(len(labels), -1)], axis=1).tobytes())
    return images


def test_cifar_10_in_its_binary_version(tmp_path: Path, streamed: None) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    train = [cifar_records(folder / f"data_batch_{i}.bin", [[i], [9 - i]], i) for i in range(1, 6)]
    test = cifar_records(folder / "test_batch.bin", [[3], [4]], 0)
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n")
    data = load([x(3, 32, 32), label(10)], tmp_path, train=call("cifar", "."), test=call("cifar", "."))
    np.testing.assert_allclose(data.train["x"][:], np.concatenate(train) / 255, rtol=1e-15)
    np.testing.assert_allclose(data.test["x"][:], test / 255, rtol=1e-15)
    assert data.train["label"][:4].tolist() == [1, 8, 2, 7]
    assert data.memory.classes["label"][9] == "truck"
    cut = folder / "data_batch_2.bin"
    cut.write_bytes(cut.read_bytes()[:-1])
    refused("E0521", "data_batch_2.bin", fields=[x(3, 32, 32), label(10)], base=tmp_path, source=call("cifar", "."))


def test_cifar_100_has_two_labels(tmp_path: Path) -> None:
    images = cifar_records(tmp_path / "train.bin", [[1, 70], [19, 99]], 0)
    coarse = label(20, name="coarse")
    data = load([x(3, 32, 32), label(100), coarse], tmp_path, source=call("cifar", "."))
    assert (data.train["label"].tolist(), data.train["coarse"].tolist()) == ([70, 99], [1, 19])
    np.testing.assert_allclose(data.train["x"], images / 255, rtol=1e-15)
    assert load([x(3, 32, 32), label(100)], tmp_path, source=call("cifar", ".")).train["label"].tolist() == [70, 99]


# ---------------------------------------------------------------- arrays in files


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (12, 6, 5), dtype=np.uint8), np.arange(12) % 3
    np.savez(tmp_path / "d.npz", x=images, label=labels)
    np.savez_compressed(tmp_path / "packed.npz", x=images, label=labels)
    np.savez(tmp_path / "fortran.npz", x=np.asfortranarray(images), label=labels)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "label.npy", labels)
    for name, array in (("x", images), ("label", labels.astype(np.uint8))):
        content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        (tmp_path / f"{name}.idx").write_bytes(content)
        (tmp_path / f"{name}.idx.gz").write_bytes(gzip.compress(content))
    return tmp_path


SOURCES = [
    call("npz", "d.npz"),
    call("npz", "packed.npz"),
    call("npz", "fortran.npz"),
    call("npz", "x.npy", "label.npy"),
    call("npz", x="x.npy", label="label.npy"),
    call("idx", "x.idx", "label.idx"),
    call("idx", "x.idx.gz", "label.idx.gz"),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name + str(s.args or "-named"))
@pytest.mark.parametrize("normalize", ["standard", "minmax"])
def test_mapped_arrays_give_what_read_ones_give(
    arrays: Path, source: Any, normalize: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = [x(1, 8, 8), label(3)]
    settings: dict[str, Any] = {"source": source, "split": [0.5, 0.25, 0.25], "normalize": normalize}
    whole = load(fields, arrays, **settings, augment=["flip"])
    for place in ("binary.MAPPED", "stream.MAPPED", "stream.HELD"):
        monkeypatch.setattr(f"nnspec.data.{place}", 0)
    mapped = load(fields, arrays, **settings, augment=["flip"])
    assert isinstance(mapped.train["x"], Stream)
    same_data(whole, mapped)
    assert whole.memory == mapped.memory
    plain = load(fields, arrays, **{**settings, "source": call("npz", "d.npz")}, augment=["flip"])
    same_data(whole, plain)


def test_mapped_arrays_are_checked_as_read_ones_are(tmp_path: Path, streamed: None) -> None:
    values = np.ones((5, 2))
    values[3, 1] = np.nan
    np.savez(tmp_path / "d.npz", x=values, label=np.array([0, 1, 0, 1, 2]), good=np.ones((5, 2)))
    source = call("npz", "d.npz", x="good")
    refused("E0533", "row 5", 'array "label"', "class(3)", fields=[x(2), label(2)], base=tmp_path, source=source)
    refused("E0532", "row 4", 'array "x"', "nan", fields=[x(2), label(3)], base=tmp_path, source=call("npz", "d.npz"))
    np.save(tmp_path / "cut.npy", values)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-8])
    refused("E0521", "cut.npy declares [5, 2], 80 bytes, and holds 72", fields=[x(2)], base=tmp_path,
            source=call("npz", "cut.npy"))  # fmt: skip


def test_a_pattern_normalises_columns_of_a_stream(tmp_path: Path, streamed: None) -> None:
    pytest.importorskip("pyarrow")
    parquet(tmp_path / "d.parquet", a=[1.0, 2.0, 3.0], b=[5.0, 6.0, 7.0], y=[0.0, 1.0, 2.0])
    keyed = (Keyed("normalize", "a", [2, 0.5], ENTRY),)
    data = load([x(2), y()], tmp_path, keyed, source=call("parquet", "d.parquet"))
    assert data.train["x"][:].tolist() == [[-2, 5], [0, 6], [2, 7]]


# ---------------------------------------------------------------- augmentation


def test_what_is_augmented_depends_on_seed_epoch_and_example_alone(arrays: Path) -> None:
    fields, source = [x(1, 8, 8), label(3)], call("npz", "d.npz")
    settings: dict[str, Any] = {"source": source, "augment": ["flip", call("crop", 3)]}
    data = load(fields, arrays, **settings)
    other = load(fields, arrays, **settings, seed=1)
    first = data.epoch(1)["x"]
    assert not np.array_equal(first, data.epoch(2)["x"])
    assert not np.array_equal(first, other.epoch(1)["x"])
    np.testing.assert_array_equal(first, load(fields, arrays, **settings).epoch(1)["x"])
    np.testing.assert_array_equal(data.train["x"], load(fields, arrays, source=source).train["x"])


def test_augmentation_without_images_is_refused() -> None:
    refused("E0539", "no input is", fields=[x(64), label(10)], source=call("sklearn", "digits"), augment=["flip"])


def test_other_parts_are_never_augmented(arrays: Path) -> None:
    fields, source = [x(1, 8, 8), label(3)], call("npz", "d.npz")
    data = load(fields, arrays, source=source, split=[0.5, 0.5], augment=["flip"])
    plain = load(fields, arrays, source=source, split=[0.5, 0.5])
    np.testing.assert_array_equal(data.validation["x"], plain.validation["x"])


# ---------------------------------------------------------------- Hugging Face, missing extras


def test_a_data_set_of_hugging_face_from_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    code = (
        "import datasets, sys\n"
        "features = datasets.Features({'x': datasets.Sequence(datasets.Value('float32'), length=2),\n"
        "                              'label': datasets.ClassLabel(names=['no', 'yes'])})\n"
        "make = lambda n: datasets.Dataset.from_dict({'x': [[i, -i] for i in range(n)],\n"
        "    'label': [i % 2 for i in range(n)]}, features=features)\n"
        "datasets.DatasetDict(train=make(6), test=make(2)).save_to_disk(sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "saved")], check=True, capture_output=True)
    source = call("huggingface", "saved")
    data = load([x(2), label(2)], tmp_path, train=source, test=source)
    assert data.train["x"].tolist() == [[i, -i] for i in range(6)]
    assert data.test["label"].tolist() == [0, 1]
    assert data.memory.classes["label"] == ("no", "yes")
    refused("E0525", 'no split "validation"', fields=[x(2), label(2)], base=tmp_path, train=source, validation=source)


@pytest.mark.parametrize(
    "module, source, extra",
    [
        ("pyarrow", call("parquet", "d.parquet"), "parquet"),
        ("PIL", call("images", "d"), "images"),
        ("datasets", call("huggingface", "d"), "huggingface"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, source: Any, extra: str
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    error = refused("E0526", "not installed", fields=[x(), label(2)], base=tmp_path, source=source)
    assert isinstance(error, MissingData)
    assert (error.exit_code, error.help) == (3, f'pip install "nnspec[{extra}]"')


# ---------------------------------------------------------------- runs

STREAMED = """
model M {
    input  x: float32[1, 8, 8]
    target label: class(3)
    output logits = x -> flatten -> dense(3)
}
data { source = npz("d.npz"); split = [0.5, 0.25, 0.25]; normalize = standard; augment = [flip, crop(1)] }
train { minimize = cross_entropy(logits, label); optimizer = adam(0.01); epochs = 3; batch = 4; metrics = [accuracy] }
"""


def test_a_streamed_run_has_the_bits_of_a_held_one(
    arrays: Path, monkeypatch: pytest.MonkeyPatch, backends: tuple[str, ...]
) -> None:
    (arrays / "m.nn").write_text(STREAMED)
    spec = nnspec.load(arrays / "m.nn")
    held = {backend: train(spec, backend, run_dir=arrays / f"held-{backend}") for backend in backends}
    for place in ("binary.MAPPED", "stream.MAPPED", "stream.HELD", "dataset.GATHERED"):
        monkeypatch.setattr(f"nnspec.data.{place}", 0)
    for backend in backends:
        streamed = train(spec, backend, run_dir=arrays / f"streamed-{backend}")
        assert streamed.history == held[backend].history
        assert streamed.test == held[backend].test
        weights = [arrays / f"{kind}-{backend}/checkpoints/last/weights.safetensors" for kind in ("held", "streamed")]
        assert weights[0].read_bytes() == weights[1].read_bytes()


CONTINUED = """
model M {
    dim T = 4
    input  tokens: class(3)[T]
    target next: class(3)[T]
    output logits = tokens -> embedding(3, 8) -> dense(3)
}
data { source = text("t.txt"); window = 4; split = [0.5, 0.5] }
train { minimize = cross_entropy(logits, next); optimizer = adam(0.1); epochs = 3; batch = 8; metrics = [accuracy] }
"""


def test_a_text_is_learned_and_continued(tmp_path: Path, cli: Callable[..., Result]) -> None:
    (tmp_path / "t.txt").write_text("abc" * 60)
    (tmp_path / "m.nn").write_text(CONTINUED)
    result = train(nnspec.load(tmp_path / "m.nn"), run_dir=tmp_path / "run")
    assert result.history[-1]["validation"]["accuracy"] == 1.0
    (tmp_path / "new.txt").write_text("bcabc")
    found = predict(tmp_path / "run", tmp_path / "new.txt")
    assert found.classes["next"].tolist() == ["cabc", "abca"]
    (tmp_path / "short.txt").write_text("ca")
    shown = cli("predict", tmp_path / "run", "--input", tmp_path / "short.txt")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[1].startswith("ab,")
    (tmp_path / "odd.txt").write_text("abcd")
    refused_ = cli("predict", tmp_path / "run", "--input", tmp_path / "odd.txt")
    assert refused_.code == 2
    assert "character 4: the character 'd' was not known" in refused_.err


@pytest.mark.parametrize("name", ["new.parquet", "new.npy", "new.npz", "new.csv"])
def test_new_inputs_come_from_any_file(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(0).normal(size=(6, 2))
    (tmp_path / "d.csv").write_text("a,b,y\n" + "\n".join(f"{float(a)!r},{float(b)!r},1" for a, b in values))
    fields, source = [x(2), y()], call("csv", "d.csv", x=["a", "b"])
    data = load(fields, tmp_path, source=source, normalize="standard")
    if name.endswith("parquet"):
        parquet(tmp_path / name, b=values[:, 1], a=values[:, 0])
    elif name.endswith("npy"):
        np.save(tmp_path / name, values)
    elif name.endswith("npz"):
        np.savez(tmp_path / name, x=values)
    else:
        (tmp_path / name).write_text((tmp_path / "d.csv").read_text())
    found = read_inputs(tmp_path / name, fields, {}, data.memory, "float64")
    np.testing.assert_array_equal(found["x"], data.train["x"])
