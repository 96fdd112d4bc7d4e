"""Ops that move entries and compute nothing. All keep the dtype."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from nnspec.ir.dims import divide_exactly, same
from nnspec.ir.types import Shape, Size, TensorType, product, show_shape
from nnspec.ops.base import (
    SPATIAL_NAMES,
    Axes,
    Axis,
    Integer,
    Numbers,
    Op,
    Parts,
    Real,
    ShapeError,
    Sizes,
    axes_of,
    axis_of,
    batched,
    cast_all,
    promote,
    require_float,
    require_rank,
    require_same_size,
    spatial_tuple,
)
from nnspec.ops.norm import require_groups


class Flatten(Op):
    """All axes of an example in one, the last fastest. Shapes: x (...) -> y (product)."""

    name: ClassVar[str] = "flatten"
    family: ClassVar[str] = "shape"

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape((product(x.shape),))


class Reshape(Op):
    """The same entries, in the same order, in another shape. Shapes: x (...) -> y (*shape).

    C1: both shapes have as many entries.
    C2: at most one size is -1; it is what remains (canonical: a size).
    Settings:
        shape: sizes of the result
    """

    name: ClassVar[str] = "reshape"
    family: ClassVar[str] = "shape"
    shape: Shape

    def bind(self, x: TensorType) -> Reshape:
        unknown = [axis for axis, size in enumerate(self.shape) if size == -1]
        if len(unknown) > 1:
            raise ShapeError(
                "reshape can work out one size, not two", code="E0306", constraint="C2", help="write all but one -1"
            )
        known = product(tuple(size for size in self.shape if size != -1))
        if not unknown:
            return self
        rest = divide_exactly(product(x.shape), known)
        if rest is None:
            raise ShapeError(
                f"reshape cannot fill {show_shape(self.shape)} from {show_shape(x.shape)}",
                constraint="C1",
                detail=f"{product(x.shape)} entries are no whole multiple of {known}",
            )
        return self.replace(shape=tuple(rest if size == -1 else size for size in self.shape))

    def infer(self, x: TensorType) -> TensorType:
        shape = self.bind(x).shape
        if not same(product(shape), product(x.shape)):
            what = f"{show_shape(x.shape)} and {show_shape(shape)} must hold as many entries"
            if isinstance(product(shape) - product(x.shape), int):
                raise ShapeError(
                    f"reshape cannot make {show_shape(shape)} of {show_shape(x.shape)}",
                    constraint="C1",
                    detail=f"{product(shape)} entries instead of {product(x.shape)}",
                    help=_fitting_shape(shape, x),
                )
            require_same_size(self, product(x.shape), product(shape), what, constraint="C1", input=0)
        return x.with_shape(shape)


class Permute(Op):
    """The axes in another order. Shapes: x (N0, N1, ...) -> y (N[axes[0]], N[axes[1]], ...).

    C1: axes names every axis of x once (canonical: counted from 0).
    Settings:
        axes: which axis of x comes at each place
    """

    name: ClassVar[str] = "permute"
    family: ClassVar[str] = "shape"
    axes: Axes

    def bind(self, x: TensorType) -> Permute:
        listed = self.axes if isinstance(self.axes, tuple) else (self.axes,)
        axes = tuple(axis_of(self, x, axis) for axis in listed)
        if sorted(axes) != list(range(x.rank)):
            raise ShapeError(
                f"permute names the axes {list(listed)} of {show_shape(x.shape)}, it must name each of the {x.rank} once",
                code="E0305",
                constraint="C1",
                help=f"permute({list(reversed(range(x.rank)))}) turns them round",
            )
        return self.replace(axes=axes)

    def infer(self, x: TensorType) -> TensorType:
        axes = self.bind(x).axes
        return x.with_shape(tuple(x.shape[axis] for axis in (axes if isinstance(axes, tuple) else (axes,))))


class Transpose(Op):
    """The last two axes exchanged. Shapes: x (..., N, M) -> y (..., M, N). C1: x has two axes or more."""

    name: ClassVar[str] = "transpose"
    family: ClassVar[str] = "shape"

    def infer(self, x: TensorType) -> TensorType:
        require_rank(self, x, 2, None, "a tensor of two axes or more")
        return x.with_shape((*x.shape[:-2], x.shape[-1], x.shape[-2]))


class Concat(Op):
    """Tensors one after the other along an axis. Shapes: (..., N1, ...), (..., N2, ...) -> y (..., N1 + N2, ...).

    C1: axis is an axis of each (canonical: counted from 0), and all have as many axes.
    C2: all other sizes are equal.
    Settings:
        axis: along which they are joined
    """

    name: ClassVar[str] = "concat"
    family: ClassVar[str] = "shape"
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")
    variadic: ClassVar[bool] = True
    axis: Axis = 0

    def bind(self, *inputs: TensorType) -> Concat:
        return self.replace(axis=axis_of(self, inputs[0], self.axis))

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return _one_dtype(inputs)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = axis_of(self, inputs[0], self.axis)
        _require_equal_ranks(self, inputs)
        total: Size = 0
        for index, t in enumerate(inputs):
            for other, (a, b) in enumerate(zip(inputs[0].shape, t.shape, strict=True)):
                if other != axis:
                    what = f"axis {other} must agree, concat joins along axis {axis}"
                    require_same_size(self, a, b, what, constraint="C2", input=index)
            total = total + t.shape[axis]
        first = _one_dtype(inputs)[0]
        return TensorType(
            first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]), batched(*inputs), first.classes
        )


class Stack(Op):
    """Tensors of one shape side by side along a new axis. Shapes: n of (...) -> y (..., n, ...).

    C1: axis is an axis of y (canonical: counted from 0), and all have as many axes.
    C2: all sizes are equal.
    Settings:
        axis: the place of the new axis in the result
    """

    name: ClassVar[str] = "stack"
    family: ClassVar[str] = "shape"
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")
    variadic: ClassVar[bool] = True
    axis: Axis = 0

    def bind(self, *inputs: TensorType) -> Stack:
        return self.replace(axis=axis_of(self, inputs[0], self.axis, extra=1))

    def expects(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return _one_dtype(inputs)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = axis_of(self, inputs[0], self.axis, extra=1)
        _require_equal_ranks(self, inputs)
        for index, t in enumerate(inputs):
            for other, (a, b) in enumerate(zip(inputs[0].shape, t.shape, strict=True)):
                require_same_size(self, a, b, f"axis {other} must agree", constraint="C2", input=index)
        first = _one_dtype(inputs)[0]
        shape = (*first.shape[:axis], len(inputs), *first.shape[axis:])
        return TensorType(first.dtype, shape, batched(*inputs), first.classes)


class Split(Op):
    """An axis cut into pieces, in order. Shapes: x (..., N, ...) -> y1 (..., N1, ...), y2 (..., N2, ...), ...

    C1: axis is an axis of x (canonical: counted from 0).
    C2: a number of parts divides the axis; a list of sizes adds up to it (canonical: the tuple of sizes).
    Settings:
        parts: how many equal parts, or a list of their sizes
        axis: which is cut
    """

    name: ClassVar[str] = "split"
    family: ClassVar[str] = "shape"
    parts: Parts
    axis: Axis = 0

    def bind(self, x: TensorType) -> Split:
        axis = axis_of(self, x, self.axis)
        return self.replace(parts=self._sizes(x, axis), axis=axis)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        axis = axis_of(self, x, self.axis)
        return tuple(x.with_shape((*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in self._sizes(x, axis))

    def _sizes(self, x: TensorType, axis: int) -> tuple[Size, ...]:
        size = x.shape[axis]
        if isinstance(self.parts, tuple):
            total: Size = 0
            for part in self.parts:
                total = total + part
            require_same_size(self, size, total, f"the parts must add up to axis {axis}", constraint="C2", input=0)
            return self.parts
        each = divide_exactly(size, self.parts)
        if each is None or not isinstance(self.parts, int):
            raise ShapeError(
                f"split cannot cut an axis of {size} into {self.parts} equal parts",
                code="E0306",
                constraint="C2",
                help=_uneven_split(size, self.parts),
            )
        return (each,) * self.parts


class Pad(Op):
    """Entries added at the ends of axes. Shapes: x (..., N, ...) -> y (..., before + N + after, ...).

    C1: amount is a number, or a list with one entry for each padded axis: a number, or [before, after].
    C2: axis names axes of x. Default: all but the first (the channels), or the only one.
    Canonical: axis holds every axis of x, amount a pair for each.
    Settings:
        amount: how many entries, in front of an axis and behind it
        value: what they hold
        axis: which axes
    """

    name: ClassVar[str] = "pad"
    family: ClassVar[str] = "shape"
    amount: Numbers
    axis: Axes | None = None
    value: Real = 0.0

    def bind(self, x: TensorType) -> Pad:
        require_rank(self, x, 1, None, "a tensor with axes", constraint="C2")
        default = tuple(range(1, x.rank)) if x.rank > 1 else (0,)
        axes = default if self.axis is None else axes_of(self, x, self.axis, constraint="C2")
        amounts = self.amount if isinstance(self.amount, tuple) else (self.amount,) * len(axes)
        pairs = [amount if isinstance(amount, tuple) else (amount, amount) for amount in amounts]
        if len(pairs) != len(axes) or not all(len(pair) == 2 and all(_is_whole(n) for n in pair) for pair in pairs):
            raise ShapeError(
                f"pad got {_lists(self.amount)} for {len(axes)} {'axis' if len(axes) == 1 else 'axes'} of {show_shape(x.shape)}",
                code="E0306",
                constraint="C1",
                help=f"a whole number, or [{', '.join(['[before, after]'] * len(axes))}]",
            )
        given = dict(zip(axes, pairs, strict=True))
        return self.replace(amount=tuple(given.get(axis, (0, 0)) for axis in range(x.rank)), axis=tuple(range(x.rank)))

    def infer(self, x: TensorType) -> TensorType:
        pairs = self.bind(x).amount
        return x.with_shape(tuple(n + before + after for n, (before, after) in zip(x.shape, pairs, strict=True)))


class Flip(Op):
    """The entries in reverse order along axes. Shapes: x (...) -> y (...).

    C1: axis names axes of x (canonical: a sorted tuple, counted from 0).
    Settings:
        axis: one axis or a list
    """

    name: ClassVar[str] = "flip"
    family: ClassVar[str] = "shape"
    axis: Axes = -1

    def bind(self, x: TensorType) -> Flip:
        return self.replace(axis=axes_of(self, x, self.axis))

    def infer(self, x: TensorType) -> TensorType:
        axes_of(self, x, self.axis)
        return x


class Roll(Op):
    """The entries moved on by `shift` along an axis, the last ones coming in again at the front.

    Shapes: x (...) -> y (...).
    C1: axis is an axis of x (canonical: counted from 0).
    Settings:
        shift: by how many places, negative ones to the front
        axis: along which axis
    """

    name: ClassVar[str] = "roll"
    family: ClassVar[str] = "shape"
    shift: Integer
    axis: Axis = -1

    def bind(self, x: TensorType) -> Roll:
        return self.replace(axis=axis_of(self, x, self.axis))

    def infer(self, x: TensorType) -> TensorType:
        axis_of(self, x, self.axis)
        return x


class Upsample(Op):
    """Spatial axes enlarged by a whole factor, channels first.

    `nearest` repeats entries; `linear` (also written bilinear, trilinear) interpolates between the centres of
    entries (PyTorch's align_corners=False), holding the border values outside.
    Shapes: x (C, *N) -> y (C, *(N * factor)).
    C1: x has one to three axes after its channels.
    C2: factor is one number or one for each spatial axis (canonical: a tuple).
    C3: bilinear takes two, trilinear three spatial axes (canonical: linear).
    Settings:
        factor: how many times larger
        mode: nearest, or linear
    """

    name: ClassVar[str] = "upsample"
    family: ClassVar[str] = "shape"
    factor: Sizes
    mode: Literal["nearest", "linear", "bilinear", "trilinear"] = "nearest"

    def bind(self, x: TensorType) -> Upsample:
        require_rank(self, x, 2, 4, "[channels, width], [channels, height, width] or [channels, depth, height, width]")
        spatial = x.rank - 1
        wanted = {"bilinear": 2, "trilinear": 3}.get(self.mode, spatial)
        if wanted != spatial:
            raise ShapeError(
                f"upsample {self.mode} takes {wanted} spatial axes, its input {show_shape(x.shape)} has {spatial}",
                code="E0306",
                constraint="C3",
                help=f"mode = linear works with any number of {', '.join(SPATIAL_NAMES[3])}",
            )
        mode = "nearest" if self.mode == "nearest" else "linear"
        return self.replace(factor=spatial_tuple(self, "factor", self.factor, spatial), mode=mode)

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        factors = self.bind(x).factor
        sizes = zip(x.shape[1:], factors if isinstance(factors, tuple) else (factors,), strict=True)
        return x.with_shape((x.shape[0], *(n * factor for n, factor in sizes)))


class ShuffleChannels(Op):
    """The channels dealt out: channel i of group g becomes channel i * groups + g (Zhang et al., 2017).

    Shapes: x (C, ...) -> y (C, ...).
    C1: groups divides the channels.
    Settings:
        groups: how many groups
    """

    name: ClassVar[str] = "shuffle_channels"
    family: ClassVar[str] = "shape"
    groups: Size

    def infer(self, x: TensorType) -> TensorType:
        require_rank(self, x, 1, None, "[channels, ...]")
        require_groups(self, x.shape[0], self.groups, "C1")
        return x

    def lower(self, build: Any, x: Any) -> Any:
        """Groups and channels on axes of their own, exchanged, joined again."""
        channels, *rest = self.infer(x.type).shape
        apart = build.apply(Reshape((self.groups, channels // self.groups, *rest)), x)
        exchanged = build.apply(Permute((1, 0, *range(2, 2 + len(rest)))), apart)
        return build.apply(Reshape(x.type.shape), exchanged)


# ---------------------------------------------------------------- shared


def _one_dtype(inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """Equal types of entries stay what they are (also classes); others are promoted."""
    if all((t.dtype, t.classes) == (inputs[0].dtype, inputs[0].classes) for t in inputs):
        return inputs
    return cast_all(inputs, promote(*inputs))


def _require_equal_ranks(op: Op, inputs: tuple[TensorType, ...]) -> None:
    for index, t in enumerate(inputs):
        if t.rank != inputs[0].rank:
            raise ShapeError(
                f"{op.name} joins tensors with as many axes, got {show_shape(inputs[0].shape)} and {show_shape(t.shape)}",
                code="E0303",
                constraint="C1",
                help=f"reshape one of them to {inputs[0].rank} axes",
                input=index,
            )


def _is_whole(n: Any) -> bool:
    return isinstance(n, int) and n >= 0


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _fitting_shape(shape: Shape, x: TensorType) -> str:
    """The same reshape with one size changed to what fits, if one does."""
    for axis in reversed(range(len(shape))):
        others = product((*shape[:axis], *shape[axis + 1 :]))
        rest = divide_exactly(product(x.shape), others)
        if rest is not None:
            return f"reshape({show_shape((*shape[:axis], rest, *shape[axis + 1 :]))}) has {product(x.shape)}"
    return ""


def _uneven_split(size: Size, parts: Size) -> str:
    if not isinstance(size, int) or not isinstance(parts, int) or not 1 <= parts <= min(size, 8):
        return ""
    each, more = divmod(size, parts)
    return f"split({[each + 1] * more + [each] * (parts - more)})"
