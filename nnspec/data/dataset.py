"""The data of a run: sources read, matched with the fields, windowed, split, normalised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import augment as augmentation
from nnspec.data.convert import class_names, convert
from nnspec.data.errors import DataError
from nnspec.data.match import match
from nnspec.data.memory import Memory, normalised, scaling_of
from nnspec.data.order import epoch_order
from nnspec.data.sources import Read, read_source
from nnspec.data.split import PARTS, split
from nnspec.data.synthetic import random_arrays
from nnspec.data.table import content_hash
from nnspec.data.window import is_series, window_count, windows
from nnspec.ir.graph import CallValue, DataSpec, Field

if TYPE_CHECKING:
    from nnspec.data.table import Column

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Array]


class Dataset:
    """Examples of each part by field name, and what must be remembered to treat new ones alike.

    `parts` maps "train", "validation", "test" (those that exist) to a dict field -> (examples, *shape):
    floats in the working dtype, classes and integers as int64 or the declared type. `files` maps each
    file that was read to its SHA-256.
    """

    def __init__(
        self, parts: dict[str, Arrays], memory: Memory, files: dict[str, str], order_seed: int, shuffle: bool
    ) -> None:
        self.parts = parts
        self.memory = memory
        self.files = files
        self.order_seed = order_seed
        self.shuffle = shuffle
        self.augmentations: list[tuple[str, int]] = []
        self.images: tuple[str, ...] = ()

    @property
    def train(self) -> Arrays:
        return self.parts["train"]

    @property
    def validation(self) -> Arrays | None:
        return self.parts.get("validation")

    @property
    def test(self) -> Arrays | None:
        return self.parts.get("test")

    def size(self, part: str = "train") -> int:
        return count(self.parts[part])

    def order(self, epoch: int) -> Array:
        """The training examples in the order of an epoch, counted from 1."""
        return epoch_order(self.size(), self.order_seed, epoch, self.shuffle)

    def epoch(self, epoch: int) -> Arrays:
        """The training part as an epoch sees it: the same arrays every time unless images are augmented."""
        if not self.augmentations:
            return self.train
        changed = {
            name: augmentation.augment(self.train[name], self.augmentations, self.order_seed, epoch, name)
            for name in self.images
        }
        return {**self.train, **changed}


def count(arrays: Arrays) -> int:
    """Examples in a part."""
    return len(next(iter(arrays.values())))


def load_data(
    fields: list[Field] | tuple[Field, ...],
    spec: DataSpec,
    base_dir: Path,
    seed: int = 0,
    *,
    dtype: str = "float32",
    dims: dict[str, int | None] | None = None,
    memory: Memory | None = None,
) -> Dataset:
    """Read, check, split and normalise the data of a model before anything is trained.

    `fields` are the model's; noise is left out. Paths in `spec` are relative to `base_dir`. The split is
    drawn from the `seed` in `data { }` (0 unless given), so that runs with another `--seed` keep their test
    part; the order within epochs from that seed if given, else from `seed`, the run's. `dtype` is the working float.
    `dims` are the default sizes of open dims. With `memory` (of an earlier run) classes and normalisation are
    taken from it and not fitted. Raises DataError with the entry's span for everything that does not fit.
    """
    loader = _Loader([f for f in fields if f.role != "noise"], spec, base_dir, dims or {}, memory)
    try:
        return loader.load(seed, dtype)
    except DataError as error:
        raise error.at(spec.spans.get(loader.key, spec.span)) from error.__cause__


class _Loader:
    """One reading of a data block; `key` is the entry at work, for the place of an error."""

    def __init__(
        self, fields: list[Field], spec: DataSpec, base: Path, dims: dict[str, int | None], memory: Memory | None
    ) -> None:
        self.fields, self.spec, self.base, self.memory = fields, spec, base, memory
        self.settings = spec.settings
        self.names = tuple(f.name for f in fields)
        self.defaults = {name: size for name, size in dims.items() if size is not None}
        self.dims: dict[str, int] = {}
        self.series: set[str] = set()  # fields that take whole windows
        self.pixels: set[str] = set()  # fields that are 8-bit images
        self.columns: dict[str, list[str]] = {}
        self.classes: dict[str, tuple[str, ...]] = {}
        self.files: dict[str, str] = {}
        self.key = "source"

    def load(self, seed: int, dtype: str) -> Dataset:
        parts = self.split(self.examples(dtype))
        shuffle = self.settings.get("shuffle", True)
        order_seed = int(str(self.settings.get("seed", seed)))
        scaling = self.memory.scaling if self.memory else self.fit(parts["train"])
        parts = {name: normalised(self.fields, arrays, scaling, dtype) for name, arrays in parts.items()}
        memory = self.memory or Memory(self.columns, self.classes, scaling, self.dims)
        data = Dataset(parts, memory, self.files, order_seed, bool(shuffle))
        if "augment" in self.settings:
            self.key = "augment"
            data.augmentations = augmentation.checked(self.settings["augment"])
            data.images = tuple(
                f.name for f in self.fields if f.role == "input" and f.value.type.is_float and f.value.type.rank == 3
            )
        return data

    # ---------------------------------------------------------------- sources

    def examples(self, dtype: str) -> dict[str, Arrays]:
        """The arrays of each source entry: "source", or "train", "validation", "test"."""
        entries = [key for key in ("source", *PARTS) if key in self.settings]
        if not entries or ("source" in entries and len(entries) > 1):
            given = "both source and " + entries[-1] if entries else "no source"
            raise DataError("E0535", f"data has {given}", help="give source and split, or train, validation and test")
        if "source" not in entries and "train" not in entries:
            self.key = entries[0]
            raise DataError("E0535", f"data has {entries[0]} and no train")
        reads: dict[str, Read] = {}
        found: dict[str, Arrays] = {}
        for self.key in entries:
            source = self.settings[self.key]
            if isinstance(source, CallValue) and source.name == "random":
                wanted = "float64" if self.scaled else dtype
                sizes = self.open_sizes()
                found[self.key] = random_arrays(self.fields, source, sizes, self.data_seed, self.key, wanted)
            else:
                reads[self.key] = self.read(source)
        found.update(self.converted(reads))
        return {key: found[key] for key in entries}

    def open_sizes(self) -> dict[str, int]:
        """Sizes of open dims where nothing is read: their defaults, a window's length for a first axis."""
        firsts = [f.value.type.shape[0] for f in self.fields if f.value.type.shape]
        symbols = {symbol for first in firsts if not isinstance(first, int) for symbol in first.symbols()}
        return {**self.defaults, **(dict.fromkeys(symbols, self.window()) if self.window() else {})}

    @property
    def scaled(self) -> bool:
        """Whether numbers are normalised, which is done in float64."""
        known = self.memory is not None and bool(self.memory.scaling)
        return known or "normalize" in self.settings or any(k.key == "normalize" for k in self.spec.keyed)

    @property
    def data_seed(self) -> int:
        return int(str(self.settings.get("seed", 0)))

    def read(self, source: object) -> Read:
        read = read_source(source, self.base, self.names)
        self.files.update({str(path.resolve()): content_hash(path) for path in read.table.files})
        return read

    def converted(self, reads: dict[str, Read]) -> dict[str, Arrays]:
        length = self.window()
        matched: dict[str, dict[str, list[Column]]] = {}
        for self.key, read in reads.items():
            matched[self.key] = match(self.fields, read, window=bool(length))
        for field in self.fields:
            uses = [(read.table, matched[key][field.name]) for key, read in reads.items()]
            stored = self.memory.classes.get(field.name) if self.memory else None
            self.classes[field.name] = stored or class_names(field.value.type, uses)
            if uses:
                self.columns[field.name] = [column.name for column in uses[0][1]]
        found: dict[str, Arrays] = {}
        for self.key, read in reads.items():
            found[self.key] = {f.name: self.array(f, read, matched[self.key][f.name], length) for f in self.fields}
        self.classes = {name: names for name, names in self.classes.items() if names}
        return found

    def array(self, field: Field, read: Read, columns: list[Column], length: int) -> Array:
        type, classes = field.value.type, self.classes[field.name]
        axes = columns[0].values.ndim - 1
        if type.is_float and max(axes, type.rank) > 1 and all(c.values.dtype == np.uint8 for c in columns):
            self.pixels.add(field.name)
        if length and is_series(type.shape, sum(column.width for column in columns), length):
            row = type.shape[1:]
            self.series.add(field.name)
            first = type.shape[0]
            if not isinstance(first, int):
                self.dims.update(dict.fromkeys(first.symbols(), length))
            return convert(field.name, type.with_shape(row), read.table, columns, classes, self.dims)
        if axes == 0:
            _with_defaults(self.dims, self.defaults, type.shape)
        return convert(field.name, type, read.table, columns, classes, self.dims)

    # ---------------------------------------------------------------- windows and split

    def window(self) -> int:
        length = self.settings.get("window", 0)
        shift = self.settings.get("shift", 1)
        if not isinstance(length, int) or length < 0 or not isinstance(shift, int) or shift < 0:
            self.key = "window"
            raise DataError("E0538", f"window = {length}, shift = {shift}: both are whole numbers")
        return length

    def windowed(self, rows: Arrays) -> Arrays:
        length, shift = self.window(), int(str(self.settings.get("shift", 1)))
        if not length or not rows:
            return rows
        self.key = "window"
        targets = any(f.role == "target" for f in self.fields)
        total = window_count(count(rows), length, shift, targets)
        return {
            f.name: windows(rows[f.name], total, length, shift if f.role == "target" else 0, f.name in self.series)
            for f in self.fields
        }

    def split(self, found: dict[str, Arrays]) -> dict[str, Arrays]:
        rule = self.settings.get("split")
        if "source" in found:
            examples = found["source"]
            return {"train": self.windowed(examples)} if rule is None else self.divided(examples, rule)
        parts = {key: self.windowed(arrays) for key, arrays in found.items()}
        if rule is None:
            return parts
        new = self.divided(found["train"], rule)  # a part of the training source held out for validation
        self.key = "split"
        if twice := [name for name in new if name != "train" and name in parts]:
            raise DataError(
                "E0535", f"split makes a {twice[0]} part, which has a source of its own", help="fewer shares in split"
            )
        return {name: {**parts, **new}[name] for name in PARTS if name in {**parts, **new}}

    def divided(self, arrays: Arrays, rule: object) -> dict[str, Arrays]:
        ordered = isinstance(rule, CallValue) and rule.name == "in_order"
        if not ordered:  # windows are dealt out; in order, rows are, so that no window reaches over a border
            arrays = self.windowed(arrays)
        self.key = "split"
        kinds = {f.name: f.value.type for f in self.fields if f.role == "target"}
        labels = next((arrays[name] for name, t in kinds.items() if t.dtype == "class" and not t.shape), None)
        indices = split(rule, count(arrays), labels, self.data_seed)
        parts = {name: {field: array[chosen] for field, array in arrays.items()} for name, chosen in indices.items()}
        return {name: self.windowed(part) for name, part in parts.items()} if ordered else parts

    def fit(self, train: Arrays) -> dict[str, Any]:
        self.key = "normalize"
        series = frozenset(self.series)
        return scaling_of(self.fields, self.spec, train, self.columns, series=series, pixels=frozenset(self.pixels))


def _with_defaults(dims: dict[str, int], defaults: dict[str, int], shape: tuple[Any, ...]) -> None:
    """Adds to `dims` the defaults of the symbols of `shape` where flat columns cannot settle them all."""
    unknown = {symbol for size in shape if not isinstance(size, int) for symbol in size.symbols()} - dims.keys()
    if len(unknown) > 1:
        dims.update({symbol: defaults[symbol] for symbol in unknown if symbol in defaults})
