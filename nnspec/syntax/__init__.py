"""From text to syntax tree: `parse` and the node classes."""
