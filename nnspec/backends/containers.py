"""Containers of members (`features` of `features.0`) that must stand before an `if` which makes members in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from nnspec.backends.program import Branch, ForEach, LoopKey, Statement, walk

Path = tuple[str | LoopKey, ...]


def shared_containers(
    branch: Branch, body: list[Statement], paths: Callable[[list[Statement]], list[Path]]
) -> list[Path]:
    """The containers that one side of an `if` needs and the other or the rest of the class too, outermost first.

    `paths` gives the paths of what a constructor makes for some statements of the class, whose body is `body`.
    """
    sides = paths(branch.then), paths(branch.otherwise)
    rest = Counter(paths(body)) - Counter(sides[0]) - Counter(sides[1])
    then, otherwise, outside = (_containers(found) for found in (*sides, list(rest)))
    loops = {s for s in walk([*branch.then, *branch.otherwise]) if isinstance(s, ForEach)}
    return [
        path
        for path in dict.fromkeys([*then, *otherwise])
        if (path in outside or (path in then and path in otherwise))
        and not any(isinstance(part, LoopKey) and part.loop in loops for part in path)
    ]


def _containers(paths: list[Path]) -> list[Path]:
    """What holds the members under these paths; () stands for the class where its copies have keys of their own."""
    return [path[:depth] for path in paths for depth in range(not isinstance(path[0], LoopKey), len(path))]
