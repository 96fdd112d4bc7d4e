"""A new name for a declaration, in every file that means it; refused where another name would be caught or hidden."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from nnspec.diagnostics import Reporter, Span
from nnspec.loader import read_text
from nnspec.lsp.analysis import Syntax
from nnspec.lsp.memory import Memory
from nnspec.lsp.names import Binding
from nnspec.lsp.tables import described
from nnspec.passes.resolve_lost import parts
from nnspec.record import Record
from nnspec.syntax import nodes
from nnspec.syntax.tokens import RESERVED

MOST = 2000  # files of a folder that are looked at
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHARED = frozenset({"block", "model", "let", "setting"})  # what other files may mean


class Refused(Exception):
    """Why a name stays."""


class Uses(Record):
    """The places of one file that mean a declaration, with the lines of the file."""

    path: str
    lines: list[str]
    spans: tuple[Span, ...]


def renamed(syntax: Syntax, binding: Binding, new: str, folders: list[str], unsaved: Mapping[str, str]) -> list[Uses]:
    """Every place to change. `folders` are searched for files that import the declaring one; raises Refused."""
    if not _NAME.fullmatch(new) or new in RESERVED:
        raise Refused(f"{new} is not a name: letters, digits and _, and no word of the language")
    if new == binding.name:
        return []
    if described(new) is not None and binding.kind != "setting":
        raise Refused(f"{new} is a word of nnspec: what it means elsewhere in the file would change")
    found: list[Uses] = []
    for other in users(syntax, binding, folders, unsaved):
        spans = uses_in(other, binding)
        if not spans:
            continue
        if any(new in region.scope for region in other.names.regions) or _setting_clash(other, binding, new):
            where = "" if other.path == syntax.path else f" in {os.path.basename(other.path)}"
            raise Refused(f"there is a {new} already{where}")
        if (pattern := _pattern(other, binding)) is not None:
            line = f"line {pattern.span.line} of {os.path.basename(other.path)}"
            raise Refused(f'the pattern "{pattern.value}" ({line}) names parameters of {binding.name}: change it first')
        found.append(Uses(other.path, other.lines, spans))
    return found


def _pattern(syntax: Syntax, binding: Binding) -> nodes.String | None:
    """A text of the file that may name parameters by the name of their layer."""
    if binding.kind not in ("layer", "param"):
        return None
    word = re.compile(rf"(?<![\w]){re.escape(binding.name)}(?![\w])")
    strings = (part for part in parts(syntax.tree) if isinstance(part, nodes.String))
    return next((string for string in strings if word.search(string.value)), None)


def users(syntax: Syntax, binding: Binding, folders: list[str], unsaved: Mapping[str, str]) -> Iterator[Syntax]:
    """The files in which a declaration may be meant: its own, then those that import it, one by one."""
    declaring = binding.span.path
    if declaring == syntax.path:
        yield syntax
    else:
        yield Syntax(declaring, syntax.program.sources[declaring], Memory(), unsaved)
    if binding.kind not in _SHARED:
        return
    done = {os.path.realpath(declaring)}
    word = re.compile(rf"\b{re.escape(binding.name)}\b")
    for path in (syntax.path, *unsaved, *_specs([*folders, os.path.dirname(declaring)])):
        real = os.path.realpath(path)
        if real in done:
            continue
        done.add(real)
        text = unsaved.get(real) if real in unsaved else read_text(path, Reporter())
        if text is not None and "import" in text and word.search(text):
            yield syntax if path == syntax.path else Syntax(path, text, Memory(), unsaved)


def uses_in(syntax: Syntax, binding: Binding) -> tuple[Span, ...]:
    """The places of a file that mean a declaration, in order."""
    real = os.path.realpath(binding.span.path)
    here = [
        span
        for other in syntax.names.bindings
        if other.name == binding.name
        and _place(other.span) == _place(binding.span)
        and os.path.realpath(other.span.path) == real
        for span in other.uses
        if span.path == syntax.path
    ]
    return tuple(sorted(dict.fromkeys(here), key=_place))


def _setting_clash(syntax: Syntax, binding: Binding, new: str) -> bool:
    """Whether the block of a setting has another of the new name."""
    return binding.kind == "setting" and any(
        other.node is binding.node and other.name == new for other in syntax.names.bindings
    )


def _place(span: Span) -> tuple[int, int]:
    return span.line, span.column


def _specs(folders: list[str]) -> Iterator[str]:
    """The `.nn` files of some folders and of those in them; what is hidden or installed is left out."""
    left = MOST
    for folder in dict.fromkeys(folders):
        for root, inner, names in os.walk(folder):
            inner[:] = sorted(n for n in inner if not n.startswith(".") and n not in ("node_modules", "runs"))
            for name in sorted(names):
                if name.endswith(".nn"):
                    yield os.path.join(root, name)
            left -= len(names)
            if left < 0:
                raise Refused(
                    f"{folder} holds too many files to look for the name in all of them: open a smaller folder"
                )
