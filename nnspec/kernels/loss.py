"""Losses: one number an example (N,), or their mean over the batch (a scalar) with
`mean=True`.

An example's number is the mean over its other axes, but for `squared_error`, which
sums. Targets that are tensors of numbers have gradients of their own: minus that of the
prediction where the loss sees only the difference, else in `<loss>_backward_target`.
`weight` holds factors for the last axes of an example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Cache = Any
Numbers = Any  # a number or nested tuples of numbers


def squared_error_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = 1/2 sum (prediction - target)^2, over all of an example."""
    difference = prediction - target
    return per_example(
        weighed(0.5 * difference * difference, weight), mean, total=True
    ), (difference, weight, mean)


def squared_error_backward(dy: Array, cache: Cache) -> Array:
    difference, weight, mean = cache
    dx: Array = to_entries(dy, difference.shape, mean, total=True) * weighed(
        difference, weight
    )
    return dx


def mse_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = mean (prediction - target)^2."""
    difference = prediction - target
    return per_example(weighed(difference * difference, weight), mean), (
        difference,
        weight,
        mean,
    )


def mse_backward(dy: Array, cache: Cache) -> Array:
    difference, weight, mean = cache
    dx: Array = to_entries(dy, difference.shape, mean) * weighed(
        2.0 * difference, weight
    )
    return dx


def mae_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = mean |prediction - target|; its gradient is 0 where they are equal."""
    difference = prediction - target
    return per_example(weighed(np.abs(difference), weight), mean), (
        difference,
        weight,
        mean,
    )


def mae_backward(dy: Array, cache: Cache) -> Array:
    difference, weight, mean = cache
    dx: Array = to_entries(dy, difference.shape, mean) * weighed(
        np.sign(difference), weight
    )
    return dx


def huber_forward(
    prediction: Array,
    target: Array,
    delta: float = 1.0,
    weight: Numbers = None,
    mean: bool = False,
) -> tuple[Array, Cache]:
    """L = mean of d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2) (Huber,
    1964).
    """
    difference = prediction - target
    size = np.abs(difference)
    entries = np.where(
        size <= delta, 0.5 * difference * difference, delta * (size - 0.5 * delta)
    )
    return per_example(weighed(entries, weight), mean), (
        difference,
        delta,
        weight,
        mean,
    )


def huber_backward(dy: Array, cache: Cache) -> Array:
    difference, delta, weight, mean = cache
    dx: Array = to_entries(dy, difference.shape, mean) * weighed(
        np.clip(difference, -delta, delta), weight
    )
    return dx


def cross_entropy_forward(
    logits: Array,
    label: Array,
    axis: int = -1,
    weight: Numbers = None,
    ignore: int | None = None,
    label_smoothing: float = 0.0,
    mean: bool = False,
) -> tuple[Array, Cache]:
    """L = -log softmax(logits)[label], the classes along `axis`, the mean over an
    example's other axes.

    With smoothing e and C classes the target is (1 - e) one_hot + e / C. A class weighs
    as `weight` (C) says; a position whose label is `ignore` counts neither in the sum
    nor in the mean.
    """
    axis = axis % logits.ndim
    log_p = log_softmax(logits, axis)
    p = weigh_classes(
        spread_labels(label, logits.shape[axis], axis, label_smoothing, logits.dtype),
        axis,
        weight,
    )
    counted = None if ignore is None else count_mean(label != ignore)
    if counted is not None:
        p = p * np.expand_dims(counted, axis).astype(p.dtype)
    return per_example(-np.sum(p * log_p, axis=axis), mean), (log_p, p, axis, mean)


def cross_entropy_backward(dy: Array, cache: Cache) -> Array:
    """(softmax - target) where the target sums to one, in general softmax * sum(target)
    - target.
    """
    log_p, p, axis, mean = cache
    positions = log_p.shape[:axis] + log_p.shape[axis + 1 :]
    d = np.expand_dims(to_entries(dy, positions, mean), axis)
    dx: Array = d * (np.exp(log_p) * np.sum(p, axis=axis, keepdims=True) - p)
    return dx


