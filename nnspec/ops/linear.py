"""Dense layers, embeddings and matrix products."""

from __future__ import annotations

from typing import Any, ClassVar

from nnspec.ir.dims import same
from nnspec.ir.types import FLOAT, Shape, Size, TensorType, product, show_shape
from nnspec.ops.base import (
    GLOROT_UNIFORM,
    ZEROS,
    Init,
    Initialiser,
    Op,
    Param,
    ShapeError,
    batched,
    broadcast,
    cast_all,
    promote,
    require_float,
    require_same_size,
    whole,
)

NORMAL = Initialiser("normal", (("std", 1.0),))


class Dense(Op):
    """y = x W^T + b over the last axis.

    Shapes: x (..., I), weight (O, I), bias (O) -> y (..., O).
    C1: x has at least one axis.
    C2: the last axis of x and `units` are whole numbers, not open sizes.
    Default initialiser: glorot_uniform for weight (Glorot and Bengio, 2010), zeros for bias.
    Settings:
        units: features of the output
        bias: whether b is added
    """

    name: ClassVar[str] = "dense"
    family: ClassVar[str] = "linear"
    units: Size
    bias: bool = True
    weight_init: Init = GLOROT_UNIFORM
    bias_init: Init = ZEROS

    def infer(self, x: TensorType) -> TensorType:
        if not x.rank:
            raise ShapeError(
                "dense needs at least one axis, its input is a scalar",
                code="E0305",
                constraint="C1",
                help="reshape([1]) first",
            )
        require_float(self, x)
        return x.with_shape((*x.shape[:-1], self.units))

    def params(self, x: TensorType) -> dict[str, Param]:
        shape = whole(self, (self.units, x.shape[-1]))
        found = {"weight": Param(shape, self.weight_init)}
        if self.bias:
            found["bias"] = Param(shape[:1], self.bias_init, "bias")
        return found

    def macs(self, x: TensorType) -> Size:
        return product(x.shape) * self.units


class Embedding(Op):
    """Row `x` of a table, for every entry of x.

    Shapes: x (...) of whole numbers in [0, vocab), weight (vocab, features) -> y (..., features).
    C1: x is an integer tensor (`class`, int32, int64, uint8).
    C2: vocab and features are whole numbers.
    C3: a `class(C)` input has C <= vocab.
    Default initialiser: normal(1), as torch.nn.Embedding.
    Settings:
        vocab: rows of the table
        features: numbers in a row
    """

    name: ClassVar[str] = "embedding"
    family: ClassVar[str] = "linear"
    vocab: Size
    features: Size
    weight_init: Init = NORMAL

    def infer(self, x: TensorType) -> TensorType:
        if not x.is_integer:
            raise ShapeError(
                f"embedding looks up whole numbers, its input is {x}",
                code="E0302",
                constraint="C1",
                help=f"declare the input as class({self.vocab}), or use dense for numbers",
            )
        if isinstance(self.vocab, int) and x.classes > self.vocab:
            raise ShapeError(
                f"embedding has {self.vocab} rows for {x.classes} classes",
                code="E0315",
                constraint="C3",
                help=f"embedding({x.classes}, {self.features})",
            )
        return TensorType(FLOAT, (*x.shape, self.features), x.batched)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param(whole(self, (self.vocab, self.features)), self.weight_init)}


class Matmul(Op):
    """The matrix product over the last two axes; axes before them broadcast.

    Shapes: a (..., N, K), b (..., K, M) -> y (..., N, M).
    C1: both have at least two axes, and in a graph those that are batched have equal rank (see `MatmulCall`);
        a batched vector times an unbatched matrix is a row times a matrix for every example: (K), (K, M) -> (M).
    C2: the last axis of a equals the second last of b.
    C3: the axes before broadcast.
    """

    family: ClassVar[str] = "linear"
    name: ClassVar[str] = "matmul"
    tensors: ClassVar[tuple[str, ...]] = ("a", "b")

    def expects(self, a: TensorType, b: TensorType) -> tuple[TensorType, ...]:
        return cast_all((a, b), promote(a, b))

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        rows, columns = _matrix_product(self, a, b)
        lead = broadcast(self, a.with_shape(a.shape[:-2]), b.with_shape(b.shape[:-2]))
        return TensorType(promote(a, b), (*lead, *rows, *columns), batched(a, b))

    def macs(self, a: TensorType, b: TensorType) -> Size:
        return product(self.infer(a, b).shape) * a.shape[-1]


class MatmulCall(Matmul):
    """`matmul(a, b)` as it is written: a vector counts as a row on the left and as a column on the right.

    Shapes: as Matmul, or a (K) or b (K), whose axis is missing in y; two vectors give a scalar.
    C1: both have at least one axis.
    C2, C3: as Matmul.
    """

    def lower(self, build: Any, a: Any, b: Any) -> Any:
        """Matmul of operands with two axes or more, then the axes of vectors are dropped again."""
        result = self.infer(a.type, b.type)
        if a.type.rank == 1 and a.type.batched and b.type.rank == 2 and not b.type.batched:
            return build.apply(Matmul(), a, b)  # the rows of a batch are a matrix
        left = a if a.type.rank > 1 else _reshaped(build, a, (1, *a.type.shape))
        right = b if b.type.rank > 1 else _reshaped(build, b, (*b.type.shape, 1))
        rank = max(left.type.rank, right.type.rank)
        left, right = _with_rank(build, left, rank, right), _with_rank(build, right, rank, left)
        found = build.apply(Matmul(), left, right)
        return found if found.type.shape == result.shape else _reshaped(build, found, result.shape)


def _matrix_product(op: Op, a: TensorType, b: TensorType) -> tuple[Shape, Shape]:
    """The sizes that are left of the last two axes of each operand, after the rules that both forms share."""
    for index, t in enumerate((a, b)):
        if not t.rank:
            raise ShapeError(
                "matmul multiplies matrices and vectors, not a scalar",
                code="E0305",
                constraint="C1",
                help="a * b multiplies by a number",
                input=index,
            )
    inner = b.shape[-2] if b.rank > 1 else b.shape[-1]
    place = "second last" if b.rank > 1 else "last"
    what = f"the last axis of a {show_shape(a.shape)} must equal the {place} of b {show_shape(b.shape)}"
    turned = b.rank > 1 and same(a.shape[-1], b.shape[-1])
    help = "transpose turns the last two axes of b: matmul(a, transpose(b))" if turned else ""
    require_same_size(op, a.shape[-1], inner, what, constraint="C2", help=help)
    return a.shape[-2:-1], b.shape[-1:] if b.rank > 1 else ()


def _with_rank(build: Any, value: Any, rank: int, other: Any) -> Any:
    """Leading ones, where the batch axis would otherwise meet an axis of the other operand."""
    if value.type.rank == rank or not value.type.batched:
        return value
    return _reshaped(build, value, (1,) * (rank - value.type.rank) + value.type.shape)


def _reshaped(build: Any, value: Any, shape: Shape) -> Any:
    from nnspec.ops.shape import Reshape

    return build.apply(Reshape(shape), value)
