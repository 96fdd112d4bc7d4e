"""The syntax tree of a `.nn` file: what was written, with positions, before any name means anything.

Every node has a `span`, which equality ignores: two trees are equal when they say the same.
Nodes are compared and hashed by value; where a pass needs identity it uses `id(node)`.
"""

from __future__ import annotations

from typing import ClassVar

from nnspec.diagnostics import Span
from nnspec.record import Record


class Node(Record):
    span: Span
    _unequal: ClassVar[frozenset[str]] = frozenset({"span"})


# ---------------------------------------------------------------- expressions


class Expr(Node):
    """Anything that has a value: a number, bool, string, list, layer or tensor."""


class Number(Expr):
    """`3`, `50_257`, `1e-3`. `value` is an int when the literal has no point and no exponent."""

    value: int | float


class String(Expr):
    value: str


class Bool(Expr):
    value: bool


class Name(Expr):
    id: str


class List(Expr):
    items: tuple[Expr, ...]


class Range(Expr):
    """`1..8`: both ends included."""

    start: Expr
    stop: Expr


class Attribute(Expr):
    """`x.channels`, `enc.weight`, `body.0.weight` (numeric parts are strings of digits)."""

    value: Expr
    name: str


class Slice(Node):
    """`1:3` inside an index; a missing end is None."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None = None


class Index(Expr):
    """`x[1:3, 0]`."""

    value: Expr
    items: tuple[Expr | Slice, ...]


class Unary(Expr):
    """`op` is `-` or `not`."""

    op: str
    operand: Expr


class Binary(Expr):
    """`op` is one of + - * / // % ^ < <= > >= == != and or."""

    op: str
    left: Expr
    right: Expr


class Argument(Node):
    """One argument of a call; `name` is empty for a positional one."""

    value: Expr
    name: str = ""
    name_span: Span | None = None
    _unequal: ClassVar[frozenset[str]] = frozenset({"span", "name_span"})


class Call(Expr):
    """`conv(6, 5, padding = 2)`. `callee` is a Name."""

    callee: Name
    arguments: tuple[Argument, ...]


class StepLabel(Node):
    """`conv1:` or `denselayer{i}:`; `parts` holds the text pieces (str) and the braced expressions."""

    parts: tuple[str | Expr, ...]


class Shape(Expr):
    """The step `: [16, 5, 5]`, which asserts a shape. Only ever the value of a Step."""

    sizes: tuple[Expr, ...]


class Step(Node):
    """One step of a pipeline, with its label if it has one."""

    value: Expr
    label: StepLabel | None = None


class Pipeline(Expr):
    """`a -> b -> c` as its steps, the first included; also a single step that carries a label."""

    steps: tuple[Step, ...]


class Paren(Expr):
    """Parentheses round an expression: they make a composition one step, so the tree keeps them."""

    value: Expr


class Body(Node):
    """What stands between braces: statements, then (blocks, if, for) the expression that is its value."""

    statements: tuple[Statement, ...]
    result: Expr | None


class If(Expr):
    """`if c { ... } else { ... }`; `else if` nests in `otherwise` as a Body whose result is an If."""

    condition: Expr
    then: Body
    otherwise: Body | None


class For(Expr):
    """`for c, s in [[64, 1], [128, 2]] { ... }`."""

    targets: tuple[Name, ...]
    iterable: Expr
    body: Body


class Poison(Expr):
    """What stood here could not be parsed (already reported). Every later stage stays silent about it."""


# ---------------------------------------------------------------- statements of a body


class Statement(Node):
    pass


class TypeExpr(Node):
    """`float32[1, 8, 8]`, `class(10)[T]`, `float32`. `sizes` is None when no brackets stand.

    A type that could not be parsed (already reported) has an empty `dtype` and the one size `Poison`.
    """

    dtype: str
    arguments: tuple[Expr, ...]
    sizes: tuple[Expr, ...] | None


class Input(Statement):
    name: Name
    type: TypeExpr


class Target(Statement):
    name: Name
    type: TypeExpr


class Dim(Statement):
    """`dim T, H = 128`: names with the size to use where data does not say (None where not given)."""

    entries: tuple[tuple[Name, Expr | None], ...]


class Param(Statement):
    """`param W: float32[64, 64] = normal(0.01)`; `initialiser` is None when missing (an error later)."""

    name: Name
    type: TypeExpr
    initialiser: Expr | None


class Noise(Statement):
    name: Name
    type: TypeExpr
    distribution: Expr | None


class Bind(Statement):
    """`h = ...` or `a, b = ...`."""

    names: tuple[Name, ...]
    value: Expr


class Let(Statement):
    """`let NAME = value [in DOMAIN]`, in a file or in a body."""

    name: Name
    value: Expr
    domain: Expr | None = None


class LayerDecl(Statement):
    """`layer enc = dense(10)`."""

    name: Name
    value: Expr


class Output(Statement):
    name: Name
    value: Expr


class Require(Statement):
    condition: Expr


# ---------------------------------------------------------------- declarations of a file


class Version(Node):
    """`nnspec 1`."""

    number: Number


class Import(Node):
    path: String


class Setting(Node):
    """`p` or `q = 1` in the head of a block or model."""

    name: Name
    default: Expr | None


class Block(Node):
    name: Name
    tensors: tuple[Name, ...]
    settings: tuple[Setting, ...]
    body: Body


class Model(Node):
    name: Name
    settings: tuple[Setting, ...]
    body: Body


class Entry(Node):
    """`key = value` or `key("pattern") = value` in `data` and `train`."""

    key: Name
    pattern: String | None
    value: Expr


class Data(Node):
    """`data { ... }` or `data Name { ... }`; the lists `folds(5, k)` etc. are ordinary calls."""

    model: Name | None
    entries: tuple[Entry, ...]


class Train(Node):
    model: Name | None
    entries: tuple[Entry, ...]


Declaration = Version | Import | Let | Block | Model | Data | Train


class File(Node):
    """One parsed file. `path` is how spans name it."""

    path: str
    declarations: tuple[Declaration, ...]
