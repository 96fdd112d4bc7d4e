"""Proposals for names and kinds: which word a declaration begins with, what stands without quotes or arrow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnspec.diagnostics import Diagnostic, Edit, Fix, Span
from nnspec.proposals.source import Source


def declared(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`h = relu`, where a word before the name says what it names; or a word too many."""
    line, row = source.lines[d.span.line - 1], d.span.line
    start = len(line) - len(line.lstrip())
    first = re.match(r"\s*(let|layer) +", line)
    if match := re.match(r"let (\w+) = .*, or layer \1 = ", d.help):
        name = line.rfind(match[1], 0, d.span.column - 1) + 1
        place = Span(d.span.path, row, name, row, name)
        yield Fix(f"let {match[1]} = ...", (Edit(place, "let "),))
        yield Fix(f"layer {match[1]} = ...", (Edit(place, "layer "),), safe=False)
    if first and d.help.startswith("without the word "):
        place = Span(d.span.path, row, start + 1, row, first.end() + 1)
        yield Fix(f"without {first[1]}", (Edit(place, ""),))
    if first and first[1] == "layer" and re.fullmatch(r"let \w+ = \.\.\.", d.help):
        yield Fix(d.help, (Edit(Span(d.span.path, row, start + 1, row, first.end() + 1), "let "),))


def parentheses(d: Diagnostic, source: Source) -> Iterator[Fix]:
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


def type_word(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """float64 and its kin stand for the working float."""
    if d.help.startswith("write float32") and (match := re.match(r"\w+", source.shown)):
        yield Fix("float32, the working float", (Edit(source.at(*match.span()), "float32"),), safe=False)


def plain_word(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`padding = "same"`: the help says it without quotes."""
    if match := re.fullmatch(r"write \w+ = (\w+), without quotes|without quotes: \w+ = (\w+)", d.help):
        word = match[1] or match[2]
        yield Fix(f"write {word}", (Edit(d.span, word),))


def without_start(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """A layer that begins with a tensor: `x -> dense(8)` where `dense(8)` is meant."""
    if "leave out the tensor" in d.help and (start := re.match(r"\w+ *-> *", source.shown)):
        yield Fix(f"leave out {start[0].strip()}", (Edit(source.at(*start.span()), ""),))


def instead(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """What stands at the place, in the words of the help."""
    line = source.lines[d.span.line - 1]
    if re.fullmatch(r": \[[^\]]*\]", d.help) or (d.code == "E0207" and re.fullmatch(r"[a-z_]+\(.*[^.]\)", d.help)):
        yield Fix(f"write {d.help}", (Edit(d.span, d.help),), safe=False)
    if match := re.fullmatch(r"(.*) rounds down", d.help):
        yield Fix(f"write {match[1]}", (Edit(d.span, match[1]),), safe=False)
    if match := re.search(r": call this one (\w+),", d.help):
        yield Fix(f"write {match[1]}", (Edit(d.span, match[1]),), safe=False)
    if (match := re.match(r"a range is written (\S+\.\.\S+),", d.help)) and (
        old := re.search(r"range\([^()]*\)", line)
    ):
        place = d.span.replace(column=old.start() + 1, end_line=d.span.line, end_column=old.end() + 1)
        yield Fix(f"write {match[1]}", (Edit(place, match[1]),), safe=False)
    if d.help.startswith("`=` gives a setting") and (colon := re.match(r"\s*:\s*", line[d.span.end_column - 1 :])):
        place = d.span.replace(column=d.span.end_column, end_column=d.span.end_column + colon.end())
        yield Fix("write =", (Edit(place, " = "),))


def underscore(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """Nothing reads the name, so nothing else has to change with it."""
    if re.fullmatch(r"\w+", source.shown):
        yield Fix(f"_{source.shown} says that it is meant", (Edit(source.before(), "_"),), safe=False)
