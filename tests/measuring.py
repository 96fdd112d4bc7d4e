"""A program that trains specs, each in a process of its own, and measures what they take in memory.

    python tests/measuring.py BACKEND FOLDER SPEC ...

Prints one line of json a spec: the peak that was estimated before the first step, and the one that was measured, in
bytes. The framework is imported once; processes are forked before anything was computed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path

import nnspec
from nnspec.train import run as runs


def main() -> None:
    backend, folder, *specs = sys.argv[1:]
    import_module(f"nnspec.backends.{backend}.driver")
    for number, spec in enumerate(specs):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            measure(backend, spec, Path(folder) / str(number))
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def measure(backend: str, spec: str, folder: Path) -> None:
    found = []
    begin = runs.begin

    def noted(job: runs.Job, *rest: object) -> runs.Result:
        found.append(job.memory)
        return begin(job, *rest)  # type: ignore[arg-type]  # handed on as they came

    runs.begin = noted
    runs.train(nnspec.load(spec), backend, run_dir=folder)
    status = Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]  # Linux says it
    sys.stdout.write(json.dumps({"spec": spec, "estimate": found[0].peak, "peak": peak, "words": str(found[0])}) + "\n")


if __name__ == "__main__":
    main()
