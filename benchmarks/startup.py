"""How long `nnspec check` takes as a process, beside Python with its two imports.

    .venv/bin/python benchmarks/startup.py [FILE...]

Each command runs in turn, `REPEATS` times, and the median of its wall time is shown: taking turns keeps
a machine that slows down for a moment from blaming one of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 15
BASE = "import lark, click"


def main(files: list[str]) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        f"python -c '{BASE}'": [sys.executable, "-c", BASE],
    }
    for file in files:
        commands[f"nnspec check {Path(file).name}"] = [sys.executable, "-m", "nnspec", "check", file]
    times = measure(commands)
    base = times[f"python -c '{BASE}'"]
    for name, seconds in times.items():
        print(f"{name:<36} {1000 * seconds:7.1f} ms   {seconds / base:5.2f} x")


def measure(commands: dict[str, list[str]], repeats: int = REPEATS) -> dict[str, float]:
    """The median wall time of each command in seconds; the first round, which fills caches, does not count."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for round in range(repeats + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if round:
                found[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    main(sys.argv[1:] or [str(ROOT / "examples" / name) for name in ("digits.nn", "lenet5.nn", "residual.nn")])
