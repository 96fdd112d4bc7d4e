"""Long lines are split where ruff's formatter splits them: ruff itself is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nnspec.backends.folding import fold

LONG = "encoder_layers_encoder_layer"
LINES = {
    "the last call of a sum": "y = y * self.w.reshape(self.shape, 1, 1) + self.bias.reshape(self.shape, 1, other)",
    "a chain of entries and calls": f'dx = self.encoder.layers["a"].mlp["4"].backward(dadd_24, {LONG}_0_mlp_4_cache)',
    "a chain whose call is long": f'dx = self.body.a["a"].mlp["4"].backward(d{LONG}_0_mlp_4, {LONG}_0_mlp_4_cache)',
    "one link is no chain": f'dx = self.encoder.layers["a"].backward(d{LONG}_0_mlp_4, {LONG}_0_mlp_4_cache)',
    "targets that fit": f"d{LONG}_1, d{LONG}_2 = concat_backward(dconcat_9, concat_cache_9)",
    "targets that do not fit": f"d{LONG}_1, d{LONG}_2, d{LONG}_3 = concat_backward(dconcat_9, concat_cache_9)",
    "nor what they are given": f"d{LONG}_1, d{LONG}_2, d{LONG}_3 = concat_backward({LONG}_1, {LONG}_2, {LONG}_3)",
}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_lines_are_split_as_ruff_splits_them(depth: int, tmp_path: Path) -> None:
    opened = "".join("    " * k + "if x:\n" for k in range(depth))
    for number, text in enumerate(LINES.values()):
        lines = ["    " * depth + line for line in fold(text, 4 * depth)]
        (tmp_path / f"line_{number}.py").write_text(opened + "\n".join(lines) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "."],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
