"""The canonical form of a `.nn` file: indentation, spaces, alignment, blank lines. Line breaks stay the author's.

    format_text(text, path, reporter)   -> the text in canonical form, or None where it has syntax errors

What is settled: four spaces a brace; one space round operators but `^`, `..` and in slices; `=` aligned in a run of
lines of the same kind; `input`, `target`, `param`, `noise` padded to one width in a run; a pipeline that goes on
starts its line with `->`, under the first `->` where that stands inside a line; at most one blank line.
What stays: line breaks, comments, the column of comments at line ends as far as the code leaves it free, and the
choice to put the arrows inside of the lines of a pipeline under each other (two spaces before one of them ask for it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from nnspec.diagnostics import Reporter
from nnspec.syntax import nodes, parse
from nnspec.syntax.align import align, align_arrows, align_cells, comment_columns
from nnspec.syntax.layout import arrange
from nnspec.syntax.lexer import comments, normalise, scan
from nnspec.syntax.lines import INDENT, Line, Piece
from nnspec.syntax.tokens import KEYWORDS, Problems, Token

_OPENERS, _CLOSERS = frozenset({"(", "[", "{"}), frozenset({")", "]", "}"})
_OPERAND_END = frozenset({"NAME", "NUMBER", "STRING", "ATTRIBUTE", "true", "false", ")", "]", "}"})
WAITING = -1  # for the next element of a bracket
_TIGHT = frozenset({"^", ".."})
Parse = Callable[[str, str, Reporter], nodes.File]
Place = tuple[Line, int]  # a piece: its line and its number there
_SAFE_AFTER_SEMICOLON = frozenset({"NAME", "}", "$END"}) | KEYWORDS


def format_text(text: str, path: str, reporter: Reporter, parse: Parse = parse) -> str | None:
    """The canonical form of a file, or None after reporting what is wrong with its syntax (E01xx).

    Idempotent, and with the same tree and the same comments: a result that had others is never returned.
    `parse` may be replaced by one that remembers trees.
    """
    own = Reporter()
    tree = parse(text, path, own)
    for diagnostic in own.diagnostics:
        reporter.add(diagnostic)
    if own.failed:
        return None
    result = _formatted(normalise(text), path)
    if result != text:
        _require_same(tree, text, result, path, parse)
    return result


def _require_same(tree: nodes.File, text: str, result: str, path: str, parse: Parse) -> None:
    """A formatter that changed the meaning would be worse than none."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20_000))
    try:
        same = parse(result, path, Reporter()) == tree
    finally:
        sys.setrecursionlimit(limit)
    if not same or [c.text for c in comments(text, path)] != [c.text for c in comments(result, path)]:
        raise AssertionError(f"formatting {path} would change its meaning")


def _formatted(text: str, path: str) -> str:
    lines = _lines(text, path)
    _join_else(lines)
    _move_arrows(lines)
    _space(lines)
    align(lines)
    align_cells(lines)
    _indent(lines)
    align_arrows(lines)
    comment_columns(lines)
    out: list[str] = []
    for number, line in enumerate(lines):
        if line.pieces or line.comment or _keeps_blank(lines, number, out):
            out.append(line.text())
    while out and not out[-1]:
        out.pop()
    return "\n".join(out) + "\n"


def _keeps_blank(lines: list[Line], number: int, out: list[str]) -> bool:
    """Whether an empty line stays: not a second one, not at the start, not directly inside of brackets."""
    before = next((line for line in reversed(lines[:number]) if line.pieces or line.comment), None)
    after = next((line for line in lines[number:] if line.pieces or line.comment), None)
    if not out or not out[-1] or before is None or after is None:
        return False
    opens = bool(before.pieces) and not before.comment and before.pieces[-1].type in _OPENERS
    return not opens and not (after.pieces and after.pieces[0].type in _CLOSERS)


# ---------------------------------------------------------------- text to lines of pieces


