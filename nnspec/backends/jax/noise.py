"""What draws random numbers: in training only, but for `bernoulli`. The last argument is the source of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import function

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@function("Dropout", noisy=True)
def dropout(use: OpUse, x: str, key: str, training: str) -> str:
    return f"dropout({x}, {use.code('p')}, {key}, {training})"


@function("DropPath", noisy=True)
def drop_path(use: OpUse, x: str, key: str, training: str) -> str:
    return f"drop_path({x}, {use.code('p')}, {key}, {training})"


@function("GaussianNoise", noisy=True)
def gaussian_noise(use: OpUse, x: str, key: str, training: str) -> str:
    return f"gaussian_noise({x}, {use.code('std')}, {key}, {training})"


@function("Bernoulli", noisy=True)
def bernoulli(use: OpUse, x: str, key: str, training: str) -> str:
    return f"bernoulli({x}, {key})"
