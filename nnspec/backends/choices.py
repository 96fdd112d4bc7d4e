"""What the compiler decides beyond the spec: the form of a training step, for a device and a length of run.

Each backend has `backends/<name>/choose.py` with

- `FORMS`: what can be chosen, `{"steps": ("scan", "loop"), ...}`, the words of `--plan`;
- `choose(graph, run, wanted)`: one `Choice` for each entry of FORMS, with the reason in words; what `wanted` says wins.

A choice that changes text reaches the emitter in `Options.choices`, one that changes how text is run reaches
the `Driver`. `train` makes the choices once a run and keeps them with it (decision 26).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnspec.record import Record
from nnspec.suggest import did_you_mean

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph


class Run(Record):
    """What is known of a run before it starts. `device` is "cpu" or "cuda"; `batch` examples a step, `steps` in all
    (0: not known), `examples` in the training part; `dtype` the working float."""

    device: str = "cpu"
    batch: int = 32
    steps: int = 0
    examples: int = 0
    dtype: str = "float32"


class Choice(Record):
    """One decision: `what` was decided, the `value` (a word of FORMS, or a number), and `why`."""

    what: str
    value: str
    why: str


Choices = tuple[Choice, ...]


def choose(backend: str, graph: Graph, run: Run, wanted: Mapping[str, str] | None = None) -> Choices:
    """All choices of a backend for one run. Raises ValueError with a help sentence for a wish that does not exist."""
    found: Choices = _module(backend).choose(graph, run, dict(wanted or {}))
    return found


def read_wishes(backend: str, text: str) -> dict[str, str]:
    """`--plan scan` or `--plan steps=scan,threads=1` as a mapping. Raises ValueError naming what there is."""
    forms: dict[str, tuple[str, ...]] = _module(backend).FORMS
    words = {value: what for what, values in forms.items() for value in values}
    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        what, _, value = part.rpartition("=")
        what = what or words.get(value, "")
        if what not in forms or not _fits(value, forms[what]):
            known = [w or f"{what}=N" for what, values in forms.items() for w in (values or ("",))]
            raise ValueError(
                f"{backend} has no plan {part!r}: {did_you_mean(part, known, 'it has ' + ', '.join(known))}"
            )
        found[what] = value
    return found


def value_of(choices: Choices, what: str, default: str = "") -> str:
    """The value of one choice; `default` where nothing was chosen."""
    return next((c.value for c in choices if c.what == what), default)


def _fits(value: str, words: tuple[str, ...]) -> bool:
    """Whether a wish is one of the words; an entry without words takes a number from 1."""
    return value in words if words else value.isdigit() and int(value) > 0


def _module(backend: str) -> Any:
    return import_module(f"nnspec.backends.{backend}.choose")
