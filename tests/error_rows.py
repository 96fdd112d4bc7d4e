"""The files of tests/errors: what each says of itself, how it is run, and what a user then sees.

tests/errors/README.md tells the convention. Everything goes through the command line, in a folder of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from error_files import FILES as MADE

from nnspec.cli.console import run

ERRORS = Path(__file__).parent / "errors"
EXPECTED = re.compile(
    r"(?:(\d+) x )?(?:error|warning)(?:\[([EW]\d{4})\])?: (.*?)(?= \| (?:\d+ x )?(?:error|warning)\[|$)"
)
SHOWN = re.compile(r"^(error|warning)(?:\[([EW]\d{4})\])?: (.*)(?:\n +--> (.*?)(?::(\d+):(\d+))?)?$", re.MULTILINE)
HEAD = re.compile(r"# (first|run|file|without): (.*?)(?:  # (.*))?$")


class Report(NamedTuple):
    """One report, expected or seen: the line of the row's own file, its code (if it has one), text of its message."""

    line: int
    code: str
    text: str


class Row(NamedTuple):
    """A file of tests/errors. `commands` hold (line, words), those of `first` say nothing of interest; `beside` are the
    files that stand beside it."""

    path: Path
    text: str
    first: tuple[list[str], ...]
    commands: tuple[tuple[int, list[str]], ...]
    beside: dict[str, bytes]
    lines: dict[tuple[str, int], int]  # (name, line) of a file written in comments -> the line of this one
    without: tuple[str, ...]
    expected: tuple[Report, ...]


def rows() -> list[Row]:
    return [read(path) for path in sorted(ERRORS.glob("*.nn"))]


def read(path: Path) -> Row:
    """The row that a file holds."""
    text = path.read_text(encoding="utf-8")
    commands: list[tuple[int, list[str]]] = []
    first: list[list[str]] = []
    beside: dict[str, bytes] = {}
    written: dict[str, list[str]] = {}
    places: dict[tuple[str, int], int] = {}
    without: list[str] = []
    expected: list[Report] = []
    name = ""
    for number, line in enumerate(text.splitlines(), 1):
        comment = line.partition("# ")[2]
        for times, code, part in EXPECTED.findall(comment):
            expected += [Report(number, code, part.strip())] * int(times or 1)
        if content := re.match(r"#   \| ?(.*)", line):
            written.setdefault(name, []).append(content[1])
            places[name, len(written[name])] = number
        elif head := HEAD.match(line):
            kind, value = head[1], head[2]
            if kind == "run":
                commands += [(number, words) for words in _each(shlex.split(value), text)]
            elif kind == "first":
                first.append(shlex.split(value))
            elif kind == "without":
                without.append(value)
            else:
                name = value
                made = MADE.get(name) or MADE.get(name.rpartition("/")[2])
                beside[name] = made() if made else b""
    beside |= {name: ("\n".join(lines) + "\n").encode() for name, lines in written.items()}
    commands = commands or [(1, ["nnspec", "check", path.name])]
    return Row(path, text, tuple(first), tuple(commands), beside, places, tuple(without), tuple(expected))


def _each(words: list[str], text: str) -> Iterator[list[str]]:
    """The command, or one for every model of the file where it says `--model EACH`."""
    if "EACH" not in words:
        yield words
        return
    for model in re.findall(r"^model (\w+)", text, re.MULTILINE):
        yield [model if word == "EACH" else word for word in words]


def render(row: Row, folder: Path) -> str:
    """What the commands of a row print to stderr, under the commands where there are several."""
    for name, content in {row.path.name: row.text.encode(), **row.beside}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    shown = []
    for words in row.first:
        assert _run(row, words, folder)[0] == 0, words
    for _, words in row.commands:
        code, said = _run(row, words, folder)
        assert code in (0, 1, 2, 3), said
        head = f"$ {shlex.join(words)}\n" if len(row.commands) > 1 else ""
        shown.append(head + said)
    return "\n".join(shown)


def _run(row: Row, words: list[str], folder: Path) -> tuple[int, str]:
    """The exit code of a command, and what it says."""
    assert words[0] == "nnspec", words
    err = StringIO()
    with _inside(folder), _hidden(row.without), redirect_stderr(err), redirect_stdout(StringIO()):
        code = run(words[1:])
    return code, err.getvalue().replace(str(folder.resolve()), "FOLDER")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """As if these packages were not installed."""
    known = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}
    for name in known:
        del sys.modules[name]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None is how an import is refused
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(known)


def reports(row: Row, shown: str) -> list[Report]:
    """What a rendering says, at lines of the row's own file; what has none stands at the line of its command."""
    found = []
    commands = iter(row.commands)
    line = row.commands[0][0]
    starts = [match.start() for match in re.finditer(r"^\$ ", shown, re.MULTILINE)]
    for match in SHOWN.finditer(shown):
        while starts and starts[0] <= match.start():
            starts.pop(0)
            line = next(commands)[0]
        severity, code, message, path, at, _ = match.groups()
        assert not code or severity == ("warning" if code.startswith("W") else "error")
        if path == row.path.name and at:
            place = int(at)
        else:
            place = row.lines.get((path, int(at or 1)), line)
        found.append(Report(place, code or "", message))
    return found
