"""The typed graph of a model, and the sizes and types that stand on it."""
