"""How a graph becomes the source of a target, and how emitted text is run."""

from __future__ import annotations

# Every target, and the modules that running its text needs.
NEEDS: dict[str, tuple[str, ...]] = {"numpy": ("numpy",), "torch": ("torch",), "jax": ("jax", "optax")}
BACKENDS = tuple(NEEDS)
