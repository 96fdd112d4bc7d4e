"""Convolutions and their transposes over one, two or three spatial axes, channels first."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from nnspec.ir.dims import divide_exactly, is_at_least
from nnspec.ir.types import Shape, Size, TensorType, product
from nnspec.ops.base import (
    GLOROT_UNIFORM,
    SPATIAL_NAMES,
    ZEROS,
    Init,
    Op,
    Param,
    ShapeError,
    Sizes,
    require_float,
    require_rank,
    spatial_tuple,
    whole,
)
from nnspec.suggest import either

IMAGE_FORMS = "[channels, width], [channels, height, width] or [channels, depth, height, width]"


class Conv(Op):
    """y[o] = b[o] + sum_c x[c] * W[o, c]: cross-correlation over the axes after the first.

    Shapes: x (I, *N), weight (O, I / groups, *kernel), bias (O) -> y (O, *M) with one, two or three spatial axes and
    M = floor((N + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1.
    C1: x has one to three axes after its channels.
    C2: kernel, stride, padding, dilation are one number or one for each spatial axis (canonical: a tuple).
    C3: the dilated kernel fits the padded input.
    C4: groups divides the channels of x and of y.
    C5: the channels of x are a whole number, not an open size.
    C6: `padding = same` needs stride 1; it pads dilation*(kernel - 1) in all, an odd one more at the end.
    Default initialiser: glorot_uniform for weight (Glorot and Bengio, 2010), zeros for bias.
    Settings:
        channels: channels of the output
        kernel: size of the window
        stride: step from one window to the next
        padding: zeros on either side, or `same` to keep the size
        dilation: distance of neighbouring entries of the window
        groups: parts of the channels that do not see each other
        bias: whether b is added
    """

    name: ClassVar[str] = "conv"
    family: ClassVar[str] = "linear"
    internal: ClassVar[frozenset[str]] = frozenset({"extra"})
    channels: Size
    kernel: Sizes
    stride: Sizes = 1
    padding: Sizes | Literal["same"] = 0
    dilation: Sizes = 1
    groups: Size = 1
    bias: bool = True
    weight_init: Init = GLOROT_UNIFORM
    bias_init: Init = ZEROS
    extra: tuple[int, ...] = ()  # what `same` pads at the end beyond `padding`; `prepare` has done it

    def bind(self, x: TensorType) -> Conv:
        rank = spatial_rank(self, x)
        kernel = spatial_tuple(self, "kernel", self.kernel, rank)
        stride = spatial_tuple(self, "stride", self.stride, rank)
        dilation = spatial_tuple(self, "dilation", self.dilation, rank)
        extra = self.extra or (0,) * rank
        if self.padding == "same":
            padding, extra = _same_padding(self, kernel, stride, dilation)
        else:
            padding = spatial_tuple(self, "padding", self.padding, rank, least=0)
        return self.replace(kernel=kernel, stride=stride, padding=padding, dilation=dilation, extra=extra)

    def prepare(self, build: Any, *values: Any) -> tuple[Any, ...]:
        from nnspec.ops.shape import Pad

        if not any(self.extra):
            return values
        return (
            build.apply(Pad(((0, 0), *((0, n) for n in self.extra)), tuple(range(values[0].type.rank))), values[0]),
        )

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        op = self.bind(x)
        _require_groups(op, x.shape[0], self.channels, self.groups)
        sizes = window_counts(op, x, op.kernel, op.stride, op.padding, op.dilation)
        return x.with_shape((self.channels, *sizes))

    def params(self, x: TensorType) -> dict[str, Param]:
        kernel = spatial_tuple(self, "kernel", self.kernel, x.rank - 1)
        shape = whole(self, (self.channels, x.shape[0] // self.groups, *kernel), constraint="C5")
        found = {"weight": Param(shape, self.weight_init)}
        if self.bias:
            found["bias"] = Param(shape[:1], self.bias_init, "bias")
        return found

    def macs(self, x: TensorType) -> Size:
        kernel = spatial_tuple(self, "kernel", self.kernel, x.rank - 1)
        return product(self.infer(x).shape) * (x.shape[0] // self.groups) * product(kernel)


class ConvTranspose(Op):
    """The transpose of a convolution: each entry of x adds its multiple of the kernel to y.

    Shapes: x (I, *N), weight (I, O / groups, *kernel), bias (O) -> y (O, *M) with
    M = (N - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1.
    C1: x has one to three axes after its channels.
    C2: kernel, stride, padding, output_padding, dilation are one number or one for each spatial axis.
    C3: every size of y is at least 1.
    C4: groups divides the channels of x and of y.
    C5: the channels of x are a whole number, not an open size.
    C6: output_padding is smaller than stride or dilation (it tells apart the sizes a stride rounds together).
    Default initialiser: glorot_uniform for weight (Glorot and Bengio, 2010), zeros for bias.
    Settings:
        channels: channels of the output
        kernel: size of the window
        stride: distance of neighbouring windows in the output
        padding: entries cut off on either side
        output_padding: entries added at the end
        dilation: distance of neighbouring entries of the window
        groups: parts of the channels that do not see each other
        bias: whether b is added
    """

    name: ClassVar[str] = "conv_transpose"
    family: ClassVar[str] = "linear"
    channels: Size
    kernel: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: Size = 1
    bias: bool = True
    weight_init: Init = GLOROT_UNIFORM
    bias_init: Init = ZEROS

    def bind(self, x: TensorType) -> ConvTranspose:
        rank = spatial_rank(self, x)
        numbers = {
            name: spatial_tuple(self, name, getattr(self, name), rank) for name in ("kernel", "stride", "dilation")
        }
        numbers |= {
            name: spatial_tuple(self, name, getattr(self, name), rank, least=0)
            for name in ("padding", "output_padding")
        }
        for more, stride, dilation in zip(*(numbers[n] for n in ("output_padding", "stride", "dilation")), strict=True):
            if more and more >= max(stride, dilation):
                raise ShapeError(
                    f"output_padding {more} of conv_transpose is not below stride {stride} or dilation {dilation}",
                    code="E0306",
                    constraint="C6",
                    help=f"output_padding <= {max(stride, dilation) - 1}",
                )
        return self.replace(**numbers)

    def infer(self, x: TensorType) -> TensorType:
        require_float(self, x)
        op = self.bind(x)
        _require_groups(op, x.shape[0], self.channels, self.groups)
        names = SPATIAL_NAMES[x.rank - 1]
        sizes: list[Size] = []
        for axis, n in enumerate(x.shape[1:]):
            k, s, p, more, d = (_at(op, f, axis) for f in ("kernel", "stride", "padding", "output_padding", "dilation"))
            m = (n - 1) * s - 2 * p + d * (k - 1) + more + 1
            if is_at_least(0, m):
                reach = f"{k - 1}" if d == 1 else f"{d}*({k} - 1)"
                raise ShapeError(
                    f"conv_transpose leaves nothing of its input {show_sizes(x.shape[1:])}",
                    constraint="C3",
                    detail=f"output {names[axis]} ({n} - 1)*{s} - 2*{p} + {reach} + {more} + 1 = {m}",
                    help=f"padding <= {_most_padding(op, x)}",
                )
            sizes.append(m)
        return x.with_shape((self.channels, *sizes))

    def params(self, x: TensorType) -> dict[str, Param]:
        kernel = spatial_tuple(self, "kernel", self.kernel, x.rank - 1)
        outputs, *rest = whole(
            self, (self.channels, x.shape[0], self.channels // self.groups, *kernel), constraint="C5"
        )
        found = {"weight": Param(tuple(rest), self.weight_init)}
        if self.bias:
            found["bias"] = Param((outputs,), self.bias_init, "bias")
        return found

    def macs(self, x: TensorType) -> Size:
        kernel = spatial_tuple(self, "kernel", self.kernel, x.rank - 1)
        return product(x.shape) * (self.channels // self.groups) * product(kernel)


# ---------------------------------------------------------------- shared with pooling


def spatial_rank(op: Op, x: TensorType, form: str = IMAGE_FORMS) -> int:
    require_rank(op, x, 2, 4, form)
    return x.rank - 1


def show_sizes(sizes: Shape) -> str:
    """`5x5`: the sizes of an image or a kernel in a message."""
    return "x".join(f"({n})" if " " in str(n) else str(n) for n in sizes)


def window_counts(
    op: Op,
    x: TensorType,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    *,
    pads: bool = True,
    what: str = "kernel",
) -> Shape:
    """floor((N + 2p - d(k - 1) - 1) / s) + 1 for every spatial axis, each at least 1 (C3)."""
    sizes: list[Size] = []
    for axis, n in enumerate(x.shape[1:]):
        k, s, p, d = kernel[axis], stride[axis], padding[axis], dilation[axis]
        m = (n + 2 * p - d * (k - 1) - 1) // s + 1
        if is_at_least(0, m):
            _refuse_window(x, kernel, stride, padding, dilation, axis, m, what, pads)
        sizes.append(m)
    return tuple(sizes)


def _refuse_window(
    x: TensorType, kernel: Any, stride: Any, padding: Any, dilation: Any, axis: int, m: Size, what: str, pads: bool
) -> None:
    spatial = x.shape[1:]
    k, s, p, d = kernel[axis], stride[axis], padding[axis], dilation[axis]
    window = f"{k}" if d == 1 else f"{d}*({k} - 1) - 1"
    padded = tuple(n + 2 * q for n, q in zip(spatial, padding, strict=True))
    spread = "" if d == 1 else f" with dilation {d}"
    numbers = [
        (n, q, w, e) for n, q, w, e in zip(spatial, padding, kernel, dilation, strict=True) if isinstance(n, int)
    ]
    most = [(n + 2 * q - 1) // e + 1 for n, q, w, e in numbers]  # the largest kernel
    least = [max(q, -((n - e * (w - 1) - 1) // 2)) for n, q, w, e in numbers]  # the smallest padding
    fixes = []
    if len(most) == len(kernel) and min(most) > 0:
        allowed = [min(pair) for pair in zip(kernel, most, strict=True)]
        fixes.append(f"{what} <= {min(allowed) if len(set(kernel)) == 1 else allowed}")
    if pads and numbers:
        fixes.append(f"padding >= {max(least)}")
    raise ShapeError(
        f"{what} {show_sizes(kernel)}{spread} does not fit its padded input {show_sizes(padded)}",
        constraint="C3",
        detail=f"output {SPATIAL_NAMES[len(spatial)][axis]} ({spatial[axis]} + 2*{p} - {window})/{s} + 1 = {m}",
        help=", or ".join(fixes),
    )


def _same_padding(
    op: Conv, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(padding, extra) that keep the size at stride 1."""
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    padding, extra = tuple(n // 2 for n in total), tuple(n % 2 for n in total)
    if any(s != 1 for s in stride):
        number = str(padding[0]) if len(set(padding)) == 1 else str(list(padding))
        raise ShapeError(
            "padding = same keeps the size at stride 1 only",
            code="E0306",
            constraint="C6",
            detail=f"stride {stride[0] if len(set(stride)) == 1 else list(stride)} makes it smaller",
            help=f"padding = {number}",
        )
    return padding, extra


def _require_groups(op: Op, inputs: Size, outputs: Size, groups: Size) -> None:
    for what, channels in (("input", inputs), ("output", outputs)):
        if divide_exactly(channels, groups) is None:
            fits = [g for g in range(1, 65) if inputs % g == 0 and outputs % g == 0]
            raise ShapeError(
                f"{op.name} cannot split {channels} {what} channels into {groups} groups",
                code="E0314",
                constraint="C4",
                help=f"groups = {either(map(str, fits))}" if fits and isinstance(channels, int) else "",
            )


def _at(op: Op, field: str, axis: int) -> int:
    value: int = getattr(op, field)[axis]
    return value


def _most_padding(op: ConvTranspose, x: TensorType) -> int:
    return min(
        (
            (n - 1) * _at(op, "stride", a)
            + _at(op, "dilation", a) * (_at(op, "kernel", a) - 1)
            + _at(op, "output_padding", a)
        )
        // 2
        for a, n in enumerate(x.shape[1:])
        if isinstance(n, int)
    )
