"""Images brought to another size, the same way wherever they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LARGE = 1 << 22  # numbers of an image


def resize(images: Array, height: int, width: int) -> Array:
    """Bilinear resizing of (examples, channels, H, W) uint8 images, centres of pixels aligned.

    Where an image shrinks, every pixel of it counts (antialiasing), as in Pillow and torchvision.
    """
    rows, columns = _weights(images.shape[2], height), _weights(images.shape[3], width)
    out = np.empty((*images.shape[:2], height, width), np.uint8)
    if images[:1].size > LARGE:
        for place, image in enumerate(images):
            out[place] = np.rint(_by_lines(image, rows, columns))
        return out
    for start in range(0, len(images), 1024):
        part = rows @ images[start : start + 1024].astype(np.float64) @ columns.T
        out[start : start + 1024] = np.rint(part)
    return out


def _by_lines(image: Array, rows: Array, columns: Array) -> Array:
    """One large image: floats of a few lines at a time."""
    step = max(1, LARGE // (image.shape[0] * image.shape[2]))
    out = np.zeros((image.shape[0], len(rows), len(columns)))
    for start in range(0, image.shape[1], step):
        out += rows[:, start : start + step] @ (image[:, start : start + step].astype(np.float64) @ columns.T)
    return out


def _weights(size: int, wanted: int) -> Array:
    """(wanted, size): how much of each old line goes into each new one: a triangle round its centre, 1 line wide to
    each side where lines are added, as many old lines as make a new one where they are taken away."""
    scale = max(size / wanted, 1.0)
    centre = (np.arange(wanted) + 0.5) * size / wanted
    distance = np.abs(np.arange(size) + 0.5 - centre[:, None]) / scale
    weights = np.clip(1.0 - distance, 0.0, None)
    normal: Array = weights / weights.sum(axis=1, keepdims=True)
    return normal
