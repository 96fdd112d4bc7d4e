"""Numbers as a reader wants them: measurements, times, differences."""

from __future__ import annotations

from collections.abc import Mapping


def measured(values: Mapping[str, float]) -> str:
    """`loss 0.0716  accuracy 0.9833`."""
    return "  ".join(f"{name} {number(value)}" for name, value in values.items())


def number(value: float) -> str:
    """Four decimals, or four digits where that would show nothing or too much."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}"
    return f"{value:.3e}"


def seconds_in_words(seconds: float) -> str:
    """`0.3 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
