"""Draws the pictures of docs/first-models.md: trains the specs as their heads say.

python docs/first_models.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

import nnspec
from nnspec.train import Result, predict, train

ROOT = Path(__file__).resolve().parent.parent
RULES = ["sgd(0.018)", "sgd(0.018, momentum = 0.8)", "adagrad(0.5)", "rmsprop(0.02, alpha = 0.9)", "adam(0.1)"]


def trained(name: str, run: Path, **settings: object) -> Result:
    spec = nnspec.load(ROOT / f"examples/{name}.nn", set={k: str(v) for k, v in settings.items()})
    return train(spec, "numpy", run_dir=run)


def universal(folder: Path) -> Figure:
    """The function, and what 2, 8 and 32 hidden units make of it."""
    x = np.linspace(-2.5, 2.5, 300, dtype=np.float32)
    np.savez(folder / "grid.npz", x=x[:, None])
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="x")
    axes.plot(x, np.sin(5 * x) * np.exp(-0.2 * x**2), "k", lw=3, alpha=0.3, label="f(x)")
    for width in (2, 8, 32):
        run = trained("universal", folder / f"universal{width}", width=width)
        axes.plot(x, predict(run.folder, folder / "grid.npz").outputs["y"].ravel(), label=f"{width} units")
    axes.legend()
    return figure


def optimizers(folder: Path) -> Figure:
    """The height in the ravine after each step."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="height", yscale="log", ylim=(1e-8, 100))
    for index, rule in enumerate(RULES):
        run = trained("optimizers", folder / f"rule{index}", rule=rule)
        axes.plot([epoch["train"]["loss"] for epoch in run.history], label=rule)
    axes.legend(fontsize=8)
    return figure


def main() -> None:
    matplotlib.rcParams["svg.hashsalt"] = "nnspec"  # the same picture is the same file
    with TemporaryDirectory() as temporary:
        for draw in (universal, optimizers):
            figure = draw(Path(temporary))
            FigureCanvasSVG(figure).print_svg(ROOT / f"docs/img/{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
