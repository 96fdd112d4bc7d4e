"""Starter specs for `nnspec new`: one `.nn` file a template, with its first line for the list."""
