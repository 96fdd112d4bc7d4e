"""Reading, matching, splitting and normalising data, through `load_data`."""

from __future__ import annotations

import gzip
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import ENTRY, call, field, label, load, refused, x, y

from nnspec.data import DataError, Memory, epoch_order, read_inputs
from nnspec.data.order import normal, uniform, words
from nnspec.data.split import allocate, largest_remainder
from nnspec.ir.dims import Dim
from nnspec.ir.graph import CallValue, Field, Keyed

# ---------------------------------------------------------------- scikit-learn's wheel


@pytest.mark.parametrize(
    "name, loader, fields",
    [
        ("digits", "load_digits", [x(1, 8, 8), label(10)]),
        ("iris", "load_iris", [x(4), label(3)]),
        ("wine", "load_wine", [x(13), label(3)]),
        ("breast_cancer", "load_breast_cancer", [x(30), label(2)]),
        ("diabetes", "load_diabetes", [x(10), y()]),
    ],
)
def test_bundled_data_is_what_scikit_learn_loads(name: str, loader: str, fields: list[Field]) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    expected = getattr(datasets, loader)()
    data = load(fields, source=call("sklearn", name))
    np.testing.assert_allclose(data.train["x"].reshape(len(expected.data), -1), expected.data, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(data.train[fields[1].name], expected.target)
    if name == "iris":
        assert data.memory.classes == {"label": ("setosa", "versicolor", "virginica")}


def test_a_column_of_bundled_data_goes_by_its_name() -> None:
    data = load([field("alcohol", "float32"), label(3)], source=call("sklearn", "wine"))
    assert data.train["alcohol"][0] == 14.23


def test_an_autoencoder_does_not_get_the_labels() -> None:
    assert load([x(64)], source=call("sklearn", "digits")).train["x"].shape == (1797, 64)


# ---------------------------------------------------------------- csv

HOUSES = 'area,"rooms, all",kind,price\n50,2,flat,100\n80,3,house,210\n120,5,house,305.5\n30,1,flat,77\n'


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    (tmp_path / "houses.csv").write_text(HOUSES)
    return tmp_path


def test_csv_columns_named_for_fields(houses: Path) -> None:
    source = call("csv", "houses.csv", x=["area", "rooms, all"], y="price")
    data = load([x(2), y()], houses, source=source)
    np.testing.assert_array_equal(data.train["x"], [[50, 2], [80, 3], [120, 5], [30, 1]])
    np.testing.assert_array_equal(data.train["y"], [100, 210, 305.5, 77])
    assert data.train["x"].dtype == np.float64
    assert list(data.files) == [str((houses / "houses.csv").resolve())]


def test_fields_meet_columns_of_their_name_and_an_only_input_the_rest(houses: Path) -> None:
    kind, price = label(2, name="kind"), field("price", "float32", role="target")
    data = load([x(2), kind, price], houses, source=call("csv", "houses.csv"))
    np.testing.assert_array_equal(data.train["x"][1], [80, 3])
    np.testing.assert_array_equal(data.train["kind"], [0, 1, 1, 0])  # flat, house: sorted
    assert data.memory.classes == {"kind": ("flat", "house")}


def test_a_target_of_shape_one_takes_a_column(houses: Path) -> None:
    data = load([x(2), y(1)], houses, source=call("csv", "houses.csv", x=["area", "rooms, all"], y="price"))
    assert data.train["y"].shape == (4, 1)


def test_csv_without_header_fills_inputs_then_targets(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1;2;0\n3;4;1\n")
    data = load([label(2), x(2)], tmp_path, source=call("csv", "d.csv"))
    np.testing.assert_array_equal(data.train["x"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(data.train["label"], [0, 1])


def test_csv_with_a_mark_blank_lines_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes('\ufeffx,label\r\n1,"a, b"\r\n\r\n2, "c"\r\n'.encode())
    data = load([x(), label(2)], tmp_path, source=call("csv", "d.csv"))
    assert data.memory.classes["label"] == ("a, b", "c")


@pytest.mark.parametrize(
    "text, code, parts",
    [
        ("x,label\n1,0\n,1\n", "E0532", ["d.csv, row 2 (line 3)", '"x"', "empty cell"]),
        ("x,label\n1,0\nnan,1\n", "E0532", ["row 2 (line 3)", '"x"', "nan"]),
        ("x,label\n1,0\n\n3,1\ninf,1\n", "E0532", ["row 3 (line 5)", "inf"]),
        ("x,label\nfive,0\n", "E0532", ["row 1", '"five" is not a number']),
        ("x,label\n1,a\n2,\n", "E0532", ["row 2", '"label"']),
        ("x,label\n1,0\n2,2\n", "E0533", ["row 2", '"label"', "2 is outside class(2)", "class(3)"]),
        ("x,label\n1,-1\n2,1\n", "E0533", ["-1 is outside class(2)", "label: float32"]),
        ("x,label\n1,0.5\n2,1\n", "E0534", ["row 1", "0.5 is not a whole number"]),
        ("x,label\n1,a\n2,b\n3,c\n", "E0533", ["3 classes", "class(2)", '"a", "b", "c"']),
        ("a,b,label\n1,2,0\n", "E0531", ["x", "takes 1", "2 columns", 'x = ["a"']),
        ("x,lable\n1,0\n", "E0530", ["label", '"lable"']),
        ("x,label\n1,0\n2\n", "E0522", ["line 3", "1 cell where", "2"]),
        ('x,label\n1,"0\n', "E0521", ["line 2"]),
        ("x,label\n", "E0528", ["no rows"]),
        ("", "E0528", ["no rows"]),
        ("x,x\n1,0\n", "E0522", ["two columns"]),
    ],
)
def test_a_wrong_cell_is_named_with_file_row_and_column(tmp_path: Path, text: str, code: str, parts: list[str]) -> None:
    (tmp_path / "d.csv").write_text(text)
    refused(code, *parts, fields=[x(), label(2)], base=tmp_path, source=call("csv", "d.csv"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("x\n1\n")
    (tmp_path / "latin.csv").write_bytes(b"x\n\xe9\n")
    missing = refused(
        "E0520", "their.csv does not exist", "there.csv", fields=[x()], base=tmp_path, source=call("csv", "their.csv")
    )
    assert (missing.exit_code, missing.span) == (2, ENTRY)
    refused("E0520", "folder", fields=[x()], base=tmp_path, source=call("csv", "."))
    refused("E0521", "not UTF-8", fields=[x()], base=tmp_path, source=call("csv", "latin.csv"))


@pytest.mark.parametrize(
    "source, code, text",
    [
        (call("images", "folder"), "E0520", "folder does not exist"),
        (call("text", "d.csv", tokens="words"), "E0524", "bytes or characters"),
        (call("text", "d.csv"), "E0538", "window = 64"),
        (call("cifar", "."), "E0520", "data_batch_1.bin"),
        (call("scv", "a.csv"), "E0523", "csv"),
        (call("sklearn", "digit"), "E0525", "digits"),
        (call("csv", "d.csv", z="a"), "E0524", "no input or target z"),
        (call("csv"), "E0524", "a path"),
        (call("random"), "E0524", "random(100)"),
        (call("table", [[1, 2], [3]]), "E0522", "row 2"),
        (call("table", [[1]]), "E0530", "label"),
        ("digits", "E0523", "a source is a call"),
    ],
)
def test_wrong_sources(tmp_path: Path, source: object, code: str, text: str) -> None:
    (tmp_path / "d.csv").write_text("a\n1\n")
    refused(code, text, fields=[x(), label(2)], base=tmp_path, source=source)


# ---------------------------------------------------------------- table, npz, idx, random


def test_rows_in_the_spec() -> None:
    data = load([x(2), label(2)], source=call("table", [[0, 1, 0], [1, 1, 1]]))
    np.testing.assert_array_equal(data.train["x"], [[0, 1], [1, 1]])
    nested = load([x(2), y(1)], source=call("table", [[[0, 1], [0.5]], [[1, 1], [1.5]]]))
    np.testing.assert_array_equal(nested.train["y"], [[0.5], [1.5]])
    words_ = load([x(), label(2)], source=call("table", [[1, "no"], [2, "yes"]]))
    np.testing.assert_array_equal(words_.train["label"], [0, 1])
    headed = load([label(2), x()], source=call("table", [["label", "x"], [1, 5], [0, 6]]))
    np.testing.assert_array_equal(headed.train["x"], [5, 6])
    refused("E0530", "4 columns", fields=[x(2), label(2)], source=call("table", [[1, 2, 3, 0]]))


def test_npz_by_name_by_call_and_by_order(tmp_path: Path) -> None:
    images, labels = np.arange(24.0).reshape(2, 3, 4), np.array([1, 0])
    np.savez(tmp_path / "named.npz", x=images, label=labels)
    np.savez(tmp_path / "other.npz", a=images, b=labels)
    np.savez(tmp_path / "plain.npz", images, labels)
    fields = [label(2), x(1, 3, 4)]
    for source in (call("npz", "named.npz"), call("npz", "other.npz", x="a", label="b"), call("npz", "plain.npz")):
        data = load(fields, tmp_path, source=source)
        np.testing.assert_array_equal(data.train["x"], images.reshape(2, 1, 3, 4))
        np.testing.assert_array_equal(data.train["label"], labels)


def test_npz_that_lies_or_holds_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], dtype=object))
    refused("E0529", "Python objects", fields=[x()], base=tmp_path, source=call("npz", "objects.npz"))
    (tmp_path / "text.npz").write_text("hello")
    refused("E0521", "not a NumPy archive", fields=[x()], base=tmp_path, source=call("npz", "text.npz"))
    np.savez(tmp_path / "lengths.npz", x=np.zeros(3), label=np.zeros(2))
    refused("E0522", "3 examples", fields=[x(), label(2)], base=tmp_path, source=call("npz", "lengths.npz"))
    np.savez(tmp_path / "nan.npz", x=np.array([[1.0], [np.nan]]))
    refused("E0532", "row 2", 'array "x"', fields=[x(1)], base=tmp_path, source=call("npz", "nan.npz"))


def test_images_with_channels_last_are_brought_first(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "i.npz", x=images)
    data = load([x(3, 4, 6)], tmp_path, source=call("npz", "i.npz"))
    np.testing.assert_allclose(data.train["x"], images.transpose(0, 3, 1, 2) / 255, rtol=1e-15)


def write_idx(path: Path, array: np.ndarray[Any, Any], shape: tuple[int, ...] | None = None) -> None:
    shape = shape or array.shape
    content = struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_pixels_become_numbers_up_to_one(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28))
    write_idx(tmp_path / "images.idx.gz", images)
    write_idx(tmp_path / "labels.idx", np.array([0, 1, 2, 0, 1, 2]))
    source = call("idx", "images.idx.gz", "labels.idx")
    data = load([x(1, 28, 28), label(3)], tmp_path, source=source)
    np.testing.assert_allclose(data.train["x"][:, 0], images / 255, rtol=1e-15)
    assert data.train["label"].tolist() == [0, 1, 2, 0, 1, 2]
    flat = load([x(784), label(3)], tmp_path, source=source, dtype="float32")
    assert flat.train["x"].dtype == np.float32
    assert flat.train["x"].max() <= 1


def test_8_bit_images_are_resized_to_the_declared_size(tmp_path: Path) -> None:
    functional = pytest.importorskip("torch.nn.functional")
    import torch

    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28))
    write_idx(tmp_path / "i.idx", images)
    data = load([x(1, 32, 20)], tmp_path, source=call("idx", "i.idx"))
    expected = functional.interpolate(
        torch.tensor(images[:, None] * 1.0), (32, 20), mode="bilinear", antialias=True
    ).numpy()
    np.testing.assert_allclose(data.train["x"] * 255, expected, atol=0.5 + 1e-9)


