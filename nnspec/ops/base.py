"""The pattern every op follows, and the small vocabulary of setting kinds.

An op is a `Record` whose fields are its settings. The elaborator makes it from the settings of a call,
`bind`s it to the types of its inputs (which makes every setting canonical: `kernel = 3` becomes
`(3, 3)`, `axis = -1` the axis counted from 0, `padding = same` numbers) and asks it for its outputs.

    class Dense(Op):
        units: Size
        bias: bool = True
        weight_init: Init = GLOROT_UNIFORM

The annotation of a setting is its kind (one of the aliases below, or a `Literal` of choices); the
elaborator checks and converts values by it, and docs and completion print it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nnspec.ir.types import Size, TensorType
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

# Kinds of settings, by annotation. "Size": a whole number >= 1 or an open size. "Whole": a whole number
# >= 0 ("Integer": any). "Real": any number; "Probability": in [0, 1]; "Positive": > 0. "Sizes": one Whole, or a list
# with one for each spatial axis. "Axis": an integer, negative from the end; "Axes": one or a list. "Shape":
# a list of sizes, -1 allowed once where the op says so. "Init": an initialiser. "Literal[...]": one of the
# names (written as a bare word). "Numbers": a nested list of numbers. bool: true or false. Optional: "| None".


class ShapeError(Exception):
    """A rule of an op does not hold for its inputs.

    `message` is one line; `detail` stands under the carets (the formula with its numbers); `help`
    is a fix; `constraint` is the number of the rule in the op's docstring ("C2"); `input` is the index
    of the tensor at fault, whose origin is labelled ("gives [6, 5, 5]"); `code` is the diagnostic's.
    """

    def __init__(
        self, message: str, *, code: str = "E0301", detail: str = "", help: str = "", constraint: str = "", input: int = 0
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.detail, self.help = message, code, detail, help
        self.constraint, self.input = constraint, input


class Initialiser(Record):
    """How a parameter's first values are drawn. `name` is the language's; `settings` its numbers, by name.

    Fans follow PyTorch: fan_in = shape[1] * receptive field, fan_out = shape[0] * receptive field.
    """

    name: str
    settings: tuple[tuple[str, Any], ...] = ()


class Param(Record):
    """A parameter an op declares: shape (whole numbers), default initialiser, role (see `ir.graph.Parameter`)."""

    shape: tuple[int, ...]
    init: Initialiser
    role: str = "weight"


class Op(Record):
    """Base of all operations. Subclasses override what differs.

    `name` is the word in the language ("" for ops that only lowering makes), `tensors` the names of
    its tensor places in order, `variadic` whether any number of tensors may come instead.
    `elementwise` marks ops whose tensors were broadcast to a common rank before the op sees them.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    tensors: ClassVar[tuple[str, ...]] = ("x",)
    variadic: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    noisy: ClassVar[bool] = False  # draws random numbers in training: needs a Layer of its own

    def bind(self, *inputs: TensorType) -> Op:
        """This op with every setting canonical for inputs of these types. May raise ShapeError."""
        return self

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """The type of the output (a tuple for `split`). `batched` of the result is any of the inputs'
        unless the op sets it; rules look at example axes only. Raises ShapeError."""
        raise NotImplementedError(type(self).__name__)

    def params(self, *inputs: TensorType) -> dict[str, Param]:
        """Parameters and buffers by local name, in PyTorch's order (weight, bias, running_mean, ...)."""
        return {}

    def macs(self, *inputs: TensorType) -> Size:
        """Multiply-adds of one example, as torchvision counts: convolutions and matrix products only."""
        return 0

    # Set on composites only: build the op from core ops instead (see `ops.lowering`).
    lower: ClassVar[Callable[..., Any] | None] = None


def batched(*inputs: TensorType) -> bool:
    """A result is batched if anything it depends on is."""
    return any(t.batched for t in inputs)
