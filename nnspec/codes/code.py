"""One entry of the table of codes."""

from __future__ import annotations

from nnspec.record import Record


class Code(Record):
    """What a code means. `example` brings it up and `fix` does not: lines of a file, or of a model whose only
    input is `x: float32[1, 8, 8]`. Both are empty for what no text of a spec can show."""

    title: str
    cause: str
    example: str = ""
    fix: str = ""
