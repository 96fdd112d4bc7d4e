"""docs/layers.md: every layer, function, initialiser, optimizer, schedule and metric, printed from the registries."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

from nnspec.ops import registry as ops
from nnspec.ops.signature import Signature, signature_of
from nnspec.optim import registry as optim
from nnspec.views.wording import show

HEAD = """\
# Layers and functions

Printed from the compiler's own tables by `make docs`; a test holds this page equal to them.
[language.md](language.md) says how calls are written. Shapes are those of one example."""


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *_families(), *_initialisers(), *_regularisers(), *_training()]) + "\n"


def _families() -> Iterator[str]:
    rows = [row for row in map(ops.lookup, ops.names()) if row is not None]
    for family in dict.fromkeys(row.family for row in rows):
        yield f"\n## {family.capitalize()}"
        for row in rows:
            if row.family == family:
                doc = row.doc if row.kind == "op" else "A block of the prelude (`nnspec/ops/prelude.nn`)."
                yield from _entry(row.name, row.signature, doc)


def _initialisers() -> Iterator[str]:
    yield "\n## Initialisers"
    for name in ops.initialisers():
        found = ops.initialiser(name)
        assert found is not None
        yield from _entry(name, signature_of(found), found.__doc__ or "")


def _regularisers() -> Iterator[str]:
    yield "\n## Regularisers\n"
    for name, meaning in ops.REGULARISERS.items():
        yield f'- `{name}(weights)`, `{name}(weights("conv*"))`: {meaning}'


def _training() -> Iterator[str]:
    for title, names, find in (
        ("Optimizers", optim.optimizers(), optim.optimizer),
        ("Schedules", optim.schedules(), optim.schedule),
        ("Metrics", optim.metrics(), optim.metric),
    ):
        yield f"\n## {title}"
        for name in names:
            found = find(name)
            assert found is not None
            yield from _entry(name, signature_of(found), found.__doc__ or "")


def _entry(name: str, signature: Signature, doc: str) -> Iterator[str]:
    """A heading with the call, then the docstring: its text, its constraints, its settings."""
    tensors = [f"{t}, ..." if signature.variadic else t for t in signature.tensors]
    settings = [s.name if s.required else f"{s.name} = {show(_default(s.default))}" for s in signature.settings]
    yield f"\n### `{name}({', '.join([*tensors, *settings])})`\n"
    text, _, _ = cleandoc(doc).partition("Settings:")
    before = False
    for line in text.strip().replace("*", r"\*").split("\n"):
        item = _is_item(line)
        if item != before and line:
            yield ""
        before = item
        yield f"- {line.strip()}" if item else line
    listed = [f"- `{s.name}`: {s.doc}" + _choices(s.choices) for s in signature.settings if s.doc]
    if listed:
        yield ""
        yield from listed


def _default(value: object) -> object:
    """The schedule that a plain number means is shown as that number."""
    return getattr(value, "value", value)


def _choices(words: tuple[str, ...]) -> str:
    return f" (also: {', '.join(f'`{word}`' for word in words)})" if words else ""


def _is_item(line: str) -> bool:
    head = line.strip().partition(":")[0]
    return head[:1] == "C" and head[1:].isdigit()
