"""From a `data` block to a data set: sources read, matched with the fields, split, normalised, cut into windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import augment as augmentation
from nnspec.data.convert import class_names, convert
from nnspec.data.dataset import Dataset, count
from nnspec.data.errors import DataError
from nnspec.data.match import match, width_of
from nnspec.data.memory import Memory, normalised, scaling_of
from nnspec.data.sources import Read, read_source
from nnspec.data.split import PARTS, split
from nnspec.data.stream import Windows, held, picked
from nnspec.data.synthetic import random_arrays
from nnspec.data.table import content_hash
from nnspec.data.window import is_series, misses_window, window_starts
from nnspec.ir.graph import CallValue, DataSpec, Field

if TYPE_CHECKING:
    from nnspec.data.normalise import Scaling
    from nnspec.data.stream import Rows
    from nnspec.data.table import Column

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Rows]


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
        self.drawn: set[str] = set()  # entries whose examples are made up: they are no rows
        self.columns: dict[str, list[str]] = {}
        self.classes: dict[str, tuple[str, ...]] = {}
        self.tokens = ""
        self.files: dict[str, str] = {}
        self.key = "source"

    def load(self, seed: int, dtype: str) -> Dataset:
        found = self.examples(dtype)
        places = self.split(found)
        key, rows = places["train"]
        train = {name: picked(array, rows) for name, array in found[key].items()}
        scaling = self.memory.scaling if self.memory else self.fit(train)
        parts = {name: self.part(name, key, found[key], rows, scaling, dtype) for name, (key, rows) in places.items()}
        rest = self.window(), self.tokens
        memory = self.memory or Memory(self.columns, self.classes, scaling, self.dims, *rest)
        order_seed = int(str(self.settings.get("seed", seed)))
        data = Dataset(held(parts), memory, self.files, order_seed, bool(self.settings.get("shuffle", True)))
        if "augment" in self.settings:
            self.key = "augment"
            data.augmentations = augmentation.checked(self.settings["augment"])
            data.images = tuple(
                f.name for f in self.fields if f.role == "input" and f.value.type.is_float and f.value.type.rank == 3
            )
            if not data.images:
                message = "augment changes images, and no input is float32[channels, height, width]"
                raise DataError("E0539", message)
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
        self.window()
        reads: dict[str, Read] = {}
        found: dict[str, Arrays] = {}
        for self.key in entries:
            source = self.settings[self.key]
            if isinstance(source, CallValue) and source.name == "random":
                wanted = "float64" if self.scaled else dtype
                sizes = self.open_sizes()
                found[self.key] = {**random_arrays(self.fields, source, sizes, self.data_seed, self.key, wanted)}
                self.drawn.add(self.key)
            else:
                reads[self.key] = self.read(source)
        found.update(self.converted(reads))
        return {key: found[key] for key in entries}

    def open_sizes(self) -> dict[str, int]:
        """What open dims come to where no data says: their defaults, the window for a first axis."""
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
        read = read_source(source, self.base, self.names, "train" if self.key == "source" else self.key)
        self.files.update({str(path.resolve()): content_hash(path) for path in read.table.files})
        if read.table.tokens:
            self.tokens = read.table.tokens
            if not self.window():
                help = "window = 64 makes examples of 64 tokens each"
                raise DataError(
                    "E0538", f"{read.table.label} is one long row of tokens, and no window cuts it", help=help
                )
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

    def array(self, field: Field, read: Read, columns: list[Column], length: int) -> Rows:
        type, classes = field.value.type, self.classes[field.name]
        axes = columns[0].values.ndim - 1
        if type.is_float and max(axes, type.rank) > 1 and all(c.values.dtype == np.uint8 for c in columns):
            self.pixels.add(field.name)
        if length and is_series(type.shape, width_of(columns), length):
            row = type.shape[1:]
            self.series.add(field.name)
            first = type.shape[0]
            if not isinstance(first, int):
                self.dims.update(dict.fromkeys(first.symbols(), length))
            return convert(field.name, type.with_shape(row), read.table, columns, classes, self.dims)
        if length and misses_window(type.shape, width_of(columns), length):
            self.key = "window"
            message = f"{field.name}: {type} takes {type.shape[0]} rows in a row, window = {length}"
            raise DataError("E0538", message, help=f"window = {type.shape[0]}")
        if axes == 0:
            _with_defaults(self.dims, self.defaults, type.shape)
        return convert(field.name, type, read.table, columns, classes, self.dims)

    # ---------------------------------------------------------------- split, normalisation, windows

    def window(self) -> int:
        length = self.settings.get("window", 0)
        shift = self.settings.get("shift", 1)
        if not isinstance(length, int) or length < 0 or not isinstance(shift, int) or shift < 0:
            self.key = "window"
            raise DataError("E0538", f"window = {length}, shift = {shift}: both are whole numbers")
        return length

    def split(self, found: dict[str, Arrays]) -> dict[str, tuple[str, Array]]:
        """The source entry of each part, and which of its examples, or rows where windows follow, belong to it."""
        rule = self.settings.get("split")
        given = {"train" if key == "source" else key: (key, np.arange(count(a))) for key, a in found.items()}
        if rule is None:
            return given
        key, _ = given["train"]
        arrays = found[key]
        kinds = {f.name: f.value.type for f in self.fields if f.role == "target"}
        labels = next((arrays[name] for name, t in kinds.items() if t.dtype == "class" and not t.shape), None)
        windowed = bool(self.window()) and key not in self.drawn
        self.key = "split"
        known = None if labels is None else np.asarray(labels[:])
        new = split(rule, count(arrays), known, self.data_seed, contiguous=windowed)
        if twice := [name for name in new if name != "train" and name in given]:
            raise DataError(
                "E0535", f"split makes a {twice[0]} part, which has a source of its own", help="fewer shares in split"
            )
        given.update({name: (key, rows) for name, rows in new.items()})
        return {name: given[name] for name in PARTS if name in given}

    def fit(self, train: Arrays) -> dict[str, Scaling]:
        self.key = "normalize"
        return scaling_of(self.fields, self.spec, train, self.columns, pixels=frozenset(self.pixels))

    def part(self, name: str, key: str, arrays: Arrays, rows: Array, scaling: dict[str, Scaling], dtype: str) -> Arrays:
        """The examples of one part as the model takes them: `rows` of the arrays of the source entry `key`."""
        length, shift = self.window(), int(str(self.settings.get("shift", 1)))
        if not length or key in self.drawn:
            chosen = {field: picked(array, rows) for field, array in arrays.items()}
            return normalised(self.fields, chosen, scaling, dtype)
        self.key = "window"
        targets = any(f.role == "target" for f in self.fields)
        first = window_starts(rows, length, shift if targets else 0, name)
        series = normalised(self.fields, arrays, scaling, dtype)
        return {
            f.name: Windows(series[f.name], first + (shift if f.role == "target" else 0), length, f.name in self.series)
            for f in self.fields
        }


def _with_defaults(dims: dict[str, int], defaults: dict[str, int], shape: tuple[Any, ...]) -> None:
    """Adds to `dims` the defaults of the symbols of `shape` where flat columns cannot settle them all."""
    unknown = {symbol for size in shape if not isinstance(size, int) for symbol in size.symbols()} - dims.keys()
    if len(unknown) > 1:
        dims.update({symbol: defaults[symbol] for symbol in unknown if symbol in defaults})
