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

from nnspec.ir.dims import differ, provable_form, same
from nnspec.ir.types import FLOAT, Shape, Size, TensorType, show_shape
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

# Kinds of settings, by annotation. "Size": a whole number >= 1 or an open size. "Whole": a whole number
# >= 0 ("Integer": any). "Real": any number; "Probability": in [0, 1]; "Positive": > 0. "Sizes": one Whole, or a list
# with one for each spatial axis. "Axis": an integer, negative from the end; "Axes": one or a list. "Shape":
# a list of sizes, -1 allowed once where the op says so. "Init": an initialiser. "Literal[...]": one of the
# names (written as a bare word). "Numbers": a number or a nested list of numbers
# ("Reals": as floats). "Parts": a Size or a list of them.
# bool: true or false. Optional: "| None". Alternatives are separated by " | ".
Whole = int
Integer = int
Real = float
Probability = float
Positive = float
Sizes = int | tuple[int, ...]
Axis = int
Axes = int | tuple[int, ...]
Parts = Size | tuple[Size, ...]
Numbers = Any  # nested tuples of numbers
Reals = Any  # a float, or nested tuples of floats

# Codes of ShapeError: what went wrong, for `explain` and for tests.
CODES = {
    "E0301": "sizes do not fit: a kernel in its input, a count of elements in a shape",
    "E0302": "an op got a tensor of a dtype it has no meaning for",
    "E0303": "two shapes that must agree, or broadcast, differ",
    "E0304": "an equality of open sizes that cannot be proved",
    "E0305": "a tensor has too few or too many axes, or an axis or index is out of range",
    "E0306": "a setting that is impossible for this input",
    "E0310": "a parameter would have an open size",
    "E0314": "parts that do not divide what they are parts of",
    "E0315": "a number of classes that differs from the declared one",
    "E0316": "a constant whose lists have another shape",
}


class ShapeError(Exception):
    """A rule of an op does not hold for its inputs.

    `message` is one line; `detail` stands under the carets (the formula with its numbers); `help`
    is a fix; `constraint` is the number of the rule in the op's docstring ("C2"); `input` is the index
    of the tensor at fault, whose origin is labelled ("gives [6, 5, 5]"); `code` is the diagnostic's.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "E0301",
        detail: str = "",
        help: str = "",
        constraint: str = "",
        input: int = 0,
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


Init = Initialiser

GLOROT_UNIFORM = Initialiser("glorot_uniform")
ZEROS = Initialiser("zeros")
ONES = Initialiser("ones")


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
    `internal` names fields that no call can set.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    tensors: ClassVar[tuple[str, ...]] = ("x",)
    variadic: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    noisy: ClassVar[bool] = False  # draws random numbers in training: needs a Layer of its own
    internal: ClassVar[frozenset[str]] = frozenset()

    # The parameters of the rules are `Any` so that each op may name its tensors: `def infer(self, q, k, v)`.

    def bind(self, *inputs: Any, **_: Any) -> Op:
        """This op with every setting canonical for inputs of these types. May raise ShapeError."""
        return self

    def expects(self, *inputs: Any, **_: Any) -> tuple[TensorType, ...]:
        """The types a bound op wants its inputs converted to before it sees them: another dtype (integers
        that meet floats) or another shape of as many elements ([1] that meets a scalar)."""
        return inputs

    def prepare(self, build: Any, *values: Any) -> tuple[Any, ...]:
        """The values a bound op reads in place of these, converted by ops that `build.apply(op, *values)` adds.

        The elaborator calls it between `bind` and `infer`, so that emitters never convert anything.
        """
        from nnspec.ops.constant import Cast, dtype_name
        from nnspec.ops.shape import Reshape

        prepared = []
        for value, wanted in zip(values, self.expects(*(v.type for v in values)), strict=True):
            if value.type.dtype != wanted.dtype:
                value = build.apply(Cast(dtype_name(wanted.dtype)), value)
            if value.type.shape != wanted.shape:
                value = build.apply(Reshape(wanted.shape), value)
            prepared.append(value)
        return tuple(prepared)

    def infer(self, *inputs: Any, **_: Any) -> TensorType | tuple[TensorType, ...]:
        """The type of the output (a tuple for `split`). `batched` of the result is any of the inputs'
        unless the op sets it; rules look at example axes only. Raises ShapeError."""
        raise NotImplementedError(type(self).__name__)

    def params(self, *inputs: Any, **_: Any) -> dict[str, Param]:
        """Parameters and buffers by local name, in PyTorch's order (weight, bias, running_mean, ...)."""
        return {}

    def macs(self, *inputs: Any, **_: Any) -> Size:
        """Multiply-adds of one example, as torchvision counts: convolutions and matrix products only."""
        return 0

    # Set on composites only: `lower(op, build, *values) -> value` makes the op from core ops instead, where
    # `build.apply(op, *values)` binds, checks and adds one op, and every value has a `.type`.
    lower: ClassVar[Callable[..., Any] | None] = None


