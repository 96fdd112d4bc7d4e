"""What an entry of a tensor sees of an input, axis by axis: the values that `receptive.py` computes with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import lcm

from nnspec.ir.graph import Value
from nnspec.ir.types import Size
from nnspec.record import Record

Jump = Fraction | None  # how far the field moves in the input where the entry moves by one; None: nobody knows
Moves = tuple[Mapping[int, Jump], ...]  # for every axis of a tensor: the axes of the input it moves along


class Stretch(Record):
    """What entries see of an axis: entry n P + q from `jump` n + lows[q] to `jump` n + highs[q], P their number."""

    lows: tuple[int, ...] = (0,)
    highs: tuple[int, ...] = (0,)
    jump: int = 1

    @property
    def size(self) -> int:
        return max(high - low for low, high in zip(self.lows, self.highs, strict=True)) + 1

    def low(self, entry: int) -> int:
        periods, place = divmod(entry, len(self.lows))
        return self.jump * periods + self.lows[place]

    def high(self, entry: int) -> int:
        periods, place = divmod(entry, len(self.lows))
        return self.jump * periods + self.highs[place]

    def read(self, ends: Ends, by: Fraction) -> Seen:
        """What an entry sees that reads the entries between `ends` of it, `by` further for its neighbour."""
        period = (by / len(self.lows)).denominator
        if period > LONGEST:
            return None
        read = [ends(entry) for entry in range(period)]
        jump = self.jump * int(by * period / len(self.lows))
        return Stretch(tuple(self.low(low) for low, _ in read), tuple(self.high(high) for _, high in read), jump)

    def over(self, other: Stretch) -> Stretch:
        """The union with another that moves as fast."""
        entries = range(lcm(len(self.lows), len(other.lows)))
        lows = tuple(min(self.low(n), other.low(n)) for n in entries)
        highs = tuple(max(self.high(n), other.high(n)) for n in entries)
        return Stretch(lows, highs, self.jump * len(lows) // len(self.lows))


class All(Record):
    """The whole axis."""


Seen = Stretch | All | None  # None: nobody knows
Total = tuple[int, int] | None  # first and last entry of an axis that are seen at all; None: all of an open axis
Ends = Callable[[int], tuple[int, int]]  # of an entry: the first and the last entry that it reads
ALL = All()
LONGEST = 256  # of a pattern


class Sight(Record):
    """What an entry of a tensor sees of one input, and what all together do (`total`), by axis of the input.

    `moves` is by axis of the tensor.
    """

    input: Value
    seen: tuple[Seen, ...]
    total: tuple[Total, ...]
    moves: Moves

    def looks(self, axes: Mapping[int, Seen]) -> Sight:
        return self.replace(seen=tuple(axes.get(axis, old) for axis, old in enumerate(self.seen)))


Sights = tuple[Sight, ...]  # by input


def union(a: Sight, b: Sight) -> Sight:
    """Both, where two branches meet."""
    moves = tuple(_meet(m, n) for m, n in zip(a.moves, b.moves, strict=True))
    seen: list[Seen] = []
    for axis, (s, t) in enumerate(zip(a.seen, b.seen, strict=True)):
        along = [next((m[axis] for m in x.moves if axis in m), None) for x in (a, b)]
        if isinstance(s, All) or isinstance(t, All):
            seen.append(ALL)
        else:
            seen.append(None if s is None or t is None or along[0] != along[1] else s.over(t))
    total = [(min(s[0], t[0]), max(s[1], t[1])) if s and t else None for s, t in zip(a.total, b.total, strict=True)]
    return Sight(a.input, tuple(seen), tuple(total), moves)


def _meet(a: Mapping[int, Jump], b: Mapping[int, Jump]) -> Mapping[int, Jump]:
    """Where one tensor moves and the other does not, the result moves; at two speeds nobody knows."""
    return {**a, **b, **{axis: None for axis in a.keys() & b.keys() if a[axis] != b[axis]}}


def mixed(sight: Sight, axes: Iterable[int]) -> Sight:
    """Every entry sees all along some axes of the tensor; it no longer moves along them."""
    axes = set(axes)
    wide: dict[int, Seen] = {}
    for source in {source for axis in axes for source in sight.moves[axis]}:
        total, whole = sight.total[source], sight.input.type.shape[source]
        part = total is not None and total != (0, whole - 1)  # what was cut off before stays unseen
        if sight.seen[source] is not None:
            wide[source] = Stretch((total[0],), (total[1],), 0) if part and total is not None else ALL
    moves = tuple({} if axis in axes else move for axis, move in enumerate(sight.moves))
    return sight.looks(wide).replace(moves=moves)


def window(sight: Sight, size: Size, axis: int, ends: Ends, by: Fraction) -> Sight:
    """An axis, `size` long from now on, is read by windows: see `Stretch.read`."""
    seen, move, total = dict[int, Seen](), dict[int, Jump](), list(sight.total)
    for source, jump in sight.moves[axis].items():
        old = sight.seen[source]
        move[source] = None if jump is None else jump * by
        if isinstance(old, Stretch) and (jump is not None or by != 1 or ends(0) != (0, 0)):
            new = seen[source] = old.read(ends, by) if jump is not None else None
            whole = total[source]
            if isinstance(new, Stretch) and whole is not None and isinstance(size, int):
                total[source] = max(new.low(0), whole[0]), min(new.high(size - 1), whole[1])
    moves = tuple(move if n == axis else other for n, other in enumerate(sight.moves))
    return sight.looks(seen).replace(moves=moves, total=tuple(total))
