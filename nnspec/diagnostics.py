"""What nnspec has to say about a spec: positions, labels, diagnostics. Values only; the CLI prints them."""

from __future__ import annotations

from nnspec.record import Record


class Span(Record):
    """A stretch of one source file. Lines and columns count from 1; the end is exclusive.

    Columns count Unicode code points.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of `other` (same file)."""
        return Span(self.path, self.line, self.column, other.end_line, other.end_column)


class Label(Record):
    """A second place that explains the first: `gives [6, 5, 5]`."""

    span: Span
    text: str


class Edit(Record):
    """The text of `span` becomes `text`; an empty span is a place to put it in."""

    span: Span
    text: str


class Fix(Record):
    """A change that was tried: with it, what it mends is gone and nothing new is wrong.

    `safe` ones can only have been meant so and are applied by `nnspec check --fix`; of the others the author chooses.
    """

    message: str
    edits: tuple[Edit, ...]
    safe: bool = True


class Diagnostic(Record):
    """One thing to say. `severity` is "error" or "warning"; `code` is E0301 or W0103. `fixes`: see `nnspec.fixes`."""

    code: str
    message: str
    span: Span
    labels: tuple[Label, ...] = ()
    help: str = ""
    severity: str = "error"
    fixes: tuple[Fix, ...] = ()


class SpecError(Exception):
    """A spec that cannot be compiled, with every diagnostic found and the texts they point into.

    `sources` maps a path, as it stands in the spans, to the text of that file.
    """

    def __init__(self, diagnostics: tuple[Diagnostic, ...], sources: dict[str, str] | None = None) -> None:
        places = ((d.span, f"{d.code}: {d.message}") for d in diagnostics)
        super().__init__("\n".join(f"{span.path}:{span.line}:{span.column}: {text}" for span, text in places))
        self.diagnostics = diagnostics
        self.sources = sources or {}


class TooManyErrors(Exception):
    """More errors than anyone reads: each of the next would cost as much time again."""


class Reporter:
    """Collects diagnostics; each stage gets one and adds to it. Equal ones are kept once."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit  # errors after which it raises TooManyErrors
        self.errors = 0
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[str, Span, str]] = set()

    def error(self, code: str, span: Span, message: str, *, labels: tuple[Label, ...] = (), help: str = "") -> None:
        self.add(Diagnostic(code, message, span, labels, help))

    def warning(self, code: str, span: Span, message: str, *, labels: tuple[Label, ...] = (), help: str = "") -> None:
        self.add(Diagnostic(code, message, span, labels, help, "warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        key = (diagnostic.code, diagnostic.span, diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            self.diagnostics.append(diagnostic)
            self.errors += diagnostic.severity == "error"
            if self.limit is not None and self.errors > self.limit:
                raise TooManyErrors

    @property
    def failed(self) -> bool:
        return self.errors > 0

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All diagnostics in the order of the text."""
        return tuple(sorted(self.diagnostics, key=lambda d: (d.span.path, d.span.line, d.span.column, d.code)))