def _lines(text: str, path: str) -> list[Line]:
    """The file line by line, each token with its type after layout, its source text, and what begins a statement."""
    problems = Problems(path, Reporter())
    raw = scan(text, problems)
    types: dict[tuple[int, int], str] = {}
    starts: set[tuple[int, int]] = set()
    before = ""
    for token in arrange(list(raw), problems, "file"):
        if token.type != "_NEWLINE":
            place = token.line, token.column
            types[place] = token.type
            if before in ("", "{", "_NEWLINE"):
                starts.add(place)
        before = token.type
    source = text.split("\n")
    lines = [Line() for _ in source]
    kept = [token for token in raw if token.type != "NEWLINE"]
    for index, token in enumerate(kept):
        if token.type == "$END" or _redundant(token, kept[index + 1], types):
            continue
        place = token.line, token.column
        written = source[token.line - 1][token.column - 1 : token.end - 1]
        piece = Piece(types.get(place, token.type), written, token.column - 1, place in starts)
        lines[token.line - 1].pieces.append(piece)
    for comment in comments(text, path):
        line = lines[comment.span.line - 1]
        line.comment, line.comment_column = comment.text, comment.span.column - 1
    return lines


def _redundant(token: Token, after: Token, types: dict[tuple[int, int], str]) -> bool:
    """A `;` that ends a statement at the end of its line, or before `}`."""
    if token.type != ";" or (token.line, token.column) in types:
        return False
    kind = types.get((after.line, after.column), after.type)
    return after.type == ";" or kind in ("}", "$END") or (after.line > token.line and kind in _SAFE_AFTER_SEMICOLON)


def _join_else(lines: list[Line]) -> None:
    """`else` goes on the line of the brace before it."""
    last: Line | None = None
    for line in lines:
        if line.pieces and last is not None and line.pieces[0].type == "else" and last.pieces[-1].type == "}":
            last.pieces += line.pieces
            last.comment, last.comment_column = line.comment, line.comment_column
            line.pieces, line.comment = [], ""
            line.dropped = True
        elif line.pieces or line.comment:
            last = line if line.pieces and not line.comment else None
    lines[:] = [line for line in lines if not line.dropped]


def _move_arrows(lines: list[Line]) -> None:
    """An arrow at the end of a line goes to the start of the next."""
    carried: Piece | None = None
    for line in lines:
        if not line.pieces:
            continue
        if carried is not None:
            line.pieces.insert(0, carried)
        carried = line.pieces.pop() if line.pieces[-1].type == "->" and len(line.pieces) > 1 else None


# ---------------------------------------------------------------- spaces inside a line


def _space(lines: list[Line]) -> None:
    """Sets `gap`, the spaces before each piece but the first of its line."""
    brackets: list[str] = []  # "[" of an index counts as "i"
    previous: Piece | None = None
    before: Piece | None = None
    for line in lines:
        for index, piece in enumerate(line.pieces):
            piece.unary = piece.type == "-" and (previous is None or previous.type not in _OPERAND_END)
            if index:
                assert previous is not None
                piece.written_gap = piece.column - (previous.column + len(previous.text))
                piece.gap = _gap(previous, piece, brackets[-1] if brackets else "")
            if piece.type in _OPENERS:
                indexes = piece.type == "[" and before is not None and previous is not None
                brackets.append("i" if indexes and _is_operand(previous) else piece.type)
            elif piece.type in _CLOSERS and brackets:
                brackets.pop()
            before, previous = previous or piece, piece


def _is_operand(piece: Piece | None) -> bool:
    return piece is not None and piece.type in _OPERAND_END


def _gap(a: Piece, b: Piece, inside: str) -> int:
    """Spaces between two neighbours on a line."""
    if a.type in ("(", "[") or b.type in (")", "]", ",", ";", "ATTRIBUTE"):
        return 0
    if a.type == "{" and b.type == "}":
        return 0
    if "_LABEL_OPEN" in (a.type, b.type) or "_LABEL_CLOSE" in (a.type, b.type):
        return int(a.type in ("->", ",", "{", "=") or (a.type == ":" and b.type != ":"))
    if inside == "i" and ":" in (a.type, b.type):
        return int(a.type == ",")
    if b.type == ":":
        return int(a.type in ("->", "=", "{"))
    if a.unary or a.type in _TIGHT or b.type in _TIGHT:
        return 0
    if b.type in ("(", "["):
        return int(not _is_operand(a))
    return 1


