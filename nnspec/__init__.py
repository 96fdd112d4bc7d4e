"""nnspec: a declarative language for neural networks, compiled to readable NumPy, PyTorch and JAX.

    import nnspec
    spec = nnspec.load("digits.nn")      # every shape checked, nothing heavy imported
    spec.shapes                          # {"image": (1, 8, 8), "conv1": (6, 8, 8), ...}
    print(spec.source("torch"))          # Python that needs no nnspec
    net = spec.build("torch")            # a torch.nn.Module

Importing nnspec loads nothing else: names are fetched on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.version import __version__

if TYPE_CHECKING:
    from nnspec.compiler import Spec, check, compile, load  # noqa: A004  # nnspec.compile reads as what it does
    from nnspec.diagnostics import Diagnostic, Label, Span, SpecError

__all__ = ["Diagnostic", "Label", "Span", "Spec", "SpecError", "__version__", "check", "compile", "load"]

_HOMES = {
    "Spec": "nnspec.compiler",
    "check": "nnspec.compiler",
    "compile": "nnspec.compiler",
    "load": "nnspec.compiler",
    "Diagnostic": "nnspec.diagnostics",
    "Label": "nnspec.diagnostics",
    "Span": "nnspec.diagnostics",
    "SpecError": "nnspec.diagnostics",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnspec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
