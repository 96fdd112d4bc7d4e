"""One contestant in a process of its own: waits for `SECONDS` on stdin, trains so long, answers with what it did.

    python benchmarks/worker.py WORKLOAD CONTESTANT [STEPS]

Each line in and out is JSON. Everything is warm before the first answer.
"""

from __future__ import annotations

import json
import os
import sys
import time

from contestants import open_contestant

WARM_EPOCHS = 2  # the first compiles and fills caches, the second finds out what still does


def main(workload: str, name: str, steps: int | None) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    began = time.perf_counter()
    opened = open_contestant(workload, name, steps)
    number = 0
    for number in range(1, WARM_EPOCHS + 1):
        losses = opened.epoch(number)
    ready = {"ready": name, "parameters": opened.parameters, "seconds": time.perf_counter() - began}
    print(json.dumps(ready | {"note": opened.note, "loss": float(losses[-1])}), file=answers)
    for line in sys.stdin:
        seconds = json.loads(line)
        examples, started, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < seconds:
            number += 1
            losses = opened.epoch(number)
            examples += opened.examples
            elapsed = time.perf_counter() - started
        print(json.dumps({"examples": examples, "seconds": elapsed, "loss": float(losses[-1])}), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
