"""`x @ w.transpose(-2, -1) + b`, written over several lines of a spec, as the one call that it is: `F.linear(x, w, b)`.

It adds the bias inside the product, and its gradient takes no transposed copy (1.5 % of a step of a small GPT,
whose attention projects so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.marks import Part
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.lines import Line
    from nnspec.backends.program import Apply, Key, OpUse


class _Product(Record):
    """What the line before computes, in variable `name`: w transposed (arguments: w), or a product (x, w)."""

    key: Key
    name: str
    arguments: tuple[str, ...]


class Products:
    """Follows the lines of one function from above; each is asked for once, in order."""

    def __init__(self) -> None:
        self.before: _Product | None = None

    def forget(self) -> None:
        """Something other than a line stands between."""
        self.before = None

    def line(self, statement: Apply, line: Line, arguments: list[str], lines: list[Line]) -> Line:
        """The line of a statement whose arguments are spelled so; takes the line that it swallows off `lines`."""
        if line.target == "_":  # an attribute that later lines name: no line of its own
            return line
        before, self.before = self.before, None
        given = _arguments(statement, arguments, before)
        if given is None:
            if type(statement.use.op).__name__ == "Transpose" and _is_matrix(statement.use, 0):
                self.before = _Product(statement.outputs[0], line.target, (arguments[0],))
            return line
        swallowed = lines.pop()
        while swallowed.target == "_":
            swallowed = lines.pop()
        if len(given) == 2:
            self.before = _Product(statement.outputs[0], line.target, given)
        dies, note, source = line.dies | swallowed.dies, line.note or swallowed.note, f"F.linear({', '.join(given)})"
        product = statement if len(given) == 2 else swallowed.of[-1].item  # which is what may not fit
        others = [Part(part.item) for part in (*swallowed.of, *line.of) if part.item is not product]
        return line.replace(source=source, dies=dies, note=note, of=(*others, Part(product, source)))


def _arguments(statement: Apply, arguments: list[str], before: _Product | None) -> tuple[str, ...] | None:
    """What `F.linear` is given, where the statement goes on with what the line before made for it alone."""
    if before is None or statement.inputs.count(before.key) != 1:
        return None
    place = statement.inputs.index(before.key)
    if statement.arguments[place] not in (*statement.dies, *statement.targets):
        return None
    kind, use = type(statement.use.op).__name__, statement.use
    if kind == "Matmul" and place == 1 and len(before.arguments) == 1 and use.inputs[0].is_float:
        return arguments[0], before.arguments[0]
    if kind == "Add" and len(before.arguments) == 2 and _is_bias(use, 1 - place):
        return (*before.arguments, arguments[1 - place])
    return None


def _is_matrix(use: OpUse, place: int) -> bool:
    return use.inputs[place].rank == 2 and not use.inputs[place].batched


def _is_bias(use: OpUse, place: int) -> bool:
    """Whether an input has one number for each feature of the result."""
    kind = use.inputs[place]
    if kind.rank != 1 or kind.batched or not kind.is_float:
        return False
    return all(n.inputs[place].type.shape[0] == n.outputs[0].type.shape[-1] for n in use.nodes)
