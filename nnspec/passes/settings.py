"""Settings of a call: which argument fills which, and its value in the kind the op declares (see `nnspec.ops.base`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.ir.dims import Dim, is_at_least
from nnspec.ops import registry
from nnspec.ops.base import Initialiser
from nnspec.ops.signature import REQUIRED, signature_of
from nnspec.passes.applying import Applying
from nnspec.passes.numbers import is_number, kind_of, show
from nnspec.passes.scope import MISSING, POISON, Poisoned, Scope, Thunk
from nnspec.suggest import did_you_mean, either
from nnspec.syntax import nodes


class Slot:
    """One setting of a registered class: its name, the alternatives of its kind, the words it takes, its default."""

    __slots__ = ("default", "name", "optional", "parts", "words")

    def __init__(self, name: str, parts: tuple[str, ...], words: tuple[str, ...], default: Any, optional: bool) -> None:
        self.name = name
        self.parts = parts
        self.words = words
        self.default = default
        self.optional = optional


_slots: dict[type, tuple[Slot, ...]] = {}


def slots_of(cls: Any) -> tuple[Slot, ...]:
    """The settings of an op, initialiser, optimizer or schedule class, in the order in which they are written."""
    if cls not in _slots:
        _slots[cls] = tuple(Slot(s.name, s.kinds, s.choices, s.default, s.optional) for s in signature_of(cls).settings)
    return _slots[cls]


class Settings(Applying):
    def settings(
        self,
        call: nodes.Expr,
        name: str,
        slots: tuple[Slot, ...],
        positional: list[nodes.Expr],
        named: list[nodes.Argument],
        scope: Scope,
    ) -> tuple[dict[str, Any], dict[str, nodes.Expr]] | Poisoned:
        """The values of the given settings, and how those were written that are no plain literal."""
        given: dict[str, nodes.Expr] = {}
        failed = False
        for index, expr in enumerate(positional):
            if index >= len(slots):
                most = f"{len(slots)} setting{'s' * (len(slots) != 1)}" if slots else "no settings"
                help = usage(name, slots) if slots else ""
                self.error("E0208", expr, f"{name} takes {most}, this is one more", help=help)
                failed = True
                break
            given[slots[index].name] = expr
        known = [slot.name for slot in slots]
        for argument in named:
            if argument.name not in known:
                accepted = f"{name} takes {', '.join(known)}" if known else f"{name} has no settings"
                help = f"{did_you_mean(argument.name, known)} {accepted}".strip()
                self.argument_error("E0203", argument, f"unknown setting {argument.name} of {name}", help)
                failed = True
            elif argument.name in given:
                self.argument_error("E0225", argument, f"{argument.name} of {name} is given twice", "")
                failed = True
            else:
                given[argument.name] = argument.value
        missing = [slot.name for slot in slots if slot.default is REQUIRED and slot.name not in given]
        if missing and not failed:
            self.error("E0209", call, f"{name} needs its {', '.join(missing)}", help=f"as in {usage(name, slots)}")
            failed = True
        values: dict[str, Any] = {}
        for slot in slots:
            if slot.name in given:
                value = self.setting(given[slot.name], slot, f"{slot.name} of {name}", scope)
                failed = failed or isinstance(value, Poisoned)
                values[slot.name] = value
        if failed:
            return POISON
        written = {n: e for n, e in given.items() if not isinstance(e, nodes.Number | nodes.Bool | nodes.String)}
        return values, written

    def argument_error(self, code: str, argument: nodes.Argument, message: str, help: str) -> None:
        self.broken = True
        if not self.is_poisoned(argument):
            self.error(code, argument.name_span or argument.span, message, help=help)

    def setting(self, expr: nodes.Expr, slot: Slot, what: str, scope: Scope) -> Any:
        """One setting's value in its kind, or POISON."""
        if "Init" in slot.parts or "Initialiser" in slot.parts:
            return self.initialiser(expr, what, scope)
        if "Schedule" in slot.parts:
            return self.schedule(expr, scope, what)
        if slot.words:
            word, home = self.word(expr, scope)
            if word is not None and (word in slot.words or home is None):
                if word in slot.words:
                    return word
                self.error(
                    "E0217",
                    expr,
                    f"{what} cannot be {word}",
                    help=did_you_mean(word, slot.words, f"one of {', '.join(slot.words)}"),
                )
                return POISON
        value = self.evaluate(expr, scope)
        if isinstance(value, Poisoned):
            return POISON
        wanted = []
        for part in slot.parts:
            accept, wording = _KINDS.get(part, (_accept_any, "a value"))
            found = accept(value)
            if found is not MISSING:
                return found
            wanted.append(wording)
        wanted += list(slot.words)
        shown = show(value) if is_number(value) or isinstance(value, bool | str | tuple) else kind_of(value)
        code = (
            "E0306"
            if is_number(value) and any(w.startswith(("a number", "a whole", "a size")) for w in wanted)
            else "E0207"
        )
        self.error(code, expr, f"{what} is {either(dict.fromkeys(wanted))}, not {shown}")
        return POISON

    def word(self, expr: nodes.Expr, scope: Scope) -> tuple[str | None, object | None]:
        """A bare word as it was meant: through `let`s and settings; and what the scope knows by that name."""
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if isinstance(expr, nodes.Bool):
            return ("true" if expr.value else "false"), expr
        if not isinstance(expr, nodes.Name):
            return None, expr
        found = scope.find(expr.id)
        if isinstance(found, Thunk) and not found.busy:
            found.busy = True
            try:
                return self.word(found.expr, found.scope)
            finally:
                found.busy = False
        if found is MISSING:
            return expr.id, None
        return None, found

    def initialiser(self, expr: nodes.Expr, what: str, scope: Scope) -> Any:
        """`he_normal`, `normal(0.01)`, or a name that stands for one."""
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if isinstance(expr, nodes.Name) and isinstance(found := scope.find(expr.id), Thunk):
            if found.busy:
                return POISON
            found.busy = True
            try:
                return self.initialiser(found.expr, what, found.scope)
            finally:
                found.busy = False
        name = expr.id if isinstance(expr, nodes.Name) else expr.callee.id if isinstance(expr, nodes.Call) else ""
        row = registry.initialiser(name) if name else None
        if row is None:
            if isinstance(expr, nodes.Name | nodes.Call) and scope.find(name) is MISSING:
                known = registry.initialisers()
                self.error(
                    "E0218",
                    expr,
                    f"unknown initialiser {name}",
                    help=did_you_mean(name, known, f"known: {', '.join(known)}"),
                )
            else:
                help = f"constant({show(expr.value)})" if isinstance(expr, nodes.Number) else "as in normal(0.01)"
                kind = self.kind(expr, scope)
                found = {"tensor": "a tensor", "bool": "true or false"}.get(kind, f"a {kind}")
                self.error("E0207", expr, f"{what} is an initialiser, this is {found}", help=help)
            return POISON
        arguments = expr.arguments if isinstance(expr, nodes.Call) else ()
        positional = [a.value for a in arguments if not a.name]
        slots = slots_of(row)
        found = self.settings(expr, name, slots, positional, [a for a in arguments if a.name], scope)
        if isinstance(found, Poisoned):
            return POISON
        values = {slot.name: slot.default for slot in slots} | found[0]
        return Initialiser(name, tuple(values.items()))


