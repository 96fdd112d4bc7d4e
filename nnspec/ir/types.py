"""Tensor types: dtype, the shape of one example, and whether there is a batch axis before it."""

from __future__ import annotations

from nnspec.ir.dims import Dim
from nnspec.record import Record

Size = int | Dim
Shape = tuple[Size, ...]

FLOAT = "float32"  # the working float: `precision` and `--dtype` say what it is when the model runs
DTYPES = ("float32", "int32", "int64", "uint8", "bool", "class")


class TensorType(Record):
    """What is known of a tensor before anything runs.

    `shape` counts example axes only. `batched` says that the value differs between examples, so
    that emitted code holds it with a leading batch axis; parameters and constants are not batched.
    `classes` is the C of `class(C)`, 0 for other dtypes.
    """

    dtype: str
    shape: Shape
    batched: bool = True
    classes: int = 0

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype == FLOAT

    @property
    def is_integer(self) -> bool:
        return self.dtype in ("int32", "int64", "uint8", "class")

    def with_shape(self, shape: Shape) -> TensorType:
        return self.replace(shape=shape)

    def __str__(self) -> str:
        name = f"class({self.classes})" if self.dtype == "class" else self.dtype
        return f"{name}[{', '.join(map(str, self.shape))}]" if self.shape else name


def show_shape(shape: Shape) -> str:
    """`[6, 14, 14]`, as the language writes it."""
    return "[" + ", ".join(map(str, shape)) + "]"


def product(sizes: Shape) -> Size:
    total: Size = 1
    for size in sizes:
        total = total * size
    return total
