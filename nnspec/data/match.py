"""Which columns of a source go to which input or target of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.data.errors import DataError, listing, nearest
from nnspec.data.sources import Read
from nnspec.ir.types import product

if TYPE_CHECKING:
    from nnspec.data.table import Column, Table
    from nnspec.ir.graph import Field
    from nnspec.ir.types import Size

Matched = dict[str, list["Column"]]


def match(fields: list[Field], read: Read, *, window: bool = False, optional: frozenset[str] = frozenset()) -> Matched:
    """The columns of each field, in order.

    A field takes what the source's call names for it, else the columns or the array of its own name;
    targets then take the columns that the source marks as such. Of a source without names, inputs, then
    targets, take as many columns as they have numbers; of one with names, an only input that is left
    takes all columns that remain. `optional` fields may stay without columns. In a series (`window`) a
    target without columns repeats an only input. Raises DataError E0530.
    """
    table = read.table
    found = _called_for(fields, read)
    for field in fields:
        if field.name not in found and (own := table.named_like(field.name)):
            found[field.name] = own
    _marked_targets(fields, table, found)
    needed = [f for f in fields if f.name not in optional]
    if not table.named:
        _in_order(fields, table, found, optional)
    elif not window:
        _require([f for f in needed if f.role == "target"], table, found)
    if table.named:
        _only_input(fields, table, found)
    if window:
        _repeat_series(fields, found)
    _require(needed, table, found)
    return found


def width_of(columns: list[Column]) -> int:
    """Numbers an example of these columns together."""
    return sum(column.width for column in columns)


def _require(fields: list[Field], table: Table, found: Matched) -> None:
    for field in fields:
        if field.name not in found:
            raise _missing(field, table, found)


def _called_for(fields: list[Field], read: Read) -> Matched:
    return {
        f.name: [_column(read.table, name) for name in read.mapping[f.name]] for f in fields if f.name in read.mapping
    }


def _column(table: Table, name: str | int) -> Column:
    if isinstance(name, int):
        if not -len(table.columns) <= name < len(table.columns):
            message = f"{table.label} has no column {name}: it has {len(table.columns)}"
            raise DataError("E0530", message, help=f"columns are counted from 0 to {len(table.columns) - 1}")
        return table.columns[name]
    if not (own := table.named_like(name)):
        names = [column.name for column in table.columns if column.name]
        hint = nearest(name, names) if names else "it has no names: give numbers, as in x = [0, 1]"
        raise DataError("E0530", f'{table.label} has no {table.kind} "{name}"', help=hint)
    return own[0]


def _marked_targets(fields: list[Field], table: Table, found: Matched) -> None:
    marked = [c for c in _free(table, found) if c.role == "target"]
    targets = [f for f in fields if f.role == "target" and f.name not in found]
    if len(marked) == len(targets):
        found.update({field.name: [column] for field, column in zip(targets, marked, strict=True)})


def _only_input(fields: list[Field], table: Table, found: Matched) -> None:
    inputs = [f for f in fields if f.role == "input" and f.name not in found]
    rest = [c for c in _free(table, found) if not c.role]
    if len(inputs) == 1 and rest:
        found[inputs[0].name] = rest


def _in_order(fields: list[Field], table: Table, found: Matched, optional: frozenset[str]) -> None:
    free = _free(table, found)
    waiting = [f for f in fields if f.name not in found]
    if not waiting:  # the call named columns for every field
        return
    waiting.sort(key=lambda f: f.role != "input")  # stable: inputs, then targets, as declared
    if len(free) == len(waiting) and table.kind != "column":  # one array a field
        found.update({field.name: [column] for field, column in zip(waiting, free, strict=True)})
        return
    if table.kind != "column":
        if len(free) < len(waiting) and all(f.name in optional for f in waiting[len(free) :]):
            found.update({field.name: [column] for field, column in zip(waiting, free, strict=False)})
        return
    widths = _widths(waiting, sum(c.width for c in free))
    if widths is None:
        return
    for field, width in zip(waiting, widths, strict=True):
        if len(free) < width:
            return
        found[field.name], free = free[:width], free[width:]
    if free and not optional:
        taken = ", ".join(f"{f.name} {w}" for f, w in zip(waiting, widths, strict=True))
        raise DataError(
            "E0530",
            f"{table.label} has {len(table.columns)} columns and the model takes {sum(widths)}: {taken}",
            help=f"say which: {waiting[0].name} = [0, 1, ...] in the call of the source",
        )


def _widths(fields: list[Field], total: int) -> list[int] | None:
    """Numbers an example of each field; an only field of open size takes what the others leave."""
    sizes = [product(f.value.type.shape) for f in fields]
    known = sum(s for s in sizes if isinstance(s, int))
    open_sizes = [s for s in sizes if not isinstance(s, int)]
    if len(open_sizes) > 1:
        return None
    return [s if isinstance(s, int) else total - known for s in sizes]


def _repeat_series(fields: list[Field], found: Matched) -> None:
    inputs = [f.name for f in fields if f.role == "input"]
    if len(inputs) == 1 and inputs[0] in found:
        for field in fields:
            if field.role == "target":
                found.setdefault(field.name, found[inputs[0]])


def _free(table: Table, found: Matched) -> list[Column]:
    taken = {id(column) for columns in found.values() for column in columns}
    return [column for column in table.columns if id(column) not in taken]


def _missing(field: Field, table: Table, found: Matched) -> DataError:
    free = _free(table, found)
    needs = _count(product(field.value.type.shape))
    if not table.named:
        message = (
            f"{table.label} has {len(free)} {table.kind}s left for the {field.role} {field.name}, which takes {needs}"
        )
        return DataError("E0530", message)
    names = listing(column.title() for column in free)
    example = free[0].name if free else table.columns[0].name
    return DataError(
        "E0530",
        f"{table.label} has no {table.kind} called {field.name} for the {field.role} of that name",
        help=f'{table.kind}s that remain: {names}; name one in the call of the source: {field.name} = "{example}"',
    )


def _count(size: Size) -> str:
    return f"{size} numbers" if size != 1 else "1 number"
