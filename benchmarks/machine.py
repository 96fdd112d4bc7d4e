"""What the machine can do: its processor, and the rate of its matrix products, the physical limit of a step."""

from __future__ import annotations

import os
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

SIZE = 1024
SECONDS = 0.4


def gemm_peak() -> dict[str, float]:
    """Operations a second of the best float32 product of 1024 x 1024 matrices, on one and on two threads."""
    a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), dtype=np.float32)
    out = np.empty_like(a)
    found = {}
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            best, started = float("inf"), time.perf_counter()
            while time.perf_counter() - started < SECONDS:
                began = time.perf_counter()
                np.matmul(a, b, out=out)
                best = min(best, time.perf_counter() - began)
        found[str(threads)] = 2 * SIZE**3 / best
    return found


def describe() -> dict[str, str]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = lines[0].split(":", 1)[1].strip() if lines else cpu
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "jax"))
    return {
        "date": date.today().isoformat(),
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "libraries": libraries,
    }
