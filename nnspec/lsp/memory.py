"""What one text of a document leaves for the next: trees of declarations and facts of models that did not change.

An edit touches one declaration as a rule. `parse` reads the changed ones alone, and `elaborate` traces those models
alone that reach something changed; both stand in for the compiler's own in `nnspec.compiler.check`, and what they
give is what those would (a property test over random edits holds them to it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnspec.diagnostics import Diagnostic, Reporter
from nnspec.ir.graph import Graph
from nnspec.lsp.facts import Facts, facts_of
from nnspec.lsp.moves import Shift, lowered
from nnspec.passes.context import MAX_NODES, MAX_STEPS
from nnspec.passes.elaborate import Elaborator, trace
from nnspec.passes.program import Abandoned, Program
from nnspec.passes.resolve_lost import parts
from nnspec.record import Record
from nnspec.syntax import nodes, parse
from nnspec.syntax.lexer import normalise
from nnspec.syntax.tokens import FILE_WORDS, MAX_BYTES

KEPT = 64  # models whose facts are kept, or twice those of the text: some are of texts before it
_HEAD = re.compile(rf"(?:{'|'.join(sorted(FILE_WORDS | {'let'}))})\b")
_WORD = re.compile(r"[A-Za-z_]\w*")
_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))*")
Declarations = tuple[nodes.Declaration, ...]
Reached = list[tuple[nodes.Declaration, str]]  # declarations with the whole lines on which they stand


class Kept(Record):
    """What tracing a model without errors gave, and where its declarations stood."""

    blocks: tuple[tuple[int, int], ...]  # first and last line of every declaration it reaches
    trees: Declarations
    facts: Facts
    diagnostics: tuple[Diagnostic, ...]
    operations: int
    steps: int


class _Pieces:
    """The declarations of the pieces of one text: as if each stood alone, and where they stand (first line)."""

    def __init__(self) -> None:
        self.apart: dict[str, Declarations] = {}
        self.placed: dict[tuple[int, str], Declarations] = {}


class Memory:
    """One document's. `elaborate` is called by one thread at a time, `parse` by any."""

    def __init__(self) -> None:
        self._whole: dict[str, tuple[str, nodes.File, tuple[Diagnostic, ...]]] = {}
        self._pieces: dict[str, _Pieces] = {}
        self._models: dict[object, Kept] = {}
        self.facts: dict[str, Facts] = {}  # of the models elaborated since `begin`
        self.reach: _Reach | None = None
        self.cancelled = False
        self.traced = 0  # models that were not remembered, for tests

    def aside(self) -> Memory:
        """For texts that are only tried: what it learns of models is kept, its trees are not."""
        other = Memory()
        other._whole, other._pieces = dict(self._whole), dict(self._pieces)
        other._models = self._models
        return other

    def begin(self) -> None:
        """Before a text is checked."""
        self.facts, self.reach, self.cancelled = {}, None, False

    def cancel(self) -> None:
        """From another thread: the check that is under way ends with Abandoned."""
        self.cancelled = True
        if self.reach is not None:
            self.reach.program.abandoned = True

    # ------------------------------------------------------------ trees

    def parse(self, text: str, path: str, reporter: Reporter) -> nodes.File:
        """As `nnspec.syntax.parse`."""
        kept = self._whole.get(path)
        if kept is None or kept[0] != text:
            tree = self._by_pieces(normalise(text), path) if len(text) <= MAX_BYTES // 4 else None
            own = Reporter()
            if tree is None:
                tree = parse(text, path, own)
            kept = self._whole[path] = text, tree, tuple(own.diagnostics)
        for diagnostic in kept[2]:
            reporter.add(diagnostic)
        return kept[1]

    def _by_pieces(self, text: str, path: str) -> nodes.File | None:
        """The tree of a text without syntax errors, put together from those of its declarations; else None."""
        before, now = self._pieces.get(path, _Pieces()), _Pieces()
        for line, piece in _pieces(text):
            found = before.placed.get((line, piece))
            apart = before.apart.get(piece) or now.apart.get(piece) or _parsed(piece, path)
            if apart is None:
                return None
            now.apart[piece] = apart
            now.placed[line, piece] = found or lowered(apart, line - 1)
        self._pieces[path] = now
        every = tuple(d for found in now.placed.values() for d in found)
        return nodes.File(every[0].span.to(every[-1].span), path, every) if every else None

    # ------------------------------------------------------------ models

    def elaborate(self, program: Program, model: nodes.Model, overrides: None, reporter: Reporter) -> Graph | None:
        """As `nnspec.passes.elaborate.elaborate`, but None also for a model that is remembered: see `facts`."""
        if self.reach is None or self.reach.program is not program:
            self.reach = _Reach(program)
        if self.cancelled:
            raise Abandoned
        reached = self.reach.of(model)
        key = self.reach.key(model, reached, reporter)
        kept = self._models.get(key) if key is not None else None
        if kept is not None and self._recall(kept, model, program, reached, reporter):
            return None
        started, own = (program.operations, program.steps), _Recorder(reporter)
        self.traced += 1
        graph, whole = trace(program, model, overrides, own)
        if self.cancelled:
            raise Abandoned
        facts = self.facts[model.name.id] = facts_of(graph, program.main.path)
        if whole and key is not None:
            blocks = tuple((d.span.line, d.span.end_line) for d, _ in reached)
            spent = program.operations - started[0], program.steps - started[1]
            stays = Shift(program.main.path, ((first, last, first) for first, last in blocks))
            if all(stays.holds(s) for d in own.said for s in (d.span, *(label.span for label in d.labels))):
                self._keep(key, Kept(blocks, tuple(d for d, _ in reached), facts, tuple(own.said), *spent))
        return graph if whole else None

    def _recall(self, kept: Kept, model: nodes.Model, program: Program, reached: Reached, reporter: Reporter) -> bool:
        """Says again what tracing the model said; False where it has to be traced after all."""
        if program.operations + kept.operations > MAX_NODES or program.steps + kept.steps > MAX_STEPS:
            return False
        if reporter.diagnostics and kept.trees != tuple(d for d, _ in reached):
            return False  # the same lines read differently, as after a brace that is missing above
        places = zip(kept.blocks, reached, strict=True)
        shift = Shift(program.main.path, ((first, last, now[0].span.line) for (first, last), now in places))
        for diagnostic in kept.diagnostics:
            reporter.add(diagnostic if shift.still else shift.diagnostic(diagnostic))
        program.operations += kept.operations
        program.steps += kept.steps
        self.facts[model.name.id] = kept.facts.shifted(shift)
        return True

    def _keep(self, key: object, kept: Kept) -> None:
        self._models.pop(key, None)
        self._models[key] = kept
        if len(self._models) > max(KEPT, 2 * len(self.facts)):
            del self._models[next(iter(self._models))]


