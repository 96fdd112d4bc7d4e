"""Makes examples/data/digit_pairs_{train,validation,test}.npz: pairs of scikit-learn's digits, half of one class each.

    python docs/digit_pairs.py

An image is in pairs of one file alone, so that a network is tested on handwriting that it has not seen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

FOLDER = Path(__file__).resolve().parent.parent / "examples/data"
PARTS = {"train": (1200, 1600), "validation": (200, 200), "test": (397, 400)}  # images, pairs


def main() -> None:
    digits = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.target))
    start = 0
    for part, (images, count) in PARTS.items():
        own = order[start : start + images]
        start += images
        left = rng.choice(own, count)
        same = np.arange(count) % 2
        right = np.array([_partner(own, digits.target, i, bool(s), rng) for i, s in zip(left, same, strict=True)])
        pixels = digits.images.astype(np.uint8)[:, None]  # 0 (paper) to 16 (ink)
        arrays = {"left": pixels[left], "right": pixels[right], "same": same.astype(np.uint8)}
        np.savez_compressed(FOLDER / f"digit_pairs_{part}.npz", **arrays)


def _partner(own: np.ndarray, labels: np.ndarray, i: int, same: bool, rng: np.random.Generator) -> int:
    """Another image, of the same class or of another."""
    fits = own[(labels[own] == labels[i]) == same]
    return int(rng.choice(fits[fits != i]))


if __name__ == "__main__":
    main()
