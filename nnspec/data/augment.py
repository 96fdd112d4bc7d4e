"""Random changes of the training images, drawn anew each epoch from the seed: `augment = [flip, crop(4)]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.order import uniform, words
from nnspec.data.stream import Stream
from nnspec.ir.graph import CallValue

if TYPE_CHECKING:
    from nnspec.data.stream import Rows

    Array = np.ndarray[Any, Any]


def checked(augment: object) -> list[tuple[str, int]]:
    """The steps by name with their number: flip, crop(pixels). Raises DataError E0539."""
    steps = []
    for step in augment if isinstance(augment, list) else [augment]:
        if step == "flip":
            steps.append(("flip", 0))
        elif (
            isinstance(step, CallValue)
            and step.name == "crop"
            and len(step.args) == 1
            and isinstance(step.args[0], int)
            and step.args[0] > 0
        ):
            steps.append(("crop", step.args[0]))
        else:
            shown = step.name if isinstance(step, CallValue) else step
            raise DataError("E0539", f"augment takes flip and crop(pixels), not {shown}")
    return steps


def draws(steps: list[tuple[str, int]], count: int, seed: int, epoch: int, name: str) -> list[Array]:
    """For each step, what it does to every one of `count` examples: rows of chance, examples along the last axis.

    A function of (seed, epoch, example) alone, whatever batch an example comes in.
    """
    found: list[Array] = []
    for number, (step, pixels) in enumerate(steps):
        key = (seed, "augment", epoch, name, number)
        if step == "flip":
            found.append(uniform(count, *key) < 0.5)
        else:
            found.append((words(2 * count, *key) % np.uint64(2 * pixels + 1)).astype(np.int64).reshape(2, -1))
    return found


def augment(images: Array, steps: list[tuple[str, int]], chances: list[Array]) -> Array:
    """The images (examples, channels, height, width) under what was drawn for them.

    flip mirrors half of them left to right; crop(p) moves each by up to p pixels, zeros coming in
    (He et al., 2016, section 4.2).
    """
    out = images
    for (step, pixels), chance in zip(steps, chances, strict=True):
        if step == "flip":
            out = np.where(chance[:, None, None, None], out[..., ::-1], out)
        else:
            out = _crop(out, pixels, chance)
    return out


class Augmented(Stream):
    """Streamed images, changed as they are gathered."""

    def __init__(self, images: Rows, steps: list[tuple[str, int]], chances: list[Array]) -> None:
        super().__init__(images.shape, images.dtype)
        self.images, self.steps, self.chances = images, steps, chances

    def take(self, index: Array) -> Array:
        chances = [chance[..., index] for chance in self.chances]
        return augment(np.asarray(self.images[index]), self.steps, chances)


def _crop(images: Array, pixels: int, moves: Array) -> Array:
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    rows = moves[0][:, None] + np.arange(height)
    columns = moves[1][:, None] + np.arange(width)
    example = np.arange(len(images))[:, None, None]
    # Advanced indices apart from each other put their axes first: (examples, height, width, channels).
    picked = padded[example, :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(np.moveaxis(picked, -1, 1))