class _Recorder(Reporter):
    """Hands everything on, and keeps it: also what another model has said before, which is shown once."""

    def __init__(self, inner: Reporter) -> None:
        super().__init__()
        self.inner, self.diagnostics, self.said = inner, inner.diagnostics, list[Diagnostic]()

    @property
    def failed(self) -> bool:
        return self.inner.failed

    def add(self, diagnostic: Diagnostic) -> None:
        self.said.append(diagnostic)
        self.inner.add(diagnostic)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text cut before every line that begins with a word of the file level, with the number of its first line.

    What stands above the first is left out where it is comments alone.
    """
    lines = text.split("\n")
    starts = [n for n, line in enumerate(lines) if _HEAD.match(line)]
    if not starts or not _BLANK.fullmatch("\n".join(lines[: starts[0]])):
        starts = [0, *starts]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start + 1, "\n".join(lines[start:end])


def _parsed(piece: str, path: str) -> Declarations | None:
    """The declarations of a piece that stands alone, None where it has errors."""
    own = Reporter()
    tree = parse(piece, path, own)
    return None if own.diagnostics else tree.declarations


class _Reach:
    """What the models of one program depend on."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lines = program.sources.get(program.main.path, "").split("\n")
        self.order = {id(d): n for n, d in enumerate(program.main.declarations)}
        self.named: dict[str, list[nodes.Declaration]] = {}
        for d in program.main.declarations:
            if isinstance(d, nodes.Let | nodes.Block | nodes.Model):
                self.named.setdefault(d.name.id, []).append(d)
        self.others = tuple(text for path, text in program.sources.items() if path != program.main.path)
        self.imports = tuple(program.imports.get(path, ()) for path in program.files)

    def of(self, model: nodes.Model) -> Reached:
        """The declarations of the main file whose names stand in the text of the model, or of one of these."""
        found: dict[int, tuple[nodes.Declaration, str]] = {}
        waiting: list[nodes.Declaration | None] = [
            model,
            self.program.train_for(model),
            self.program.data_for(model),
        ]
        while waiting:
            d = waiting.pop()
            if d is None or id(d) in found:
                continue
            text = "\n".join(self.lines[d.span.line - 1 : d.span.end_line])
            found[id(d)] = d, text
            for word in dict.fromkeys(_WORD.findall(text)):
                waiting += self.named.get(word, ())
        return sorted(found.values(), key=lambda entry: self.order[id(entry[0])])

    def key(self, model: nodes.Model, reached: Reached, reporter: Reporter) -> object:
        """All that tracing a model depends on, None where an error has touched it."""
        program = self.program
        if program.poisoned and any(id(part) in program.poisoned for d, _ in reached for part in parts(d)):
            return None
        damaged = reporter.failed and Elaborator(program, reporter, program.settings).is_damaged(model)
        state = reporter.failed, damaged, id(model) in program.untrained
        return model.name.id, tuple(text for _, text in reached), self.others, self.imports, state
