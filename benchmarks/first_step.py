"""Time to the end of the first training step as a whole process, and its peak memory, beside hand-written programs.

    .venv/bin/python benchmarks/first_step.py [--workload NAME] [--repeats N] [--write-docs]

`nnspec` is `nnspec.train` on the spec, limited to one step: it reads the spec and the data, compiles, writes the run
folder and steps. `by hand` is the hand-written program for the same framework, its first batch alone. `emitted` is
the emitted file run by itself, which takes three steps on four random examples. Processes run in turn; what is
shown is the median of wall time from the start of Python, and the largest resident size.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from workloads import HERE, WORKLOADS, Workload

BACKENDS = ("numpy", "torch", "jax")
BY_HAND = {"numpy": ("numpy_tuned", "numpy_naive"), "torch": ("torch",), "jax": ("jax",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--alone", nargs=2, metavar=("WORKLOAD", "PROGRAM"), help="one process: steps once, says so")
    args = parser.parse_args()
    if args.alone:
        step_once(*args.alone)
        return
    from tables import between, grid

    rows = [["workload", "backend", "nnspec", "emitted", "by hand", "times", "nnspec MB", "by hand MB", "times "]]
    for name in args.workload or WORKLOADS:
        for backend in BACKENDS:
            rows.append(row(WORKLOADS[name], backend, args.repeats))
            print(grid([rows[0], rows[-1]]), flush=True)
    text = grid(rows)
    print(text)
    if args.write_docs:
        between("first step", text)


def row(workload: Workload, backend: str, repeats: int) -> list[str]:
    by_hand = [name for name in BY_HAND[backend] if name in workload.peers]
    programs = [f"nnspec-{backend}", f"emitted-{backend}", *by_hand]
    times: dict[str, list[float]] = {program: [] for program in programs}
    sizes: dict[str, list[float]] = {program: [] for program in programs}
    for turn in range(repeats + 1):
        for program in programs:
            seconds, size = measured(workload, program)
            if turn:  # the first turn fills the caches of the disk, and JAX's of compiled programs
                times[program].append(seconds)
                sizes[program].append(size)
    seconds = {program: statistics.median(values) for program, values in times.items()}
    size = {program: statistics.median(values) for program, values in sizes.items()}
    best = min(by_hand, key=seconds.__getitem__, default="")
    ours = f"nnspec-{backend}"
    cells = [workload.name, backend, f"{seconds[ours]:.2f} s", f"{seconds[f'emitted-{backend}']:.2f} s"]
    if not best:
        return [*cells, "", "", f"{size[ours]:.0f}", "", ""]
    ratio = statistics.median(a / b for a, b in zip(times[ours], times[best], strict=True))
    lean = min(size[name] for name in by_hand)
    return [
        *cells, f"{seconds[best]:.2f} s", f"{ratio:.2f}", f"{size[ours]:.0f}", f"{lean:.0f}", f"{size[ours] / lean:.2f}"
    ]  # fmt: skip


def measured(workload: Workload, program: str) -> tuple[float, float]:
    """Seconds and megabytes of one process."""
    from contestants import environment

    command = [sys.executable, str(HERE / "first_step.py"), "--alone", workload.name, program]
    started = time.perf_counter()
    found = subprocess.run(
        command, env=environment(program.replace("emitted", "nnspec")), check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    return seconds, json.loads(found.stdout.splitlines()[-1])["megabytes"]


# ---------------------------------------------------------------- inside the process that is measured


def step_once(name: str, program: str) -> None:
    workload = WORKLOADS[name]
    kind, _, backend = program.partition("-")
    if kind == "nnspec":
        step_by_nnspec(workload, backend)
    elif kind == "emitted":
        run_emitted(workload, backend)
    else:
        step_by_hand(workload, program)


def finish() -> None:
    """Says how large the process grew and ends it at once: taking frameworks down is not part of the first step."""
    print(json.dumps({"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
    os._exit(0)


def step_by_hand(workload: Workload, program: str) -> None:
    peer = import_module(f"peers.{workload.name}_{program}")
    epoch = peer.start(workload.data(workload.examples), workload.state())
    losses = epoch(np.arange(workload.batch))
    assert np.isfinite(float(losses[0]))
    finish()


def step_by_nnspec(workload: Workload, backend: str) -> None:
    sys.path.insert(0, str(HERE.parent))
    import nnspec
    from nnspec.train import train

    text = re.sub(r"epochs +=.*", "steps = 1", workload.spec.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / workload.spec.name
        file.write_text(text, encoding="utf-8")
        train(nnspec.load(file), backend, run_dir=Path(folder) / "run", on_step=lambda step, steps: finish())


def run_emitted(workload: Workload, backend: str) -> None:
    """Python on the emitted file; it was written by an earlier turn, as `nnspec compile -o` would."""
    file = Path(tempfile.gettempdir()) / f"nnspec-bench-{os.getuid()}" / f"{workload.name}_{backend}.py"
    if not file.exists():
        sys.path.insert(0, str(HERE.parent))
        import nnspec

        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(nnspec.compile(str(workload.spec), backend), encoding="utf-8")
    runpy.run_path(str(file), run_name="__main__")
    finish()


if __name__ == "__main__":
    main()
