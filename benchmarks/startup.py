"""How long `nnspec check` and `nnspec compile` take as processes, beside Python with its two imports.

    .venv/bin/python benchmarks/startup.py [FILE...] [--write-docs]

Each command runs in turn, `REPEATS` times, and the median of its wall time is shown: taking turns keeps
a machine that slows down for a moment from blaming one of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tables import between, grid

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 15
BASE = "import lark, click"
NNSPEC = [sys.executable, "-m", "nnspec"]
DEEP = str(ROOT / "benchmarks" / "specs" / "resnet.nn")


def main(files: list[str], write: bool) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        f"python -c '{BASE}'": [sys.executable, "-c", BASE],
    }
    for file in files:
        commands[f"nnspec check {Path(file).name}"] = [*NNSPEC, "check", file]
    commands["nnspec check resnet.nn --model ResNet152"] = [*NNSPEC, "check", DEEP, "--model", "ResNet152"]
    for backend in ("numpy", "torch", "jax"):
        name = f"nnspec compile resnet.nn --model ResNet152 --backend {backend}"
        commands[name] = [*NNSPEC, "compile", DEEP, "--model", "ResNet152", "--backend", backend]
    times = measure(commands)
    base = times[f"python -c '{BASE}'"]
    rows = [[name, f"{1000 * seconds:.0f} ms", f"{seconds / base:.2f}"] for name, seconds in times.items()]
    text = grid([["command", "median", "times the imports"], *rows])
    print(text)
    if write:
        between("compiler", text)


def measure(commands: dict[str, list[str]], repeats: int = REPEATS) -> dict[str, float]:
    """The median wall time of each command in seconds; the first round, which fills caches, does not count."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for round in range(repeats + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, cwd=ROOT, env=kept, capture_output=True)
            if round:
                found[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--write-docs"]
    examples = [str(ROOT / "examples" / name) for name in ("digits.nn", "lenet5.nn", "residual.nn")]
    main(given or examples, "--write-docs" in sys.argv)
