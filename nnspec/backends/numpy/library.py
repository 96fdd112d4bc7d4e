"""The source that emitted files carry: definitions of kernels and runtime, copied with all that they need.

Every name is defined once across these files, or with the same text each time (small helpers and aliases
stand in several kernel files, so that each reads on its own).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from nnspec.backends.reading import names_read
from nnspec.record import Record

_PACKAGE = Path(__file__).resolve().parents[2]


class Definition(Record):
    """A function, class or constant: its source text, and whether it is a one-line alias."""

    name: str
    text: str
    alias: bool

    @property
    def reads(self) -> frozenset[str]:
        """The names that it reads."""
        return _reads(self.text) - {self.name}


def carry(used: set[str], planned: bool) -> list[Definition]:
    """All definitions that these names need, in the order of the files. Other names are left out."""
    library = _library(planned)
    wanted: set[str] = set()
    waiting = [name for name in used if name in library]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(n for n in library[name].reads if n in library)
    return [definition for name, definition in library.items() if name in wanted]


def defined() -> set[str]:
    """Every name that an emitted file may carry."""
    return set(_library(False)) | set(_library(True))


@cache
def _library(planned: bool) -> dict[str, Definition]:
    """Definitions by name: aliases, modules and layers first, then kernels, optimizers, what trains them."""
    runtime = _PACKAGE / "backends" / "numpy" / "runtime"
    files = [runtime / "module.py", runtime / "initial.py"]
    files += sorted((_PACKAGE / "kernels").glob("[a-z]*.py"))
    files += [runtime / "layers.py", runtime / "recurrent.py"]
    files += [runtime / ("planned.py" if planned else "optimizers.py"), runtime / "training.py"]
    files += [runtime / "shards.py"]
    found: dict[str, Definition] = {}
    for file in files:
        for definition in _definitions(file):
            first = found.setdefault(definition.name, definition)
            if first.text != definition.text:
                raise AssertionError(f"{definition.name} is defined twice, differently: {file.name}")
    return dict(sorted(found.items(), key=lambda item: not item[1].alias))


_OPENING = re.compile(r"(?:def|class) (\w+)|(\w+) = ")


@cache
def _definitions(file: Path) -> tuple[Definition, ...]:
    """The statements of a file that define something. A statement begins where a line is not indented."""
    text = file.read_text(encoding="utf-8")
    lines = text[text.index('"""', 3) + 3 :].rstrip("\n").split("\n")
    starts = [i for i, line in enumerate(lines) if line and line[0] not in " )]}#"]
    found = []
    for start, after in zip(starts, [*starts[1:], len(lines)], strict=True):
        opening = _OPENING.match(lines[start])
        if opening is None:
            continue  # an import
        stop = after
        while not lines[stop - 1] or lines[stop - 1].startswith("#"):
            stop -= 1
        first = start
        while lines[first - 1].startswith("#"):
            first -= 1
        name = opening[1] or opening[2]
        alias = opening[1] is None and stop == start + 1 and not name.isupper()
        found.append(Definition(name, "\n".join(lines[first:stop]), alias))
    return tuple(found)


@cache
def _reads(text: str) -> frozenset[str]:
    return frozenset(names_read(text))
