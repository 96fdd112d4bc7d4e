"""The structure of emitted code, the same for every target: classes, their members and statements.

`build(graph)` turns the module tree into a `Program`: one `ClassDef` a block. Uses of a block that
differ only in numbers, or in the branch of an `if` that they take, are merged into one class; what
differs becomes a constructor argument. Emitters walk `ClassDef.body` and ask each `OpUse` for its
settings; a setting that is the same in every use answers with a literal, one that varies with an
expression over the constructor's arguments (`4 * width`) or the loop's variables.

    for definition in program.classes:            # children first, the model last
        for statement in definition.body:
            match statement:
                case Apply():  ...                # y = op(x)   or   y = self.conv1(x)
                case Invoke(): ...                # y = self.block1(x)
                case Group():  ...                # a labelled composition: features.0, features.1, ...
                case ForEach(): ...               # repeat and for
                case Branch(): ...                # if
                case Construct(): ...             # where a shared layer or a free param is made
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnspec.ir.graph import Call, Layer, Module, Node
    from nnspec.ir.types import Size, TensorType
    from nnspec.ops.base import Op


class OpUse:
    """One operation as it stands in a class: possibly many nodes, one for every use of the class.

    `op`, `inputs`, `outputs` are those of the first use; ranks, dtypes and batchedness are the same in
    all. `code(...)` and friends give Python source for what may differ.
    """

    nodes: list[Node]

    @property
    def op(self) -> Op: ...

    @property
    def inputs(self) -> tuple[TensorType, ...]: ...

    @property
    def outputs(self) -> tuple[TensorType, ...]: ...

    def code(self, setting: str) -> str:
        """Source for a setting: `64`, `4 * width`, `(2, 1)`; a tuple of equal numbers stays a tuple."""
        ...

    def value(self, setting: str) -> Any:
        """The setting when it is the same in every use, else `VARIES`; for dropping defaults."""
        ...

    def size(self, input: int, axis: int) -> str:
        """Source for a size of an input: what a constructor needs (`in_channels`)."""
        ...

    def express(self, read: Callable[[Node], Any], hint: str) -> str:
        """Source for anything that can be read off a node; `hint` names a new argument if one is needed."""
        ...


class Apply:
    """`targets = op(arguments)`. `member` is where its layer lives (None: no parameters)."""

    use: OpUse
    member: Member | None
    arguments: tuple[str, ...]
    targets: tuple[str, ...]


class Invoke:
    """`targets = member(arguments)`: a use of another class."""

    member: Member
    arguments: tuple[str, ...]
    targets: tuple[str, ...]


class Member:
    """Something a class owns. `path` is relative to the class, in parts: ("features", "0")."""

    path: tuple[str, ...]
