"""JAX: a dataclass pytree a block, pure functions that train it, `optax` for the update."""
