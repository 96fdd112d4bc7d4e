"""Words of the language with their signatures and docs, from the registries; and the word at a place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from nnspec.ops import registry as ops
from nnspec.ops.signature import Signature, signature_of
from nnspec.optim import registry as optim
from nnspec.passes.keys import DATA_KEYS, SOURCES, TRAIN_KEYS
from nnspec.passes.resolve_tables import BUILT_IN, NUMERIC, SELECTIONS
from nnspec.record import Record
from nnspec.views.wording import show

FORMS = frozenset({"log_uniform", "patience", "gradient_below", "in_order", "folds", "crop"})
"""Calls that stand for no layer and no setting: domains, rules to stop, ways to split, pictures changed."""
CALLS = frozenset({*BUILT_IN, *NUMERIC, *SELECTIONS, *FORMS})

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Known(Record):
    """A word: its call with all settings and their defaults, its docs, its signature if it has one, its table."""

    name: str
    call: str
    doc: str
    signature: Signature | None
    table: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The arguments of the call as they are shown."""
        return arguments(self.signature) if self.signature is not None else ()


def arguments(signature: Signature) -> tuple[str, ...]:
    tensors = [f"{t}, ..." if signature.variadic else t for t in signature.tensors]
    settings = [
        s.name if s.required else f"{s.name} = {show(getattr(s.default, 'value', s.default))}"
        for s in signature.settings
    ]
    return (*tensors, *settings)


@cache
def layer(name: str) -> Known | None:
    """A layer or function."""
    row = ops.lookup(name)
    if row is None:
        return None
    doc = row.doc if row.kind == "op" else "A block of the prelude."
    return Known(name, f"{name}({', '.join(arguments(row.signature))})", doc, row.signature, "layer")


@cache
def other(name: str) -> Known | None:
    """An initialiser, optimizer, schedule, metric, regulariser, key or source."""
    for table, find in (
        ("optimizer", optim.optimizer),
        ("schedule", optim.schedule),
        ("metric", optim.metric),
        ("initialiser", ops.initialiser),
    ):
        found = find(name)
        if found is not None:
            signature = signature_of(found)
            return Known(name, f"{name}({', '.join(arguments(signature))})", found.__doc__ or "", signature, table)
    if name in ops.REGULARISERS:
        return Known(name, f"{name}(weights)", ops.REGULARISERS[name], None, "regulariser")
    for block, keys in (("train", TRAIN_KEYS), ("data", DATA_KEYS)):
        if name in keys:
            return Known(name, f"{name} = ...", f"A key of `{block}`: {keys[name].takes}.", None, "key")
    if name in SOURCES:
        return Known(name, f"{name}(...)", "A source of examples, for `source =` in `data`.", None, "source")
    return None


def described(name: str, inside: str = "") -> Known | None:
    """The word, where it stands: in `optimizer = ...` an optimizer, in `weight_init = ...` an initialiser."""
    first, second = (other, layer) if inside in _OTHERS or inside.endswith("init") else (layer, other)
    return first(name) or second(name)


_OTHERS = frozenset({"optimizer", "metrics", "init", "source", "split", "stop"})


def every(names: Iterable[str]) -> list[Known]:
    return [known for known in map(described, names) if known is not None]


def word_at(lines: list[str], line: int, column: int) -> str:
    """The word that a place (from 1) touches."""
    if line > len(lines):
        return ""
    for match in _WORD.finditer(lines[line - 1]):
        if match.start() < column <= match.end() + 1:
            return match.group()
    return ""


def callee_at(lines: list[str], line: int, column: int) -> str:
    """The key or setting whose value stands here: the last `name =` before the place on its line."""
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    found = re.findall(r'([A-Za-z_][A-Za-z0-9_]*)(?:\("[^"]*"\))?\s*=(?!=)', before)
    return found[-1] if found else ""
