"""Fixes: what a diagnostic's help says, as edits of the text, each tried before it is offered.

`candidates` reads changes off a diagnostic; `with_fixes` makes each in memory, checks again, and keeps those after
which the report is gone and no other has come. Nothing here writes a file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from nnspec.compiler import Check, check
from nnspec.diagnostics import Diagnostic, Edit, Fix, Label, Span
from nnspec.suggest import meant

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
    for fix in islice(candidates(diagnostic, text), max(0, most)):
        changed = apply(text, fix.edits)
        again = check(checked.path, text=changed, set=set, model=model, allow_outside=allow_outside)
        if _helps(diagnostic, before, again.diagnostics) and all(f.edits != fix.edits for f in fixes):
            fixes.append(fix)
    if len(fixes) > 1:  # the author has to choose
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


# ---------------------------------------------------------------- candidates


def candidates(diagnostic: Diagnostic, text: str) -> Iterator[Fix]:
    """Changes that the help of a diagnostic names, not yet tried."""
    source = _Source(text, diagnostic.span)
    for name in meant(diagnostic.help):
        if (place := source.word(name, diagnostic.message)) is not None:
            yield Fix(f"write {name}", (Edit(place, name),))
    for rule in (*_BY_CODE.get(diagnostic.code, ()), _quoted):
        yield from rule(diagnostic, source)


class _Source:
    """The text, and the place that a diagnostic points at."""

    def __init__(self, text: str, span: Span) -> None:
        self.lines, self.span = text.split("\n"), span

    @property
    def shown(self) -> str:
        """What stands at the place, the first line of it."""
        line = self.lines[self.span.line - 1] if self.span.line <= len(self.lines) else ""
        return line[self.span.column - 1 : self.span.end_column - 1 if self.span.end_line == self.span.line else None]

    def at(self, start: int, end: int) -> Span:
        """A part of what stands at the place, by offsets in it."""
        span = self.span
        return Span(span.path, span.line, span.column + start, span.line, span.column + end)

    def before(self) -> Span:
        return Span(self.span.path, self.span.line, self.span.column, self.span.line, self.span.column)

    def after(self) -> Span:
        span = self.span
        return Span(span.path, span.end_line, span.end_column, span.end_line, span.end_column)

    def word(self, name: str, message: str) -> Span | None:
        """The word that `name` is meant for: the one of the place that the message names."""
        spoken = set(re.findall(r"[\w.-]+", message))
        for match in re.finditer(r'(?<=")[^"]+(?=")|[A-Za-z_]\w*', self.shown):
            if match.group() in spoken and match.group() != name:
                return self.at(*match.span())
        return None

    def end_of_line(self, number: int) -> Span:
        """Behind the code of a line, before its comment."""
        match = re.match(r'(?:[^"#]|"(?:\\.|[^"\\])*")*', self.lines[number - 1])
        column = len((match.group() if match else "").rstrip()) + 1
        return Span(self.span.path, number, column, number, column)

    def line_above(self) -> int:
        """The nearest line above that has code, 0 where there is none."""
        numbers = range(self.span.line - 1, 0, -1)
        return next((n for n in numbers if self.lines[n - 1].partition("#")[0].strip()), 0)


def _quoted(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """Helps of the syntax: "write `->`", "leave out `+`", "write `,` after `3`"."""
    write = re.fullmatch(r"(?:did you mean|write) `([^`]+)`\??(?: in place of `[^`]+`)?", d.help)
    text = write[1] if write else ""
    if text and "..." not in text and d.code in ("E0103", "E0104", "E0101"):
        yield Fix(f"write {text}", (Edit(d.span, text),))
        if d.code == "E0101":
            yield Fix(f"write {text}", (Edit(source.before(), text + " "),))
    if write := re.match(r"write `([^` ]+)` after `", d.help):
        yield Fix(f"write {write[1]}", (Edit(source.before(), write[1] if write[1] == "," else f" {write[1]}"),))
        yield Fix(f"write {write[1]}", (Edit(source.before(), f"{write[1]} "),))
    if re.match(r"leave (it|.*`) ?out|leave out `", d.help):
        yield Fix("leave it out", (Edit(d.span, ""),))


def _quote(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """A string in other quotes, or without its last one."""
    if match := re.fullmatch(r'write (".*")', d.help):
        yield Fix("double quotes", (Edit(d.span, match[1]),))
    if d.code == "E0105":
        yield Fix('end it with "', (Edit(source.after(), '"'),))


def _operator_up(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    above = source.line_above()
    if above:
        span = d.span
        rest = source.lines[span.line - 1][span.end_column - 1 :]
        gap = len(rest) - len(rest.lstrip())
        taken = Span(span.path, span.line, span.column, span.line, span.end_column + gap)
        sign = source.shown
        edits = (Edit(source.end_of_line(above), sign if sign == "," else f" {sign}"), Edit(taken, ""))
        yield Fix(f"put {sign} at the end of the line above", edits)


def _let(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """`act = relu` and a `let` at the level of the file."""
    if "let " in d.help:
        first = len(source.lines[d.span.line - 1]) - len(source.lines[d.span.line - 1].lstrip()) + 1
        place = Span(d.span.path, d.span.line, first, d.span.line, first)
        yield Fix("let names a recipe" if d.code == "E0211" else "let", (Edit(place, "let "),))


def _parentheses(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """`x -> f + x` is meant as `(x -> f) + x`: the help is the text with its parentheses."""
    match = re.fullmatch(r"\((.*)\) [-+*/] (\S.*)", d.help)
    line = source.lines[d.span.line - 1]
    start = line.rfind(match[1], 0, d.span.end_column) if match else -1
    if match and start >= 0:
        end = start + len(match[1])
        path, row = d.span.path, d.span.line
        edits = (
            Edit(Span(path, row, start + 1, row, start + 1), "("),
            Edit(Span(path, row, end + 1, row, end + 1), ")"),
        )
        yield Fix("parentheses", edits)


def _close(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """A bracket without partner: behind the code of its line, or where a whole block ends."""
    match = re.fullmatch(r"write `([)\]}])`(?: before line (\d+))?", d.help)
    if match is None:
        return
    if match[1] != "}":
        yield Fix(f"write {match[1]}", (Edit(source.end_of_line(d.span.line), match[1]),))
        arrow = source.lines[d.span.line - 1].find(" ->", d.span.end_column - 1)
        if arrow >= 0:
            place = Span(d.span.path, d.span.line, arrow + 1, d.span.line, arrow + 1)
            yield Fix(f"write {match[1]} before ->", (Edit(place, match[1]),))
    line = int(match[2]) if match[2] else len(source.lines)
    above = next((n for n in range(line - 1, 0, -1) if source.lines[n - 1].strip()), line)
    if match[1] == "}" and above > d.span.line:
        indent = re.match(r"\s*", source.lines[d.span.line - 1])
        place = source.end_of_line(above).replace(column=len(source.lines[above - 1]) + 1)
        place = place.replace(end_column=place.column)
        yield Fix("write }", (Edit(place, f"\n{indent.group() if indent else ''}}}"),))


def _type_word(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """float64 and its kin stand for the working float."""
    if d.help.startswith("write float32") and (match := re.match(r"\w+", source.shown)):
        yield Fix("float32, the working float", (Edit(source.at(*match.span()), "float32"),), safe=False)


def _unary(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    yield Fix("leave out +", (Edit(d.span, ""),))


def _chain(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """`a < b < c` compares b twice."""
    line = source.lines[d.span.line - 1]
    match = re.search(r"(?:<|>|<=|>=|==)\s*([\w.]+)\s*$", line[: d.span.column - 1])
    if match:
        yield Fix("compare twice", (Edit(source.before(), f"and {match[1]} "),))


def _semicolon(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """`block Up(x, width = 3)`: settings come after `;`."""
    line = source.lines[d.span.line - 1]
    comma = line.rfind(",", 0, d.span.column - 1)
    if comma >= 0:
        yield Fix(
            "settings come after ;", (Edit(Span(d.span.path, d.span.line, comma + 1, d.span.line, comma + 2), ";"),)
        )


def _setting(text: str) -> Callable[[Diagnostic, _Source], Iterator[Fix]]:
    """A setting put into the call that the report points at."""

    def rule(d: Diagnostic, source: _Source) -> Iterator[Fix]:
        if source.shown.endswith(")") and d.span.line == d.span.end_line:
            empty = source.shown.endswith("()")
            place = source.at(len(source.shown) - 1, len(source.shown) - 1)
            yield Fix(text, (Edit(place, text if empty else f", {text}"),), safe=False)
        elif re.fullmatch(r"\w+", source.shown):
            yield Fix(text, (Edit(source.after(), f"({text})"),), safe=False)

    return rule


def _without_step(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """Leave a step such as `-> softmax` out."""
    places = [d.span] if d.code in ("W0304", "W0403") else [label.span for label in d.labels if _is_step(label)]
    for span in places:
        line = source.lines[span.line - 1]
        arrow = line.rfind("->", 0, span.column - 1)
        if arrow >= 0 and not line[arrow + 2 : span.column - 1].strip() and span.line == span.end_line:
            start = len(line[:arrow].rstrip()) + 1
            start = start if start > 1 else arrow + 1
            yield Fix("leave it out", (Edit(span.replace(column=start), ""),), safe=False)


def _is_step(label: Label) -> bool:
    return label.text.endswith(" here")


def _underscore(d: Diagnostic, source: _Source) -> Iterator[Fix]:
    """Nothing reads the name, so nothing else has to change with it."""
    if re.fullmatch(r"\w+", source.shown):
        yield Fix(f"_{source.shown} says that it is meant", (Edit(source.before(), "_"),), safe=False)


_BY_CODE: dict[str, tuple[Callable[[Diagnostic, _Source], Iterator[Fix]], ...]] = {
    "E0102": (_close,),
    "E0104": (_quote,),
    "E0105": (_quote,),
    "E0111": (_operator_up,),
    "E0113": (_chain,),
    "E0115": (_let,),
    "E0117": (_semicolon,),
    "E0119": (_unary,),
    "E0210": (_parentheses,),
    "E0211": (_let,),
    "E0220": (_type_word,),
    "W0202": (_underscore,),
    "W0301": (_setting("ceil = true"),),
    "W0302": (_setting("bias = false"),),
    "W0304": (_without_step,),
    "W0401": (_without_step,),
    "W0403": (_without_step,),
}
