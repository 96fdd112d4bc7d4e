"""Files of json that a run keeps, read with suspicion: someone may have edited them.

A form says what a value must be: a function from the value to what is wrong with it, "" where nothing is.
`table(plan = whole, ...)` and its kind make forms of forms. Keys that a form does not name are left alone, so that
what a later version adds is no fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

Form = Callable[[Any], str]
LARGEST = 1 << 26  # bytes of a file
LONGEST = 1 << 53  # whole numbers up to which json is read alike by all


def text(value: Any) -> str:
    return "" if isinstance(value, str) and "\0" not in value else "is no text"


def whole(value: Any) -> str:
    """A count: a whole number that is not negative."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LONGEST
    return "" if fits else "is no whole number from 0 on"


def positive(value: Any) -> str:
    return whole(value) or ("" if value else "is 0")


def number(value: Any) -> str:
    """NaN and infinities are numbers too: a run may have come to them."""
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "is no number"


def finite(value: Any) -> str:
    return number(value) or ("" if abs(value) < 1e308 else "is not finite")


def numbers(value: Any) -> str:
    """A finite number, or lists of lists of them."""
    return each(numbers)(value) if isinstance(value, list) else finite(value)


def nonzero(value: Any) -> str:
    """`numbers` to divide by."""
    return each(nonzero)(value) if isinstance(value, list) else finite(value) or ("" if value else "is 0")


def setting(value: Any) -> str:
    """A value of `--set`."""
    if isinstance(value, list):
        return each(setting)(value)
    return "" if isinstance(value, str | bool) or not number(value) else "is no value of a setting"


def anything(value: Any) -> str:
    return ""


def each(form: Form) -> Form:
    """A list of what `form` says."""

    def fault(value: Any) -> str:
        if not isinstance(value, list):
            return "is no list"
        return next((f"[{i}] {wrong}" for i, item in enumerate(value) if (wrong := form(item))), "")

    return fault


def named(form: Form) -> Form:
    """Values by name, each as `form` says."""

    def fault(value: Any) -> str:
        if not isinstance(value, dict):
            return "is no table of values by name"
        return next((f".{name} {wrong}" for name, item in value.items() if (wrong := form(item))), "")

    return fault


def maybe(form: Form) -> Form:
    """None, or what `form` says."""
    return lambda value: "" if value is None else form(value)


def table(optional: dict[str, Form] | None = None, **forms: Form) -> Form:
    """Values by name that must be there, and `optional` ones, each with a form of its own."""

    def fault(value: Any) -> str:
        if not isinstance(value, dict):
            return "is no table of values by name"
        if missing := [name for name in forms if name not in value]:
            return f"has no {', '.join(missing)}"
        known = {**forms, **(optional or {})}
        return next((f".{n} {wrong}" for n, form in known.items() if n in value and (wrong := form(value[n]))), "")

    return fault


def read_stored(path: Path, form: Form) -> Any:
    """The content of a json file of a run. Raises TrainError where it cannot be read or has another form."""
    try:
        if path.stat().st_size > LARGEST:
            raise TrainError(f"{path} has {path.stat().st_size:,} bytes: no run writes so many")
        return checked(json.loads(path.read_text(encoding="utf-8")), form, path)
    except OSError as error:
        raise TrainError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} cannot be read: {error}") from error


def checked(value: Any, form: Form, path: Path) -> Any:
    """`value`, which stands in a file. Raises TrainError where it has another form."""
    if wrong := form(value):
        shown = wrong if len(wrong) < 200 else f"{wrong[:200]}..."
        raise TrainError(f"{path}: {shown.lstrip('.')}", help="the file was changed after the run wrote it")
    return value


MEASURED = named(number)
VALIDATED: Form = lambda value: MEASURED(value) or table(loss=number)(value)  # noqa: E731
METRICS = table({"epoch": whole, "step": whole, "train": MEASURED, "validation": VALIDATED, "test": MEASURED})
MEMORY = table(
    {"window": whole, "tokens": text},
    columns=named(each(text)),
    classes=named(each(text)),
    scaling=named(table(unit=finite, mean=numbers, std=nonzero)),
    dims=named(positive),
)
RESOLVED = table(
    {"chunk": positive},
    init=named(text),
    settings=named(setting),
    model=text,
    backend=text,
    device=text,
    dtype=text,
    seed=whole,
    blas=positive,
    base=text,
    spec=text,
    choices=named(text),
    plan=table({"chunk": positive}, examples=whole, batch=positive, steps=whole, epochs=whole),
    examples=named(whole),
    train=table(groups=each(table(pattern=text, optimizer=anything))),
    data=table({"files": named(text), "memory": MEMORY}),
    parameters=named(each(whole)),
    hashes=named(text),
)
RESULT = table(
    epochs=whole,
    steps=whole,
    test=maybe(MEASURED),
    train=maybe(MEASURED),
    checkpoint=text,
    best_epoch=whole,
    stopped=text,
)
ENVIRONMENT = table(packages=named(anything))
CHECKPOINT = table(
    progress=table(
        step=whole,
        epoch=positive,
        done=whole,
        loss_sum=number,
        seen=whole,
        best=maybe(number),
        best_epoch=whole,
        finished=text,
        losses=each(number),
        plateaus=each(each(maybe(number))),
    ),
    run=named(anything),
    metrics=table(size=whole, hash=text),
    files=named(text),
)
