"""What the loop visits: the parts of a data set, or bare steps for a model that needs no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Any]  # arrays, or streams that give them when they are indexed


class Examples(Protocol):
    """`nnspec.data.Dataset`, or `NoData`."""

    @property
    def parts(self) -> dict[str, Arrays]: ...

    def size(self, part: str = "train") -> int: ...

    def order(self, epoch: int) -> Array: ...

    def epoch(self, epoch: int) -> Arrays: ...

    def gathered(self, arrays: Mapping[str, Any], order: Array) -> tuple[Arrays, Array]: ...

    def portions(self, chunk: Array) -> Iterable[Array]: ...


class NoData:
    """For models without `input`: `batch` examples that hold nothing, one step an epoch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.parts: dict[str, Arrays] = {}

    def size(self, part: str = "train") -> int:
        return self.batch

    def order(self, epoch: int) -> Array:
        return np.arange(self.batch)

    def epoch(self, epoch: int) -> Arrays:
        return {}

    def gathered(self, arrays: Mapping[str, Any], order: Array) -> tuple[Arrays, Array]:
        return {}, order

    def portions(self, chunk: Array) -> Iterable[Array]:
        return (chunk,)
