"""The protocol: requests of an editor in, answers from the analysis of the document's version out."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec

from nnspec.diagnostics import Diagnostic, Edit, Reporter, Span
from nnspec.lsp import complete as completing
from nnspec.lsp.analysis import Analysis, Syntax
from nnspec.lsp.hover import hover as hover_text
from nnspec.lsp.names import Binding
from nnspec.lsp.paint import MODIFIERS, TYPES
from nnspec.lsp.symbols import Symbol, outline
from nnspec.syntax.format import format_text
from nnspec.syntax.tokens import RESERVED
from nnspec.version import __version__

PAUSE = 0.15  # seconds without a keystroke before a file is checked as a whole
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SEVERITY = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}
_SYMBOLS = {
    "block": lsp.SymbolKind.Class,
    "model": lsp.SymbolKind.Class,
    "train": lsp.SymbolKind.Namespace,
    "data": lsp.SymbolKind.Namespace,
    "let": lsp.SymbolKind.Constant,
    "layer": lsp.SymbolKind.Function,
    "key": lsp.SymbolKind.Property,
}
_ITEMS = {
    "property": lsp.CompletionItemKind.Property,
    "type": lsp.CompletionItemKind.TypeParameter,
    "constant": lsp.CompletionItemKind.Constant,
    "function": lsp.CompletionItemKind.Function,
    "keyword": lsp.CompletionItemKind.Keyword,
    "class": lsp.CompletionItemKind.Class,
    "variable": lsp.CompletionItemKind.Variable,
}


class Server(LanguageServer):
    """Keeps, for every open document, the syntax of its text and the analysis of its last checked version."""

    def __init__(self) -> None:
        super().__init__("nnspec", __version__)
        self.syntaxes: dict[str, tuple[str, Syntax]] = {}
        self.analyses: dict[str, tuple[str, Analysis]] = {}
        self.pending: dict[str, asyncio.Task[None]] = {}

    def text(self, uri: str) -> str:
        return self.workspace.get_text_document(uri).source

    def syntax(self, uri: str) -> Syntax:
        """Text, tree and names of what stands there now."""
        text = self.text(uri)
        kept = self.syntaxes.get(uri)
        if kept is None or kept[0] != text:
            kept = self.syntaxes[uri] = text, Syntax(_path(uri), text)
        return kept[1]

    async def analysis(self, uri: str) -> Analysis:
        """The analysis of what stands there now; waits for it where it is not done."""
        text = self.text(uri)
        kept = self.analyses.get(uri)
        if kept is None or kept[0] != text:
            analysis = await asyncio.to_thread(_analysed, _path(uri), text)
            kept = self.analyses[uri] = text, analysis
        return kept[1]

    def changed(self, uri: str, pause: float) -> None:
        """Checks a document when its author has paused."""
        if uri in self.pending:
            self.pending[uri].cancel()
        self.pending[uri] = asyncio.ensure_future(self._check(uri, pause))
        self.pending[uri].add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        """A check that failed is a bug of nnspec: the editor's log has it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            text = f"this is a bug in nnspec: {type(error).__name__}: {error}"
            self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, text))

    async def _check(self, uri: str, pause: float) -> None:
        await asyncio.sleep(pause)
        analysis = await self.analysis(uri)
        version = self.workspace.get_text_document(uri).version
        found = [self.diagnostic(analysis, d) for d in analysis.checked.diagnostics if d.span.path == analysis.path]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, version))
        workspace = self.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            await self.workspace_inlay_hint_refresh_async(None)

    # ------------------------------------------------------------ places

    def codec(self) -> PositionCodec:
        return self.workspace.position_codec

    def place(self, syntax: Syntax, position: lsp.Position) -> tuple[int, int]:
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
        other = from_fs_path(span.path) or uri
        return lsp.Location(other, self.range(self.workspace.get_text_document(other).source.split("\n"), span))

    def diagnostic(self, analysis: Analysis, d: Diagnostic) -> lsp.Diagnostic:
        """With its help in the message, its labels as related places."""
        own = [label.text for label in d.labels if label.span == d.span]
        message = "\n".join([d.message, *own, *([f"help: {d.help}"] if d.help else [])])
        uri = from_fs_path(analysis.path) or ""
        related = [
            lsp.DiagnosticRelatedInformation(self.location(analysis, label.span, uri), label.text)
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


def _path(uri: str) -> str:
    return to_fs_path(uri) or uri


def _analysed(path: str, text: str) -> Analysis:
    """The analysis with everything in it that is made when first asked for."""
    analysis = Analysis(path, text)
    assert analysis.uses is not None
    assert analysis.names is not None
    assert analysis.hints is not None
    return analysis


server = Server()


# ---------------------------------------------------------------- documents


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.changed(params.text_document.uri, 0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
def _edited(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.changed(params.text_document.uri, PAUSE)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    ls.analyses.pop(params.text_document.uri, None)  # what it imports may have changed
    ls.changed(params.text_document.uri, 0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    if uri in ls.pending:
        ls.pending.pop(uri).cancel()
    ls.analyses.pop(uri, None)
    ls.syntaxes.pop(uri, None)
    ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))


# ---------------------------------------------------------------- what stands here


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
async def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    analysis = await ls.analysis(params.text_document.uri)
    text = hover_text(analysis, *ls.place(analysis, params.position))
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None


@server.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
async def _hints(ls: Server, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    analysis = await ls.analysis(params.text_document.uri)
    first, last = params.range.start.line + 1, params.range.end.line + 1
    return [
        lsp.InlayHint(ls.position(analysis.lines, line, column), text, lsp.InlayHintKind.Type, padding_left=True)
        for line, column, text in analysis.hints
        if first <= line <= last
    ]


@server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[".", "(", ",", ">", "=", ":"]))
def _complete(ls: Server, params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
    syntax = ls.syntax(params.text_document.uri)
    found = {item.text: item for item in reversed(completing.complete(syntax, *ls.place(syntax, params.position)))}
    return [
        lsp.CompletionItem(
            item.text,
            kind=_ITEMS[item.kind],
            detail=item.detail,
            documentation=item.doc,
            insert_text=item.insert or None,
        )
        for item in reversed(found.values())
    ]


@server.feature(lsp.TEXT_DOCUMENT_SIGNATURE_HELP, lsp.SignatureHelpOptions(trigger_characters=["(", ",", "="]))
def _signature(ls: Server, params: lsp.SignatureHelpParams) -> lsp.SignatureHelp | None:
    syntax = ls.syntax(params.text_document.uri)
    found = completing.signature(syntax, *ls.place(syntax, params.position))
    if found is None:
        return None
    parts = [lsp.ParameterInformation(part) for part in found.parts]
    active = found.active if found.active >= 0 else None
    return lsp.SignatureHelp([lsp.SignatureInformation(found.call, found.doc, parts, active)], 0, active)


# ---------------------------------------------------------------- names


async def _binding(ls: Server, uri: str, position: lsp.Position) -> tuple[Analysis, Binding | None]:
    analysis = await ls.analysis(uri)
    return analysis, analysis.names.at(*ls.place(analysis, position))


@server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
async def _definition(ls: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
    analysis, binding = await _binding(ls, params.text_document.uri, params.position)
    return ls.location(analysis, binding.span, params.text_document.uri) if binding is not None else None


@server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
async def _references(ls: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    analysis, binding = await _binding(ls, params.text_document.uri, params.position)
    if binding is None:
        return []
    uses = binding.uses if params.context.include_declaration else binding.uses[1:]
    return [ls.location(analysis, span, params.text_document.uri) for span in uses]


@server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
async def _highlight(ls: Server, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
    analysis, binding = await _binding(ls, params.text_document.uri, params.position)
    spans = [s for s in binding.uses if s.path == analysis.path] if binding is not None else []
    return [lsp.DocumentHighlight(ls.range(analysis.lines, span)) for span in spans]


@server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
async def _may_rename(ls: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    analysis, binding = await _binding(ls, params.text_document.uri, params.position)
    if binding is None or binding.span.path != analysis.path:
        return None
    line, column = ls.place(analysis, params.position)
    here = next(s for s in binding.uses if s.line == line and s.column <= column <= s.end_column)
    return ls.range(analysis.lines, here)


@server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
async def _rename(ls: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    """Renames a name where it is declared and wherever it is meant; refused where another would be caught."""
    uri, new = params.text_document.uri, params.new_name
    analysis, binding = await _binding(ls, uri, params.position)
    if binding is None:
        return None
    if not _NAME.fullmatch(new) or new in RESERVED:
        return _refused(ls, f"{new} is not a name: letters, digits and _, and no word of the language")
    if binding.span.path != analysis.path:
        return _refused(ls, f"{binding.name} is declared in {binding.span.path}")
    if new != binding.name and any(new in region.scope for region in analysis.names.regions):
        return _refused(ls, f"there is a {new} already")
    edits = [lsp.TextEdit(ls.range(analysis.lines, span), new) for span in binding.uses if span.path == analysis.path]
    return lsp.WorkspaceEdit({uri: edits})


def _refused(ls: Server, reason: str) -> lsp.WorkspaceEdit | None:
    """No edit, and why."""
    ls.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, reason))
    return None


# ---------------------------------------------------------------- the file as a whole


@server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
def _symbols(ls: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    syntax = ls.syntax(params.text_document.uri)

    def shown(symbol: Symbol) -> lsp.DocumentSymbol:
        return lsp.DocumentSymbol(
            symbol.name or "?",
            _SYMBOLS.get(symbol.kind, lsp.SymbolKind.Variable),
            ls.range(syntax.lines, symbol.span),
            ls.range(syntax.lines, symbol.name_span),
            symbol.kind,
            children=[shown(child) for child in symbol.children],
        )

    return [shown(symbol) for symbol in outline(syntax.tree)]


@server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
def _format(ls: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    text = ls.text(params.text_document.uri)
    result = format_text(text, _path(params.text_document.uri), Reporter())
    if result is None or result == text:
        return None
    lines = text.count("\n") + 1
    return [lsp.TextEdit(lsp.Range(lsp.Position(0, 0), lsp.Position(lines, 0)), result)]


_LEGEND = lsp.SemanticTokensLegend(list(TYPES), list(MODIFIERS))


@server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, _LEGEND)
def _tokens(ls: Server, params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
    syntax = ls.syntax(params.text_document.uri)
    data: list[int] = []
    above, left = 0, 0
    for line, column, length, type, modifiers in syntax.painted:
        start = ls.position(syntax.lines, line, column)
        end = ls.position(syntax.lines, line, column + length)
        data += [start.line - above, start.character - (left if start.line == above else 0)]
        data += [end.character - start.character, TYPES.index(type), modifiers]
        above, left = start.line, start.character
    return lsp.SemanticTokens(data)


@server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix]))
async def _actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """The fixes of what is reported in the range; each was tried."""
    from nnspec.fixes import fixes_of

    uri = params.text_document.uri
    analysis = await ls.analysis(uri)
    first, last = params.range.start.line + 1, params.range.end.line + 1
    found: list[lsp.CodeAction] = []
    for d in analysis.checked.diagnostics:
        if d.span.path != analysis.path or d.span.line > last or d.span.end_line < first:
            continue
        shown = ls.diagnostic(analysis, d)
        for fix in d.fixes or await asyncio.to_thread(partial(fixes_of, d, analysis.checked)):
            edits = [_edit(ls, analysis, edit) for edit in fix.edits]
            kind = lsp.CodeActionKind.QuickFix
            found.append(
                lsp.CodeAction(fix.message, kind, [shown], is_preferred=fix.safe, edit=lsp.WorkspaceEdit({uri: edits}))
            )
    return found


def _edit(ls: Server, analysis: Analysis, edit: Edit) -> Any:
    return lsp.TextEdit(ls.range(analysis.lines, edit.span), edit.text)
