"""Writes the emitted files that `test_golden` compares with: look at the difference before you commit it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from goldens import BACKENDS, MODELS, path_of, text_of

for name in MODELS:
    for backend in BACKENDS:
        path_of(name, backend).write_text(text_of(name, backend))
