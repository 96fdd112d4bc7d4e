"""Proposals for text that cannot be read: signs, brackets, words of other languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnspec.diagnostics import Diagnostic, Edit, Fix, Span
from nnspec.proposals.source import Source


def quoted(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """Helps of the syntax: "write `->`", "leave out `+`", "write `,` after `3`"."""
    write = re.fullmatch(r"(?:did you mean|write) `([^`]+)`\??(?: in place of `[^`]+`)?", d.help)
    text = write[1] if write else ""
    if text and "..." not in text and d.code in ("E0101", "E0103", "E0104", "E0107"):
        yield Fix(f"write {text}", (Edit(d.span, text),))
        if d.code == "E0101":
            yield Fix(f"write {text}", (Edit(source.before(), text + " "),))
    if write := re.match(r"write `([^` ]+)` after `", d.help):
        yield Fix(f"write {write[1]}", (Edit(source.before(), write[1] if write[1] == "," else f" {write[1]}"),))
        yield Fix(f"write {write[1]}", (Edit(source.before(), f"{write[1]} "),))
    if re.match(r"leave (it|.*`) ?out|leave out `", d.help):
        yield Fix("leave it out", (Edit(d.span, ""),))


def quote(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """A string in other quotes, or without its last one."""
    if match := re.fullmatch(r'write (".*")', d.help):
        yield Fix("double quotes", (Edit(d.span, match[1]),))
    if d.code == "E0105":
        yield Fix('end it with "', (Edit(source.after(), '"'),))


def operator_up(d: Diagnostic, source: Source) -> Iterator[Fix]:
    above = source.line_above()
    if above:
        span = d.span
        rest = source.lines[span.line - 1][span.end_column - 1 :]
        gap = len(rest) - len(rest.lstrip())
        taken = Span(span.path, span.line, span.column, span.line, span.end_column + gap)
        sign = source.shown
        edits = (Edit(source.end_of_line(above), sign if sign == "," else f" {sign}"), Edit(taken, ""))
        yield Fix(f"put {sign} at the end of the line above", edits)


def close(d: Diagnostic, source: Source) -> Iterator[Fix]:
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


def unary(d: Diagnostic, source: Source) -> Iterator[Fix]:
    yield Fix("leave out +", (Edit(d.span, ""),))


def chain(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`a < b < c` compares b twice."""
    line = source.lines[d.span.line - 1]
    match = re.search(r"(?:<|>|<=|>=|==)\s*([\w.]+)\s*$", line[: d.span.column - 1])
    if match:
        yield Fix("compare twice", (Edit(source.before(), f"and {match[1]} "),))


def semicolon(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`block Up(x, width = 3)`: settings come after `;`."""
    line = source.lines[d.span.line - 1]
    comma = line.rfind(",", 0, d.span.column - 1)
    if comma >= 0:
        yield Fix("write ;", (Edit(Span(d.span.path, d.span.line, comma + 1, d.span.line, comma + 2), ";"),))


def words(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """Other replacements of what stands at the place."""
    if re.match(r"write `->` between steps, `or` between conditions", d.help):
        yield Fix("write ->", (Edit(d.span, "->"),), safe=False)
        yield Fix("write or", (Edit(d.span, "or"),), safe=False)
    line = source.lines[d.span.line - 1]
    wrong = re.fullmatch(r"there is no `(\w+)`", d.message)
    if (match := re.match(r"write `(\w+)`, as in ", d.help)) and wrong and wrong[1] in line:
        start = line.index(wrong[1]) + 1
        place = d.span.replace(column=start, end_line=d.span.line, end_column=start + len(wrong[1]))
        yield Fix(f"write {match[1]}", (Edit(place, match[1]),), safe=False)
    share = re.fullmatch(r"write `([\d.e-]+)` in place of `([\d._e]+)%`", d.help)
    if share and (old := re.search(rf"{re.escape(share[2])}\s*%", line)):
        place = d.span.replace(column=old.start() + 1, end_line=d.span.line, end_column=old.end() + 1)
        yield Fix(f"write {share[1]}", (Edit(place, share[1]),), safe=False)
    if match := re.fullmatch(r'write a string, as in `("[^"]*")`, in its place', d.help):
        yield Fix(f"write {match[1]}", (Edit(d.span, match[1]),))
    if re.match(r"write `->` or an operator before ", d.help):
        yield Fix("write ->", (Edit(source.before(), "-> "),), safe=False)
    if d.help == "write `->` without a space":
        line = source.lines[d.span.line - 1]
        if arrow := re.search(r"-\s+>", line[: d.span.end_column]):
            place = d.span.replace(column=arrow.start() + 1, end_line=d.span.line, end_column=arrow.end() + 1)
            yield Fix("write ->", (Edit(place, "->"),))
    if d.help.startswith("write `{`, and `}` below"):
        yield from _braces(d, source)


def _braces(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`model Net:` of Python: the brace, and its partner behind the lines that are further in."""
    row = d.span.line
    opened = Edit(d.span, " {" if source.shown == ":" else "{ ")
    yield Fix("write {", (opened,))
    depth = _indent(source.lines[row - 1])
    last = row
    for number in range(row + 1, len(source.lines) + 1):
        line = source.lines[number - 1]
        if line.strip() and _indent(line) <= depth:
            break
        last = number if line.strip() else last
    end = len(source.lines[last - 1]) + 1
    place = Span(d.span.path, last, end, last, end)
    yield Fix("write { and }", (opened, Edit(place, f"\n{' ' * depth}}}")))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def methods(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`x.flatten()` is `x -> flatten()`, `nn.Linear(3, 4)` a dense: the arguments stay, and may mean something else."""
    match = re.fullmatch(r"write `([^`]*)\(\.\.\.\)`", d.help)
    line = source.lines[d.span.line - 1]
    name = re.search(r"[\w.]+\s*$", line[: d.span.column - 1])
    if match and name:
        place = d.span.replace(column=name.start() + 1, end_line=d.span.line, end_column=name.end() + 1)
        yield Fix(f"write {match[1]}", (Edit(place, match[1]),), safe=False)


def renamed(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """A name that cannot be one: another, wherever it stands."""
    match = re.fullmatch(r"write (?:another name, such as )?`(\w+)`", d.help)
    if match is None or not source.shown:
        return
    path, old = d.span.path, re.escape(source.shown)
    edits = [
        Edit(Span(path, number, found.start() + 1, number, found.end() + 1), match[1])
        for number, line in enumerate(source.lines, 1)
        for found in re.finditer(rf"(?<!\w){old}(?!\w)", line.partition("#")[0])
    ]
    if d.code == "E0116":  # elsewhere the word is the word
        edits = [Edit(d.span, match[1])]
    yield Fix(f"write {match[1]}", tuple(edits), safe=False)


def level(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """A value at the level of the file."""
    if "let " in d.help:
        first = len(source.lines[d.span.line - 1]) - len(source.lines[d.span.line - 1].lstrip()) + 1
        place = Span(d.span.path, d.span.line, first, d.span.line, first)
        yield Fix("let", (Edit(place, "let "),))
