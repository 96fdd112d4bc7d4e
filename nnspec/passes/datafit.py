"""Whether the `data` block fits the model, as far as that shows before anything is read."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from nnspec.ir.graph import CallValue, DataSpec, Field
from nnspec.ir.types import product
from nnspec.passes import keys
from nnspec.passes.datablock import DataBlock, show_plain
from nnspec.passes.numbers import is_number
from nnspec.suggest import did_you_mean, either
from nnspec.syntax import nodes

if TYPE_CHECKING:
    from nnspec.diagnostics import Span

_PARTS = ("train", "validation", "test")


class DataFit(DataBlock):
    """Each check reports what reading the data would refuse, and stays silent where only the data can tell."""

    whole: bool

    def fits_model(self, block: nodes.Data, spec: DataSpec, whole: bool) -> None:
        """`whole`: no input or target of the model is missing because of an error."""
        self.whole = whole
        fields = [f for f in self.graph.fields if f.role != "noise"]
        sources = {key: spec.settings[key] for key in ("source", *_PARTS) if key in spec.settings}
        if "source" in sources and len(sources) > 1:
            other = next(key for key in sources if key != "source")
            help = "give source and split, or train, validation and test"
            self.error("E0535", spec.spans[other], f"data has both source and {other}", help=help)
        elif "source" not in sources and "train" not in sources and sources:
            self.error("E0535", spec.spans[next(iter(sources))], f"data has {next(iter(sources))} and no train")
        for key, source in sources.items():
            if isinstance(source, CallValue):
                self._source(source, fields, spec, _arguments(block, key), key)
        self._parts(spec, sources)
        self._normalized(spec, fields, sources)
        self._augmented(spec, fields)
        if all(entry.key.id in keys.DATA_KEYS for entry in block.entries):  # one that is not may mean `split`
            self._watched(spec, sources)

    # ------------------------------------------------------------ sources

    def _source(self, call: CallValue, fields: list[Field], spec: DataSpec, written: dict[str, Span], key: str) -> None:
        names = [f.name for f in fields]
        options = keys.OPTIONS.get(call.name, ())
        for name, value in call.kwargs.items():
            where = written.get(name, call.span or spec.spans[key])
            if name in options or call.name in ("text", "random"):
                continue
            if name not in names and self.whole:
                known = either([*names, *options]) if names or options else "no columns"
                help = did_you_mean(name, [*names, *options], f"{call.name} gives columns to {known}")
                self.error("E0524", where, f"the model has no input or target {name}", help=help)
            elif (odd := _no_column(value)) is not None:
                message = f"{name} takes columns by name or number, not {show_plain(odd)}"
                help = f'as in {name} = ["area", "rooms"], or {name} = [0, 1]'
                self.error("E0524", where, message, help=help)
        if call.name == "table" and len(call.args) == 1:
            self._table(call.args[0], spec.spans[key])
        elif call.name == "sklearn" and call.args and str(call.args[0]) in keys.SKLEARN and not call.kwargs:
            self._bundled(str(call.args[0]), fields, spec, spec.spans[key])
        elif call.name == "text":
            self._text(fields, spec)

    def _table(self, rows: object, where: Span) -> None:
        if not isinstance(rows, list) or not rows:
            self.error("E0524", where, "table takes a list of rows, as in table([[0, 1], [1, 0]])")
            return
        sizes = [_cells(row) for row in rows]
        odd = next((k for k, size in enumerate(sizes) if size != sizes[0]), None)
        if odd is not None:
            message = f"row {odd + 1} of the table has {sizes[odd]} cell{'s' * (sizes[odd] != 1)}, row 1 has {sizes[0]}"
            self.error("E0522", where, message, help="every row is one example, with the same columns")

    def _bundled(self, name: str, fields: list[Field], spec: DataSpec, where: Span) -> None:
        """What is known of scikit-learn's data: how many numbers an example has, and how many classes there are."""
        found = keys.SKLEARN[name]
        inputs = [f for f in fields if f.role == "input"]
        targets = [f for f in fields if f.role == "target"]
        if "window" in spec.settings or len(inputs) != 1 or len(targets) > 1:
            return
        shape = inputs[0].value.type.shape
        size = product(shape)
        if isinstance(size, int) and size != found.numbers:
            message = f'sklearn("{name}") has {found.numbers} numbers an example, {inputs[0].name} takes {size}'
            self.error("E0531", where, message, help=f"declare {inputs[0].name}: float32[{found.numbers}]")
            return
        type = targets[0].value.type if targets else None
        if type is None or type.shape or self.overrides:  # with --set the classes may be those of other data
            return
        if type.dtype == "class" and not found.classes:
            message = f'sklearn("{name}") has a number to predict, {targets[0].name} is a class'
            self.error("E0533", where, message, help=f"declare {targets[0].name}: float32")
        elif type.dtype == "class" and type.classes < found.classes:
            message = f'sklearn("{name}") has {found.classes} classes, {targets[0].name} is class({type.classes})'
            self.error("E0533", where, message, help=f"declare class({found.classes})")

    def _text(self, fields: list[Field], spec: DataSpec) -> None:
        length = spec.settings.get("window")
        for field in fields:
            shape = field.value.type.shape
            if (
                isinstance(length, int)
                and len(shape) == 1
                and isinstance(shape[0], int)
                and shape[0] not in (1, length)
            ):
                message = f"{field.name}: {field.value.type} takes {shape[0]} rows in a row, window = {length}"
                self.error("E0538", spec.spans["window"], message, help=f"window = {shape[0]}")
                return

    # ------------------------------------------------------------ parts

    def _parts(self, spec: DataSpec, sources: dict[str, object]) -> None:
        rule = spec.settings.get("split")
        parts = rule.args[0] if isinstance(rule, CallValue) and rule.name == "in_order" and rule.args else rule
        made = ["train", "validation"] if isinstance(rule, CallValue) and rule.name == "folds" else []
        if isinstance(parts, list):
            made = [name for name, share in zip(_PARTS, parts, strict=False) if share]
        if (
            rule is not None
            and "source" not in sources
            and (twice := [name for name in made if name != "train" and name in sources])
        ):
            message = f"split makes a {twice[0]} part, which has a source of its own"
            self.error("E0535", spec.spans["split"], message, help="fewer shares in split")
        elif isinstance(parts, list) and len(parts) and all(is_number(p) for p in parts) and parts[0] == 0:
            self.error("E0536", spec.spans["split"], "the train part would be empty", help="give it a larger share")
        elif isinstance(parts, list) and all(isinstance(p, int) for p in parts) and sum(parts) > 1:
            self._counted(spec, parts, sources.get("source", sources.get("train")))

    def _counted(self, spec: DataSpec, parts: list[int], source: object) -> None:
        """Whole numbers in `split` are examples; mostly percentages were meant."""
        total, there = sum(parts), _rows(source) if "window" not in spec.settings else None
        if there is not None and total != there:
            message = f"split shares out {total:,} examples, the source has {there:,}"
        elif there is None and total == 100:
            message = "split takes shares that add up to 1, or the numbers of examples: these add up to 100"
        else:
            return
        help = f"as in {[round(p / total, 4) for p in parts]}"
        if there is None:
            self.reporter.warning("W0407", spec.spans["split"], message, help=help)
        else:
            self.error("E0535", spec.spans["split"], message, help=help)

    def _watched(self, spec: DataSpec, sources: dict[str, object]) -> None:
        """`stop = patience(n)` looks at the validation part."""
        training = self.graph.training
        stop = training.settings.get("stop") if training is not None else None
        if training is None or not isinstance(stop, CallValue) or stop.name != "patience" or "validation" in sources:
            return
        rule = spec.settings.get("split")
        parts = rule.args[0] if isinstance(rule, CallValue) and rule.name == "in_order" and rule.args else rule
        if rule is None or (isinstance(parts, list) and not any(parts[1:2])):
            message = "stop = patience(...) watches the validation part, and the data has none"
            self.error("E0405", stop.span or training.span, message, help="give it a share: split = [0.8, 0.1, 0.1]")

    # ------------------------------------------------------------ normalize, augment

    def _normalized(self, spec: DataSpec, fields: list[Field], sources: dict[str, object]) -> None:
        floats = [f.name for f in fields if f.value.type.is_float]
        named = _named_columns(fields, sources)
        for keyed in (k for k in spec.keyed if k.key == "normalize"):
            known = [*floats, *(named or ())]
            near = did_you_mean(keyed.pattern, known)
            other = any(fnmatchcase(f.name, keyed.pattern) for f in fields)
            if any(fnmatchcase(name, keyed.pattern) for name in known) or not self.whole:
                continue
            if named is not None or other:
                kind = "is no field of numbers" if other else "matches no input, target or column of numbers"
                message = f'normalize("{keyed.pattern}") {kind}'
                self.error("E0537", keyed.span, message, help=near or f"there are {either(known)}" * bool(known))
        for how, where in [
            (spec.settings.get("normalize"), spec.spans.get("normalize")),
            *((k.value, k.span) for k in spec.keyed if k.key == "normalize"),
        ]:
            if isinstance(how, list) and where is not None:
                self._moments(how, where)

    def _moments(self, how: list[object], where: Span) -> None:
        numbers = all(is_number(p) or (isinstance(p, list) and p and all(map(is_number, p))) for p in how)
        if len(how) != 2 or not numbers:
            given = next((p for p in how if not is_number(p) and not isinstance(p, list)), how)
            message = f"normalize = [mean, std] takes numbers or lists of them, not {show_plain(given)}"
            if len(how) != 2:
                message = f"normalize is standard, minmax or [mean, std], not {show_plain(how)}"
            self.error("E0537", where, message, help="as in normalize = [0.5, 0.25], or normalize = standard")
        elif any(isinstance(x, int | float) and x <= 0 for x in (how[1] if isinstance(how[1], list) else [how[1]])):
            message = f"normalize = {show_plain(how)}: a standard deviation is larger than 0"
            self.error("E0537", where, message, help="[mean, std]")

    def _augmented(self, spec: DataSpec, fields: list[Field]) -> None:
        images = [f for f in fields if f.role == "input" and f.value.type.is_float and f.value.type.rank == 3]
        if "augment" in spec.settings and not images and self.whole:
            message = "augment changes images, and no input is float32[channels, height, width]"
            self.error("E0539", spec.spans["augment"], message)


