"""Pooling over one, two or three spatial axes, channels first."""

from __future__ import annotations

from typing import Any, ClassVar

from nnspec.ir.dims import dim_min, is_at_least
from nnspec.ir.types import Size, TensorType
from nnspec.ops.base import Op, ShapeError, Sizes, require_float, spatial_tuple
from nnspec.ops.conv import spatial_rank, window_counts


class Pool(Op):
    """Base of max_pool and avg_pool; see them for shapes and rules."""

    family: ClassVar[str] = "pooling"
    size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil: bool = False

    def bind(self, x: TensorType) -> Pool:
        rank = spatial_rank(self, x)
        size = spatial_tuple(self, "size", self.size, rank)
        stride = size if self.stride is None else spatial_tuple(self, "stride", self.stride, rank)
        padding = spatial_tuple(self, "padding", self.padding, rank, least=0)
        for k, p in zip(size, padding, strict=True):
            if 2 * p > k:
                raise ShapeError(
                    f"padding {p} of {self.name} is more than half of its window {k}: some windows would hold nothing",
                    code="E0306",
                    constraint="C4",
                    help=f"padding <= {k // 2}",
                )
        return self.replace(size=size, stride=stride, padding=padding)

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        op = self.bind(x)
        if self.ceil:
            rounded_up = tuple(_ceil_count(n, *_numbers(op, axis)) for axis, n in enumerate(x.shape[1:]))
            if not any(is_at_least(0, size) for size in rounded_up):
                return x.with_shape((x.shape[0], *rounded_up))
        sizes = window_counts(op, x, op.size, op.stride, op.padding, (1,) * (x.rank - 1), pads=False, what="size")
        return x.with_shape((x.shape[0], *sizes))


class MaxPool(Pool):
    """The largest entry of every window; a tie passes its gradient to the first.

    Shapes: x (C, *N) -> y (C, *M), M = floor((N + 2*padding - size) / stride) + 1; with `ceil` the quotient is
    rounded up, but the last window must start inside the input or its left padding (PyTorch's ceil_mode).
    C1: x has one to three axes after its channels.
    C2: size, stride, padding are one number or one for each spatial axis (canonical: tuples).
    C3: the window fits the padded input. Padding counts as minus infinity.
    C4: padding is at most half of the size.
    Settings:
        size: of the window
        stride: step from one window to the next (default: size)
        padding: entries on either side
        ceil: whether a last, partial window counts
    """

    name: ClassVar[str] = "max_pool"


class AvgPool(Pool):
    """The mean of every window. Padding counts as zeros; what `ceil` reads beyond the padding does not count.

    Shapes: x (C, *N) -> y (C, *M), M as in max_pool.
    C1: x has one to three axes after its channels.
    C2: size, stride, padding are one number or one for each spatial axis (canonical: tuples).
    C3: the window fits the padded input.
    C4: padding is at most half of the size.
    Settings:
        size: of the window
        stride: step from one window to the next (default: size)
        padding: zeros on either side
        ceil: whether a last, partial window counts
        count_include_pad: whether the padding counts in the divisor
    """

    name: ClassVar[str] = "avg_pool"
    count_include_pad: bool = True


class AdaptiveAvgPool(Op):
    """Means over windows chosen so that the output has a given size.

    Shapes: x (C, *N) -> y (C, *size); window i of an axis is floor(i N / size) to ceil((i + 1) N / size), exclusive.
    C1: x has one to three axes after its channels.
    C2: size is one number or one for each spatial axis (canonical: a tuple).
    Settings:
        size: spatial sizes of the output
    """

    name: ClassVar[str] = "adaptive_avg_pool"
    family: ClassVar[str] = "pooling"
    size: Sizes

    def bind(self, x: TensorType) -> AdaptiveAvgPool:
        return self.replace(size=spatial_tuple(self, "size", self.size, spatial_rank(self, x)))

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        size = spatial_tuple(self, "size", self.size, spatial_rank(self, x))
        return x.with_shape((x.shape[0], *size))


class GlobalAvgPool(Op):
    """The mean of every channel. Shapes: x (C, *N) -> y (C).

    C1: x has one to three axes after its channels.
    """

    name: ClassVar[str] = "global_avg_pool"
    family: ClassVar[str] = "pooling"

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        require_float(self, x)
        return x.with_shape(x.shape[:1])

    def lower(self, build: Any, x: Any) -> Any:
        """A mean over the spatial axes."""
        from nnspec.ops.reduce import Mean

        self.infer(x.type)
        return build.apply(Mean(tuple(range(1, x.type.rank))), x)


class GlobalMaxPool(Op):
    """The largest entry of every channel; a tie passes its gradient to the first. Shapes: x (C, *N) -> y (C).

    C1: x has one to three axes after its channels.
    """

    name: ClassVar[str] = "global_max_pool"
    family: ClassVar[str] = "pooling"

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        require_float(self, x)
        return x.with_shape(x.shape[:1])


def _numbers(op: Any, axis: int) -> tuple[int, int, int]:
    return op.size[axis], op.stride[axis], op.padding[axis]


def _ceil_count(n: Size, k: int, s: int, p: int) -> Size:
    """ceil((N + 2p - k) / s) + 1, without a window that starts at N + p or later."""
    rounded = (n + 2 * p - k + s - 1) // s + 1
    return dim_min(rounded, (n + p - 1) // s + 1)
