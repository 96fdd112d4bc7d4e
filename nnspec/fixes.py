"""Fixes: what a diagnostic's help says, as edits of the text, each tried before it is offered.

`nnspec.proposals` reads changes off a diagnostic; `with_fixes` makes each in memory, checks again, and keeps those
after which the report is gone and no other has come. Nothing here writes a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from nnspec.compiler import Check, check
from nnspec.diagnostics import Diagnostic, Edit, Fix
from nnspec.proposals import proposals

MOST = 40  # candidates tried in one run: a file with more mistakes is mended in several
ROUNDS = 10  # of `mend`: a fix may bring up what the first mistake hid


def with_fixes(
    checked: Check, set: Mapping[str, object] | None = None, model: str | None = None, allow_outside: bool = False
) -> Check:
    """The same result, its diagnostics with the fixes that work. Only the file itself is changed, not its imports."""
    found, left = [], MOST
    for diagnostic in checked.diagnostics:
        fixes = fixes_of(diagnostic, checked, set, model, left, allow_outside)
        left -= 1 + len(fixes)
        found.append(diagnostic.replace(fixes=fixes))
    return Check(checked.path, checked.specs, tuple(found), checked.sources)


def fixes_of(
    diagnostic: Diagnostic,
    checked: Check,
    set: Mapping[str, object] | None = None,
    model: str | None = None,
    most: int = MOST,
    allow_outside: bool = False,
    check: Callable[..., Check] = check,
) -> tuple[Fix, ...]:
    """The fixes of one diagnostic of `checked` that work; each costs a `check`. At most `most` are tried."""
    text = checked.sources.get(checked.path)
    if text is None or diagnostic.span.path != checked.path:
        return ()
    before = _counted(checked.diagnostics)
    fixes: list[Fix] = []
    for fix in islice(proposals(diagnostic, text), max(0, most)):
        changed = apply(text, fix.edits)
        again = check(checked.path, text=changed, set=set, model=model, allow_outside=allow_outside)
        if _helps(diagnostic, before, again.diagnostics) and all(f.edits != fix.edits for f in fixes):
            fixes.append(fix)
    if sum(fix.safe for fix in fixes) > 1:  # the author has to choose
        fixes = [fix.replace(safe=False) for fix in fixes]
    return tuple(fixes)


def mend(
    path: str, text: str, set: Mapping[str, object] | None = None, allow_outside: bool = False
) -> tuple[str, list[tuple[Diagnostic, Fix]]]:
    """The text with every safe fix made, and what was done, in the order in which it was."""
    done: list[tuple[Diagnostic, Fix]] = []
    for _ in range(ROUNDS):
        checked = check(path, text=text, set=set, allow_outside=allow_outside)
        checked = with_fixes(checked, set, None, allow_outside)
        text = checked.sources.get(checked.path, text)  # line ends as the compiler sees them
        chosen = _apart((d, fix) for d in checked.diagnostics for fix in d.fixes if fix.safe)
        if not chosen:
            break
        text = apply(text, [edit for _, fix in chosen for edit in fix.edits])
        done += chosen
    return text, done


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; none of them overlap."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(line: int, column: int) -> int:
        return min(starts[min(line, len(lines)) - 1] + column - 1, len(text))

    for edit in sorted(edits, key=lambda e: (e.span.line, e.span.column), reverse=True):
        start, end = offset(edit.span.line, edit.span.column), offset(edit.span.end_line, edit.span.end_column)
        text = text[:start] + edit.text + text[end:]
    return text


def _apart(pairs: Iterator[tuple[Diagnostic, Fix]]) -> list[tuple[Diagnostic, Fix]]:
    """Fixes of different lines: two on one line may be two answers to the same mistake."""
    taken: frozenset[int] = frozenset()
    found = []
    for diagnostic, fix in pairs:
        lines = {n for e in fix.edits for n in range(e.span.line, e.span.end_line + 1)}
        if not lines & taken:
            taken |= lines
            found.append((diagnostic, fix))
    return found


def _counted(diagnostics: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((d.code, d.message) for d in diagnostics)


def _helps(mended: Diagnostic, before: Counter[tuple[str, str]], again: tuple[Diagnostic, ...]) -> bool:
    """Whether the report is gone and nothing has come in its place.

    An error of syntax hides what else is wrong with its line: that may come to light.
    """
    after, key = _counted(again), (mended.code, mended.message)
    new = [d for d in again if after[d.code, d.message] > before[d.code, d.message]]
    if mended.severity == "error":  # warnings speak of what compiles, so they could not come before
        new = [d for d in new if d.severity == "error"]
    if mended.code.startswith("E01"):
        lines = range(mended.span.line, mended.span.end_line + 1)
        new = [d for d in new if d.code.startswith("E01") or d.span.line not in lines]
    return after[key] < before[key] and not new
