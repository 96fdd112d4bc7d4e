"""The table that drives the tests of ops: for every name of the language, rows that work and rows that must not.

`CASES[name]` are at least eight rows (every rank, size 1, odd sizes, broadcasts, dtypes, kinks), `BAD[name]`
rows with the code of their error. Operators stand under their sign, unary minus under `neg`, indexing under `[]`.
"""

from __future__ import annotations

import cases_functions as functions
import cases_layers as layers
from case import Bad, Case, T, call_text, spec_text

CASES: dict[str, list[Case]] = {
    **layers.LINEAR,
    **layers.ACTIVATION,
    **layers.POOLING,
    **layers.NORMALISATION,
    **layers.NOISE,
    **layers.SEQUENCE,
    **functions.OPERATORS,
    **functions.SHAPE,
    **functions.ARITHMETIC,
    **functions.LOSS,
}
BAD: dict[str, list[Bad]] = {**layers.BAD, **functions.BAD}

__all__ = ["BAD", "CASES", "Bad", "Case", "T", "call_text", "spec_text"]
