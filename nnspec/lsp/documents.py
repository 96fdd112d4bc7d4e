"""The open documents: what stands in each now, and what is known of it, by analyses on a thread of their own.

A keystroke never waits. `syntax` reads the text as it stands; `known` is the last analysis, of this text or of one
before it (`Document.moves` says where its places stand now); `analysis` waits for that of this very text.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from nnspec.diagnostics import Diagnostic, Fix
from nnspec.lsp.analysis import Analysis, Syntax
from nnspec.lsp.memory import Memory
from nnspec.lsp.moves import Moves
from nnspec.passes.program import Abandoned

MOST = 16  # analyses without a collection of garbage


class Document:
    """One open file. `version` counts the edits that may change what is known of it, those of its imports too."""

    def __init__(self, documents: Documents, path: str, text: str) -> None:
        self.documents, self.path, self.text, self.version = documents, path, text, 0
        self.memory = Memory()
        self.known: Analysis | None = None
        self._known_version = -1
        self._syntax: tuple[int, Syntax] | None = None
        self._running: tuple[int, asyncio.Future[Analysis]] | None = None
        self._trying: Memory | None = None

    def edit(self, text: str) -> None:
        """Another text, or the same where an import has changed: work on the one before ends."""
        self.text, self.version = text, self.version + 1
        self.memory.cancel()
        if self._trying is not None:
            self._trying.cancel()

    @property
    def current(self) -> bool:
        """Whether `known` is of this very text."""
        return self._known_version == self.version

    def syntax(self) -> Syntax:
        """Text, tree and names of what stands there now."""
        if self._syntax is None or self._syntax[0] != self.version:
            self._syntax = self.version, Syntax(self.path, self.text, self.memory, self.documents.texts())
        return self._syntax[1]

    def moves(self, back: bool = False) -> Moves:
        """From places of `known` to places of the text as it stands (or back)."""
        assert self.known is not None, "places of nothing"
        lines = self.syntax().lines
        return Moves(lines, self.known.lines) if back else Moves(self.known.lines, lines)

    async def analysis(self) -> Analysis:
        """The analysis of what stands there now; waits for it where it is not done."""
        while not (self.current and self.known is not None):
            if self._running is None or self._running[0] != self.version:
                work = asyncio.get_running_loop().run_in_executor(
                    self.documents.worker, self._analyse, self.version, self.text, self.documents.texts()
                )
                self._running = self.version, work
            version, work = self._running
            try:
                known = await asyncio.shield(work)
            except Abandoned:
                continue  # there is a newer text
            if version == self.version:
                self.known, self._known_version = known, version
        return self.known

    def _analyse(self, version: int, text: str, unsaved: dict[str, str]) -> Analysis:
        if version != self.version:
            raise Abandoned
        self.documents.used()
        analysis = Analysis(self.path, text, self.memory, unsaved)
        _ = analysis.hints  # the first request that wants them should not pay for it
        return analysis

    async def fixes(self, analysis: Analysis, diagnostic: Diagnostic) -> tuple[Fix, ...]:
        """The fixes of a diagnostic, tried on the thread of the analyses; none where the text has changed meanwhile."""
        found = analysis.fixes.get(diagnostic)
        if found is None:
            self._trying = self.memory.aside()
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(
                    self.documents.worker, self._try, self.version, analysis, diagnostic, self._trying
                )
            except Abandoned:
                return ()
        return found

    def _try(self, version: int, analysis: Analysis, diagnostic: Diagnostic, memory: Memory) -> tuple[Fix, ...]:
        if version != self.version:
            raise Abandoned
        self.documents.used()
        return analysis.try_fixes(diagnostic, memory)

    def imports(self, path: str) -> bool:
        """Whether the file at a path is read by this document, itself or by what it imports."""
        real = os.path.realpath(path)
        return any(os.path.realpath(other) == real for other in self.syntax().program.files if other != self.path)


class Documents:
    """All open documents by URI, and the thread that analyses them, one after the other.

    An analysis leaves a graph behind, which takes 40 ms to collect for a deep network: that is done while nobody
    types, or after `MOST` analyses without such a moment (`nnspec lsp` turns the automatic collection off).
    """

    def __init__(self) -> None:
        self.open: dict[str, Document] = {}
        self.worker = ThreadPoolExecutor(1, "analysis")
        self._used = 0

    def used(self) -> None:
        """Before an analysis, on its thread."""
        self._used += 1
        if self._used > MOST:
            self._collect()

    async def rest(self) -> None:
        """Nobody types."""
        if self._used:
            await asyncio.get_running_loop().run_in_executor(self.worker, self._collect)

    def _collect(self) -> None:
        self._used = 0
        gc.collect()

    def texts(self) -> dict[str, str]:
        """The texts of the open files by real path: they count, not what is on the disk."""
        return {os.path.realpath(document.path): document.text for document in self.open.values()}

    def importers(self, path: str) -> Iterator[tuple[str, Document]]:
        """The open documents that read the file at a path."""
        for uri, document in self.open.items():
            if os.path.realpath(document.path) != os.path.realpath(path) and document.imports(path):
                yield uri, document
