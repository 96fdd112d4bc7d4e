"""What the server keeps between requests, what it tells the editor unasked, and places as the protocol counts them."""

from __future__ import annotations

import asyncio
import os

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec

from nnspec.diagnostics import Diagnostic, Span
from nnspec.lsp.analysis import Analysis, Syntax
from nnspec.lsp.documents import Document, Documents
from nnspec.version import __version__

REST = 0.5  # seconds without a keystroke before garbage is collected
FIXED = 8  # diagnostics whose fixes are tried before they are asked for
_SEVERITY = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}


class Server(LanguageServer):
    """Keeps the open documents, and says when an answer that was given before would be another one now."""

    def __init__(self) -> None:
        super().__init__("nnspec", __version__)
        self.documents = Documents()
        self.pending: dict[str, asyncio.Task[None]] = {}

    def document(self, uri: str) -> Document:
        """An open document; one that is not open as it stands on the disk."""
        found = self.documents.open.get(uri)
        return found or Document(self.documents, path_of(uri), self.workspace.get_text_document(uri).source)

    def uri(self, path: str) -> str:
        """How the editor calls a file, where it is open."""
        real = os.path.realpath(path)
        opened = (uri for uri, d in self.documents.open.items() if os.path.realpath(d.path) == real)
        return next(opened, None) or from_fs_path(path) or path

    def syntax(self, uri: str) -> Syntax:
        """Text, tree and names of what stands there now."""
        return self.document(uri).syntax()

    def refreshes(self, what: str) -> bool:
        """Whether the editor asks for its `inlay_hint`s or `semantic_tokens` again when it is told to."""
        workspace = self.client_capabilities.workspace
        ability = getattr(workspace, what, None)
        return bool(ability is not None and ability.refresh_support)

    def changed(self, uri: str, pause: float, imported: bool = False) -> None:
        """Checks a document when its author has paused. `imported`: not its own text is what has changed."""
        if uri in self.pending:
            self.pending[uri].cancel()
        self.pending[uri] = asyncio.ensure_future(self._check(uri, pause, imported))
        self.pending[uri].add_done_callback(self._told)

    def spread(self, uri: str, pause: float) -> None:
        """Checks the open documents that import this one."""
        for other, document in list(self.documents.importers(path_of(uri))):
            document.edit(document.text)
            self.changed(other, pause, imported=True)

    def _told(self, task: asyncio.Task[None]) -> None:
        """A check that failed is a bug of nnspec: the editor's log has it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            text = f"this is a bug in nnspec: {type(error).__name__}: {error}"
            self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, text))

    async def _check(self, uri: str, pause: float, imported: bool) -> None:
        await asyncio.sleep(pause)
        document = self.document(uri)
        analysis = await document.analysis()
        version = self.workspace.get_text_document(uri).version
        reported = [d for d in analysis.checked.diagnostics if d.span.path == analysis.path]
        found = [self.diagnostic(analysis, d) for d in reported]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, version))
        if self.refreshes("inlay_hint"):
            await self.workspace_inlay_hint_refresh_async(None)
        if imported and self.refreshes("semantic_tokens"):
            await self.workspace_semantic_tokens_refresh_async(None)
        for diagnostic in reported[:FIXED]:  # so that the list of fixes is there when it is asked for
            await document.fixes(analysis, diagnostic)
        await asyncio.sleep(REST)
        await self.documents.rest()

    # ------------------------------------------------------------ places

    def codec(self) -> PositionCodec:
        return self.workspace.position_codec

    def place(self, syntax: Syntax | Analysis, position: lsp.Position) -> tuple[int, int]:
        """An editor's position as line and column from 1, in code points."""
        line = min(position.line, len(syntax.lines) - 1)
        inside = self.codec().position_from_client_units(syntax.lines, lsp.Position(line, position.character))
        return inside.line + 1, inside.character + 1

    def position(self, lines: list[str], line: int, column: int) -> lsp.Position:
        """Line and column from 1 as an editor's position."""
        text = lines[line - 1][: column - 1] if line <= len(lines) else ""
        return lsp.Position(line - 1, len(text) if text.isascii() else self.codec().client_num_units(text))

    def range(self, lines: list[str], span: Span) -> lsp.Range:
        start = self.position(lines, span.line, span.column)
        return lsp.Range(start, self.position(lines, span.end_line, span.end_column))

    def location(self, syntax: Syntax, span: Span, uri: str) -> lsp.Location:
        """A place in this file, or in one that it imports."""
        if span.path == syntax.path:
            return lsp.Location(uri, self.range(syntax.lines, span))
        return lsp.Location(self.uri(span.path), self.range(self.lines(syntax, span.path), span))

    def lines(self, syntax: Syntax, path: str) -> list[str]:
        """The lines of a file that was read together with this one."""
        return syntax.lines if path == syntax.path else syntax.program.sources[path].split("\n")

    def diagnostic(self, analysis: Analysis, d: Diagnostic) -> lsp.Diagnostic:
        """With its help in the message, its labels as related places."""
        own = [label.text for label in d.labels if label.span == d.span]
        message = "\n".join([d.message, *own, *([f"help: {d.help}"] if d.help else [])])
        uri = from_fs_path(analysis.path) or ""
        related = [
            lsp.DiagnosticRelatedInformation(lsp.Location(uri, self.range(analysis.lines, label.span)), label.text)
            for label in d.labels
            if label.span != d.span and label.span.path == analysis.path
        ]
        return lsp.Diagnostic(
            self.range(analysis.lines, d.span),
            message,
            _SEVERITY[d.severity],
            d.code,
            source="nnspec",
            related_information=related,
        )


def path_of(uri: str) -> str:
    return to_fs_path(uri) or uri
