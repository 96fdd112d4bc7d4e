"""Completion and signature help: what may stand at the cursor, read off the text before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from typing import NamedTuple

from nnspec.diagnostics import Reporter
from nnspec.ir.types import DTYPES
from nnspec.lsp.analysis import Syntax
from nnspec.lsp.names import Binding
from nnspec.lsp.tables import Known, callee_at, described, every
from nnspec.ops import registry as ops
from nnspec.optim import registry as optim
from nnspec.passes.keys import DATA_KEYS, SOURCES, TRAIN_KEYS, Key
from nnspec.syntax import nodes
from nnspec.syntax.lexer import scan
from nnspec.syntax.tokens import BODY_WORDS, FILE_WORDS, Problems, Token

ATTRIBUTES = ("shape", "channels", "height", "width", "length", "features", "size")
SPECIAL = ("repeat", "for", "if")
_TYPED = re.compile(r"^\s*(?:input|target|param|noise)\s+\w+\s*:\s*\w*$")


class Item(NamedTuple):
    """One proposal: what is put in, its kind (as `server.KINDS` names it), a line beside it, its docs."""

    text: str
    kind: str
    detail: str = ""
    doc: str = ""
    insert: str = ""


class Where(NamedTuple):
    """What is open before the cursor: the innermost call with the number of its argument, and the block."""

    callee: str
    argument: int
    given: tuple[str, ...]
    block: str  # "train", "data", "body", "file"
    previous: str  # the last token before the word being written
    first: bool  # whether a statement begins here


def complete(syntax: Syntax, line: int, column: int) -> list[Item]:
    """Proposals for a place (from 1); the editor filters them by what is typed."""
    before = syntax.lines[line - 1][: column - 1] if line <= len(syntax.lines) else ""
    if re.search(r"\.\w*$", before) and not re.search(r"\d\.\d*$", before):
        return [Item(name, "property", "a number") for name in ATTRIBUTES]
    if _TYPED.match(before):
        return [Item(name, "type") for name in DTYPES]
    where = locate(syntax, line, column)
    if where.block in ("train", "data"):
        return list(_of_keys(syntax, where, line, column))
    if where.first:
        return list(_statements(syntax, where, line, column))
    return [*_settings(syntax, where, line, column), *_values(syntax, where, line, column)]


def _of_keys(syntax: Syntax, where: Where, line: int, column: int) -> Iterator[Item]:
    """Keys at the start of an entry, after `=` what the key takes."""
    keys: dict[str, Key] = TRAIN_KEYS if where.block == "train" else DATA_KEYS
    if where.first:
        yield from (Item(name, "property", key.takes, insert=f"{name} = ") for name, key in keys.items())
        return
    yield from _settings(syntax, where, line, column)
    key = callee_at(syntax.lines, line, column)
    names: Iterable[str] = ()
    if key == "optimizer" and not where.callee:
        names = optim.optimizers()
    elif key == "metrics":
        names = optim.metrics()
    elif key == "source" or where.block == "data":
        names = SOURCES
    elif key == "init" or key.endswith("_init"):
        names = ops.initialisers()
    elif where.callee in optim.optimizers():
        names = optim.schedules()
    if key in keys:
        yield from (Item(word, "constant") for word in keys[key].words)
    if names:
        yield from map(_known, every(names))
    if key in ("minimize", "metrics", "optimizer") or not names:
        yield from _scope(syntax, line, column)
    if key == "minimize":
        yield from (_known(k) for k in every(n for n in ops.names() if _family(n) in ("loss", "arithmetic")))
        yield from (Item(name, "function", what) for name, what in ops.REGULARISERS.items())


def _statements(syntax: Syntax, where: Where, line: int, column: int) -> Iterator[Item]:
    words = FILE_WORDS if where.block == "file" else BODY_WORDS
    yield from (Item(word, "keyword") for word in sorted({*words, "let"}))
    if where.block != "file":
        yield from _scope(syntax, line, column)


def _settings(syntax: Syntax, where: Where, line: int, column: int) -> Iterator[Item]:
    """Settings of the call around the cursor that are not given yet."""
    if not where.callee or where.previous not in ("(", ",", ";"):
        return
    binding = syntax.names.visible(line, column).get(where.callee)
    if binding is not None and isinstance(binding.node, nodes.Block | nodes.Model):
        found = [(s.name.id, "a setting of this file") for s in binding.node.settings]
    else:
        known = described(where.callee)
        found = [(s.name, s.doc) for s in known.signature.settings] if known and known.signature else []
    for name, doc in found:
        if name not in where.given:
            yield Item(name, "property", doc, insert=f"{name} = ")


def _values(syntax: Syntax, where: Where, line: int, column: int) -> Iterator[Item]:
    """Layers and functions, and the names seen here; initialisers where one is wanted."""
    if callee_at(syntax.lines, line, column).endswith("_init"):
        yield from map(_known, every(ops.initialisers()))
        return
    scope = list(_scope(syntax, line, column))
    yield from scope
    mine = {item.text for item in scope}
    yield from (_known(known) for known in every(ops.names()) if known.name not in mine)
    yield from (Item(word, "keyword") for word in SPECIAL)


def _scope(syntax: Syntax, line: int, column: int) -> Iterator[Item]:
    for name, binding in syntax.names.visible(line, column).items():
        yield Item(name, _kind(binding), binding.kind)


def _kind(binding: Binding) -> str:
    return {"block": "class", "model": "class", "let": "constant", "setting": "constant", "layer": "function"}.get(
        binding.kind, "variable"
    )


def _known(known: Known) -> Item:
    return Item(known.name, "function", known.call, cleandoc(known.doc).partition("\n\n")[0])


def _family(name: str) -> str:
    row = ops.lookup(name)
    return row.family if row is not None else ""


# ---------------------------------------------------------------- signature help


class Signature(NamedTuple):
    """A call with its arguments as shown, which of them the cursor is in (-1: none), its docs."""

    call: str
    parts: tuple[str, ...]
    active: int
    doc: str


def signature(syntax: Syntax, line: int, column: int) -> Signature | None:
    """The call around a place (from 1)."""
    where = locate(syntax, line, column)
    if not where.callee:
        return None
    binding = syntax.names.visible(line, column).get(where.callee)
    if binding is not None and isinstance(binding.node, nodes.Block | nodes.Model):
        declared = binding.node
        tensors = [t.id for t in declared.tensors] if isinstance(declared, nodes.Block) else []
        parts, doc = (*tensors, *(s.name.id for s in declared.settings)), f"{binding.kind} of this file"
        piped = len(tensors) > 0
    else:
        known = described(where.callee, callee_at(syntax.lines, line, column))
        if known is None or known.signature is None:
            return None
        parts, doc = known.parts, cleandoc(known.doc).partition("\n\n")[0]
        piped = len(known.signature.tensors) > 0
    names = [part.partition(" ")[0].rstrip(",") for part in parts]
    current = where.given[-1] if where.given and where.previous not in ("(", ",") else ""
    if current in names:
        active = names.index(current)
    else:  # after `->` the first tensor is piped in
        active = where.argument + (piped and _is_step(syntax, where, line, column))
    return Signature(f"{where.callee}({', '.join(parts)})", parts, active if active < len(parts) else -1, doc)


def _is_step(syntax: Syntax, where: Where, line: int, column: int) -> bool:
    """Whether the call around a place stands behind an arrow (or opens a composition)."""
    tokens = _before(syntax, line, column)
    depth = 0
    for index in range(len(tokens) - 1, 0, -1):
        kind = tokens[index].type
        depth += (kind in ")]}") - (kind in "([{") if len(kind) == 1 else 0
        if depth < 0:
            before = index - 2
            while before > 0 and tokens[before].type in (":", "WORD"):
                before -= 1
            return tokens[before].type == "->" if before >= 0 else False
    return False


# ---------------------------------------------------------------- what stands before the cursor


def _before(syntax: Syntax, line: int, column: int) -> list[Token]:
    """The tokens that end before a place, newlines left out."""
    text = (
        "\n".join([*syntax.lines[: line - 1], syntax.lines[line - 1][: column - 1]])
        if line <= len(syntax.lines)
        else syntax.text
    )
    return [t for t in scan(text, Problems(syntax.path, Reporter())) if t.type != "$END"]


def locate(syntax: Syntax, line: int, column: int) -> Where:
    """What is open at a place."""
    tokens = _before(syntax, line, column)
    if tokens and tokens[-1].type == "WORD" and (tokens[-1].line, tokens[-1].end) == (line, column):
        tokens = tokens[:-1]  # the word being written
    open_: list[int] = []
    for index, token in enumerate(tokens):
        if token.type in ("(", "[", "{"):
            open_.append(index)
        elif token.type in (")", "]", "}") and open_:
            open_.pop()
    block = "file"
    for index in open_:
        if tokens[index].type == "{":
            head = [t.text for t in tokens[max(0, index - 2) : index]]
            block = next((w for w in ("train", "data") if w in head), "body") if block == "file" else block
    callee, argument, given = _call(tokens, open_)
    solid = [t for t in tokens if t.type != "NEWLINE"]
    previous = solid[-1].type if solid else ""
    fresh = previous in ("", "{", ";") or (tokens[-1].type == "NEWLINE" and previous not in _GOES_ON)
    first = fresh and (not open_ or tokens[open_[-1]].type == "{")
    return Where(callee, argument, given, block, previous, first)


_GOES_ON = frozenset({"->", "=", ",", "+", "-", "*", "/", "(", "["})


def _call(tokens: list[Token], open_: list[int]) -> tuple[str, int, tuple[str, ...]]:
    """The innermost call that is open: its name, the number of the argument, the names given so far."""
    for place in reversed(open_):
        if tokens[place].type == "{":
            break
        if tokens[place].type != "(" or not place or tokens[place - 1].type != "WORD":
            continue
        depth, argument, given = 0, 0, []
        for index in range(place + 1, len(tokens)):
            kind = tokens[index].type
            depth += (kind in ("(", "[", "{")) - (kind in (")", "]", "}"))
            if depth == 0 and kind in (",", ";"):
                argument += 1
            elif depth == 0 and kind == "=" and tokens[index - 1].type == "WORD":
                given.append(tokens[index - 1].text)
        return tokens[place - 1].text, argument, tuple(given)
    return "", 0, ()
