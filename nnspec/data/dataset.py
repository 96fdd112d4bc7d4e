"""The data of a run: the examples of each part, and their order in every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data import augment as augmentation
from nnspec.data.order import epoch_order
from nnspec.data.stream import Stream

if TYPE_CHECKING:
    from nnspec.data.memory import Memory
    from nnspec.data.stream import Rows

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Any]


class Dataset:
    """Examples of each part by field name, and what must be remembered to treat new ones alike.

    `parts` maps "train", "validation", "test" (those that exist) to a dict field -> (examples, *shape):
    floats in the working dtype, classes and integers as int64 or the declared type. Where the parts are too large
    to be held they are `Stream`s, which give arrays when they are indexed. `files` maps each file or folder that
    was read to its SHA-256.
    """

    def __init__(
        self, parts: dict[str, Arrays], memory: Memory, files: dict[str, str], order_seed: int, shuffle: bool
    ) -> None:
        self.parts = parts
        self.memory = memory
        self.files = files
        self.order_seed = order_seed
        self.shuffle = shuffle
        self.augmentations: list[tuple[str, int]] = []
        self.images: tuple[str, ...] = ()

    @property
    def train(self) -> Arrays:
        return self.parts["train"]

    @property
    def validation(self) -> Arrays | None:
        return self.parts.get("validation")

    @property
    def test(self) -> Arrays | None:
        return self.parts.get("test")

    def size(self, part: str = "train") -> int:
        return count(self.parts[part])

    @property
    def held_bytes(self) -> int:
        """Bytes of examples that stay in memory during the run."""
        arrays = [a for part in self.parts.values() for a in part.values() if not isinstance(a, Stream)]
        return sum(array.nbytes for array in arrays)

    def order(self, epoch: int) -> Array:
        """The training examples in the order of an epoch, counted from 1."""
        return epoch_order(self.size(), self.order_seed, epoch, self.shuffle)

    def epoch(self, epoch: int) -> Arrays:
        """The training part as an epoch sees it: the same arrays every time unless images are augmented."""
        if not self.augmentations:
            return self.train
        changed: Arrays = {}
        for name in self.images:
            images, steps = self.train[name], self.augmentations
            chances = augmentation.draws(steps, len(images), self.order_seed, epoch, name)
            streamed = isinstance(images, Stream)
            make = augmentation.Augmented if streamed else augmentation.augment
            changed[name] = make(images, steps, chances)
        return {**self.train, **changed}

    def gathered(self, arrays: Mapping[str, Rows], order: Array) -> tuple[Arrays, Array]:
        """What steps over `order` (k, b) read of `arrays`, an epoch's, and the order in that.

        Arrays in memory are given as they are; of streams, the examples of these steps are read.
        """
        if not any(isinstance(array, Stream) for array in arrays.values()):
            return dict(arrays), order
        places = order.reshape(-1)
        return {name: array[places] for name, array in arrays.items()}, np.arange(order.size).reshape(order.shape)

    def portions(self, chunk: Array) -> Iterator[Array]:
        """The steps of a chunk (k, b) in portions whose examples may be in memory at a time."""
        step = len(chunk)
        if any(isinstance(array, Stream) for array in self.train.values()):
            each = sum(array.nbytes // len(array) for array in self.train.values())
            step = max(1, GATHERED // max(1, each * chunk.shape[1]))
        for start in range(0, len(chunk), step):
            yield chunk[start : start + step]


GATHERED = 1 << 28  # bytes of examples read at a time


def count(arrays: Mapping[str, Rows]) -> int:
    """Examples in a part."""
    return len(next(iter(arrays.values())))
