"""Writes the emitted files that `test_golden` compares with: look at the difference before you commit it."""

from pathlib import Path

import nnspec

HERE = Path(__file__).parent

for name in ("lenet5", "residual"):
    for backend in ("numpy", "torch", "jax"):
        spec = nnspec.load(HERE.parent.parent / "examples" / f"{name}.nn")
        (HERE / f"{name}_{backend}.py").write_text(spec.source(backend))
