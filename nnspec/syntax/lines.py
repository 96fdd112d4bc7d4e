"""Lines and pieces: what the formatter moves about."""

from __future__ import annotations

INDENT = 4
WIDTH = 120


class Piece:
    """One token on a line: its type after layout, its source text, the spaces before it.

    `column` is where the author wrote it, `starts` whether it begins a statement, `head` the line and place of the
    first arrow of the pipeline that an arrow belongs to.
    """

    __slots__ = ("column", "gap", "head", "starts", "text", "type", "unary", "written_gap")

    def __init__(self, type: str, text: str, column: int, starts: bool) -> None:
        self.type, self.text, self.column, self.starts = type, text, column, starts
        self.gap = self.written_gap = 0
        self.unary = False
        self.head: tuple[Line, int] | None = None


class Line:
    """One line: pieces, then a comment; either may be missing."""

    __slots__ = ("comment", "comment_column", "comment_gap", "dropped", "indent", "pieces")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.comment, self.comment_column, self.comment_gap = "", 0, 0
        self.indent = 0
        self.dropped = False

    def column_of(self, index: int) -> int:
        """The column, from 0, in which a piece begins."""
        before = self.pieces[:index]
        return self.indent + sum(len(p.text) + p.gap for p in before) + self.pieces[index].gap

    def width(self) -> int:
        """Columns up to the end of the last piece."""
        return self.indent + sum(len(p.text) + p.gap for p in self.pieces)

    def code(self) -> str:
        """The pieces with the spaces between them."""
        return "".join(" " * p.gap + p.text for p in self.pieces)

    def text(self) -> str:
        """The line as it is written out."""
        return (" " * self.indent + self.code() + " " * self.comment_gap + self.comment).rstrip()
