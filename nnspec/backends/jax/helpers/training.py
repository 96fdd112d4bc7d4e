"""What training needs beside the model: batches, clipping, a rule optax lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.tree_util import keystr, tree_map_with_path

Arrays = dict[str, Array]  # by name


def copy_tree(tree: Any) -> Any:
    """The same leaves in new objects, which may be assigned to."""
    return jax.tree.map(lambda leaf: leaf, tree)


@jax.jit
def select(data: Arrays, rows: Array) -> Arrays:
    """The batch that holds some examples."""
    return {name: values[rows] for name, values in data.items()}


def scale_by_root_sum(eps: float, inside: bool = False) -> optax.GradientTransformation:
    """g / (sqrt(sum g^2) + eps), as torch.optim.Adagrad; or eps `inside`."""

    def init(params: Any) -> optax.ScaleByRssState:
        return optax.ScaleByRssState(jax.tree.map(jnp.zeros_like, params))

    def update(grads: Any, state: optax.ScaleByRssState, params: Any = None) -> Any:
        total = jax.tree.map(lambda s, g: s + g * g, state.sum_of_squares, grads)
        steps = jax.tree.map(
            lambda g, s: g / (jnp.sqrt(s + eps) if inside else jnp.sqrt(s) + eps),
            grads,
            total,
        )
        return steps, optax.ScaleByRssState(total)

    return optax.GradientTransformation(init, update)


class AverageState(NamedTuple):
    """Steps so far, and the average of each parameter."""

    steps: Array
    average: Any


def average(decay: float) -> optax.GradientTransformation:
    """Keeps the moving average of parameters: d * a + (1 - d) * w, at first w.

    It stands last in a chain, where updates are what is added to the parameters, and
    leaves them as they are.
    """

    def init(params: Any) -> AverageState:
        return AverageState(
            jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params)
        )

    def update(updates: Any, state: AverageState, params: Any = None) -> Any:
        share = jnp.where(state.steps == 0, 1.0, 1.0 - decay)
        kept = jax.tree.map(
            lambda a, w, u: a + share * (w + u - a), state.average, params, updates
        )
        return updates, AverageState(state.steps + 1, kept)

    return optax.GradientTransformation(init, update)


def in_bfloat16(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss in bfloat16; parameters, gradients and statistics stay in float32."""

    def is_statistic(keys: Any) -> bool:
        return keystr(keys).endswith((".running_mean", ".running_var"))

    def run(model: Any, batch: Arrays, **given: Any) -> Any:
        training = given.get("training", False)

        def half(keys: Any, leaf: Array) -> Array:
            kept = training and is_statistic(keys)
            return leaf if kept else leaf.astype(jnp.bfloat16)

        def moved(keys: Any, before: Array, after: Array) -> Array:
            return after.astype(before.dtype) if is_statistic(keys) else before

        floats = {k: jnp.issubdtype(v.dtype, jnp.floating) for k, v in batch.items()}
        batch = {
            k: v.astype(jnp.bfloat16) if floats[k] else v for k, v in batch.items()
        }
        found = loss(tree_map_with_path(half, model), batch, **given)
        if not isinstance(found, tuple):
            return found.astype(jnp.float32)
        value, after = found
        return value.astype(jnp.float32), tree_map_with_path(moved, model, after)

    return run


def add_share(total: Any, grads: Any, share: float) -> Any:
    """Gradients so far, and a share of those of another part of the batch."""
    return jax.tree.map(lambda t, g: t + share * g, total, grads)


def without_frozen(grads: Any, labels: Any) -> Any:
    """Gradients that are 0 where the label is "frozen"."""

    def hold(g: Array, label: str) -> Array:
        return jnp.zeros_like(g) if label == "frozen" else g

    return jax.tree.map(hold, grads, labels)


def clip_norm(grads: Any, largest: float) -> Any:
    """Gradients scaled so that their joint norm is at most `largest`."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
    scale = jnp.minimum(largest / (norm + 1e-6), 1.0)
    return jax.tree.map(lambda g: g * scale, grads)


def clip_values(grads: Any, largest: float) -> Any:
    """Gradients with every entry within [-largest, largest]."""
    return jax.tree.map(lambda g: jnp.clip(g, -largest, largest), grads)


def top_accuracy(logits: Array, label: Array, top: int, axis: int = -1) -> Array:
    """The share of labels among the `top` largest logits along `axis`."""
    found = lax.top_k(jnp.moveaxis(logits, axis, -1), top)[1]
    return (found == label[..., None]).any(-1).mean(dtype=float)
