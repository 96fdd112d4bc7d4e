"""Planned losses: means over a batch, or one thread's share of such a mean.

`forward` returns the share of the mean and leaves its gradient where the prediction
was, piece by piece while it is in the cache; `backward` hands that out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnspec.kernels.planned_rows import numbers, stretches

Array = np.ndarray[Any, Any]


class PlannedCrossEntropy:
    """L = mean of -log softmax(z)[label] over `total` examples, the classes along the
    last axis; dz = (softmax(z) - one_hot(label)) / count.
    """

    def __init__(self, shape: tuple[int, ...], n: int, dtype: Any, total: int) -> None:
        self.classes = shape[-1]
        positions = int(np.prod(shape[:-1]))
        self.parts = stretches(n * positions, self.classes)
        step = self.parts[0].stop
        self.ones = np.ones(self.classes, dtype)
        count = total * positions
        self.count, self.share = numbers(dtype, count, 1.0 / count)
        start = np.arange(step) * self.classes  # of each row
        buffers = (
            start,
            np.empty_like(start),  # where the logits of the labels are
            np.empty((step, self.classes), dtype),  # e
            np.empty((step, 1), dtype),  # sum
            np.empty(step, dtype),  # picked
            np.empty(step, dtype),  # log
            np.full(step, self.share),
        )
        self.buffers = [
            tuple(buffer[: part.stop - part.start] for buffer in buffers)
            for part in self.parts
        ]

    def forward(self, z: Array, label: Array) -> Any:
        self.dz = z
        if z.ndim > 2:
            z, label = z.reshape(-1, self.classes), label.reshape(-1)
        if len(self.parts) == 1:
            return self.piece(z, label, self.buffers[0])
        return sum(
            self.piece(z[part], label[part], buffers)
            for part, buffers in zip(self.parts, self.buffers, strict=True)
        )

    def piece(self, z: Array, label: Array, buffers: tuple[Array, ...]) -> Any:
        """The loss of some rows, whose logits become their gradient."""
        start, index, e, column, picked, log, shares = buffers
        total = column.reshape(-1)
        flat = z.reshape(-1)
        np.add(start, label, out=index)
        # One maximum for all rows is faster than one for each, and does as well where
        # no row is far below it.
        self.exp(z, flat[flat.argmax(), ...], index, picked, e, total)
        if not total[total.argmin()] > 1e-6:
            self.exp(z, z.max(axis=1, keepdims=True), index, picked, e, total)
        np.log(total, out=log)
        log -= picked  # -log softmax(z)[label]
        total *= self.count
        np.divide(e, column, out=z)
        flat[index] -= self.share
        return log.dot(shares)

    def exp(
        self, z: Array, top: Array, index: Array, picked: Array, e: Array, total: Array
    ) -> None:
        """e = exp(z - top) and its sums over the classes; picked is z - top at the
        labels.
        """
        np.subtract(z, top, out=e)
        e.reshape(-1).take(index, None, picked, "clip")
        np.exp(e, out=e)
        e.dot(self.ones, total)

    def backward(self) -> Array:
        return self.dz


class PlannedMSE:
    """L = mean (y - t)^2 over `total` examples; dy = 2 (y - t) / count."""

    def __init__(self, shape: tuple[int, ...], n: int, dtype: Any, total: int) -> None:
        size, count = n * int(np.prod(shape)), total * int(np.prod(shape))
        self.parts = stretches(size)
        self.share = 1.0 / count
        self.factor = np.array(2.0 / count, dtype)

    def forward(self, y: Array, t: Array) -> Any:
        self.dy = y
        y, t = y.reshape(-1), t.reshape(-1)
        if len(self.parts) == 1:
            return self.piece(y, t)
        return sum(self.piece(y[part], t[part]) for part in self.parts)

    def piece(self, y: Array, t: Array) -> Any:
        """The loss of some entries, which become their gradient."""
        y -= t
        loss = y.dot(y) * self.share
        y *= self.factor
        return loss

    def backward(self) -> Array:
        return self.dy


class PlannedBinaryCrossEntropy:
    """L = mean of -t log p - (1 - t) log(1 - p), p = sigmoid(z), over `total` examples;
    dz = (p - t) / count.

    With e = exp(-|z|): L = max(z, 0) - z t + log(1 + e), p = 1 / (1 + e) where z >= 0,
    else e / (1 + e).
    """

    def __init__(self, shape: tuple[int, ...], n: int, dtype: Any, total: int) -> None:
        size, count = n * int(np.prod(shape)), total * int(np.prod(shape))
        self.parts = stretches(size)
        step = self.parts[0].stop
        self.e = np.empty(step, dtype)
        self.work = np.empty(step, dtype)
        self.zeros = np.zeros(step, dtype)
        self.shares = np.full(step, 1.0 / count, dtype)
        self.share = np.array(1.0 / count, dtype)

    def forward(self, z: Array, t: Array) -> Any:
        self.dz = z
        z, t = z.reshape(-1), t.reshape(-1)
        if len(self.parts) == 1:
            return self.piece(z, t, self.parts[0])
        return sum(self.piece(z[part], t[part], part) for part in self.parts)

    def piece(self, z: Array, t: Array, part: slice) -> Any:
        """The loss of some entries, whose logits become their gradient."""
        size = part.stop - part.start
        e, work = self.e[:size], self.work[:size]
        zeros, shares = self.zeros[:size], self.shares[:size]
        np.abs(z, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)
        np.log1p(e, out=work)
        loss = work.dot(shares)
        np.maximum(z, zeros, out=work)
        loss += work.dot(shares) - z.dot(t) * self.share
        np.minimum(z, zeros, out=z)  # exp(z) is then 1 where z >= 0, else e
        np.exp(z, out=z)
        e += 1.0
        z /= e
        z -= t
        z *= self.share
        return loss

    def backward(self) -> Array:
        return self.dz
