"""How a graph becomes the source of a target, and how emitted text is run."""
