"""How much two backends may differ. One table; an exception is a row with its reason."""

from __future__ import annotations

from nnspec.record import Record


class Tolerance(Record):
    """Two numbers agree when |a - b| <= atol + rtol * |b|. Never scaled by the size of a tensor."""

    rtol: float
    atol: float


TOLERANCES: dict[str, Tolerance] = {
    "float64": Tolerance(1e-10, 1e-12),
    "float32": Tolerance(2e-5, 2e-6),
    "differences": Tolerance(1e-7, 1e-9),  # central differences with h = 1e-6 against bprop, in float64
}

# (optimizer, dtype) -> tolerance of its updates, with the reason.
UPDATES: dict[tuple[str, str], tuple[Tolerance, str]] = {}


def tolerance(dtype: str) -> Tolerance:
    return TOLERANCES[dtype]
