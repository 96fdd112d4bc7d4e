"""What each operation does to the sights of its inputs: one row a family, in `RULES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from nnspec.ir.graph import Node
from nnspec.ir.types import Size
from nnspec.ops import (
    activation,
    arithmetic,
    attention,
    constant,
    conv,
    core,
    index,
    join,
    linear,
    noise,
    norm,
    pool,
    recurrent,
    reduce,
    shape,
)
from nnspec.views.sight import Ends, Moves, Sight, mixed, window

Rule = Callable[[Sight, Node, int], Sight]  # the sight of an input, the operation, the place of the input


def unknown(sight: Sight, node: Node, place: int) -> Sight:
    anywhere = dict.fromkeys(range(len(sight.seen)))
    return sight.replace(seen=(None,) * len(sight.seen), moves=(anywhere,) * node.outputs[0].type.rank)


def _entrywise(sight: Sight, node: Node, place: int) -> Sight:
    """Axes are those of the output, from the last; an axis of size 1 that was stretched stands still."""
    x, y = node.inputs[place].type.shape, node.outputs[0].type.shape
    new: Moves = ({},) * (len(y) - len(x))
    kept = ({} if n == 1 and m != 1 else move for move, n, m in zip(sight.moves, x, y[len(y) - len(x) :], strict=True))
    return sight.replace(moves=(*new, *kept))


def _mixing(axes_of: Callable[[Any, int], Iterable[int]], drop: bool = False) -> Rule:
    """The rule of an operation that mixes some axes (by the operation and the rank) and keeps or drops them."""

    def rule(sight: Sight, node: Node, place: int) -> Sight:
        x = node.inputs[place].type
        axes = set(axes_of(node.op, x.rank))
        wide = mixed(sight, axes)
        if drop and node.outputs[0].type.rank != x.rank:
            return wide.replace(moves=tuple(m for axis, m in enumerate(wide.moves) if axis not in axes))
        return wide

    return rule


def _everything(sight: Sight, node: Node, place: int) -> Sight:
    """Every entry of the output sees every entry of the input."""
    x = node.inputs[place].type
    return mixed(sight, range(x.rank)).replace(moves=({},) * node.outputs[0].type.rank)


def _windows(op: Any, kernel: str) -> Iterable[tuple[int, int, int, int]]:
    """(kernel, dilation, stride, padding) of a convolution or pool, by spatial axis."""
    sizes = getattr(op, kernel)
    return zip(sizes, getattr(op, "dilation", (1,) * len(sizes)), op.stride, op.padding, strict=True)


def _slid(kernel: str) -> Rule:
    """The rule of a window that slides over the spatial axes; `kernel` is the setting that holds its size."""

    def rule(sight: Sight, node: Node, place: int) -> Sight:
        for axis, (k, d, s, p) in enumerate(_windows(node.op, kernel), 1):
            sight = window(sight, node.outputs[0].type.shape[axis], axis, _between(k, d, s, p), Fraction(s))
        return mixed(sight, [0]) if kernel == "kernel" else sight

    return rule


def _between(k: int, d: int, s: int, p: int) -> Ends:
    return lambda o: (s * o - p, s * o - p + d * (k - 1))


def _conv_transpose(sight: Sight, node: Node, place: int) -> Sight:
    """Entry o hears from the entries i with s i = o + p - d t, t from 0 to k - 1."""
    for axis, (k, d, s, p) in enumerate(_windows(node.op, "kernel"), 1):
        heard = [[(o + p - d * t) // s for t in range(k) if (o + p - d * t) % s == 0] for o in range(s)]
        if not all(heard):  # between the kernels there are gaps, which see nothing
            return unknown(sight, node, place)
        sight = window(sight, node.outputs[0].type.shape[axis], axis, _repeated(heard, s), Fraction(1, s))
    return mixed(sight, [0])


def _repeated(heard: list[list[int]], s: int) -> Ends:
    return lambda o: (min(heard[o % s]) + o // s, max(heard[o % s]) + o // s)


def _upsample(sight: Sight, node: Node, place: int) -> Sight:
    """`nearest` reads entry floor(o / f); `linear` both neighbours of (o + 1/2) / f - 1/2."""
    op: Any = node.op
    for axis, factor in enumerate(op.factor, 1):
        ends = _nearest(factor) if op.mode == "nearest" else _linear(factor)
        sight = window(sight, node.outputs[0].type.shape[axis], axis, ends, Fraction(1, factor))
    return sight


def _nearest(f: int) -> Ends:
    return lambda o: (o // f, o // f)


def _linear(f: int) -> Ends:
    return lambda o: ((2 * o + 1 - f) // (2 * f), -((f - 2 * o - 1) // (2 * f)))


def _adaptive(sight: Sight, node: Node, place: int) -> Sight:
    """Entry o is the mean of the entries from floor(o n / m) to ceil((o + 1) n / m), exclusive."""
    op: Any = node.op
    for axis, (n, m) in enumerate(zip(node.inputs[place].type.shape[1:], op.size, strict=True), 1):
        if m == 1:
            sight = mixed(sight, [axis])
        elif isinstance(n, int):
            sight = window(sight, m, axis, _portion(n, m), Fraction(n, m))
        else:
            return unknown(sight, node, place)
    return sight


def _portion(n: int, m: int) -> Ends:
    return lambda o: (o * n // m, -(-(o + 1) * n // m) - 1)


def _pad(sight: Sight, node: Node, place: int) -> Sight:
    op: Any = node.op
    for axis, (before, _) in enumerate(op.amount):
        sight = window(sight, node.outputs[0].type.shape[axis], axis, _between(1, 1, 1, before), Fraction(1))
    return sight


def _index(sight: Sight, node: Node, place: int) -> Sight:
    op: Any = node.op
    kept: list[int] = []
    size: Size
    for axis, item in enumerate(op.items):
        if not isinstance(item, index.Slice):
            start, step, size = item, 1, 1
        else:
            start, step, size = item.start or 0, item.step, node.outputs[0].type.shape[len(kept)]
            kept.append(axis)
        if not isinstance(start, int) or start < 0:
            return unknown(sight, node, place)
        sight = window(sight, size, axis, _between(1, 1, step, -start), Fraction(step))
    return sight.replace(moves=tuple(sight.moves[axis] for axis in kept))


def part(sight: Sight, node: Node, number: int) -> Sight:
    """One of the tensors that an axis was cut into."""
    op: Any = node.op
    sizes = op.parts
    if not all(isinstance(size, int) for size in sizes):
        return unknown(sight, node, 0)
    return window(sight, sizes[number], op.axis, _between(1, 1, 1, -sum(sizes[:number])), Fraction(1))


def _permute(sight: Sight, node: Node, place: int) -> Sight:
    op: Any = node.op
    order: Any = op.axes if isinstance(op, shape.Permute) else (*range(len(sight.moves) - 2), -1, -2)
    return sight.replace(moves=tuple(sight.moves[axis] for axis in order))


def _scattered(axis_of: Callable[[Any], int]) -> Rule:
    """The entries of an axis come to stand elsewhere: it is not known where."""

    def rule(sight: Sight, node: Node, place: int) -> Sight:
        at = axis_of(node.op)
        moves = (dict.fromkeys(m) if axis == at else m for axis, m in enumerate(sight.moves))
        return sight.replace(moves=tuple(moves))

    return rule


def _reshape(sight: Sight, node: Node, place: int) -> Sight:
    """Axes between which the counts of entries agree before and after are joined; others stay what they are."""
    x, y = node.inputs[place].type.shape, node.outputs[0].type.shape
    if len(x) < len(y) and y[len(y) - len(x) :] == x and all(n == 1 for n in y[: len(y) - len(x)]):
        return sight.replace(moves=(*({} for _ in range(len(y) - len(x))), *sight.moves))
    if not all(isinstance(n, int) for n in (*x, *y)):
        return sight.replace(moves=(_joined(sight.moves),) * len(y))
    moves: list[Mapping[int, Fraction | None]] = []
    i = 0
    left: Any = 1  # entries of the axes so far, before and after
    right: Any = 1
    group: list[Mapping[int, Fraction | None]] = []
    waiting = 0
    for m in y:
        right, waiting = right * m, waiting + 1
        while left < right and i < len(x):
            left, group, i = left * x[i], [*group, sight.moves[i]], i + 1
        if left == right:
            real = [g for g in group if g]
            alone = waiting == 1 and len(real) <= 1
            moves += [real[0] if real and alone else _joined(group)] * waiting
            group, waiting = [], 0
    moves += [_joined([*group, *sight.moves[i:]])] * waiting
    return sight.replace(moves=tuple(moves))


def _joined(moves: Iterable[Mapping[int, Fraction | None]]) -> Mapping[int, Fraction | None]:
    return {axis: None for move in moves for axis in move}


def _matmul(sight: Sight, node: Node, place: int) -> Sight:
    """a (..., N, K) and b (..., K, M): the axis K is mixed, N comes from a, M from b."""
    x, rank = node.inputs[place].type, node.outputs[0].type.rank
    if x.rank < 2 or rank < 2:
        return _everything(sight, node, place)
    inner = x.rank - 1 if place == 0 else x.rank - 2
    moves = list(mixed(sight, [inner]).moves)
    return mixed(sight, [inner]).replace(moves=(*({} for _ in range(rank - x.rank)), *moves))


def _attention(sight: Sight, node: Node, place: int) -> Sight:
    rank = node.inputs[place].type.rank
    return mixed(sight, [rank - 1] if place == 0 else [rank - 2, rank - 1])


def _concat(sight: Sight, node: Node, place: int) -> Sight:
    op: Any = node.op
    return _scattered(lambda _: op.axis)(sight, node, place)


def _stack(sight: Sight, node: Node, place: int) -> Sight:
    op: Any = node.op
    return sight.replace(moves=(*sight.moves[: op.axis], {}, *sight.moves[op.axis :]))


def _featured(sight: Sight, node: Node, place: int) -> Sight:
    """A new last axis."""
    return sight.replace(moves=(*sight.moves, {}))


def _last(op: Any, rank: int) -> Iterable[int]:
    return [rank - 1]


def _axis(op: Any, rank: int) -> Iterable[int]:
    return [op.axis]


def _axes(op: Any, rank: int) -> Iterable[int]:
    return op.axis if isinstance(op.axis, tuple) else range(rank) if op.axis is None else [op.axis]


RULES: tuple[tuple[tuple[type, ...], Rule], ...] = (
    ((conv.ConvTranspose,), _conv_transpose),
    ((conv.Conv,), _slid("kernel")),
    ((pool.Pool,), _slid("size")),
    ((pool.AdaptiveAvgPool,), _adaptive),
    ((activation.AlongAxis,), _mixing(_axis)),
    ((norm.LayerNorm, norm.RmsNorm), _mixing(_last)),
    ((norm.GroupNorm,), _mixing(lambda op, rank: range(rank))),
    ((norm.InstanceNorm,), _mixing(lambda op, rank: range(1, rank))),
    ((norm.LocalResponseNorm,), _mixing(lambda op, rank: [0])),
    ((linear.Dense,), _mixing(_last)),
    ((linear.Matmul,), _matmul),
    ((linear.Embedding, constant.OneHot), _featured),
    ((attention.Attention,), _attention),
    ((attention.Rotary,), _mixing(_last)),
    ((recurrent.Recurrent,), _mixing(lambda op, rank: range(rank))),
    ((reduce.Reduction,), _mixing(_axes, drop=True)),
    ((reduce.Argmax,), _mixing(_axis, drop=True)),
    ((shape.Flatten, shape.Reshape), _reshape),
    ((shape.Permute, shape.Transpose), _permute),
    ((shape.Pad,), _pad),
    ((shape.Upsample,), _upsample),
    ((shape.Flip,), unknown),
    ((shape.Roll, shape.ShuffleChannels), _scattered(lambda op: getattr(op, "axis", 0))),
    ((index.Index,), _index),
    ((join.Concat,), _concat),
    ((join.Stack,), _stack),
    (
        (
            activation.Activation,
            arithmetic.Elementwise,
            arithmetic.Unary,
            attention.Sinusoidal,
            constant.Cast,
            constant.StopGradient,
            core.Identity,
            noise.Noise,
            norm.BatchNorm,
            shape.ExpandBatch,
        ),
        _entrywise,
    ),
)
"""The first row that an operation belongs to counts."""