def _arguments(block: nodes.Data, key: str) -> dict[str, Span]:
    """Where each named argument of the call of an entry stands."""
    calls = [e.value for e in block.entries if e.key.id == key and isinstance(e.value, nodes.Call)]
    return {a.name: a.span for call in calls for a in call.arguments if a.name}


def _no_column(value: object) -> object:
    """The first part of a value that names no column, by word or number; None where all do."""
    items = value if isinstance(value, list) else [value]
    odd = (item for item in items if not isinstance(item, str | int | CallValue) or isinstance(item, bool))
    return next(odd, None)


def _cells(row: object) -> int:
    """Cells of a row of a table, nested lists flattened."""
    return sum(map(_cells, row)) if isinstance(row, list) else 1


def _rows(source: object) -> int | None:
    """How many examples a source has, where its call says it."""
    if not isinstance(source, CallValue) or not source.args:
        return None
    first = source.args[0]
    if source.name == "sklearn" and str(first) in keys.SKLEARN:
        return keys.SKLEARN[str(first)].rows
    if source.name == "random" and isinstance(first, int):
        return first
    words = [isinstance(c, str) for c in first[0]] if isinstance(first, list) and isinstance(first[0], list) else [True]
    return len(first) if source.name == "table" and isinstance(first, list) and not all(words) else None


def _named_columns(fields: list[Field], sources: dict[str, object]) -> list[str] | None:
    """The columns that fields take, None where a source may have others."""
    found: list[str] = []
    for source in sources.values():
        if not isinstance(source, CallValue) or source.name not in ("csv", "parquet", "random", "table"):
            return None
        if source.name in ("csv", "parquet") and not all(f.name in source.kwargs for f in fields):
            return None
        for value in source.kwargs.values():
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        if source.name == "table" and source.args and isinstance(rows := source.args[0], list) and rows:
            found += [cell for cell in (rows[0] if isinstance(rows[0], list) else []) if isinstance(cell, str)]
    return found
