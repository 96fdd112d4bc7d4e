"""The table of a consistency check: the largest disagreement in each quantity, for each backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.views.table import table

if TYPE_CHECKING:
    from nnspec.verify.report import Report, Row

KINDS = {
    "output": "output",
    "loss": "loss",
    "gradient": "gradient",
    "update": "update",
    "evaluation": "evaluation",
    "differences": "finite differences",
}


def verify_table(report: Report) -> str:
    """One line a quantity: |difference| from the reference on each backend, and the share of the tolerance used."""
    others = [name for name in report.backends if name != report.reference] or [report.reference]
    steps = f"{report.steps} step{'s' * (report.steps != 1)} of {report.batch} examples"
    title = f"{report.model}: {steps} in {report.dtype}, held against {report.reference}"
    header = ["compared", "quantity", *others, "of tolerance", ""]
    rows = [_cells(row, others) for row in report.rows]
    if report.free_running:
        found = dict(report.free_running)
        drift = [_size(found[name]) if name in found else "" for name in others]
        rows.append(["free run", "loss (relative, not judged)", *drift, "", ""])
    return "\n".join([title, "", table(header, rows, right="<<" + ">" * (len(others) + 1) + "<")])


def _cells(row: Row, others: list[str]) -> list[str]:
    if row.kind == "differences":
        shown = ["" for _ in others]
        shown[0] = _size(max(row.difference.values(), default=0.0))
    else:
        shown = [_size(row.difference[name]) if name in row.difference else "" for name in others]
    share = f"{100 * row.worst:.2g} %" if row.worst < 10 else f"{row.worst:.3g} x"
    return [KINDS.get(row.kind, row.kind), row.name, *shown, share, "ok" if row.ok else "FAIL"]


def _size(difference: float) -> str:
    return "0" if difference == 0 else f"{difference:.1e}"


def verdict(report: Report) -> str:
    """One sentence: agreement with the tolerance, or how much does not agree and where it starts."""
    allowed = f"rtol {report.tolerance.rtol:g}, atol {report.tolerance.atol:g}"
    names = ", ".join(report.backends)
    if len(report.backends) == 1 and report.ok:
        if not report.rows:
            return (
                f"{names} was compared with nothing: name a second backend, or ask for float64 and finite differences"
            )
        slope = report.differences
        return f"{names} agrees with finite differences (rtol {slope.rtol:g}, atol {slope.atol:g})"
    if report.ok:
        return f"{names} agree in {len(report.rows)} quantities ({allowed})"
    wrong = [row for row in report.rows if not row.ok]
    text = f"{len(wrong)} of {len(report.rows)} quantities disagree ({allowed})"
    if report.divergence is None:
        return text
    d = report.divergence
    place = f"{d.span.path}:{d.span.line}:{d.span.column}"
    return f"{text}\nfirst at {place}: the {d.what} of {d.layer} on {d.backend}, {d.share:.3g} times the tolerance"