def usage(name: str, slots: tuple[Slot, ...]) -> str:
    """`conv(channels, kernel)`: what must be given."""
    return f"{name}({', '.join(s.name for s in slots if s.default is REQUIRED)})"


# ---------------------------------------------------------------- kinds of settings

Accept = Callable[[Any], Any]


def _accept_any(value: Any) -> Any:
    return value


def _integer(value: Any) -> Any:
    """A whole number, also one written as `4 * 0.5`; MISSING for anything else."""
    if isinstance(value, bool):
        return MISSING
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return MISSING


def _whole(value: Any) -> Any:
    found = _integer(value)
    return found if found is not MISSING and found >= 0 else MISSING


def _size(value: Any) -> Any:
    if isinstance(value, Dim):
        return value if is_at_least(value, 1) else MISSING
    found = _integer(value)
    return found if found is not MISSING and found >= 1 else MISSING


def _real(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    try:
        return float(value)
    except OverflowError:
        return MISSING


def _probability(value: Any) -> Any:
    found = _real(value)
    return found if found is not MISSING and 0 <= found <= 1 else MISSING


def _positive(value: Any) -> Any:
    found = _real(value)
    return found if found is not MISSING and found > 0 else MISSING


def _bool(value: Any) -> Any:
    return value if isinstance(value, bool) else MISSING


def _each(accept: Accept) -> Accept:
    def accept_list(value: Any) -> Any:
        if not isinstance(value, tuple) or not value:
            return MISSING
        found = tuple(accept(item) for item in value)
        return MISSING if MISSING in found else found

    return accept_list


def _one_or_each(accept: Accept) -> Accept:
    several = _each(accept)
    return lambda value: several(value) if isinstance(value, tuple) else accept(value)


def _shape_size(value: Any) -> Any:
    return -1 if value == -1 and not isinstance(value, bool) else _whole_or_open(value)


def _whole_or_open(value: Any) -> Any:
    return value if isinstance(value, Dim) else _size(value)


def _shape(value: Any) -> Any:
    if value == ():
        return ()
    return _each(_shape_size)(value if isinstance(value, tuple) else (value,))


def _reals(value: Any) -> Any:
    if not isinstance(value, tuple):
        return _real(value)
    found = tuple(_reals(item) for item in value)
    return MISSING if MISSING in found else found


def _numbers(value: Any) -> Any:
    if isinstance(value, tuple):
        found = tuple(_numbers(item) for item in value)
        return MISSING if MISSING in found else found
    return value if is_number(value) or isinstance(value, bool) else MISSING


_KINDS: dict[str, tuple[Accept, str]] = {
    "bool": (_bool, "true or false"),
    "Size": (_size, "a whole number >= 1"),
    "Whole": (_whole, "a whole number >= 0"),
    "Integer": (_integer, "a whole number"),
    "int": (_integer, "a whole number"),
    "Axis": (_integer, "a whole number"),
    "Real": (_real, "a number"),
    "float": (_real, "a number"),
    "Probability": (_probability, "a number from 0 to 1"),
    "Positive": (_positive, "a number > 0"),
    "Sizes": (_one_or_each(_whole), "a whole number >= 0, or a list of them"),
    "Axes": (_one_or_each(_integer), "an axis, or a list of axes"),
    "Parts": (_one_or_each(_size), "a whole number >= 1, or a list of sizes"),
    "Shape": (_shape, "a list of sizes"),
    "Numbers": (_numbers, "a number, or a list of numbers"),
    "Reals": (_reals, "a number, or a list of numbers"),
    "str": (lambda value: value if isinstance(value, str) else MISSING, "a string"),
}
