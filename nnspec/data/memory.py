"""What a run remembers of its data, so that new examples are treated alike: columns, classes, normalisation."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.convert import convert
from nnspec.data.errors import DataError, nearest
from nnspec.data.match import match, width_of
from nnspec.data.normalise import Scaling, fit_scaling
from nnspec.data.sources import Read, read_file
from nnspec.data.stream import Windows, blocks, held, mapped
from nnspec.data.window import is_series, window_starts
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nnspec.data.stream import Rows
    from nnspec.ir.graph import DataSpec, Field

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Rows]


class Memory(Record):
    """`columns`: names of the columns of each field. `classes`: names of the classes of each class field
    that has names. `scaling`: how each normalised field was. `dims`: sizes of open dims that data settled.
    `window`: rows of an example (0: one), `tokens`: what a text was cut into ("" where there was none)."""

    columns: dict[str, list[str]]
    classes: dict[str, tuple[str, ...]]
    scaling: dict[str, Scaling]
    dims: dict[str, int]
    window: int = 0
    tokens: str = ""

    def to_json(self) -> dict[str, Any]:
        scaling = {name: {"unit": s.unit, "mean": s.mean, "std": s.std} for name, s in self.scaling.items()}
        classes = {name: list(names) for name, names in self.classes.items()}
        found = {"columns": self.columns, "classes": classes, "scaling": scaling, "dims": self.dims}
        return {**found, "window": self.window, "tokens": self.tokens}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> Memory:
        scaling = {name: Scaling(s["unit"], s["mean"], s["std"]) for name, s in stored["scaling"].items()}
        classes = {name: tuple(names) for name, names in stored["classes"].items()}
        rest = stored.get("window", 0), stored.get("tokens", "")
        return Memory(stored["columns"], classes, scaling, stored["dims"], *rest)


NOTHING = Memory({}, {}, {}, {})


def scaling_of(
    fields: list[Field],
    spec: DataSpec,
    train: Arrays,
    columns: dict[str, list[str]],
    *,
    pixels: frozenset[str],
) -> dict[str, Scaling]:
    """The Scaling of every field that needs one: 8-bit images, float inputs under `normalize`, what patterns name.

    `train` holds rows where examples are windows of them; `pixels` are the 8-bit images.
    """
    unused = [k for k in spec.keyed if k.key == "normalize"]
    found: dict[str, Scaling] = {}
    for field in fields:
        if not field.value.type.is_float:
            continue
        array = train[field.name]
        unit = 1.0 / 255.0 if field.name in pixels else 1.0  # 8-bit images are numbers in [0, 1]
        kept = _kept_axes(array.ndim - 1)
        how = spec.settings.get("normalize") if field.role == "input" else None
        if how is not None:
            found[field.name] = fit_scaling(how, array, kept, unit)
        elif unit != 1.0:
            found[field.name] = Scaling(unit, 0.0, 1.0)
        for keyed in spec.keyed:
            if keyed.key != "normalize":
                continue
            only = _columns_under(keyed.pattern, columns.get(field.name, []), array)
            if fnmatchcase(field.name, keyed.pattern):
                found[field.name] = fit_scaling(keyed.value, array, kept, unit)
            elif only:
                found[field.name] = _merged(
                    found.get(field.name), fit_scaling(keyed.value, array, kept, unit, only), only
                )
            else:
                continue
            unused = [k for k in unused if k is not keyed]
    for keyed in unused:
        known = [f.name for f in fields if f.value.type.is_float]
        message = f'normalize("{keyed.pattern}") matches no input, target or column of numbers'
        raise DataError("E0537", message, keyed.span, help=nearest(keyed.pattern, known))
    return found


def _kept_axes(rank: int) -> tuple[int, ...]:
    """The axes of an example with statistics of their own: channels of images, else features."""
    return {0: (), 1: (0,), 2: (1,)}.get(rank, (0,))


def _columns_under(pattern: str, columns: list[str], array: Rows) -> tuple[int, ...]:
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != len(columns)):
        return ()
    return tuple(i for i, name in enumerate(columns) if name and fnmatchcase(name, pattern))


def _merged(old: Scaling | None, new: Scaling, only: tuple[int, ...]) -> Scaling:
    """`new` for the features in `only`, `old` for the others."""
    if old is None or not isinstance(old.mean, list):
        return new
    mean = [new.mean[i] if i in only else m for i, m in enumerate(old.mean)]
    std = [new.std[i] if i in only else s for i, s in enumerate(old.std)]
    return Scaling(new.unit, mean, std)


def normalised(fields: Sequence[Field], arrays: Arrays, scaling: dict[str, Scaling], dtype: str) -> Arrays:
    """The arrays as the model takes them: floats scaled and in the working dtype, the rest as they are."""
    out: Arrays = {}
    for field in fields:
        if field.name not in arrays:
            continue
        array = arrays[field.name]
        if field.value.type.is_float:
            array = mapped(array, _to_float(scaling.get(field.name), dtype), array.shape[1:], dtype)
        out[field.name] = array
    return out


def _to_float(known: Scaling | None, dtype: str) -> Callable[[Array], Array]:
    if known is None:
        return lambda part: part.astype(dtype, copy=False)
    return lambda part: known.apply(part, dtype)


def read_inputs(
    path: Path, fields: Sequence[Field], mapping: dict[str, list[str | int]], memory: Memory, dtype: str = "float32"
) -> dict[str, Any]:
    """The inputs of a model from a file, treated as those of its training were: csv, npz and the like, or a text
    where the model learned from one.

    `mapping` is what the call of the training source gave to each field. A column goes by the name it had
    then; columns of targets are passed over; without names, columns fill the inputs in order. Rows are cut into
    all windows that they hold; fewer rows than a window are one example where its size is open.
    Raises DataError.
    """
    inputs = [f for f in fields if f.role == "input"]
    read = read_file(path, {}, memory.tokens)
    table = read.table
    names = {column.name for column in table.columns if column.name}
    for field in inputs:
        for known in (mapping.get(field.name, []), memory.columns.get(field.name, [])):
            if known and all(isinstance(name, str) and name in names for name in known):
                read.mapping[field.name] = list(known)
                break
    if table.named:
        others = {name for f in fields if f.role == "target" for name in (f.name, *memory.columns.get(f.name, []))}
        wanted = {name for columns in read.mapping.values() for name in columns} | {f.name for f in inputs}
        table.columns = [c for c in table.columns if c.name in wanted or c.name not in others] or table.columns
    # Without names, the columns after those of the inputs may be targets; they are passed over.
    unmatched = frozenset() if table.named else frozenset({""})
    columns = match(inputs, Read(table, read.mapping), window=bool(memory.window), optional=unmatched)
    length = memory.window
    series = [f for f in inputs if length and is_series(f.value.type.shape, width_of(columns[f.name]), length)]
    if all(not isinstance(f.value.type.shape[0], int) for f in series):
        length = min(length, table.size)
    dims: dict[str, int] = {}
    rows: dict[str, Any] = {}
    for field in inputs:
        type = field.value.type.with_shape(field.value.type.shape[1:]) if field in series else field.value.type
        classes = memory.classes.get(field.name, ())
        try:  # open sizes are those of the new examples, where these say them
            array = convert(field.name, type, table, columns[field.name], classes, dims)
        except DataError:
            dims = {**memory.dims, **dims}
            array = convert(field.name, type, table, columns[field.name], classes, dims)
        rows[field.name] = _as_pixels(array, memory.scaling.get(field.name))
    found = normalised(inputs, rows, memory.scaling, dtype)
    if series:
        first = window_starts(np.arange(table.size), length, 0, path.name)
        found = {f.name: Windows(found[f.name], first, length, f in series) for f in inputs}
    return held({"": found})[""]


def _as_pixels(array: Rows, scaling: Scaling | None) -> Rows:
    """Images that training took as 8-bit and that come as numbers already in [0, 1] are brought back to 0..255."""
    if scaling is None or scaling.unit == 1.0 or array.dtype == np.uint8 or array.size == 0:
        return array
    if max(part.max() for _, part in blocks(array)) > 1.0:
        return array
    unit = scaling.unit
    return mapped(array, lambda part: part / unit, array.shape[1:], np.float64)