def soft_cross_entropy_forward(
    logits: Array,
    target: Array,
    axis: int = -1,
    weight: Numbers = None,
    label_smoothing: float = 0.0,
    mean: bool = False,
) -> tuple[Array, Cache]:
    """L = -sum target * log softmax(logits) along `axis`; the target is a distribution
    of the logits' shape.
    """
    axis = axis % logits.ndim
    log_p = log_softmax(logits, axis)
    keep = 1.0 - label_smoothing
    p = target if keep == 1.0 else keep * target + label_smoothing / logits.shape[axis]
    p = weigh_classes(p, axis, weight)
    return per_example(-np.sum(p * log_p, axis=axis), mean), (
        log_p,
        p,
        axis,
        mean,
        keep,
        weight,
    )


def soft_cross_entropy_backward(dy: Array, cache: Cache) -> Array:
    return cross_entropy_backward(dy, cache[:4])


def soft_cross_entropy_backward_target(dy: Array, cache: Cache) -> Array:
    log_p, _, axis, mean, keep, weight = cache
    positions = log_p.shape[:axis] + log_p.shape[axis + 1 :]
    dx: Array = -np.expand_dims(to_entries(dy, positions, mean), axis) * weigh_classes(
        keep * log_p, axis, weight
    )
    return dx


def nll_forward(
    log_p: Array,
    label: Array,
    axis: int = -1,
    weight: Numbers = None,
    ignore: int | None = None,
    mean: bool = False,
) -> tuple[Array, Cache]:
    """L = -log_p[label], of log-probabilities with the classes along `axis`."""
    axis = axis % log_p.ndim
    p = weigh_classes(
        spread_labels(label, log_p.shape[axis], axis, 0.0, log_p.dtype), axis, weight
    )
    counted = None if ignore is None else count_mean(label != ignore)
    if counted is not None:
        p = p * np.expand_dims(counted, axis).astype(p.dtype)
    finite = np.where(p == 0, 0.0, log_p)  # log_p may be -inf where p is 0
    return per_example(-np.sum(p * finite, axis=axis), mean), (p, axis, mean)


def nll_backward(dy: Array, cache: Cache) -> Array:
    p, axis, mean = cache
    positions = p.shape[:axis] + p.shape[axis + 1 :]
    dx: Array = -np.expand_dims(to_entries(dy, positions, mean), axis) * p
    return dx


def binary_cross_entropy_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = mean of -t log p - (1 - t) log(1 - p), p = sigmoid(prediction), without
    overflow.
    """
    entries = (
        np.maximum(prediction, 0.0)
        - prediction * target
        + np.log1p(np.exp(-np.abs(prediction)))
    )
    return per_example(weighed(entries, weight), mean), (
        prediction,
        target,
        weight,
        mean,
    )


def binary_cross_entropy_backward(dy: Array, cache: Cache) -> Array:
    """p - t."""
    prediction, target, weight, mean = cache
    e = np.exp(-np.abs(prediction))
    p = np.where(prediction >= 0, 1.0, e) / (1.0 + e)
    dx: Array = to_entries(dy, p.shape, mean) * weighed(p - target, weight)
    return dx


def binary_cross_entropy_backward_target(dy: Array, cache: Cache) -> Array:
    prediction, _, weight, mean = cache
    dx: Array = to_entries(dy, prediction.shape, mean) * weighed(-prediction, weight)
    return dx


def hinge_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = mean of max(0, 1 - t * prediction), targets -1 or +1; its gradient at the
    kink is 0.
    """
    margin = 1.0 - target * prediction
    return per_example(weighed(np.maximum(margin, 0.0), weight), mean), (
        margin > 0,
        prediction,
        target,
        weight,
        mean,
    )


def hinge_backward(dy: Array, cache: Cache) -> Array:
    active, _, target, weight, mean = cache
    dx: Array = to_entries(dy, active.shape, mean) * weighed(-target * active, weight)
    return dx


def hinge_backward_target(dy: Array, cache: Cache) -> Array:
    active, prediction, _, weight, mean = cache
    dx: Array = to_entries(dy, active.shape, mean) * weighed(
        -prediction * active, weight
    )
    return dx


