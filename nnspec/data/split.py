"""Which example belongs to which part: shares by largest remainder, alike for every class, drawn from a seed."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.order import permutation
from nnspec.ir.graph import CallValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

PARTS = ("train", "validation", "test")


def split(rule: object, count: int, labels: Array | None, seed: int, *, contiguous: bool = False) -> dict[str, Array]:
    """The examples (ascending) of each part under `split = rule`: `[0.8, 0.1, 0.1]`, `in_order([...])`, `folds(5, k)`.

    `labels` (count,) are classes to be shared out alike, or None. `contiguous` keeps what follows each other together
    under every rule: rows that windows are cut from (`window.py` says why). Raises DataError E0535, E0536.
    """
    if isinstance(rule, CallValue) and rule.name == "folds":
        return _fold(rule, count, labels, seed, contiguous)
    ordered = isinstance(rule, CallValue) and rule.name == "in_order"
    if isinstance(rule, CallValue) and not ordered:
        raise DataError("E0535", f"split is a list of shares, in_order([...]) or folds(n, k), not {rule.name}")
    listed = (rule.args[0] if rule.args else None) if isinstance(rule, CallValue) else rule
    fractions = shares(listed, count)
    if ordered or contiguous:
        found = _stretches(fractions, count)
    else:
        found = _share_out(fractions, count, labels, seed)
    parts = dict(zip(PARTS, found, strict=False))
    for (name, indices), share in zip(parts.items(), fractions, strict=True):
        if not len(indices) and (share or name == "train"):
            raise DataError(
                "E0536",
                f"the {name} part would be empty: {float(share):g} of {count} examples",
                help="give it a larger share",
            )
    return {name: indices for name, indices in parts.items() if len(indices)}


def _stretches(fractions: Sequence[Fraction], count: int) -> list[Array]:
    ends = np.cumsum(largest_remainder(fractions, count))
    return [np.arange(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def shares(listed: object, count: int) -> list[Fraction]:
    """Fractions that add up to 1, or whole numbers of examples that add up to all of them."""
    numbers = (
        [x for x in listed if isinstance(x, int | float) and not isinstance(x, bool)]
        if isinstance(listed, list)
        else []
    )
    if not isinstance(listed, list) or not 1 <= len(listed) <= 3 or len(numbers) != len(listed):
        raise DataError("E0535", "split takes the shares of train, validation and test, as in [0.8, 0.1, 0.1]")
    exact = [Fraction(repr(x)) for x in numbers]  # the decimal that was written: 0.1 is a tenth
    total = sum(exact, Fraction(0))
    if min(exact) < 0 or (abs(total - 1) > Fraction(1, 10**6) and total != count):
        hint = [round(float(x / total), 4) for x in exact] if total > 0 and min(exact) >= 0 else [0.8, 0.1, 0.1]
        raise DataError("E0535", f"the shares {listed} add up to {float(total):g}, not 1", help=f"as in {hint}")
    return [x / total for x in exact]


def largest_remainder(fractions: Sequence[Fraction], count: int) -> list[int]:
    """Whole parts of `count` nearest to the fractions: floors, then one each to the largest remainders (first wins)."""
    exact = [fraction * count for fraction in fractions]
    floors = [int(x) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda p: (floors[p] - exact[p], p))
    for part in by_remainder[: count - sum(floors)]:
        floors[part] += 1
    return floors


def allocate(fractions: Sequence[Fraction], classes: Sequence[int]) -> list[list[int]]:
    """How many examples of each class each part gets: rows classes, columns parts.

    Every entry is the floor of its share or one more (rarely two), and each part's total is that of
    `largest_remainder` over all examples. Classes with most left over choose first, among the parts
    with most room (Gale and Ryser), then the largest remainder.
    """
    table = [[int(f * count) for f in fractions] for count in classes]
    totals = largest_remainder(fractions, sum(classes))
    room = [total - sum(row[p] for row in table) for p, total in enumerate(totals)]
    left = [count - sum(row) for count, row in zip(classes, table, strict=True)]
    for c in sorted(range(len(classes)), key=lambda c: (-left[c], c)):
        remainder = [fractions[p] * classes[c] - table[c][p] for p in range(len(fractions))]
        given: list[int] = []
        for _ in range(left[c]):
            best = max(
                (p for p in range(len(room)) if room[p] > 0), key=lambda p: (p not in given, room[p], remainder[p], -p)
            )
            table[c][best] += 1
            room[best] -= 1
            given.append(best)
    return table


def _share_out(fractions: Sequence[Fraction], count: int, labels: Array | None, seed: int) -> list[Array]:
    order = permutation(count, "split", seed)
    groups = [order] if labels is None else [order[labels[order] == c] for c in sorted(set(labels.tolist()))]
    parts: list[list[Array]] = [[] for _ in fractions]
    for group, row in zip(groups, allocate(fractions, [len(g) for g in groups]), strict=True):
        ends = np.cumsum(row)
        for part, start, end in zip(parts, [0, *ends[:-1]], ends, strict=True):
            part.append(group[start:end])
    return [np.sort(np.concatenate(part)) for part in parts]


def _fold(rule: CallValue, count: int, labels: Array | None, seed: int, contiguous: bool) -> dict[str, Array]:
    numbers = [*rule.args, *rule.kwargs.values()]
    if len(numbers) != 2 or not all(isinstance(x, int) for x in numbers):
        raise DataError("E0535", "folds takes how many there are and which is held out, as in folds(5, 1)")
    folds, k = (int(str(x)) for x in numbers)
    if folds < 2:
        raise DataError("E0535", f"folds({folds}, {k}): there are at least 2 folds", help="as in folds(5, 1)")
    if not 1 <= k <= folds:
        raise DataError("E0535", f"folds({folds}, {k}): the fold held out is one of 1..{folds}")
    if folds > count:
        raise DataError("E0536", f"folds({folds}, {k}): {count} examples cannot make {folds} folds")
    equal = [Fraction(1, folds)] * folds
    parts = _stretches(equal, count) if contiguous else _share_out(equal, count, labels, seed)
    rest = np.sort(np.concatenate([part for i, part in enumerate(parts, 1) if i != k]))
    return {"train": rest, "validation": parts[k - 1]}
