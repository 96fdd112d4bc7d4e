"""The curves of growth.py as SVG files in docs/img, and as one table of how they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from growth import CURVES, IMAGES
from tables import between, grid

COLOURS = {"numpy": "#4269d0", "torch": "#d04f38", "jax": "#3a8f4e"}
Points = list[dict[str, float]]


def draw(points: dict[str, Any]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    rows = [["curve", "backend", "first point", "last point", "exponent at the end", "off the line"]]
    for curve, by_backend in points.items():
        plot(curve, by_backend)
        rows += [row(curve, backend, found) for backend, found in by_backend.items()]
    between("growth", grid(rows))


def work(curve: str, found: Points) -> np.ndarray:
    """What the seconds of a curve should be a straight line in: nodes, or multiply-adds and parameters moved."""
    if curve == "lines":
        return np.array([p["nodes"] for p in found])
    return np.array([p["macs"] for p in found])


def row(curve: str, backend: str, found: Points) -> list[str]:
    """The slope of log seconds over log work between the last two points, and the residual of seconds = a + b work."""
    x, y = work(curve, found), np.array([p["seconds"] for p in found])
    slope = np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2])
    a, b = line(x, y)
    off = np.exp(np.abs(np.log(y / (a + b * x))).max()) - 1
    return [curve, backend, time(y[0]), time(y[-1]), f"{slope:.2f}", f"at most {100 * off:.0f} %"]


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """a >= 0 and b >= 0 of y = a + b x with the least squares of relative errors."""
    best = (np.inf, 0.0, 0.0)
    for columns in ([0, 1], [1], [0]):
        design = np.stack([np.ones_like(x, dtype=float), x.astype(float)], axis=1)[:, columns] / y[:, None]
        solution = np.linalg.lstsq(design, np.ones_like(y), rcond=None)[0]
        if (solution < 0).any():
            continue
        found = dict(zip(columns, solution, strict=True))
        error = float(((design @ solution - 1) ** 2).sum())
        best = min(best, (error, found.get(0, 0.0), found.get(1, 0.0)))
    return best[1], best[2]


def time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} us"
    return f"{1e3 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def plot(curve: str, by_backend: dict[str, Points]) -> None:
    """Seconds over the axis of the curve, both logarithmic, with the fitted line of each backend dashed."""
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    for backend, found in by_backend.items():
        x, y = [p["point"] for p in found], np.array([p["seconds"] for p in found])
        axes.plot(x, y, "o-", color=COLOURS[backend], label=backend, markersize=4, linewidth=1.4)
        a, b = line(work(curve, found), y)
        axes.plot(x, a + b * work(curve, found), "--", color=COLOURS[backend], linewidth=0.8, alpha=0.8)
    if curve == "lines":
        found = next(iter(by_backend.values()))
        axes.plot([p["point"] for p in found], [p["check"] for p in found], "s-", color="#777777", label="check alone")
    axes.set(xscale="log", yscale="log", xlabel=CURVES[curve].axis, title=CURVES[curve].title)
    axes.set_ylabel("seconds to compile" if curve == "lines" else "seconds a step")
    axes.grid(which="major", linewidth=0.4, alpha=0.6)
    axes.legend(frameon=False)
    axes.title.set_fontsize(10)
    figure.savefig(IMAGES / f"growth-{curve}.svg", metadata={"Date": None})
