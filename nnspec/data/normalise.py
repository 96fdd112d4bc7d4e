"""Normalisation: fitted on the training part, kept with the run, applied wherever the model is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import DataError
from nnspec.data.stream import blocks
from nnspec.passes.datablock import show_plain
from nnspec.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnspec.data.stream import Rows

    Array = np.ndarray[Any, Any]

CHUNK = 4096  # examples that are float64 at a time, fewer where they are large
NUMBERS = 1 << 24


class Scaling(Record):
    """x -> (x * unit - mean) / std, broadcast over (examples, *shape). `unit` is 1/255 for 8-bit images.

    `mean` and `std` are nested lists of numbers of the field's rank, so that they go to json and back
    without a bit lost.
    """

    unit: float
    mean: Any
    std: Any

    def apply(self, array: Array, dtype: str) -> Array:
        mean, std = self._arrays(array.shape)
        out = np.empty(array.shape, dtype)
        for start in range(0, len(array), CHUNK):
            part = array[start : start + CHUNK].astype(np.float64)
            out[start : start + CHUNK] = (part * self.unit - mean) / std
        return out

    def invert(self, array: Array) -> Array:
        """The numbers before normalisation, for predictions of a normalised target."""
        mean, std = self._arrays(array.shape)
        return array * std + mean

    def _arrays(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Mean and deviation for examples of a shape. Raises DataError E0537 where those of a run are others."""
        try:
            mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
            fits = np.broadcast_shapes(mean.shape, std.shape, shape) == shape
        except ValueError:  # lists of different lengths, or shapes that do not meet
            fits = False
        if not fits:
            message = f"the mean and deviation that are kept do not fit examples of shape {list(shape[1:])}"
            raise DataError("E0537", message, exit_code=2)
        return mean, std


def fit_scaling(
    how: object, array: Rows, kept: tuple[int, ...], unit: float, only: tuple[int, ...] | None = None
) -> Scaling:
    """A Scaling by `standard`, `minmax` or `[mean, std]`, one pair of numbers for each place of the axes in `kept`.

    `array` is the training part (examples, *shape); axes count from 0 in the shape. `only` limits a
    rank-1 field to some of its features. A constant feature is centred and keeps its size.
    Raises DataError E0537.
    """
    rank = array.ndim - 1
    axes = tuple(a for a in range(array.ndim) if a == 0 or a - 1 not in kept)
    if how == "standard":
        mean, std = _moments(array, axes, unit)
    elif how == "minmax":
        ends = [(part.min(axis=axes, keepdims=True), part.max(axis=axes, keepdims=True)) for _, part in blocks(array)]
        mean = np.minimum.reduce([low for low, _ in ends]).astype(np.float64) * unit
        std = np.maximum.reduce([high for _, high in ends]) * unit - mean
    elif isinstance(how, list) and len(how) == 2:
        shape = tuple(array.shape[a] if a not in axes else 1 for a in range(array.ndim))
        mean, std = (_given(part, shape) for part in how)
        if (std <= 0).any():
            raise DataError(
                "E0537",
                f"normalize = {how}: a standard deviation is larger than 0",
                help="the mean comes first: [mean, std]",
            )
    else:
        raise DataError("E0537", f"normalize is standard, minmax or [mean, std], not {show_plain(how)}")
    std = np.where(std > 0, std, 1.0)
    if only is not None:
        chosen = np.isin(np.arange(mean.shape[-1]), only)
        mean, std = np.where(chosen, mean, 0.0), np.where(chosen, std, 1.0)
    return Scaling(
        unit,
        mean.reshape(mean.shape[1:]).tolist() if rank else float(mean[0]),
        std.reshape(std.shape[1:]).tolist() if rank else float(std[0]),
    )


def _moments(array: Rows, axes: tuple[int, ...], unit: float) -> tuple[Array, Array]:
    """Mean and biased standard deviation in float64, two passes over chunks."""
    count = int(np.prod([array.shape[a] for a in axes], dtype=np.int64))
    total = sum(part.sum(axis=axes, keepdims=True, dtype=np.float64) for part in _chunks(array))
    mean = total * unit / count
    squares = sum(np.square(part * unit - mean).sum(axis=axes, keepdims=True) for part in _chunks(array))
    return mean, np.sqrt(squares / count)


def _chunks(array: Rows) -> Iterator[Array]:
    """Pieces whose lengths, and so the bits of a sum, depend on the shape of the examples alone."""
    step = max(1, min(CHUNK, NUMBERS * len(array) // max(array.size, 1)))
    return (np.asarray(array[start : start + step]) for start in range(0, len(array), step))


def _given(part: object, shape: tuple[int, ...]) -> Array:
    try:
        numbers = np.asarray(part, dtype=np.float64)
    except (ValueError, TypeError) as error:
        message = f"normalize = [mean, std] takes numbers or lists of them, not {show_plain(part)}"
        raise DataError("E0537", message) from error
    places = int(np.prod(shape, dtype=np.int64))
    if numbers.size not in (1, places):
        message = f"normalize gives {numbers.size} numbers where the input has {places} channels or features"
        raise DataError("E0537", message, help=f"one number for all, or a list of {places}")
    return np.broadcast_to(numbers.reshape(-1), (places,)).reshape(shape).copy()
