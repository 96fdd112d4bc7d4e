"""Training throughput of what `nnspec train` runs beside hand-written programs, in alternating rounds.

    .venv/bin/python benchmarks/run.py                                   all workloads, all contestants
    .venv/bin/python benchmarks/run.py --quick                           fewer rounds and contestants
    .venv/bin/python benchmarks/run.py --workload mlp --only nnspec-jax,torch --seconds 10

Each contestant is a process of its own that lives through the run and trains when it is its turn: A B C A B C ...
What is reported is the median over rounds of the ratio to the reference's turn in the same round, so a machine
that slows down for a while slows both. `--json FILE` keeps every turn; `--write-docs` puts the tables
into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contestants import OURS, environment
from machine import describe, gemm_peak
from tables import render, write_docs
from workloads import HERE, WORKLOADS, Workload

TURN = {False: 0.7, True: 0.4}  # seconds a contestant trains before the next one's turn
BUDGET = {False: 700.0, True: 50.0}  # seconds of training turns over all workloads, by --quick
SLOW = ("torch_compiled",)  # costs a minute before its first step: full runs only
SIDE = (
    "torch_loader",
    "numpy_naive",
    "jax_conv",
    "jax_patches",
    "jax_loop",
)  # known to be slower than others: full runs only


class Worker:
    """A contestant's process. `ready()` waits until it is warm; `turn(seconds)` gives samples a second."""

    def __init__(self, workload: str, name: str, words: tuple[str, ...] = ()) -> None:
        self.name = name
        command = [sys.executable, str(HERE / "worker.py"), workload, name, *words]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by stop()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors, "text": True}
        self.process = subprocess.Popen(command, env=environment(name), **pipes)
        self.facts: dict[str, Any] = {}

    def ready(self) -> bool:
        """Whether the contestant could start; what it said otherwise goes to stderr."""
        line = self.process.stdout.readline()
        if line:
            self.facts = json.loads(line)
            return True
        self.process.wait()
        self.errors.seek(0)
        print(f"{self.name} did not start:\n{self.errors.read()[-2000:]}", file=sys.stderr)
        return False

    def turn(self, seconds: float) -> float:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["examples"] / answer["seconds"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def main() -> None:
    args = arguments()
    if (load := os.getloadavg()[0]) > 0.7:
        print(
            f"  something else runs here (load {load:.1f}): threads that wait for each other suffer most",
            file=sys.stderr,
        )
    found: dict[str, Any] = {"machine": describe(), "quick": args.quick, "workloads": {}}
    chosen = [WORKLOADS[name] for name in args.workload or WORKLOADS]
    seconds = args.seconds or BUDGET[args.quick] / len(chosen)
    for workload in chosen:
        names = args.only.split(",") if args.only else contestants(workload, args.quick)
        found["workloads"][workload.name] = measure(workload, names, seconds, args.steps, args.quick)
        print(render({**found, "workloads": {workload.name: found["workloads"][workload.name]}}), flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.write_docs:
        write_docs(found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="may be given several times")
    parser.add_argument("--only", metavar="NAMES", help="contestants, e.g. nnspec-numpy,nnspec-torch:compile,torch")
    parser.add_argument("--seconds", type=float, help="time of all turns of one workload")
    parser.add_argument("--steps", type=int, help="length of the run that nnspec is told (default: the spec's)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--write-docs", action="store_true")
    return parser.parse_args()


def contestants(workload: Workload, quick: bool) -> list[str]:
    """Ours, the reference, then the other hand-written programs."""
    left = [n for n in workload.peers if n != workload.reference and not (quick and n in SLOW + SIDE)]
    return [workload.reference, *OURS, *left]


def measure(workload: Workload, names: list[str], seconds: float, steps: int | None, quick: bool) -> dict[str, Any]:
    """Samples a second of every contestant, round by round."""
    began = time.perf_counter()
    workers = start(workload, names, ("--steps", str(steps)) if steps else (), together=2 if quick else 1)
    started = time.perf_counter()
    rounds: list[dict[str, float]] = []
    peak = gemm_peak()
    last = 0.0
    while len(rounds) < 3 or time.perf_counter() - started + last < seconds:
        round_started = time.perf_counter()
        # Every other round runs backwards, so that no one always follows the same neighbour.
        order = workers if len(rounds) % 2 == 0 else workers[::-1]
        rounds.append({worker.name: worker.turn(TURN[quick]) for worker in order})
        last = time.perf_counter() - round_started
    again = gemm_peak()
    peak = {threads: max(value, again[threads]) for threads, value in peak.items()}
    for worker in workers:
        worker.stop()
    return {
        "title": workload.title,
        "reference": workload.reference,
        "flops": 6 * workload.macs,  # forwards, and twice that backwards; two operations a multiply-add
        "peak": peak,
        "notes": {w.name: w.facts["note"] for w in workers if w.facts["note"]},
        "start": {w.name: w.facts["seconds"] for w in workers},
        "rounds": rounds,
        "seconds": time.perf_counter() - began,
    }


def start(workload: Workload, names: list[str], words: tuple[str, ...], together: int) -> list[Worker]:
    """Warm workers, so many starting at a time: a start that shares the cores takes longer, two together less."""
    found = []
    for i in range(0, len(names), together):
        for worker in [Worker(workload.name, name, words) for name in names[i : i + together]]:
            if worker.ready():
                found.append(worker)
                seconds = worker.facts["seconds"]
                print(f"  {workload.name} {worker.name} warm after {seconds:.1f} s", file=sys.stderr, flush=True)
                assert worker.facts["parameters"] == workload.parameters, worker.facts
    return found


if __name__ == "__main__":
    main()
