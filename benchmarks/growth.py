"""How costs grow: a training step with batch, width, depth and parameters; the compiler with the length of a spec.

    .venv/bin/python benchmarks/growth.py [--only batch,width,depth,parameters,lines] [--plots] [--json FILE]

Each curve is one process. A step is timed as `nnspec train` runs it, in calls of several steps, the best of a few
calls. `--plots` draws docs/img/growth-*.svg and the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from contestants import HERE, environment, kept

BACKENDS = ("numpy", "torch", "jax")
CALL = 0.15  # seconds that one timed call of several steps should take
CALLS = 5
MOST = 200  # steps of a timed call
IMAGES = HERE.parent / "docs" / "img"


class Curve:
    """`points` along an axis; `spec(point)` gives the text of a spec, `work` what its cost should follow."""

    def __init__(self, title: str, axis: str, points: tuple[int, ...]) -> None:
        self.title, self.axis, self.points = title, axis, points


CURVES = {
    "batch": Curve("512-512-512-10, batch 1 to 1024", "examples a batch", (1, 4, 16, 64, 128, 256, 512, 1024)),
    "width": Curve("four layers of 64, batch 64, width x1 to x16", "width / 64", (1, 2, 4, 8, 16)),
    "depth": Curve("dense(128) -> relu, batch 64, 2 to 200 times", "layers", (2, 5, 10, 25, 50, 100, 200)),
    "parameters": Curve("two square layers, batch 16, to 1e8", "parameters", tuple(10**n for n in range(4, 9))),
    "lines": Curve("check and compile of specs to 10,000 lines", "lines", (100, 300, 1000, 3000, 10_000)),
}  # fmt: skip


def spec_of(curve: str, point: int) -> str:
    """A spec at one point of a curve."""
    if curve == "batch":
        return model(512, ["dense(512) -> relu"] * 2, batch=point)
    if curve == "width":
        return model(64 * point, [f"dense({64 * point}) -> relu"] * 4, batch=64)
    if curve == "depth":
        return model(128, [f"repeat({point}, dense(128) -> relu)"], batch=64)
    if curve == "parameters":
        side = round((point / 2) ** 0.5)
        return model(side, [f"dense({side}) -> relu"] * 2, batch=16)
    return model(32, ["dense(32) -> relu"] * (point - 16), batch=16)


def model(features: int, steps: list[str], batch: int) -> str:
    body = "\n".join(f"        -> {step}" for step in steps)
    return f"""model Growth {{
    input  x: float32[{features}]
    target label: class(10)
    output logits = x
{body}
        -> dense(10)
}}

data {{ source = random({batch}) }}

train {{
    minimize  = cross_entropy(logits, label)
    optimizer = sgd(0.001)
    steps     = 1000
    batch     = {batch}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CURVES), help="curves")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--json", metavar="FILE", help="keep the points; with --plots, draw what is there")
    parser.add_argument("--plots", action="store_true")
    parser.add_argument("--alone", nargs=2, metavar=("CURVE", "BACKEND"), help="one curve, a line of JSON a point")
    args = parser.parse_args()
    if args.alone:
        measure = compiled if args.alone[0] == "lines" else stepped
        for found in measure(*args.alone):
            print(json.dumps(found), flush=True)
        return
    kept_points = Path(args.json) if args.json else None
    points: dict[str, Any] = json.loads(kept_points.read_text()) if kept_points and kept_points.exists() else {}
    for curve in filter(None, args.only.split(",")):
        for backend in args.backends.split(","):
            points.setdefault(curve, {})[backend] = along(curve, backend)
            if kept_points:
                kept_points.write_text(json.dumps(points) + "\n", encoding="utf-8")
    if args.plots:
        from growth_plots import draw

        draw(points)


def along(curve: str, backend: str) -> list[dict[str, float]]:
    command = [sys.executable, str(HERE / "growth.py"), "--alone", curve, backend]
    found = []
    with subprocess.Popen(command, env=environment(f"nnspec-{backend}"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found.append(json.loads(line))
            print(f"  {curve} {backend} {line}", end="", file=sys.stderr, flush=True)
    assert process.returncode == 0, f"{curve} on {backend} ended with {process.returncode}"
    return found


# ---------------------------------------------------------------- inside the process that is measured


def stepped(curve: str, backend: str) -> Iterator[dict[str, float]]:
    """Seconds a step and its multiply-adds (forwards, and twice that backwards), at every point of a curve."""
    from nnspec.backends.choices import Run, choose
    from nnspec.compiler import load
    from nnspec.passes.cost import totals
    from nnspec.train.initial import initial_state
    from nnspec.train.plan import plan_run, rates
    from nnspec.train.session import base_of, one_blas_thread, open_driver, read_examples

    one_blas_thread(backend).__enter__()  # until the process ends
    for point in CURVES[curve].points:
        spec = load("growth.nn", text=spec_of(curve, point))
        graph, training = spec.graph, spec.graph.training
        assert training is not None
        examples = read_examples(spec, base_of(spec), 0, "float32")
        plan = plan_run(training, examples.size())
        choices = choose(backend, graph, Run("cpu", plan.batch, plan.steps, examples.size(), "float32"))
        code = kept(f"growth_{curve}_{point}", spec.source(backend, choices=choices))
        driver = open_driver(backend, code, dtype="float32", device="auto", seed=0, choices=choices)
        driver.load(initial_state(graph, 0))
        rows = np.tile(examples.order(1), (MOST, 1))
        calls = Calls(driver, examples.epoch(1), rows, rates(training, plan, 1, 1, MOST))
        seconds = calls.seconds_a_step()
        costs = totals(graph, plan.batch)
        yield {**costs, "point": point, "seconds": seconds, "macs": 3 * costs["macs"] * plan.batch}


class Calls:
    """Timed calls of a driver's `train_steps`: rows (k, b) of examples and rates (k, groups) for up to k steps."""

    def __init__(self, driver: Any, arrays: Any, rows: Any, rates: Any) -> None:
        self.driver, self.arrays, self.rows, self.rates = driver, arrays, rows, rates

    def call(self, count: int) -> float:
        started = time.perf_counter()
        np.asarray(self.driver.train_steps(self.arrays, self.rows[:count], self.rates[:count], first_step=1))
        return time.perf_counter() - started

    def seconds_a_step(self) -> float:
        self.call(1)  # compiles
        count = max(1, min(MOST, int(CALL / self.call(1))))
        self.call(count)  # another count may compile once more
        return min(self.call(count) for _ in range(CALLS)) / count


def compiled(curve: str, backend: str) -> Iterator[dict[str, float]]:
    """Seconds of `check` and of compiling to source, with the count of nodes."""
    from nnspec.compiler import check, load
    from nnspec.passes.cost import executed

    load("warm.nn", text=spec_of(curve, 100)).source(backend)
    for point in CURVES[curve].points:
        text = spec_of(curve, point)
        repeats = 3 if point <= 1000 else 1
        checks, times = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            assert check("growth.nn", text=text).ok
            checks.append(time.perf_counter() - started)
            started = time.perf_counter()
            spec = load("growth.nn", text=text)
            source = spec.source(backend)
            times.append(time.perf_counter() - started)
        nodes = sum(1 for _ in executed(spec.graph.root))
        lines = text.count("\n")
        yield {
            "point": lines,
            "seconds": min(times),
            "check": min(checks),
            "nodes": nodes,
            "emitted": source.count("\n"),
        }


if __name__ == "__main__":
    main()
