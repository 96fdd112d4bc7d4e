"""The `data` block, and the plain values that stand in it and in `train`."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Span
from nnspec.ir.dims import Dim
from nnspec.ir.graph import CallValue, DataSpec, Keyed
from nnspec.passes import keys
from nnspec.passes.bodies import Bodies
from nnspec.passes.numbers import is_number, kind_of, show
from nnspec.passes.scope import MISSING, POISON, Instance, Poisoned, Recipe, Scope, Several, Thunk
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


class DataBlock(Bodies):
    def data(self, block: nodes.Data) -> DataSpec | None:
        """The checked `data` block; None after reporting what is wrong with it."""
        scope = self.file_scope(block.span.path)
        settings: dict[str, object] = {}
        spans: dict[str, Span] = {}
        keyed: list[Keyed] = []
        complete = True
        for entry in self.entries(block, "data", keys.DATA_KEYS):
            value = self.plain(entry.value, scope)
            if isinstance(value, Poisoned) or not self._fits(entry, value):
                complete = False
            elif entry.pattern is not None:
                keyed.append(Keyed(entry.key.id, entry.pattern.value, value, entry.span))
            else:
                settings[entry.key.id] = value
                spans[entry.key.id] = entry.value.span
        return DataSpec(settings, block.span, tuple(keyed), spans) if complete else None

    def _fits(self, entry: nodes.Entry, value: object) -> bool:
        """The kinds of values that need no data to be judged."""
        key = entry.key.id
        if key in ("window", "shift") and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return self._refuse(entry, "a whole number >= 1", value)
        if key == "seed" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return self._refuse(entry, "a whole number >= 0", value)
        if key == "shuffle" and not isinstance(value, bool):
            return self._refuse(entry, "true or false", value)
        if key == "split":
            return self._fits_split(entry, value)
        if key in ("source", "train", "validation", "test") and not isinstance(value, CallValue):
            return self._refuse(entry, "a source, as in csv(...)", value)
        return True

    def _fits_split(self, entry: nodes.Entry, value: object) -> bool:
        parts = value.args[0] if isinstance(value, CallValue) and value.name == "in_order" and value.args else value
        if isinstance(parts, CallValue):
            if parts.name in keys.SPLITS:
                return True
            help = did_you_mean(parts.name, keys.SPLITS, "a list of parts, in_order([..]) or folds(n, k)")
            self.error("E0405", entry.value, f"split cannot be {parts.name}", help=help)
            return False
        if not isinstance(parts, list) or not 1 <= len(parts) <= 3 or not all(is_number(p) and p >= 0 for p in parts):
            return self._refuse(entry, "the sizes of train, validation and test, as in [0.8, 0.1, 0.1]", value)
        return True

    def _refuse(self, entry: nodes.Entry, wanted: str, value: object) -> bool:
        self.error("E0405", entry.value, f"{entry.key.id} takes {wanted}, not {show_plain(value)}")
        return False

    def entries(self, block: nodes.Data | nodes.Train, word: str, table: dict[str, keys.Key]) -> list[nodes.Entry]:
        """The entries of a block with known keys, `--set` values in place; the last of two equal keys counts."""
        found: list[nodes.Entry] = []
        for entry in block.entries:
            key = entry.key.id
            if key not in table:
                help = did_you_mean(key, table, f"{word} takes {', '.join(table)}")
                self.error("E0401", entry.key, f"unknown key {key} of {word}", help=help)
            elif entry.pattern is not None and not table[key].pattern:
                self.error("E0402", entry.pattern, f"{key} takes no pattern")
            else:
                found.append(entry)
        for name, value in self.overrides.items():
            prefix, _, key = name.partition(".")
            if prefix != word or key not in table:
                continue
            plain = [e for e in found if e.key.id == key and e.pattern is None]
            given = nodes.Entry(value.span, nodes.Name(value.span, key), None, value)
            if plain:
                found[found.index(plain[-1])] = given
            else:
                found.append(given)
            other = {"epochs": "steps", "steps": "epochs"}.get(key, "") if word == "train" else ""
            found = [e for e in found if e.key.id != other]
        return found

    # ------------------------------------------------------------ plain values

    def plain(self, expr: nodes.Expr, scope: Scope) -> Any:
        """A value as plain Python: numbers, bools, strings, lists; a bare word as its text, a call as a CallValue."""
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if isinstance(expr, nodes.List):
            items = [self.plain(item, scope) for item in expr.items]
            return POISON if any(isinstance(i, Poisoned) for i in items) else items
        if isinstance(expr, nodes.Name):
            return self._plain_name(expr, scope)
        if isinstance(expr, nodes.Call) and not self.is_arithmetic(expr, scope):
            return self._plain_call(expr, scope)
        value = self.evaluate(expr, scope)
        if isinstance(value, Poisoned):
            return POISON
        if isinstance(value, Recipe | Instance | Several | Dim) or not isinstance(
            value, bool | int | float | str | tuple
        ):
            self.error("E0405", expr, f"this is {kind_of(value)}, which has no meaning here")
            return POISON
        return _listed(value)

    def _plain_name(self, expr: nodes.Name, scope: Scope) -> Any:
        found = scope.find(expr.id)
        if isinstance(found, Thunk):
            if found.busy:
                self.error("E0215", expr, f"{expr.id} needs its own value")
                return POISON
            found.busy = True
            try:
                return self.plain(found.expr, found.scope)
            finally:
                found.busy = False
        if found is MISSING:
            return expr.id
        if isinstance(found, Poisoned):
            return POISON
        if is_number(found) or isinstance(found, bool | str | tuple):
            return _listed(found)
        self.error("E0405", expr, f"{expr.id} is {kind_of(found)}, which has no meaning here")
        return POISON

    def _plain_call(self, expr: nodes.Call, scope: Scope) -> Any:
        args: list[object] = []
        kwargs: dict[str, object] = {}
        failed = False
        for argument in expr.arguments:
            value = self.plain(argument.value, scope)
            failed = failed or isinstance(value, Poisoned)
            if not argument.name:
                args.append(value)
            elif argument.name in kwargs:
                self.argument_error("E0208", argument, f"{argument.name} is given twice", "")
                failed = True
            else:
                kwargs[argument.name] = value
        return POISON if failed else CallValue(expr.callee.id, tuple(args), kwargs, expr.span)


def _listed(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def show_plain(value: object) -> str:
    """A plain value as a message names it."""
    if isinstance(value, CallValue):
        return f"{value.name}(...)"
    if isinstance(value, list):
        return "[" + ", ".join(map(show_plain, value)) + "]"
    return show(value)
