"""One entry of the table of codes."""

from __future__ import annotations

from nnspec.record import Record

CHECK = "nnspec check example.nn"
TRAIN = "nnspec train example.nn"


class Code(Record):
    """What a code means. `example` brings it up and `fix` does not: lines of a file `example.nn`, or of a model whose
    only input is `x: float32[1, 8, 8]`. Both are empty for what no text can show.

    `files` stand beside it, each a name and its text. `run` is the command that brings the code up, `fixed_run` the one
    that does not, where it is another.
    """

    title: str
    cause: str
    example: str = ""
    fix: str = ""
    files: tuple[tuple[str, str], ...] = ()
    run: str = CHECK
    fixed_run: str = ""


def texts(entry: Code) -> list[tuple[str, str]]:
    """What an entry shows below its cause: titles and texts, with the command where it is not plain `check`."""
    if not entry.example:
        return []
    shown = [("for example", entry.example, entry.run), ("put right", entry.fix, fixed_run(entry))]
    beside = [(f"beside it {name}", text.rstrip("\n") or "(nothing)") for name, text in entry.files]
    first, last = [(title, text if run == CHECK else f"{text}\n$ {run}") for title, text, run in shown]
    return [first, *beside, last]


def fixed_run(entry: Code) -> str:
    """The command under which the example put right says nothing."""
    return entry.fixed_run or entry.run
