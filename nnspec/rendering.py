"""Diagnostics as text with carets, and as the JSON, GitHub and SARIF that tools read.

    error[E0301]: kernel 7x7 does not fit its padded input 5x5
      --> lenet.nn:9:12
       |
     7 |     -> max_pool(2)
       |        ----------- gives [6, 5, 5]
     9 |     -> conv(16, 7)
       |        ^^^^^^^^^^^ output height (5 + 2*0 - 7)/1 + 1 = -1
       |
    help: kernel <= 5, or padding >= 1

A label whose span is the diagnostic's own stands under the carets; other labels are underlined with
dashes. Values come in, strings go out: nothing here prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnspec.diagnostics import Diagnostic, Fix, Label, Span

WIDTH = 140  # longest source line shown whole; longer ones are cut round what is underlined
TAB = "    "
EDGES = 2  # lines shown at either end of a span over many lines

_COLOURS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "frame": "\x1b[1;34m",
    "help": "\x1b[1;36m",
    "bold": "\x1b[1m",
}


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None, *, colour: bool = False) -> str:
    """All diagnostics in the order of the text, a blank line between two, a newline at the end of each."""
    return "\n".join(render_one(d, sources or {}, colour=colour) for d in in_order(diagnostics))


def render_one(diagnostic: Diagnostic, sources: Mapping[str, str], *, colour: bool = False) -> str:
    """One diagnostic; a path that is not in `sources` is named without an excerpt."""
    paint = _painter(colour)
    head = f"{diagnostic.severity}[{diagnostic.code}]"
    out = [f"{paint(diagnostic.severity, head)}{paint('bold', ': ' + visible(diagnostic.message))}"]
    out += _excerpts(diagnostic, sources, paint)
    if diagnostic.help:
        first, *more = visible(diagnostic.help).split("\n")
        out.append(f"{paint('help', 'help')}: {first}")
        out += [f"      {line}" for line in more]
    return "\n".join(out) + "\n"


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by file, position and code."""
    return sorted(diagnostics, key=lambda d: (d.span.path, d.span.line, d.span.column, d.code, d.message))


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`, or an empty string."""
    counts = {"error": 0, "warning": 0}
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
    return ", ".join(f"{n} {word}{'s' * (n > 1)}" for word, n in counts.items() if n)


# ---------------------------------------------------------------- text


class _Mark:
    """One underlined stretch: where, with which character, and what stands beside it."""

    def __init__(self, span: Span, char: str, text: str, style: str) -> None:
        self.span, self.char, self.text, self.style = span, char, text, style


def _painter(colour: bool) -> Any:
    def paint(style: str, text: str) -> str:
        return f"{_COLOURS[style]}{text}\x1b[0m" if colour and text else text

    return paint


def _excerpts(diagnostic: Diagnostic, sources: Mapping[str, str], paint: Any) -> list[str]:
    """The header with the place, the lines it points at, and the lines of other files after them."""
    marks = _marks(diagnostic)
    paths = list(dict.fromkeys(m.span.path for m in marks))
    texts = {path: sources[path].split("\n") for path in paths if path in sources}
    widest = max((_last_line(m.span, texts[m.span.path]) for m in marks if m.span.path in texts), default=1)
    gutter = max(2, len(str(widest)))
    out: list[str] = []
    for number, path in enumerate(paths):
        here = [m for m in marks if m.span.path == path]
        span = here[0].span
        arrow = paint("frame", f"{'-->' if not number else ':::':>{gutter + 3}}")
        if path not in texts or all(_is_whole(m.span) for m in here):
            out.append(f"{arrow} {visible(path)}" + ("" if _is_whole(span) else f":{span.line}:{span.column}"))
            out += [f"{' ' * (gutter + 2)}{paint('frame', '=')} {visible(m.text)}" for m in here if m.text]
            continue
        bar = " " * (gutter + 1) + paint("frame", "|")
        out += [f"{arrow} {visible(path)}:{span.line}:{span.column}", bar]
        out += _lines(here, texts[path], gutter, paint)
        if number == len(paths) - 1 and diagnostic.help:
            out.append(bar)
    return out


def _is_whole(span: Span) -> bool:
    """The empty span at the start stands for the file as a whole."""
    return (span.line, span.column, span.end_line, span.end_column) == (1, 1, 1, 1)


def _marks(diagnostic: Diagnostic) -> list[_Mark]:
    """The diagnostic's own span first; a label on that very span gives its text."""
    own = [label for label in diagnostic.labels if label.span == diagnostic.span]
    text = "; ".join(label.text for label in own)
    marks = [_Mark(diagnostic.span, "^", text, diagnostic.severity)]
    return marks + [_Mark(label.span, "-", label.text, "frame") for label in diagnostic.labels if label not in own]


def _lines(marks: list[_Mark], text: list[str], gutter: int, paint: Any) -> list[str]:
    rows: dict[int, list[tuple[int, int, _Mark, bool]]] = {}  # line -> (start, end, mark, is its last line)
    for mark in marks:
        if mark.span.line > len(text):  # behind the end of the file: show the end
            end = len(text[-1])
            rows.setdefault(len(text), []).append((end, end, mark, True))
            continue
        first, last = mark.span.line, _last_line(mark.span, text)
        shown = [n for n in range(first, last + 1) if last - first < 2 * EDGES or n < first + EDGES or n > last - EDGES]
        for number in shown:
            line = text[number - 1]
            start = mark.span.column - 1 if number == first else len(line) - len(line.lstrip())
            code = line if '"' in line else line.partition("#")[0]  # a comment at the end of a line is not meant
            end = mark.span.end_column - 1 if number == mark.span.end_line else len(code.rstrip())
            if number == shown[-1] or end > start:
                rows.setdefault(number, []).append((start, end, mark, number == shown[-1]))
    out: list[str] = []
    before = 0
    for number in sorted(rows):
        if before and number - before > 2:  # one line left out goes without saying
            out.append(paint("frame", f"{'...':>{gutter + 2}}"))
        before = number
        line, shift = _cut(text[number - 1], min(r[0] for r in rows[number]), max(r[1] for r in rows[number]))
        out.append(f"{paint('frame', f'{number:>{gutter}} |')} {_expand(line)}".rstrip())
        for start, end, mark, last in sorted(rows[number], key=lambda r: (r[0], r[2].char == "-")):
            start, end = max(0, start - shift), max(0, end - shift)
            indent = columns(line[:start]) + max(0, start - len(line))
            length = max(1, columns(line[:end]) - columns(line[:start]))
            note = f" {visible(mark.text)}" if mark.text and last else ""
            first_note, *more = note.split("\n")
            bar = " " * (gutter + 1) + paint("frame", "|")
            out.append(f"{bar} {' ' * indent}{paint(mark.style, mark.char * length + first_note)}")
            out += [f"{bar} {' ' * (indent + length + 1)}{paint(mark.style, m)}" for m in more]
    return out


def _last_line(span: Span, text: list[str]) -> int:
    """The last line a span covers: an exclusive end in column 1 belongs to the line before."""
    end = span.end_line - (span.end_column <= 1 and span.end_line > span.line)
    return max(1, min(end, len(text)))


def _cut(line: str, start: int, end: int) -> tuple[str, int]:
    """A window of a long line round [start, end), and by how many characters it moved to the left."""
    if len(line) <= WIDTH:
        return line, 0
    room = max(0, WIDTH - (end - start)) // 2
    left = max(0, min(start - room, len(line) - WIDTH))
    right = min(len(line), left + WIDTH)
    head, tail = "..." if left else "", "..." if right < len(line) else ""
    return head + line[left:right] + tail, left - len(head)


def _expand(line: str) -> str:
    return visible(line.replace("\t", TAB))


def visible(text: str) -> str:
    """The text with control and direction characters made harmless: a file must not drive a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" or not _unsafe(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _unsafe(char: str) -> bool:
    return ord(char) < 32 or 127 <= ord(char) < 160 or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"


def columns(text: str) -> int:
    """Terminal columns of a text: tabs are four, East Asian wide characters two, combining ones none."""
    text = text.replace("\t", TAB)
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    def width(char: str) -> int:
        return 0 if category(char) in ("Mn", "Me", "Cf") else 2 if east_asian_width(char) in "WF" else 1

    return sum(map(width, visible(text)))


# ---------------------------------------------------------------- for tools


def as_dicts(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """What `--format json` prints: lines and columns from 1, the end exclusive."""
    return [
        {
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            **_place(d.span),
            "labels": [{"text": label.text, **_place(label.span)} for label in d.labels],
            "help": d.help,
            "fixes": [_fix(fix) for fix in d.fixes],
        }
        for d in in_order(diagnostics)
    ]


def _fix(fix: Fix) -> dict[str, object]:
    """What an editor needs for a quick fix."""
    edits = [{**_place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"message": fix.message, "safe": fix.safe, "edits": edits}


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    import json

    return json.dumps(as_dicts(diagnostics), indent=2, ensure_ascii=False)


def to_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands that GitHub shows as annotations, one a line."""
    return "\n".join(_annotation(d) for d in in_order(diagnostics))


def to_sarif(diagnostics: Iterable[Diagnostic], version: str = "") -> str:
    """A SARIF 2.1.0 log with one run."""
    import json

    found = in_order(diagnostics)
    driver: dict[str, object] = {"name": "nnspec", "rules": [_rule(code) for code in sorted({d.code for d in found})]}
    if version:
        driver["version"] = version
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d) for d in found],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _place(span: Span) -> dict[str, object]:
    return {
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _annotation(d: Diagnostic) -> str:
    def escape(text: str, more: str = "") -> str:
        for char in "%\r\n" + more:
            text = text.replace(char, f"%{ord(char):02X}")
        return text

    place = {"file": d.span.path, "line": d.span.line, "endLine": d.span.end_line, "col": d.span.column}
    if d.span.line == d.span.end_line:  # GitHub takes columns only within one line, its end is inclusive
        place["endColumn"] = max(d.span.column, d.span.end_column - 1)
    place["title"] = f"{d.code}"
    settings = ",".join(f"{name}={escape(str(value), ':,')}" for name, value in place.items())
    notes = [label.text for label in d.labels if label.span == d.span] + ([f"help: {d.help}"] if d.help else [])
    return f"::{d.severity} {settings}::{escape(chr(10).join([d.message, *notes]))}"


def _rule(code: str) -> dict[str, object]:
    from nnspec.codes import CODES

    if code not in CODES:
        return {"id": code}
    entry = CODES[code]
    return {"id": code, "shortDescription": {"text": entry.title}, "fullDescription": {"text": entry.cause}}


def _result(d: Diagnostic) -> dict[str, object]:
    text = f"{d.message}\nhelp: {d.help}" if d.help else d.message
    result: dict[str, object] = {
        "ruleId": d.code,
        "level": d.severity,
        "message": {"text": text},
        "locations": [_location(d.span)],
    }
    if d.labels:
        result["relatedLocations"] = [_location(label.span, label) for label in d.labels]
    return result


def _location(span: Span, label: Label | None = None) -> dict[str, object]:
    from urllib.parse import quote

    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    uri = quote(span.path.replace("\\", "/"))
    location: dict[str, object] = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
    if label is not None:
        location["message"] = {"text": label.text}
    return location
