"""A plain table: aligned columns of text, no borders, ready for a terminal, a pipe or a README."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "", total: Sequence[str] = ()) -> str:
    """Rows under a header and a rule, `total` under a second rule.

    `right` has one character a column: ">" aligns it to the right, anything else to the left.
    """
    lines = [header, *rows, *([total] if total else [])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    aligned = [right[column : column + 1] == ">" for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, aligned, strict=True)
        ]
        return GAP.join(padded).rstrip()

    rule = GAP.join("-" * width for width in widths)
    out = [line(header), rule, *map(line, rows)]
    if total:
        out += [rule, line(total)]
    return "\n".join(out)


def grouped(number: object) -> str:
    """`61,706`; an open size as the language writes it; nothing for zero."""
    if isinstance(number, int):
        return f"{number:,}" if number else ""
    return str(number)


def size_of(count: int) -> str:
    """A number of bytes: `824 B`, `3.1 KiB`, `98 MiB`."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