def test_idx_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    write_idx(tmp_path / "i.idx.gz", np.zeros((2, 4)), (2_000_000_000, 4))
    refused("E0521", "more than a file of its size", fields=[x(4)], base=tmp_path, source=call("idx", "i.idx.gz"))
    write_idx(tmp_path / "more.idx.gz", np.zeros((2, 4)), (3, 4))
    refused("E0521", "12 bytes, and holds 8", fields=[x(4)], base=tmp_path, source=call("idx", "more.idx.gz"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")[:-6])
    refused("E0521", "cut.gz", fields=[x()], base=tmp_path, source=call("idx", "cut.gz"))
    (tmp_path / "no.idx").write_bytes(b"PNG!")
    refused("E0521", "not an idx file", fields=[x()], base=tmp_path, source=call("idx", "no.idx"))


def test_random_examples_fit_the_fields_and_depend_on_the_seed_alone() -> None:
    t = Dim.symbol("T")
    fields = [x(3, 2), field("tokens", "class", t, classes=7), label(5), field("on", "bool", role="target")]
    one, two = load(fields, source=call("random", 50)), load(fields, source=call("random", 50))
    other = load(fields, source=call("random", 50), data_seed=1)
    np.testing.assert_array_equal(one.train["x"], two.train["x"])
    assert one.train["x"].shape == (50, 3, 2)
    assert one.train["tokens"].max() < 7
    assert set(one.train["label"]) == {0, 1, 2, 3, 4}
    assert other.train["label"].tolist() != one.train["label"].tolist()


# ---------------------------------------------------------------- split


def ids(data: Any) -> dict[str, list[int]]:
    return {name: sorted(int(v) for v in part["x"]) for name, part in data.parts.items()}


def numbered(n: int, classes: int = 2) -> CallValue:
    return call("table", [[i, i % classes] for i in range(n)])


@pytest.mark.parametrize(
    "shares, n, sizes",
    [
        ([0.8, 0.1, 0.1], 100, [80, 10, 10]),
        ([0.8, 0.1, 0.1], 1797, [1437, 180, 180]),  # 1437.6, 179.7, 179.7: the remainders of the small parts win
        ([0.7, 0.3], 10, [7, 3]),
        ([0.29, 0.71], 100, [29, 71]),
        ([0.5, 0.5], 3, [2, 1]),
        ([0.6, 0.2, 0.2], 7, [4, 2, 1]),
        ([0.8, 0, 0.2], 10, [8, 2]),
        ([6, 1, 3], 10, [6, 1, 3]),
        ([1], 4, [4]),
    ],
)
def test_parts_have_the_sizes_of_the_largest_remainder(shares: list[float], n: int, sizes: list[int]) -> None:
    data = load([x(), y()], source=numbered(n), split=shares)
    assert [len(part["x"]) for part in data.parts.values()] == sizes
    assert sorted(i for part in ids(data).values() for i in part) == list(range(n))


def test_every_class_is_shared_out_alike() -> None:
    labels = [0] * 61 + [1] * 27 + [2] * 9
    source = call("table", [[i, c] for i, c in enumerate(labels)])
    data = load([x(), label(3)], source=source, split=[0.6, 0.2, 0.2])
    assert [len(p["x"]) for p in data.parts.values()] == [58, 20, 19]  # 58.2, 19.4, 19.4
    for share, part in zip([0.6, 0.2, 0.2], data.parts.values(), strict=True):
        for c, total in enumerate([61, 27, 9]):
            assert abs((part["label"] == c).sum() - share * total) < 1


@settings(deadline=None)  # how long an example takes on a busy machine says nothing
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=9),
    st.sampled_from([(8, 1, 1), (7, 3), (1, 1, 1), (1,) * 5, (97, 2, 1), (1, 0, 2)]),
)
def test_shares_of_classes_are_floors_or_one_more_and_add_up(classes: list[int], shares: tuple[int, ...]) -> None:
    fractions = [Fraction(share, sum(shares)) for share in shares]
    table = allocate(fractions, classes)
    assert [sum(row) for row in table] == classes
    assert [sum(column) for column in zip(*table, strict=True)] == largest_remainder(fractions, sum(classes))
    for row, size in zip(table, classes, strict=True):
        for count, fraction in zip(row, fractions, strict=True):
            assert int(fraction * size) <= count <= int(fraction * size) + 1


