"""Tokens, the words of the language, and the one place that writes down its limits."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.diagnostics import Label, Reporter, Span

MAX_BYTES = 1 << 20
"""A longer source is refused unread."""
MAX_NESTING = 64
"""Brackets inside brackets; deeper ones are refused and skipped."""
MAX_HEIGHT = 200
"""Expressions inside expressions, brackets or not, so that every later pass may recurse."""
MAX_INTEGER_DIGITS = 18
"""Integers stay below 2**63."""
MAX_ERRORS = 100
"""After so many errors the rest of the file is not read."""

RESERVED = frozenset({"if", "else", "for", "in", "and", "or", "not", "true", "false"})
"""Words that are never names of values."""
FILE_WORDS = frozenset({"nnspec", "import", "block", "model", "data", "train"})
"""Words that open what stands only at the level of the file."""
BODY_WORDS = frozenset({"input", "target", "dim", "param", "noise", "layer", "output", "require"})
"""Words that open what stands only in the body of a model or block."""
KEYWORDS = FILE_WORDS | BODY_WORDS | {"let"}
"""Words that open a statement, and are ordinary names everywhere else."""

STEP = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
"""By how much a token changes the depth of nesting."""


class Token(NamedTuple):
    """One token on one line; `end` is the column after it. Columns count code points from 1.

    `type` is the name of a terminal of the grammar, or for punctuation and words the text itself.
    `quiet` marks a token where something was already reported: an error there is not reported again.
    """

    type: str
    text: str
    line: int
    column: int
    end: int
    quiet: bool = False

    def span(self, path: str) -> Span:
        return Span(path, self.line, self.column, self.line, self.end)


class TooManyErrors(Exception):
    """Raised to leave a file of which enough has been said."""


class Problems:
    """Reports the errors of one file, and stops reading it after `MAX_ERRORS`."""

    def __init__(self, path: str, reporter: Reporter) -> None:
        self.path, self.reporter = path, reporter
        self.places: list[tuple[int, int]] = []  # line and column of each error

    def error(
        self, code: str, where: Span | Token, message: str, help: str = "", because: tuple[tuple[Token, str], ...] = ()
    ) -> None:
        """Report `message` at `where`; `because` names further places, each with its text."""
        span = where.span(self.path) if isinstance(where, Token) else where
        self.places.append((span.line, span.column))
        if len(self.places) > MAX_ERRORS:
            message = f"more than {MAX_ERRORS} errors: the rest of the file was not read"
            self.reporter.error("E0120", span, message, help="correct the first ones")
            raise TooManyErrors
        labels = tuple(Label(token.span(self.path), text) for token, text in because)
        self.reporter.error(code, span, message, labels=labels, help=help)

    def inside(self, span: Span) -> bool:
        """Whether something was reported within `span`."""
        start, end = (span.line, span.column), (span.end_line, span.end_column)
        return any(start <= place <= end for place in self.places)
