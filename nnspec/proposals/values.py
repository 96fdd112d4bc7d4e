"""Proposals for settings and sizes: another value, another call, a wider domain, a step left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nnspec.diagnostics import Diagnostic, Edit, Fix, Label, Span
from nnspec.ops import registry
from nnspec.proposals.source import Source


def given(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`kernel <= 5, or padding >= 1`, `groups = 1 or 3`: a setting of the call with another value."""
    for name, values in re.findall(
        r"\b([a-z_]+) (?:<=|>=|=) (-?[\d.]+(?:(?:, | or )-?[\d.]+)*|\[[\d, ]+\])(?![\w(])", d.help
    ):
        for value in re.split(r", (?![^\[]*\])| or ", values):
            for place, text in _places_of(name, value, source):
                yield Fix(f"{name} = {value}", (Edit(place, text),), safe=False)


def _places_of(name: str, value: str, source: Source) -> Iterator[tuple[Span, str]]:
    """Where a setting stands: by its name in the call or on the line, by its position, or nowhere yet."""
    span, line = source.span, source.lines[source.span.line - 1]
    if found := re.search(rf"\b{name}\s*=\s*(\[[^\]]*\]|[\w.]+)", line[span.column - 1 :] if source.shown else line):
        start = span.column - 1 if source.shown else 0
        yield (
            span.replace(column=start + found.start(1) + 1, end_line=span.line, end_column=start + found.end(1) + 1),
            value,
        )
        return
    for call in re.finditer(r"([a-z_]\w*)(\(([^()]*)\))?", source.shown):
        row = registry.lookup(call[1])
        settings = [setting.name for setting in row.signature.settings] if row is not None else []
        if name not in settings:
            continue
        if call[2] is None:
            yield source.at(call.end(), call.end()), f"({name} = {value})"
            continue
        arguments = re.split(r"(,)", call[3])
        at = call.start(3)
        for index, argument in enumerate(arguments):
            if index == 2 * settings.index(name) and "=" not in argument and argument.strip():
                yield source.at(at, at + len(argument)), f"{' ' * (index > 0)}{value}"
            at += len(argument)
        yield source.at(call.end(3), call.end(3)), f"{', ' if call[3].strip() else ''}{name} = {value}"


def called(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`one_hot(3)`, `prelu or prelu(6)`, `layer_norm`: the help is what to write in place of the call."""
    for text in re.split(" or ", d.help):
        name = re.fullmatch(r"([a-z_]\w*)(\([^()]*\))?(?: first)?", text)
        if name is None or registry.lookup(name[1]) is None or "..." in text:
            continue
        own = re.search(rf"\b{name[1]}\b(\([^()]*\))?", source.shown)
        place = source.at(*own.span()) if own else d.span
        if text.endswith(" first"):
            yield Fix(f"{text}", (Edit(source.before(), f"{text.removesuffix(' first')} -> "),), safe=False)
        else:
            yield Fix(f"write {text}", (Edit(place, text),), safe=False)


def left_out(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """`batch_norm(16)`: what it finds by itself is not given."""
    if d.help.endswith(": leave it out"):
        yield Fix("leave it out", (Edit(d.span, ""),))


def domain(d: Diagnostic, source: Source) -> Iterator[Fix]:
    """A `let` whose default is outside its domain: a wider domain, or another default."""
    line, row = source.lines[d.span.line - 1].partition("#")[0].rstrip(), d.span.line
    at = line.find(" in ") + 4
    behind = Span(d.span.path, row, at + 1, row, len(line) + 1)
    if match := re.fullmatch(r"in (.+), or (\w+ = (\S+))", d.help):
        yield Fix(f"in {match[1]}", (Edit(behind, match[1]),), safe=False)
        yield Fix(match[2], (Edit(d.span, match[3]),), safe=False)
    elif match := re.match(r"(?:a list: )?([\w.]*\([^()]*\)|\S+\.\.\S+|\[[^\].]*\])(?: holds .*)?$", d.help):
        yield Fix(f"write {match[1]}", (Edit(behind, match[1]),), safe=False)


def setting(text: str) -> Callable[[Diagnostic, Source], Iterator[Fix]]:
    """A setting put into the call that the report points at."""

    def rule(d: Diagnostic, source: Source) -> Iterator[Fix]:
        if source.shown.endswith(")") and d.span.line == d.span.end_line:
            empty = source.shown.endswith("()")
            place = source.at(len(source.shown) - 1, len(source.shown) - 1)
            yield Fix(text, (Edit(place, text if empty else f", {text}"),), safe=False)
        elif re.fullmatch(r"\w+", source.shown):
            yield Fix(text, (Edit(source.after(), f"({text})"),), safe=False)

    return rule


def without_step(d: Diagnostic, source: Source) -> Iterator[Fix]:
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