def test_the_split_depends_on_the_seed_of_the_data_alone() -> None:
    def parts(**seeds: int) -> dict[str, list[int]]:
        return ids(load([x(), label(2)], source=numbered(40), split=[0.5, 0.5], **seeds))

    assert parts(seed=1) == parts(seed=2)
    assert parts(data_seed=1) != parts(data_seed=2)


def test_in_order_keeps_the_order() -> None:
    data = load([x(), y()], source=numbered(10), split=call("in_order", [0.5, 0.3, 0.2]))
    assert ids(data) == {"train": [0, 1, 2, 3, 4], "validation": [5, 6, 7], "test": [8, 9]}


def test_folds_hold_every_example_out_once() -> None:
    held = []
    for k in range(1, 6):
        data = load([x(), label(2)], source=numbered(23), split=call("folds", 5, k))
        parts = ids(data)
        assert sorted(parts["train"] + parts["validation"]) == list(range(23))
        assert len(parts["validation"]) in (4, 5)
        held += parts["validation"]
    assert sorted(held) == list(range(23))


def test_parts_with_sources_of_their_own_share_their_classes() -> None:
    train, test = call("table", [[1, "b"], [2, "c"]]), call("table", [[3, "a"], [4, "c"]])
    data = load([x(), label(3)], train=train, test=test)
    assert data.train["label"].tolist() == [1, 2]
    assert data.test["label"].tolist() == [0, 2]
    split = load([x(), y()], train=numbered(10), test=numbered(4), split=[0.8, 0.2])
    assert [len(p["x"]) for p in split.parts.values()] == [8, 2, 4]


