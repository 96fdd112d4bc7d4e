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
        if complete and "window" not in settings and not self._cut(settings, spans):
            return None
        return DataSpec(settings, block.span, tuple(keyed), spans) if complete else None

    def _cut(self, settings: dict[str, object], spans: dict[str, Span]) -> bool:
        """A text has a window that cuts it into examples."""
        texts = [key for key, value in settings.items() if isinstance(value, CallValue) and value.name == "text"]
        if texts:
            message = "a text is one long row of tokens, and no window cuts it"
            self.error("E0538", spans[texts[0]], message, help="window = 64 makes examples of 64 tokens each")
        return not texts

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
        if key == "augment":
            return self._fits_augment(entry, value)
        return not isinstance(value, CallValue) or self._fits_source(entry, value)

    def _fits_augment(self, entry: nodes.Entry, value: object) -> bool:
        for step in value if isinstance(value, list) else [value]:
            pixels = step.args[0] if isinstance(step, CallValue) and len(step.args) == 1 else None
            moved = isinstance(step, CallValue) and step.name == "crop" and not step.kwargs
            if step == "flip" or (moved and isinstance(pixels, int) and not isinstance(pixels, bool) and pixels > 0):
                continue
            shown = step if isinstance(step, str) else show_plain(step)
            message = f"augment takes flip and crop(pixels), not {shown}"
            self.error("E0539", entry.value, message, help="as in augment = [flip, crop(4)]")
            return False
        return True

    def _fits_source(self, entry: nodes.Entry, call: CallValue) -> bool:
        """What a source's arguments can be judged by before anything is read."""
        first = call.args[0] if len(call.args) == 1 and not call.kwargs else None
        if call.name == "random" and not (isinstance(first, int) and not isinstance(first, bool) and first >= 1):
            message = "random takes the number of examples, a whole number >= 1"
            self.error("E0524", entry.value, message, help="as in random(100)")
            return False
        if call.name == "sklearn" and call.args and call.args[0] not in keys.SKLEARN:
            name = call.args[0]
            if isinstance(name, str):
                message = f'scikit-learn carries no data set "{name}" that nnspec reads'
                help = did_you_mean(name, keys.SKLEARN, f"known: {', '.join(keys.SKLEARN)}")
                self.error("E0525", entry.value, message, help=help)
            else:
                self.error("E0524", entry.value, "sklearn takes the name of a data set", help='as in sklearn("digits")')
            return False
        if call.name in ("sklearn", "table") and len(call.args) != 1:
            message = f"sklearn takes the name of one data set: {keys.EXAMPLES['sklearn']}"
            if call.name == "table":
                message = f"table takes one list of rows: {keys.EXAMPLES['table']}"
            self.error("E0524", entry.value, message)
            return False
        paths = keys.PATHS.get(call.name)
        if paths is not None and (not all(isinstance(a, str) for a in call.args) or len(call.args) not in paths):
            what = "takes paths in quotes" if max(paths) > 1 else "takes one path in quotes first"
            self.error("E0524", entry.value, f"{call.name} {what}", help=f'as in {call.name}("...")')
            return False
        words = [(name, value) for name, value in call.kwargs.items() if call.name == "text"]
        if any(name != "tokens" or value not in keys.WORDS_OF_SOURCES for name, value in words):
            message = "text takes a path and tokens = bytes or characters, and nothing else"
            self.error("E0524", entry.value, message, help='as in text("book.txt", tokens = bytes)')
            return False
        return True

    def _fits_split(self, entry: nodes.Entry, value: object) -> bool:
        parts = value.args[0] if isinstance(value, CallValue) and value.name == "in_order" and value.args else value
        if isinstance(parts, CallValue):
            if parts.name in keys.SPLITS:
                return parts.name != "folds" or self._fits_folds(entry, parts)
            help = did_you_mean(parts.name, keys.SPLITS, "a list of parts, in_order([..]) or folds(n, k)")
            self.error("E0405", entry.value, f"split cannot be {parts.name}", help=help)
            return False
        if not isinstance(parts, list) or not 1 <= len(parts) <= 3 or not all(is_number(p) and p >= 0 for p in parts):
            return self._refuse(entry, "the sizes of train, validation and test, as in [0.8, 0.1, 0.1]", value)
        total = sum(parts)
        counts = all(isinstance(p, int) for p in parts) and total > 1  # of examples: only the data can tell
        if counts or abs(total - 1) <= 1e-6:
            return True
        hint = [round(p / total, 4) for p in parts] if total else [0.8, 0.1, 0.1]
        message = f"the shares {show_plain(parts)} add up to {total:g}, not 1"
        self.error("E0535", entry.value, message, help=f"as in {hint}")
        return False

    def _fits_folds(self, entry: nodes.Entry, call: CallValue) -> bool:
        numbers = [*call.args, *call.kwargs.values()]
        whole = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
        if len(numbers) != 2 or len(whole) != 2 or whole[0] < 2 or not 1 <= whole[1] <= whole[0]:
            message = "folds takes how many there are (2 or more) and which of them, from 1, is held out"
            self.error("E0535", entry.value, message, help="as in folds(5, 1)")
            return False
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
                if not self.is_poisoned(entry):
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
                self.argument_error("E0225", argument, f"{argument.name} is given twice", "")
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
