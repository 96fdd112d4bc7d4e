"""The consistency check: the same weights and batch on every backend, compared to the last gradient.

    report = verify(spec.graph, backends=("numpy", "torch", "jax"), steps=20, dtype="float64")

Users run it on their own model (`nnspec verify`), the test suite on every op and example. See decisions 22 to 24
in the documentation for what is compared, and how.
"""

from __future__ import annotations

from nnspec.verify.check import verify
from nnspec.verify.report import Report, Row
from nnspec.verify.tolerances import Tolerance, tolerance

__all__ = ["Report", "Row", "Tolerance", "tolerance", "verify"]
