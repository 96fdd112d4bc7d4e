"""Sizes that are known only when data arrives: exact arithmetic on expressions of open `dim`s."""

from __future__ import annotations


class Dim:
    """An open size in normal form. (Contract; the arithmetic is filled in.)

    Built from `Dim.symbol("T")`. Supports + - * // % with ints and Dims (and reflected), unary -, ==
    (same normal form), hash, str (as the language writes it: `(H - 5) // 2 + 1`), `evaluate(env: dict[str, int])
    -> int`, `symbols() -> frozenset[str]`, `python(names: dict[str, str]) -> str` (source text, symbols renamed).
    An operation whose result is a whole number returns an int. `(16*H - 1) // 2 + 1` is `8 * H`.
    `dim_max(a, b)`, `dim_min(a, b)` are functions; `is_at_least(size, n)` says whether it is provable (symbols are >= 1).
    """
