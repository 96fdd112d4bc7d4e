"""Indices and slices of a tensor: `x[1:3, 0]` and `take`."""

from __future__ import annotations

from typing import Any, ClassVar

from nnspec.ir.dims import dim_min, is_at_least, same
from nnspec.ir.types import Size, TensorType, show_shape
from nnspec.ops.base import Axis, Integer, Op, ShapeError, axis_of
from nnspec.record import Record


class Slice(Record):
    """`start:stop:step` of one axis, as part of an Index. A missing end is None."""

    start: Size | None = None
    stop: Size | None = None
    step: int = 1


class Index(Op):
    """`x[1:3, 0]`: an integer takes one entry and drops the axis, a slice keeps those from start to before stop.

    Shapes: x (N0, N1, ...) -> y (length of each slice, then the axes not named).
    C1: there are not more items than axes (canonical: one item for each axis).
    C2: an integer is -N to N - 1; on an open axis only what is certain to exist may be named (0 and -1).
    C3: a slice holds at least one entry; its step is at least 1. Ends are cut to the axis, as in NumPy.
    C4: an open end of a slice is taken at its word: the axis is taken to be at least as long.
    Canonical: the ends of an axis are None; on a whole axis no number is negative, on an open one they stay.
    """

    family: ClassVar[str] = "shape"
    name: ClassVar[str] = "[]"
    items: tuple[int | Slice, ...]

    def bind(self, x: TensorType) -> Index:
        if len(self.items) > x.rank:
            raise ShapeError(
                f"{len(self.items)} {'indices' if len(self.items) > 1 else 'index'} for the {x.rank or 'no'} "
                f"{'axis' if x.rank == 1 else 'axes'} of {show_shape(x.shape) if x.rank else 'a scalar'}",
                code="E0305",
                constraint="C1",
            )
        items = [
            _canonical_slice(item, n) if isinstance(item, Slice) else _canonical_index(item, n)
            for item, n in zip(self.items, x.shape, strict=False)
        ]
        return self.replace(items=(*items, *(Slice(),) * (x.rank - len(items))))

    def infer(self, x: TensorType) -> TensorType:
        items = self.bind(x).items
        return x.with_shape(
            tuple(slice_length(item, n) for item, n in zip(items, x.shape, strict=True) if isinstance(item, Slice))
        )


class Take(Op):
    """One entry along an axis, which is missing in the result. Shapes: x (..., N, ...) -> y (..., ...).

    C1: axis is an axis of x (canonical: counted from 0).
    C2: i is -N to N - 1, negative ones count from the end.
    Settings:
        i: which entry
        axis: along which axis
    """

    name: ClassVar[str] = "take"
    family: ClassVar[str] = "shape"
    i: Integer
    axis: Axis = 0

    def _index(self, x: TensorType) -> Index:
        axis = axis_of(self, x, self.axis)
        return Index((Slice(),) * axis + (self.i,))

    def infer(self, x: TensorType) -> TensorType:
        return self._index(x).infer(x)

    def lower(self, build: Any, x: Any) -> Any:
        """x[..., i]."""
        return build.apply(self._index(x.type), x)


# ---------------------------------------------------------------- rules of indices


def slice_length(item: Slice, n: Size) -> Size:
    """How many entries of an axis of n a canonical slice keeps.

    That something is kept (C3) is used: `x[3:]` of T entries has T - 3, not T - min(3, T).
    """
    stop = n if item.stop is None else item.stop
    if isinstance(stop, int) and not isinstance(n, int):
        stop = n + stop if stop < 0 else dim_min(stop, n)
    start = 0 if item.start is None else item.start
    if isinstance(start, int) and start < 0:
        length = dim_min(-start, n) - (n - stop)
    else:
        length = stop - start
    return (length + item.step - 1) // item.step


def _canonical_index(index: int, n: Size) -> int:
    if is_at_least(n, index + 1 if index >= 0 else -index):
        return index + n if index < 0 and isinstance(n, int) else index
    if isinstance(n, int):
        raise ShapeError(
            f"index {index} is out of range for an axis of {n}",
            code="E0305",
            constraint="C2",
            help=f"an index is -{n} to {n - 1}",
        )
    raise ShapeError(
        f"index {index} need not exist on an axis of the open size {n}",
        code="E0304",
        constraint="C2",
        help="0 and -1 always exist; a size such as T + 5 has more",
    )


def _canonical_slice(item: Slice, n: Size) -> Slice:
    if item.step < 1:
        fix = "flip(x) reverses an axis" if item.step < 0 else "leave it out: every entry is taken"
        raise ShapeError(
            f"the step of a slice is a whole number >= 1, not {item.step}", code="E0306", constraint="C3", help=fix
        )
    start, stop = _cut(item.start, n), _cut(item.stop, n)
    kept = Slice(None if start == 0 else start, None if stop is not None and same(stop, n) else stop, item.step)
    if is_at_least(0, slice_length(kept, n)):
        raise ShapeError(f"the slice {_slice_text(item)} of an axis of {n} is empty", code="E0305", constraint="C3")
    return kept


def _cut(end: Size | None, n: Size) -> Size | None:
    """An end of a slice, on a whole axis counted from the front and cut to it."""
    if not isinstance(end, int) or not isinstance(n, int):
        return end
    return min(max(end + n if end < 0 else end, 0), n)


def _slice_text(item: Slice) -> str:
    ends = f"{'' if item.start is None else item.start}:{'' if item.stop is None else item.stop}"
    return ends if item.step == 1 else f"{ends}:{item.step}"
