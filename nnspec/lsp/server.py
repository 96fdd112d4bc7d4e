"""The protocol: requests of an editor in, answers from what is known of its documents out."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp
from pygls.uris import to_fs_path

from nnspec.diagnostics import Edit, Reporter
from nnspec.lsp import complete as completing
from nnspec.lsp.analysis import Analysis, Syntax
from nnspec.lsp.documents import Document
from nnspec.lsp.hover import hover as hover_text
from nnspec.lsp.names import Binding
from nnspec.lsp.paint import MODIFIERS, TYPES
from nnspec.lsp.rename import Refused, renamed, users, uses_in
from nnspec.lsp.session import Server, path_of
from nnspec.lsp.symbols import Symbol, outline
from nnspec.syntax.format import format_text

PAUSE = 0.15  # seconds without a keystroke before a file is checked as a whole
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


server = Server()


# ---------------------------------------------------------------- documents


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.documents.open[uri] = Document(ls.documents, path_of(uri), params.text_document.text)
    ls.changed(uri, 0)
    ls.spread(uri, 0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
def _edited(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.document(uri).edit(ls.workspace.get_text_document(uri).source)
    ls.changed(uri, PAUSE)
    ls.spread(uri, PAUSE)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    _reread(ls)


@server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
def _elsewhere(ls: Server, params: lsp.DidChangeWatchedFilesParams) -> None:
    _reread(ls)


def _reread(ls: Server) -> None:
    """Files have changed on the disk, perhaps what an open document imports."""
    for uri, document in ls.documents.open.items():
        document.edit(document.text)
        ls.changed(uri, 0, imported=True)


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    if uri in ls.pending:
        ls.pending.pop(uri).cancel()
    if (document := ls.documents.open.pop(uri, None)) is not None:
        document.edit(document.text)  # ends what is under way
    ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
    ls.spread(uri, 0)


# ---------------------------------------------------------------- what stands here


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    document = ls.document(params.text_document.uri)
    text = hover_text(document, *ls.place(document.syntax(), params.position))
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None


@server.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
async def _hints(ls: Server, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    """Shapes as of the last analysis, moved with the text; that of this very text makes the editor ask again."""
    document = ls.document(params.text_document.uri)
    if not ls.refreshes("inlay_hint"):
        await document.analysis()
    if document.known is None:
        return []
    found, lines = document.known.hints, document.syntax().lines
    if not document.current:
        moves = document.moves()
        found = [(*place, text) for line, column, text in found if (place := moves(line, column)) is not None]
    first, last = params.range.start.line + 1, params.range.end.line + 1
    return [
        lsp.InlayHint(ls.position(lines, line, column), text, lsp.InlayHintKind.Type, padding_left=True)
        for line, column, text in found
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


def _binding(ls: Server, uri: str, position: lsp.Position) -> tuple[Syntax, Binding | None]:
    syntax = ls.syntax(uri)
    return syntax, syntax.names.at(*ls.place(syntax, position))


@server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
def _definition(ls: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
    """Of a name where it is declared, of an import the file."""
    uri = params.text_document.uri
    syntax, binding = _binding(ls, uri, params.position)
    if binding is not None:
        return ls.location(syntax, binding.span, uri)
    line, column = ls.place(syntax, params.position)
    target = syntax.import_at(line, column)
    return lsp.Location(ls.uri(target), _TOP) if target else None


_TOP = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))


@server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
def _references(ls: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    """In this file and in the others that mean the same declaration."""
    uri = params.text_document.uri
    syntax, binding = _binding(ls, uri, params.position)
    if binding is None:
        return []
    found: list[lsp.Location] = []
    try:
        for other in users(syntax, binding, _folders(ls), ls.documents.texts()):
            spans = [s for s in uses_in(other, binding) if params.context.include_declaration or s != binding.span]
            where = uri if other.path == syntax.path else ls.uri(other.path)
            found += [lsp.Location(where, ls.range(other.lines, span)) for span in spans]
    except Refused as refusal:
        _say(ls, str(refusal))
    return found


@server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
def _highlight(ls: Server, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
    syntax, binding = _binding(ls, params.text_document.uri, params.position)
    spans = [s for s in binding.uses if s.path == syntax.path] if binding is not None else []
    return [lsp.DocumentHighlight(ls.range(syntax.lines, span)) for span in spans]


@server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
def _may_rename(ls: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    syntax, binding = _binding(ls, params.text_document.uri, params.position)
    if binding is None:
        return None
    line, column = ls.place(syntax, params.position)
    mine = (s for s in binding.uses if s.path == syntax.path and s.line == line)
    return ls.range(syntax.lines, next(s for s in mine if s.column <= column <= s.end_column))


@server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
def _rename(ls: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    """Renames a name where it is declared and wherever it is meant, in all files; refused where another is caught."""
    uri = params.text_document.uri
    syntax, binding = _binding(ls, uri, params.position)
    if binding is None:
        return None
    try:
        files = renamed(syntax, binding, params.new_name, _folders(ls), ls.documents.texts())
    except Refused as refusal:
        _say(ls, str(refusal))
        return None
    return lsp.WorkspaceEdit(
        {
            uri if file.path == syntax.path else ls.uri(file.path): [
                lsp.TextEdit(ls.range(file.lines, span), params.new_name) for span in file.spans
            ]
            for file in files
        }
    )


def _folders(ls: Server) -> list[str]:
    """The folders that the editor has open."""
    return [path for uri in ls.workspace.folders if (path := to_fs_path(uri)) is not None]


def _say(ls: Server, reason: str) -> None:
    ls.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, reason))


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
    text = ls.workspace.get_text_document(params.text_document.uri).source
    document = ls.document(params.text_document.uri)
    result = format_text(text, document.path, Reporter(), document.memory.aside().parse)
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
    """The fixes of what is reported in the range, each tried. Who asks unbidden gets those that are known by now."""
    uri = params.text_document.uri
    document = ls.document(uri)
    unbidden = params.context.trigger_kind == lsp.CodeActionTriggerKind.Automatic
    if unbidden and not document.current:
        return []
    analysis = await document.analysis()
    first, last = params.range.start.line + 1, params.range.end.line + 1
    found: list[lsp.CodeAction] = []
    for d in analysis.checked.diagnostics:
        if d.span.path != analysis.path or d.span.line > last or d.span.end_line < first:
            continue
        shown = ls.diagnostic(analysis, d)
        for fix in analysis.fixes.get(d, ()) if unbidden else await document.fixes(analysis, d):
            edits = [_edit(ls, analysis, edit) for edit in fix.edits]
            kind = lsp.CodeActionKind.QuickFix
            found.append(
                lsp.CodeAction(fix.message, kind, [shown], is_preferred=fix.safe, edit=lsp.WorkspaceEdit({uri: edits}))
            )
    return found if analysis is document.known and document.current else []


def _edit(ls: Server, analysis: Analysis, edit: Edit) -> Any:
    return lsp.TextEdit(ls.range(analysis.lines, edit.span), edit.text)