@pytest.mark.parametrize(
    "code, text, settings",
    [
        ("E0535", "add up to 0.9", {"source": numbered(10), "split": [0.8, 0.1]}),
        ("E0535", "0.8, 0.1, 0.1", {"source": numbered(10), "split": [8, 1, 1, 0]}),
        ("E0535", "as in [0.8, 0.1, 0.1]", {"source": numbered(11), "split": [8, 1, 1]}),
        ("E0536", "the test part would be empty", {"source": numbered(3), "split": [0.8, 0.19, 0.01]}),
        ("E0535", "1..5", {"source": numbered(10), "split": call("folds", 5, 6)}),
        ("E0536", "3 examples", {"source": numbered(3), "split": call("folds", 5, 1)}),
        ("E0535", "no source", {"split": [1]}),
        ("E0535", "no train", {"test": numbered(3)}),
        ("E0535", "both source and train", {"source": numbered(3), "train": numbered(3)}),
        ("E0538", "window", {"source": numbered(3), "window": 4}),
        ("E0537", "standard, minmax", {"source": numbered(3), "normalize": "standrad"}),
        ("E0537", "larger than 0", {"source": numbered(3), "normalize": [0, 0]}),
        ("E0539", "crop(pixels)", {"source": numbered(3), "augment": ["spin"]}),
    ],
)
def test_wrong_settings(code: str, text: str, settings: dict[str, object]) -> None:
    refused(code, text, fields=[x(), y()], **settings)


