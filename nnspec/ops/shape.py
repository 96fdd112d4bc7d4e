"""Ops that move entries and compute nothing. All keep the dtype."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from nnspec.ir.dims import divide_exactly, same
from nnspec.ir.types import Shape, Size, TensorType, product, show_shape
from nnspec.ops.base import (
    Axes,
    Axis,
    Integer,
    Numbers,
    Op,
    Real,
    ShapeError,
    Sizes,
    axes_of,
    axis_of,
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
                f"permute names each of the {x.rank} axes of {show_shape(x.shape)} once, not {list(listed)}",
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


class ExpandBatch(Op):
    """x, the same for every example of the batch that `like` has. Shapes: x (...), like (any) -> y (...), batched.

    C1: x is not batched, `like` is.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "like")

    def infer(self, x: TensorType, like: TensorType) -> TensorType:
        if x.batched or not like.batched:
            raise ShapeError("only a tensor without a batch axis can be given one", constraint="C1")
        return x.replace(batched=True)


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
                f"pad cannot read {_lists(self.amount)} for the {len(axes)} padded axes of {show_shape(x.shape)}",
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
                help="mode = linear works with any number of spatial axes",
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
