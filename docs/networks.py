"""Draws the pictures of docs/networks.md: trains the specs as their heads say, and shows what they do to test examples.

    python docs/networks.py [FOLDER]

Runs that FOLDER already has are used as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import nnspec
from nnspec.data import load_data
from nnspec.train import predict, train

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/img"
INK = {"cmap": "gray_r", "vmin": 0.0, "vmax": 1.0, "interpolation": "nearest"}
BLUE, RED = "#4269d0", "#d04f38"


def main() -> None:
    matplotlib.rcParams["svg.hashsalt"] = "nnspec"  # the same picture is the same file
    with TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        autoencoder(trained("autoencoder", folder))
        vae(trained("vae", folder))
        unet(trained("unet", folder), folder)
        siamese(trained("siamese", folder))


def trained(name: str, folder: Path) -> Path:
    run = folder / name
    if not run.exists():
        train(nnspec.load(ROOT / f"examples/{name}.nn"), "numpy", run_dir=run)
    return run


def images_of(run: Path, part: str) -> np.ndarray:
    """The images of one part of the digits, pixels from 0 to 1; scikit-learn has them from 0 to 16."""
    spec = nnspec.load(run / "spec.nn")
    found = load_data(spec.graph.fields, spec.graph.data, run, dims=spec.graph.dims)
    return np.asarray(found.parts[part]["image"][:])


def autoencoder(run: Path) -> None:
    """Ten test digits above what came out of the bottleneck; the error beside that of as many principal components."""
    parts = {part: images_of(run, part) for part in ("train", "test")}
    restored = predict(run, saved(run, image=16 * parts["test"])).outputs["restored"]
    pictures("autoencoder", [parts["test"][:12], restored[:12]], ["drawn", "restored"])
    flat = {part: found.reshape(len(found), -1) for part, found in parts.items()}
    pca = PCA(8).fit(flat["train"])
    straight = pca.inverse_transform(pca.transform(flat["test"]))
    report("autoencoder", network=np.mean((restored - parts["test"]) ** 2), pca=np.mean((straight - flat["test"]) ** 2))


def vae(run: Path) -> None:
    """Digits that nobody wrote."""
    invented = predict(run, saved(run, image=16 * images_of(run, "test")[:36])).outputs["invented"]
    pictures("vae", [invented[:12], invented[12:24], invented[24:]], ["", "", ""])


def unet(run: Path, folder: Path) -> None:
    """A page of 24x96 pixels with test digits on it, drawn, with noise, and restored."""
    digits = images_of(run, "test")
    page = np.zeros((1, 1, 24, 96))
    rng = np.random.default_rng(0)
    for i in range(9):
        top, left = rng.integers(0, 17), 10 * i + rng.integers(0, 4)
        page[0, :, top : top + 8, left : left + 8] = digits[i]
    found = predict(run, saved(folder, image=16 * page)).outputs
    pictures("unet", [page, found["noisy"], found["restored"]], ["drawn", "with noise", "restored"])
    report("unet page", noisy=np.mean((found["noisy"] - page) ** 2), restored=np.mean((found["restored"] - page) ** 2))


def siamese(run: Path) -> None:
    """How far apart the two digits of a test pair are."""
    with np.load(ROOT / "examples/data/digit_pairs_test.npz") as pairs:
        same = pairs["same"].astype(bool)
        distance = predict(run, saved(run, left=pairs["left"], right=pairs["right"])).outputs["distance"]
    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, max(2.0, float(distance.max())), 41)
    axes.hist(distance[same], bins, color=BLUE, alpha=0.7, label="the same digit")
    axes.hist(distance[~same], bins, color=RED, alpha=0.7, label="two digits")
    axes.axvline(0.5, color="black", linewidth=1)
    axes.set(xlabel="distance", ylabel="test pairs")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save(figure, "siamese")


def pictures(name: str, rows: list[np.ndarray], titles: list[str]) -> None:
    """Rows of images, ink on white."""
    height, width = rows[0].shape[-2:]
    count = len(rows[0])
    figure = Figure(figsize=(7, 7 / count * height / width * len(rows) * 1.15), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for row, axes, title in zip(rows, grid, titles, strict=True):
        for image, place in zip(row, axes, strict=True):
            place.imshow(image[0], **INK)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_color("#cccccc")
        axes[0].set_ylabel(title, fontsize=7)
    save(figure, name)


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    """A file of inputs for `predict`."""
    np.savez(folder / "inputs.npz", **arrays)
    return folder / "inputs.npz"


def save(figure: Figure, name: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    FigureCanvasSVG(figure).print_svg(IMAGES / f"network-{name}.svg", metadata={"Date": None})


def report(name: str, **figures: float) -> None:
    sys.stdout.write(f"{name}: " + ", ".join(f"{key} {float(value):.4f}" for key, value in figures.items()) + "\n")


if __name__ == "__main__":
    main()