# ---------------------------------------------------------------- normalisation


def test_features_are_standardised_by_the_training_part_alone() -> None:
    rows = [[float(i), 7.0, i * i] for i in range(10)]
    data = load([x(2), y()], source=call("table", rows), split=call("in_order", [0.5, 0.5]), normalize="standard")
    mean, std = np.mean([0, 1, 2, 3, 4]), np.std([0, 1, 2, 3, 4])
    np.testing.assert_allclose(data.train["x"][:, 0], (np.arange(5) - mean) / std)
    np.testing.assert_allclose(data.validation["x"][:, 0], (np.arange(5, 10) - mean) / std)
    np.testing.assert_array_equal(data.train["x"][:, 1], 0)  # constant: centred only
    np.testing.assert_array_equal(data.train["y"], np.arange(5) ** 2)  # targets stay


def test_images_are_standardised_by_channel(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(20, 2, 3, 3)) * [[[2.0]], [[5.0]]] + 1
    np.savez(tmp_path / "i.npz", x=images)
    data = load([x(2, 3, 3)], tmp_path, source=call("npz", "i.npz"), normalize="standard")
    np.testing.assert_allclose(data.train["x"].mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(data.train["x"].std(axis=(0, 2, 3)), 1)
    channels = load([x(2, 3, 3)], tmp_path, source=call("npz", "i.npz"), normalize=[[0.5, 1], [2, 4]])
    np.testing.assert_allclose(channels.train["x"][:, 1], (images[:, 1] - 1) / 4)


def test_minmax_and_a_pattern_for_the_target(houses: Path) -> None:
    fields = [x(2), field("price", "float32", role="target")]
    source = call("csv", "houses.csv", x=["area", "rooms, all"])
    keyed = (Keyed("normalize", "price", "standard", ENTRY),)
    data = load(fields, houses, keyed, source=source, normalize="minmax")
    assert data.train["x"].min(axis=0).tolist() == [0, 0]
    assert data.train["x"].max(axis=0).tolist() == [1, 1]
    np.testing.assert_allclose(data.train["price"].std(), 1)
    np.testing.assert_allclose(data.memory.scaling["price"].invert(data.train["price"]), [100, 210, 305.5, 77])
    column = load(fields, houses, (Keyed("normalize", "area", [100, 2], ENTRY),), source=source)
    np.testing.assert_allclose(column.train["x"][0], [-25, 2])
    with pytest.raises(DataError, match="matches no input"):
        load(fields, houses, (Keyed("normalize", "cost", "standard", ENTRY),), source=source)


def test_new_inputs_are_treated_as_those_of_training(houses: Path) -> None:
    fields = [x(2), label(2, name="kind")]
    source = call("csv", "houses.csv", x=["rooms, all", "area"])
    data = load(fields, houses, source=source, normalize="standard")
    memory = Memory.from_json(data.memory.to_json())
    (houses / "new.csv").write_text('price,area,"rooms, all"\n1,50,2\n9,80,3\n')
    np.testing.assert_array_equal(
        read_inputs(houses / "new.csv", fields, {}, memory, "float64")["x"], data.train["x"][:2]
    )
    (houses / "bare.csv").write_text("2,50\n3,80\n")
    np.testing.assert_array_equal(
        read_inputs(houses / "bare.csv", fields, {}, memory, "float64")["x"], data.train["x"][:2]
    )
    np.savez(houses / "new.npz", x=[[2, 50], [3, 80]])
    np.testing.assert_array_equal(
        read_inputs(houses / "new.npz", fields, {}, memory, "float64")["x"], data.train["x"][:2]
    )
    (houses / "short.csv").write_text("2\n3\n")
    with pytest.raises(DataError, match="x"):
        read_inputs(houses / "short.csv", fields, {}, memory, "float64")


# ---------------------------------------------------------------- windows, open sizes, augmentation


def test_windows_and_their_targets() -> None:
    rows = call("table", [["a", "b"], *[[i, 10 * i] for i in range(6)]])
    fields = [x(Dim.symbol("T"), 2), field("b", "float32", role="target")]
    named = call("table", rows.args[0], x=["a", "b"])
    data = load(fields, source=named, window=3, shift=1)
    np.testing.assert_array_equal(data.train["x"][1], [[1, 10], [2, 20], [3, 30]])
    np.testing.assert_array_equal(data.train["b"], [30, 40, 50])  # one row after the last of the window
    assert data.memory.dims == {"T": 3}


def test_an_only_series_is_its_own_target() -> None:
    t = Dim.symbol("T")
    fields = [field("tokens", "class", t, classes=9), label(9, t, name="next")]
    data = load(fields, source=call("table", [["tokens"], *[[i] for i in range(9)]]), window=4)
    assert data.train["tokens"][0].tolist() == [0, 1, 2, 3]
    assert data.train["next"][0].tolist() == [1, 2, 3, 4]
    assert len(data.train["next"]) == 5
    parts = load(
        fields,
        source=call("table", [["tokens"], *[[i] for i in range(9)]]),
        window=2,
        split=call("in_order", [0.5, 0.5]),
    )
    assert parts.train["next"].max() < parts.validation["tokens"].min() + 1  # no window over the border


def test_open_sizes_are_settled_by_the_arrays(tmp_path: Path) -> None:
    h = Dim.symbol("H")
    np.savez(tmp_path / "i.npz", x=np.zeros((2, 3, 32, 48)), y=np.zeros((2, 5)))
    data = load([x(3, 16 * h, 16 * Dim.symbol("W")), y(Dim.symbol("T"))], tmp_path, source=call("npz", "i.npz"))
    assert data.memory.dims == {"H": 2, "W": 3, "T": 5}
    refused("E0531", "x", fields=[x(3, 7 * h, 48), y(5)], base=tmp_path, source=call("npz", "i.npz"))


def test_augmented_images_are_shifted_or_mirrored_copies() -> None:
    fields = [x(1, 8, 8), label(10)]
    data = load(fields, source=call("sklearn", "digits"), augment=["flip"])
    first, again, other = data.epoch(1)["x"], data.epoch(1)["x"], data.epoch(2)["x"]
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    same = (first == data.train["x"]).all(axis=(1, 2, 3))
    mirrored = (first == data.train["x"][..., ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 0.4 < mirrored.mean() < 0.6
    moved = load(fields, source=call("sklearn", "digits"), augment=[call("crop", 2)]).epoch(1)["x"]
    assert moved.shape == data.train["x"].shape
    centred = (moved == data.train["x"]).all(axis=(1, 2, 3)).mean()
    assert 0.0 < centred < 0.12  # 1 of 25 moves
    shifted = (moved[:, :, :, :-1] == data.train["x"][:, :, :, 1:]).all(axis=(1, 2, 3))
    assert shifted.any()


# ---------------------------------------------------------------- chance


def test_the_words_of_a_stream_never_change() -> None:
    """Frozen numbers: a run must visit its examples in the same order under every future version."""
    assert words(2, 0, "order", 1).tolist() == [558350396728048079, 13215192141276992620]
    assert epoch_order(8, 0, 1).tolist() == [0, 5, 6, 1, 4, 7, 3, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 11, 65_535, 65_537, 131_090])
def test_normal_numbers_are_those_of_one_piece(count: int) -> None:
    half = (count + 1) // 2
    u = uniform(2 * half, "n", count)
    radius, angle = np.sqrt(-2.0 * np.log1p(-u[:half])), 2.0 * np.pi * u[half:]
    wanted = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    np.testing.assert_array_equal(normal(count, "n", count), wanted)
    np.testing.assert_array_equal(normal(count, "n", count, dtype="float32"), wanted.astype(np.float32))


def test_the_order_of_an_epoch() -> None:
    assert sorted(epoch_order(100, 3, 1)) == list(range(100))
    assert epoch_order(100, 3, 1).tolist() != epoch_order(100, 3, 2).tolist()
    assert epoch_order(100, 3, 1).tolist() != epoch_order(100, 4, 1).tolist()
    assert epoch_order(5, 0, 1, shuffle=False).tolist() == [0, 1, 2, 3, 4]
    assert load([x(), y()], source=numbered(5), shuffle=False).order(3).tolist() == [0, 1, 2, 3, 4]


def test_uniform_and_normal_have_their_moments() -> None:
    u, n = uniform(40_000, "u"), normal(40_001, "n")
    assert len(n) == 40_001
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(n.mean()) < 0.02
    assert abs(n.std() - 1) < 0.02
    assert abs((n**4).mean() - 3) < 0.2
