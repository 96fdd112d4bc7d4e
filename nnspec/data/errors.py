"""What can be wrong with the data of a spec, found before training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.diagnostics import Diagnostic, Span, SpecError
from nnspec.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

NOWHERE = Span("", 1, 1, 1, 1)
AGAIN = "copy or download the file again"  # help for what is damaged
UTF8 = "save the file in the encoding UTF-8"


class DataError(SpecError):
    """One fault of the data: `message` names the file, row and column; `span` is the entry of `data { }`.

    `exit_code` is 2 where a file cannot be read, 1 where its content does not fit the spec.
    """

    def __init__(self, code: str, message: str, span: Span = NOWHERE, *, help: str = "", exit_code: int = 1) -> None:
        super().__init__((Diagnostic(code, message, span, help=help),))
        self.code, self.message, self.span, self.help, self.exit_code = code, message, span, help, exit_code

    def at(self, span: Span) -> DataError:
        """The same fault at the entry that led to it, if it has no place yet."""
        if self.span != NOWHERE:
            return self
        return DataError(self.code, self.message, span, help=self.help, exit_code=self.exit_code)


class MissingData(DataError):
    """Data that an optional package reads and this environment lacks; `command` installs the extra."""

    def __init__(self, message: str, extra: str) -> None:
        command = f'pip install "nnspec[{extra}]"'
        super().__init__("E0526", message, help=command, exit_code=3)
        self.extra, self.command = extra, command

    def at(self, span: Span) -> DataError:
        found = MissingData(self.message, self.extra)
        found.span, found.diagnostics = span, (Diagnostic(self.code, self.message, span, help=self.help),)
        return found


def nearest(name: str, known: Iterable[str]) -> str:
    """A help text with the nearest known names, or all of them."""
    names = list(known)
    return did_you_mean(name, names, "known: " + listing(names) if names else "")


def counted(number: int, noun: str) -> str:
    """`1 cell`, `3 cells`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def listing(names: Iterable[str], limit: int = 12) -> str:
    """`a, b, c and 7 more`."""
    items = list(names)
    if len(items) <= limit:
        return ", ".join(items)
    return ", ".join(items[:limit]) + f" and {len(items) - limit} more"
