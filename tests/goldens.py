"""The emitted files that stand in `tests/golden`: what a reader of the repository sees.

NumPy's files of the larger networks are in the textbook form: the planned step of ResNet-50 is one line of 1,400, which
no one reads.
"""

from __future__ import annotations

from pathlib import Path

import nnspec

HERE = Path(__file__).parent
MODELS = {  # golden file: spec, model, the form of NumPy's file
    "lenet5": ("lenet5.nn", None, 1),
    "residual": ("residual.nn", None, 1),
    "resnet50": ("resnet.nn", "ResNet50", 0),
    "googlenet": ("googlenet.nn", "GoogLeNet", 0),
    "gpt": ("gpt.nn", None, 0),
}
BACKENDS = ("numpy", "torch", "jax")


def path_of(name: str, backend: str) -> Path:
    return HERE / "golden" / f"{name}_{backend}.py"


def text_of(name: str, backend: str) -> str:
    """What the compiler writes today."""
    file, model, form = MODELS[name]
    spec = nnspec.load(HERE.parent / "examples" / file, model=model)
    return spec.source(backend, optimize=form if backend == "numpy" else 1)
