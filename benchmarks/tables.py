"""Measurements as markdown tables, printed and put between the markers of docs/performance.md."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from contestants import framework

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def render(found: dict[str, Any]) -> str:
    """One table a workload."""
    return "\n".join(table(name, result) for name, result in found["workloads"].items())


def table(name: str, result: dict[str, Any]) -> str:
    rounds, reference, peak = result["rounds"], result["reference"], result["peak"]
    names = list(rounds[0])
    reference = reference if reference in names else names[0]
    rates = {n: statistics.median(turn[n] for turn in rounds) for n in names}
    rows = []
    for n in sorted(names, key=rates.__getitem__, reverse=True):
        best = best_peer(n, rates)
        rows.append(
            [
                n,
                f"{rates[n]:,.0f}",
                spread(rounds, n, reference),
                spread(rounds, n, best) + f" of {best}" if best else "",
                f"{100 * rates[n] * result['flops'] / peak['2']:.1f} %",
            ]
        )
    head = ["contestant", "samples/s", f"times {reference}", "times the best by hand", "of GEMM peak"]
    text = f"### {result['title']}\n\n" + grid([head, *rows])
    text += (
        f"\n{len(rounds)} rounds; GEMM peak {peak['1'] / 1e9:.0f} GFLOP/s on one thread, "
        f"{peak['2'] / 1e9:.0f} on two; a step of {name} is {result['flops'] / 1e6:,.2f} MFLOP an example.\n"
    )
    return text


def best_peer(name: str, rates: dict[str, float]) -> str:
    """The fastest hand-written program on the framework of one of ours."""
    if not name.startswith("nnspec-"):
        return ""
    peers = [n for n in rates if not n.startswith("nnspec-") and framework(n) == framework(name)]
    return max(peers, key=rates.__getitem__, default="")


def spread(rounds: list[dict[str, float]], name: str, other: str) -> str:
    """`1.23 (1.20 to 1.26)`: the median of paired ratios and its quartiles."""
    values = sorted(turn[name] / turn[other] for turn in rounds)
    if name == other:
        return "1"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def grid(rows: list[list[str]]) -> str:
    """A markdown table whose columns line up."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines) + "\n"


def write_docs(found: dict[str, Any]) -> None:
    """Replaces what stands between `<!-- training -->` and `<!-- /training -->`."""
    machine = found["machine"]
    head = f"{machine['date']}, {machine['processor']}, Python {machine['python']}, {machine['libraries']}.\n\n"
    between("training", head + render(found))


def between(marker: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    start, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    before, rest = page.split(start, 1)
    _, after = rest.split(end, 1)
    PAGE.write_text(f"{before}{start}\n{text.rstrip()}\n{end}{after}", encoding="utf-8")