# ---------------------------------------------------------------- rules that recur


def batched(*inputs: TensorType) -> bool:
    """A result is batched if anything it depends on is."""
    return any(t.batched for t in inputs)


def require_float(op: Op, x: TensorType, input: int = 0) -> None:
    """Layers compute with floats; an integer tensor reaching one is nearly always a forgotten embedding or cast."""
    if x.is_float:
        return
    fix = "cast(float32) first"
    if x.is_integer:
        fix = (
            f"embedding(...) or one_hot({x.classes or '...'}) makes numbers of classes; cast(float32) keeps the values"
        )
    raise ShapeError(
        f"{op.name} takes float32, its input is {x}", code="E0302", constraint="dtype", help=fix, input=input
    )


def require_rank(op: Op, x: TensorType, least: int, most: int | None, form: str, *, constraint: str = "C1") -> None:
    """`form` says the shape as the language writes it: `[channels, height, width]`."""
    if x.rank >= least and (most is None or x.rank <= most):
        return
    raise ShapeError(
        f"{op.name} takes {form}, its input is {show_shape(x.shape) if x.rank else 'a scalar'}",
        code="E0305",
        constraint=constraint,
        help=f"reshape([{', '.join(['1'] * (least - x.rank) + [str(n) for n in x.shape])}]) first"
        if x.rank < least
        else "",
    )


def axis_of(op: Op, x: TensorType, axis: int, *, extra: int = 0, constraint: str = "C1") -> int:
    """An axis counted from 0; `extra` is 1 where the axis may be a new last one (`stack`)."""
    rank = x.rank + extra
    if -rank <= axis < rank:
        return axis + rank if axis < 0 else axis
    allowed = f"axis is -{rank} to {rank - 1}" if rank else "a scalar has no axis"
    raise ShapeError(
        f"axis {axis} of {op.name} is not an axis of {show_shape(x.shape)}",
        code="E0305",
        constraint=constraint,
        help=allowed,
    )


def axes_of(op: Op, x: TensorType, axes: Axes | None, *, constraint: str = "C1") -> tuple[int, ...]:
    """Sorted axes counted from 0; None stands for all."""
    if axes is None:
        return tuple(range(x.rank))
    listed = tuple(
        axis_of(op, x, axis, constraint=constraint) for axis in (axes if isinstance(axes, tuple) else (axes,))
    )
    if len(set(listed)) < len(listed):
        written = list(axes) if isinstance(axes, tuple) else [axes]
        help = "axes are counted from 0, or from -1 at the end"
        message = f"{op.name} names an axis of {show_shape(x.shape)} twice: {written}"
        raise ShapeError(message, code="E0305", help=help, constraint=constraint)
    return tuple(sorted(listed))


def require_same_size(op: Op, a: Size, b: Size, what: str, *, constraint: str, input: int = 1, help: str = "") -> None:
    """Two sizes that must be equal: E0303 with `help` when they differ, E0304 when it cannot be proved."""
    if same(a, b):
        return
    if differ(a, b):
        message = f"{op.name}: {what}, got {a} and {b}"
        raise ShapeError(message, code="E0303", constraint=constraint, input=input, help=help)
    raise ShapeError(
        f"{op.name}: {what}; {a} = {b} cannot be proved",
        code="E0304",
        constraint=constraint,
        help=_provable_help(a, b),
        input=input,
    )


def _provable_help(a: Size, b: Size) -> str:
    form = provable_form(a, b)
    if form is not None:
        return f"declare the size as {form[1]} instead of {form[0]}: then both are equal"
    return "use the same dim for both, or whole numbers"