def perceptron_loss_forward(
    prediction: Array, target: Array, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = mean of max(0, -t * prediction), targets -1 or +1 (Rosenblatt, 1958); at the
    kink its gradient is -t: what lies on the boundary is not right yet.
    """
    margin = -target * prediction
    return per_example(weighed(np.maximum(margin, 0.0), weight), mean), (
        margin >= 0,
        prediction,
        target,
        weight,
        mean,
    )


def perceptron_loss_backward(dy: Array, cache: Cache) -> Array:
    return hinge_backward(dy, cache)


def perceptron_loss_backward_target(dy: Array, cache: Cache) -> Array:
    return hinge_backward_target(dy, cache)


def kl_divergence_forward(
    log_q: Array, p: Array, axis: int = -1, weight: Numbers = None, mean: bool = False
) -> tuple[Array, Cache]:
    """L = sum p * (log p - log_q) along `axis`: of log-probabilities, to a distribution
    p; 0 log 0 is 0.
    """
    axis = axis % log_q.ndim
    log_p = np.log(np.where(p > 0, p, 1.0))
    terms = weigh_classes(p * (log_p - log_q), axis, weight)
    return per_example(np.sum(terms, axis=axis), mean), (
        log_q,
        p,
        log_p,
        axis,
        weight,
        mean,
    )


def kl_divergence_backward(dy: Array, cache: Cache) -> Array:
    _, p, _, axis, weight, mean = cache
    positions = p.shape[:axis] + p.shape[axis + 1 :]
    dx: Array = -np.expand_dims(to_entries(dy, positions, mean), axis) * weigh_classes(
        p, axis, weight
    )
    return dx


def kl_divergence_backward_target(dy: Array, cache: Cache) -> Array:
    log_q, p, log_p, axis, weight, mean = cache
    positions = p.shape[:axis] + p.shape[axis + 1 :]
    slope = np.where(p > 0, log_p + 1.0 - log_q, np.nan)  # at 0 PyTorch has none
    slope = weigh_classes(slope.astype(p.dtype), axis, weight)
    dx: Array = np.expand_dims(to_entries(dy, positions, mean), axis) * slope
    return dx


def per_example(entries: Array, mean: bool, total: bool = False) -> Array:
    """entries (N, ...) averaged (or summed) over each example, then over the batch if
    `mean`.
    """
    axes = tuple(range(1, entries.ndim))
    each = entries.sum(axis=axes) if total else entries.mean(axis=axes)
    return np.asarray(each.mean()) if mean else each


def to_entries(
    dy: Array, shape: tuple[int, ...], mean: bool, total: bool = False
) -> Array:
    """The transpose of `per_example`: the gradient of every entry, in a shape that
    broadcasts to `shape`.
    """
    count = (shape[0] if mean else 1) * (
        1 if total else int(np.prod(shape[1:], dtype=np.int64))
    )
    dentries: Array = np.reshape(
        dy / float(count), (1 if mean else shape[0], *[1] * (len(shape) - 1))
    )
    return dentries


def weighed(entries: Array, weight: Numbers) -> Array:
    """Entries (N, ...) times factors of their last axes (None: 1)."""
    return entries if weight is None else entries * np.asarray(weight, entries.dtype)


def weigh_classes(p: Array, axis: int, weight: Numbers) -> Array:
    """p times one factor for each class along `axis` (None: 1)."""
    return (
        p
        if weight is None
        else p * np.asarray(weight, p.dtype).reshape(-1, *[1] * (p.ndim - axis - 1))
    )


def count_mean(counted: Array) -> Array:
    """Factors (N, ...) that turn the mean over each example into the mean over its
    counted positions.
    """
    axes = tuple(range(1, counted.ndim))
    share = counted.mean(axis=axes, keepdims=True)
    factors: Array = counted / np.where(share == 0, 1.0, share)
    return factors


def spread_labels(
    label: Array, classes: int, axis: int, smoothing: float, dtype: Any
) -> Array:
    """Labels as distributions: one_hot along a new `axis`, smoothed towards the uniform
    one.
    """
    index = np.arange(classes).reshape(-1, *[1] * (label.ndim - axis))
    hit: Array = (np.expand_dims(label, axis) == index).astype(dtype)
    return hit if smoothing == 0.0 else hit * (1.0 - smoothing) + smoothing / classes


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along `axis`, without overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    y: Array = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y
