"""One contestant in a process of its own: waits for `SECONDS` on stdin, trains so long, answers with what it did.

    python benchmarks/worker.py WORKLOAD CONTESTANT [--steps STEPS | --predict BATCH]

`--steps` is the length of the run that nnspec is told; `--predict` computes outputs instead of training.
Each line in and out is JSON. Everything is warm before the first answer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from contestants import open_contestant

WARM_EPOCHS = 2  # the first compiles and fills caches, the second finds out what still does


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("name")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--predict", type=int)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    began = time.perf_counter()
    if args.predict:
        from inference import open_inference

        opened = open_inference(args.workload, args.name, args.predict)
    else:
        opened = open_contestant(args.workload, args.name, args.steps)
    number = 0
    for number in range(1, WARM_EPOCHS + 1):
        losses = opened.epoch(number)
    ready = {"ready": args.name, "parameters": opened.parameters, "seconds": time.perf_counter() - began}
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
    main()
