"""Draws the pictures of docs/first-models.md, then prints its figures over five seeds: trains as the specs say.

python docs/first_models.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import safetensors.numpy
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

import nnspec
from nnspec.train import Result, evaluate_run, predict, train

ROOT = Path(__file__).resolve().parent.parent
RULES = ["sgd(0.018)", "sgd(0.018, momentum = 0.8)", "adagrad(0.5)", "rmsprop(0.02, alpha = 0.9)", "adam(0.1)"]
SEEDS = range(5)
STRENGTHS = [{}, {"ridge": 0.1}, {"lasso": 0.03}, {"drop": 0.8}]
GRID = {"ridge": [0.003, 0.01, 0.03, 0.1, 0.3], "lasso": [0.001, 0.003, 0.01, 0.03, 0.1], "drop": [0.2, 0.4, 0.6, 0.8]}


def trained(name: str, run: Path, model: str | None = None, seed: int | None = None, **settings: object) -> Result:
    spec = nnspec.load(ROOT / f"examples/{name}.nn", model=model, set={k: str(v) for k, v in settings.items()})
    return train(spec, "numpy", seed=seed, run_dir=run)


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


def spread(values: list[float]) -> str:
    """Median, least and most."""
    return f"{np.median(values):.2g} ({min(values):.2g} to {max(values):.2g})"


def error(run: Result) -> float:
    """The mean squared error on the examples of training, where there are no others."""
    assert run.train is not None
    return run.train["mse"]


def last(run: Result, part: str) -> float:
    """The mean squared error after the last epoch."""
    return evaluate_run(run.folder, part=part, checkpoint="last").values["mse"]


def figures(folder: Path) -> Iterator[str]:
    """What the page says over five seeds, and the grid from which the strengths were chosen."""
    count = iter(range(1000))

    def runs(name: str, model: str | None = None, seeds: Iterable[int] = SEEDS, **settings: object) -> list[Result]:
        return [trained(name, folder / f"run{next(count)}", model, seed, **settings) for seed in seeds]

    for width in (2, 8, 32):
        yield f"universal, {width} units: " + spread([error(r) for r in runs("universal", width=width)])
    for model in ("Deep", "Shallow"):
        yield f"depth, {model}: " + spread([error(r) for r in runs("depth", model)])
    for name, values in GRID.items():
        for value in values:
            errors = [last(r, "validation") for r in runs("regularisation", seeds=range(3), **{name: value})]
            yield f"regularisation, {name} = {value}: validation {np.mean(errors):.3f}"
    for strength in STRENGTHS:
        found = runs("regularisation", **strength)
        yield f"regularisation, {strength}: test {spread([last(r, 'test') for r in found])}"
        stopped = spread([r.test["mse"] for r in found if r.test is not None])
        yield f"  at the best epoch {stopped}; hidden weights below 0.001: {[small(r) for r in found]}"


def small(run: Result) -> float:
    """The share of hidden weights that are next to nothing."""
    found = safetensors.numpy.load_file(run.folder / "checkpoints/last/weights.safetensors")
    return round(float(np.mean(np.abs(found["hidden.weight"]) < 1e-3)), 3)


def main() -> None:
    matplotlib.rcParams["svg.hashsalt"] = "nnspec"  # the same picture is the same file
    with TemporaryDirectory() as temporary:
        for draw in (universal, optimizers):
            figure = draw(Path(temporary))
            FigureCanvasSVG(figure).print_svg(ROOT / f"docs/img/{draw.__name__}.svg", metadata={"Date": None})
        for line in figures(Path(temporary)):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
