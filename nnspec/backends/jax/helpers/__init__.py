"""Definitions that emitted JAX files carry: ordinary tested modules, copied by source.

Nothing here is imported when a spec is compiled: `nnspec.backends.jax.library` reads
the text. Lines stay within 88 columns, so that copies need no reformatting.
"""