def broadcast(op: Op, *inputs: TensorType) -> Shape:
    """The shape that NumPy's rules give; axes are aligned from the right, a size of 1 stretches."""
    rank = max((t.rank for t in inputs), default=0)
    result: list[Size] = [1] * rank
    for index, t in enumerate(inputs):
        for axis, size in enumerate(t.shape, start=rank - t.rank):
            if result[axis] == 1:
                result[axis] = size
            elif size != 1 and not same(result[axis], size):
                _refuse_broadcast(op, inputs, result[axis], size, index)
    return tuple(result)


def _refuse_broadcast(op: Op, inputs: tuple[TensorType, ...], a: Size, b: Size, index: int) -> None:
    shapes = " and ".join(show_shape(t.shape) if t.rank else "a scalar" for t in inputs)
    if differ(a, b):
        raise ShapeError(
            f"{op.name or 'these'}: {shapes} do not broadcast",
            code="E0303",
            constraint="broadcast",
            detail=f"sizes {a} and {b} meet, aligned from the right",
            input=index,
        )
    raise ShapeError(
        f"{op.name or 'these'}: {shapes} broadcast only if {a} = {b}, which cannot be proved",
        code="E0304",
        constraint="broadcast",
        help=_provable_help(a, b),
        input=index,
    )


def promote(*inputs: TensorType) -> str:
    """The dtype of a result: floats win, then int64 (which classes are), then int32 (as which booleans count)."""
    if any(t.is_float for t in inputs):
        return FLOAT
    if any(t.dtype in ("int64", "class") for t in inputs):
        return "int64"
    return "int32"


def cast_all(inputs: tuple[TensorType, ...], dtype: str) -> tuple[TensorType, ...]:
    """The input types with another dtype (for `expects`); classes are int64 already."""
    kept = (dtype, "class") if dtype == "int64" else (dtype,)
    return tuple(t if t.dtype in kept else t.replace(dtype=dtype, classes=0) for t in inputs)


def whole(op: Op, shape: Shape, what: str = "weight", *, constraint: str = "C2") -> tuple[int, ...]:
    """A parameter's shape, which must not hold an open size (E0310)."""
    fixed = tuple(size for size in shape if isinstance(size, int))
    if len(fixed) == len(shape):
        return fixed
    raise ShapeError(
        f"{what if op.name == 'param' else f'the {what} of {op.name}'} would have the open size {show_shape(shape)}",
        code="E0310",
        constraint=constraint,
        help="parameters have fixed sizes: pool or reduce the open axes away first, or fix the dim",
    )


SPATIAL_NAMES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def spatial_tuple(
    op: Op, setting: str, value: Any, rank: int, *, least: int = 1, constraint: str = "C2"
) -> tuple[int, ...]:
    """One whole number for every spatial axis: a number stands for all."""
    values = value if isinstance(value, tuple) else (value,) * rank
    if len(values) != rank:
        names = ", ".join(SPATIAL_NAMES[rank])
        raise ShapeError(
            f"{setting} of {op.name} has {len(values)} numbers for {rank} spatial {'axis' if rank == 1 else 'axes'}",
            code="E0306",
            constraint=constraint,
            help=f"one number, or a list of {rank}: {names}",
        )
    for number in values:
        if not isinstance(number, int) or number < least:
            raise ShapeError(
                f"{setting} of {op.name} is a whole number >= {least}, not {number}",
                code="E0306",
                constraint=constraint,
            )
    return values


def nesting(value: Any) -> tuple[int, ...]:
    """The shape that nested lists of numbers write down; ShapeError where they are uneven or empty."""
    if not isinstance(value, list | tuple):
        return ()
    inner = {nesting(item) for item in value}
    if len(inner) != 1:
        raise ShapeError(
            "the lists of a constant have different lengths" if inner else "a constant has an empty list",
            code="E0316",
            help="every axis is a list of equal lengths, as in constant([[1, 2], [3, 4]])",
            constraint="C1",
        )
    return (len(value), *inner.pop())


def require_fit(init: Initialiser, shape: tuple[int, ...], what: str) -> None:
    """Raises ShapeError where `init` is a list of numbers of another shape than that of `what`."""
    value = dict(init.settings).get("v")
    if not isinstance(value, tuple):
        return
    found = nesting(value)
    if found != shape:
        raise ShapeError(
            f"{what} is {show_shape(shape)}, its constant is {show_shape(found)}",
            code="E0316",
            help="a list for each axis, the last axis innermost; one number fills any shape",
        )
