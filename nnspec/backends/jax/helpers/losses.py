"""Losses: one number for each example; who uses them averages over the batch."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import Array

from nnspec.backends.jax.helpers.functions import absolute


def squared_error(y: Array, target: Array, weight: Array | float = 1.0) -> Array:
    """Half the squared norm of the error of each example."""
    entries = 0.5 * weight * (y - target) ** 2
    return entries.sum(tuple(range(1, entries.ndim)))


def mse(y: Array, target: Array, weight: Array | float = 1.0) -> Array:
    """The mean square of the error of each example."""
    return per_example(weight * (y - target) ** 2)


def mae(y: Array, target: Array, weight: Array | float = 1.0) -> Array:
    """The mean absolute error of each example."""
    return per_example(weight * absolute(y - target))


def huber(
    y: Array, target: Array, delta: float = 1.0, weight: Array | float = 1.0
) -> Array:
    """Quadratic for errors up to delta, linear beyond."""
    error = absolute(y - target)
    linear = delta * (error - 0.5 * delta)
    return per_example(weight * jnp.where(error <= delta, 0.5 * error**2, linear))


def binary_cross_entropy(
    logits: Array, target: Array, weight: Array | float = 1.0
) -> Array:
    """-t log p - (1 - t) log(1 - p) with p = sigmoid(logits)."""
    return per_example(weight * (jax.nn.softplus(logits) - logits * target))


def hinge(y: Array, target: Array, weight: Array | float = 1.0) -> Array:
    """max(0, 1 - t y), targets -1 or +1."""
    return per_example(weight * jax.nn.relu(1 - target * y))


def perceptron_loss(y: Array, target: Array, weight: Array | float = 1.0) -> Array:
    """max(0, -t y), targets -1 or +1; -t is the gradient at 0 too."""
    margin = -target * y
    return per_example(weight * jnp.where(margin < 0, 0.0, margin))


def cross_entropy(logits: Array, label: Array, axis: int = -1) -> Array:
    """-log softmax(logits)[label], the classes along `axis`."""
    picked = jnp.take_along_axis(logits, jnp.expand_dims(label, axis), axis)
    return per_example(jax.nn.logsumexp(logits, axis, keepdims=True) - picked)


def nll(log_p: Array, label: Array, axis: int = -1) -> Array:
    """-log_p[label], the classes along `axis`."""
    picked = jnp.take_along_axis(log_p, jnp.expand_dims(label, axis), axis)
    return -per_example(picked)


def soft_cross_entropy(
    logits: Array,
    target: Array,
    axis: int = -1,
    *,
    weight: Array | None = None,
    label_smoothing: float = 0.0,
    ignore: int | None = None,
) -> Array:
    """-sum p log softmax(logits), p the target (labels as one-hot), smoothed."""
    log_p = jax.nn.log_softmax(logits, axis)
    return soft_nll(log_p, target, axis, weight, label_smoothing, ignore)


def soft_nll(
    log_p: Array,
    target: Array,
    axis: int = -1,
    weight: Array | None = None,
    label_smoothing: float = 0.0,
    ignore: int | None = None,
) -> Array:
    """-sum p log_p, p the target (labels as one-hot), smoothed; `ignore` drops out."""
    classes = log_p.shape[axis]
    p = target
    if target.ndim < log_p.ndim:
        p = jax.nn.one_hot(target, classes, axis=axis, dtype=log_p.dtype)
    p = (1 - label_smoothing) * p + label_smoothing / classes
    p = weigh_classes(p, weight, axis)
    entries = -jnp.sum(jnp.where(p == 0, 0.0, p * log_p), axis)
    if ignore is None:
        return per_example(entries)
    kept, axes = target != ignore, tuple(range(1, entries.ndim))
    total = jnp.where(kept, entries, 0.0).sum(axes)
    return total / jnp.maximum(kept.sum(axes), 1)


def kl_divergence(
    log_q: Array, p: Array, axis: int = -1, weight: Array | None = None
) -> Array:
    """sum p (log p - log_q) along `axis`; 0 log 0 is 0."""
    entries = jnp.where(p > 0, p * (jnp.log(p) - log_q), 0.0)
    return per_example(weigh_classes(entries, weight, axis).sum(axis))


def weigh_classes(entries: Array, weight: Array | None, axis: int) -> Array:
    """Entries multiplied by the weight (C) of their class."""
    if weight is None:
        return entries
    return entries * weight.reshape(-1, *(1,) * (-axis % entries.ndim - 1))


def per_example(entries: Array) -> Array:
    """entries (N, ...) averaged over all axes but the first."""
    return entries.mean(tuple(range(1, entries.ndim)))


# ---------------------------------------------------------------- regularisers


def l1(weights: Iterable[Array]) -> Array:
    """The sum of |w|."""
    return sum((absolute(w).sum() for w in weights), start=jnp.zeros(()))


def l2(weights: Iterable[Array]) -> Array:
    """Half the sum of w^2."""
    return 0.5 * sum(((w * w).sum() for w in weights), start=jnp.zeros(()))