# ---------------------------------------------------------------- indentation


class _Frame:
    """One open bracket: the indentation of its line, and of the element (statement, argument) that stands in it."""

    def __init__(self, type: str, indent: int) -> None:
        self.type = type
        self.indent = indent  # of the line that opens the bracket
        self.inner = indent + INDENT  # of elements that begin a line
        self.base = WAITING  # of the line on which the current element starts
        self.head: Place | None = None  # where the element's value begins
        self.arrow: Place | None = None  # the first arrow of the element
        self.composed = False  # whether the value is a composition, which begins with a layer
        self.begun = False  # whether there was an element
        self.targets = False  # between `for` and `in`, where a comma begins nothing


def _indent(lines: list[Line]) -> None:
    """Sets the indentation of every line from what stands open, comments as the code below them."""
    frames = [_Frame("", -INDENT)]
    waiting: list[Line] = []
    for line in lines:
        if not line.pieces:
            waiting.append(line)
            continue
        first = line.pieces[0]
        line.indent = _indentation(frames[-1], first)
        for above in waiting:
            above.indent = frames[-1].inner if first.type in _CLOSERS else line.indent
        waiting = []
        for index in range(len(line.pieces)):
            _walk(frames, line, index)
    for above in waiting:
        above.indent = frames[-1].inner


def _indentation(frame: _Frame, piece: Piece) -> int:
    """The column of the first piece of a line."""
    if piece.type in _CLOSERS:
        return frame.indent
    if piece.starts or frame.base == WAITING:
        return frame.inner
    if piece.type == "else":
        return frame.base
    if piece.type == "->":
        return _arrow_column(frame)
    return frame.base + INDENT if _is_first(frame.head) else _column(frame.head)


def _arrow_column(frame: _Frame) -> int:
    """Under the first arrow; where a pipeline begins with a layer inside a line, so that its steps align."""
    if frame.arrow is None or frame.head is None:
        return frame.base + INDENT
    line, index = frame.head
    after = line.pieces[index + 1].type if index + 1 < len(line.pieces) else ""
    if _is_first(frame.arrow) or not (after in ("(", ":") or frame.composed):
        return _column(frame.arrow)
    return frame.base + INDENT if _is_first(frame.head) else _column(frame.head) - len("-> ")


def _is_first(place: Place | None) -> bool:
    return place is None or not place[1]


def _column(place: Place | None) -> int:
    return place[0].column_of(place[1]) if place is not None else 0


def _walk(frames: list[_Frame], line: Line, index: int) -> None:
    """Opens and closes brackets, and notes where elements and their first arrows stand."""
    piece, frame = line.pieces[index], frames[-1]
    if piece.type in _CLOSERS and len(frames) > 1:
        frames.pop()
        return
    if piece.starts or frame.base == WAITING:
        if not frame.begun and index and frame.type in ("(", "["):
            frame.inner = line.column_of(index)  # the first element stands beside its bracket: the others below it
        frame.begun = True
        frame.base, frame.head, frame.arrow = line.indent, (line, index), None
        if frame.type not in ("(", "["):
            frame.composed = piece.type in ("layer", "let")
    if piece.type in _OPENERS:
        frames.append(_Frame(piece.type, line.indent))
        frames[-1].composed = piece.type == "(" and index > 0 and line.pieces[index - 1].type == ":"
    elif piece.type == "=" and index + 1 < len(line.pieces):
        frame.head = line, index + 1
    elif piece.type in ("for", "in"):
        frame.targets = piece.type == "for"
    elif piece.type in (",", ";") and frame.type in ("(", "[") and not frame.targets:
        frame.base = WAITING
    elif piece.type == "->":
        frame.arrow = frame.arrow or (line, index)
        piece.head = frame.arrow
