"""Arrays that are not in memory: examples along the first axis, gathered by index when a step asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    Array: TypeAlias = np.ndarray[Any, Any]
    Rows: TypeAlias = "Array | Stream"

MAPPED = 1 << 26  # bytes of a file from which on it is mapped, not read
HELD = 1 << 30  # bytes of all parts together up to which examples are held in memory
REPEATED = 1 << 26  # bytes up to which windows are, which hold every row many times
BLOCK = 1 << 22  # bytes of a block when a whole file is looked through


class Stream:
    """Stands for an array (examples, *shape) without holding it.

    `stream[index]` takes a slice or an array of whole numbers and gives the NumPy array of those examples.
    """

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)

    def take(self, index: Array) -> Array:
        """The examples at these places, in their order."""
        raise NotImplementedError

    def __len__(self) -> int:
        count: int = self.shape[0]
        return count

    def __getitem__(self, index: slice | Array) -> Array:
        places = np.arange(*index.indices(len(self))) if isinstance(index, slice) else np.asarray(index)
        return self.take(places)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)


class Mapped(Stream):
    """`function` of gathered examples, which treats each of them alone: (k, ...) -> (k, *shape)."""

    def __init__(self, base: Rows, function: Callable[[Array], Array], shape: Sequence[int], dtype: Any) -> None:
        super().__init__((len(base), *shape), dtype)
        self.base, self.function = base, function

    def take(self, index: Array) -> Array:
        return self.function(np.asarray(self.base[index]))


class Picked(Stream):
    """The examples of `base` at `places`, in that order."""

    def __init__(self, base: Rows, places: Array) -> None:
        super().__init__((len(places), *base.shape[1:]), base.dtype)
        self.base, self.places = base, places

    def take(self, index: Array) -> Array:
        return np.asarray(self.base[self.places[index]])


class Joined(Stream):
    """The examples of several arrays, one array after the other."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        super().__init__((sum(len(part) for part in parts), *parts[0].shape[1:]), parts[0].dtype)
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])

    def take(self, index: Array) -> Array:
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        owner = np.searchsorted(self.ends, index, side="right")
        for number in np.unique(owner):
            mine = owner == number
            part = self.parts[number]
            out[mine] = part[index[mine] - (self.ends[number] - len(part))]
        return out


class Stacked(Stream):
    """Columns (examples, ...) side by side as features (examples, numbers of all of them)."""

    def __init__(self, columns: Sequence[Rows]) -> None:
        widths = [int(np.prod(c.shape[1:], dtype=np.int64)) for c in columns]
        super().__init__((len(columns[0]), sum(widths)), np.result_type(*(c.dtype for c in columns)))
        self.columns = columns

    def take(self, index: Array) -> Array:
        return np.concatenate([np.asarray(c[index]).reshape(len(index), -1) for c in self.columns], axis=1)


class Windows(Stream):
    """Windows of `length` rows, one from each row in `first`, or the last row of each if not `whole`."""

    def __init__(self, rows: Rows, first: Array, length: int, whole: bool) -> None:
        super().__init__((len(first), *((length,) if whole else ()), *rows.shape[1:]), rows.dtype)
        self.rows, self.first, self.length, self.whole = rows, first, length, whole

    def take(self, index: Array) -> Array:
        first = self.first[index]
        if not self.whole:
            return np.asarray(self.rows[first + self.length - 1])
        places = (first[:, None] + np.arange(self.length)).reshape(-1)
        return np.asarray(self.rows[places]).reshape(len(index), *self.shape[1:])


def is_streamed(array: Rows) -> bool:
    """Whether the examples lie in a file: a Stream, or an array mapped from one."""
    return isinstance(array, Stream | np.memmap)


def mapped(array: Rows, function: Callable[[Array], Array], shape: Sequence[int], dtype: Any) -> Rows:
    """`function` of the examples: at once where they are in memory, else of each batch as it is gathered."""
    return Mapped(array, function, shape, dtype) if is_streamed(array) else function(np.asarray(array))


def picked(array: Rows, places: Array) -> Rows:
    """The examples at `places` (ascending); all of them are the array itself."""
    if len(places) == len(array):
        return array
    return Picked(array, places) if is_streamed(array) else array[places]


def blocks(array: Rows) -> Iterator[tuple[int, Array]]:
    """The examples piece by piece, each with the place of its first."""
    each = max(1, int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize)
    step = max(1, BLOCK // each)
    for start in range(0, len(array), step):
        yield start, np.asarray(array[start : start + step])


def held(parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parts with all streams read into memory, if together they are small enough."""
    streams = [a for arrays in parts.values() for a in arrays.values() if is_streamed(a)]
    limit = REPEATED if any(isinstance(stream, Windows) for stream in streams) else HELD
    if sum(stream.nbytes for stream in streams) > limit:
        return parts
    return {
        name: {field: whole(array) if is_streamed(array) else array for field, array in arrays.items()}
        for name, arrays in parts.items()
    }


def whole(array: Rows) -> Array:
    """All examples of a stream as one array."""
    out = np.empty(array.shape, array.dtype)
    for start, block in blocks(array):
        out[start : start + len(block)] = block
    return out


def scratch(shape: Sequence[int], dtype: Any) -> Array:
    """An array (examples, *shape) to be filled: in memory if it is small, else mapped from a file without a name."""
    kind, total = np.dtype(dtype), int(np.prod(shape, dtype=object))
    if total * kind.itemsize <= HELD:
        return np.empty(shape, kind)
    with tempfile.TemporaryFile(prefix="nnspec-") as file:  # the mapping outlives the handle, the file goes with it
        return np.memmap(file, dtype=kind, mode="w+", shape=tuple(shape))
