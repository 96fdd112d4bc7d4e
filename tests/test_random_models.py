"""Random models: the planned step against the textbook form, over batches that divide and batches that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from random_specs import random_spec
from test_planned_step import examples, opened

import nnspec


@pytest.mark.parametrize("seed", range(0, 96, 8))
def test_the_planned_step_of_a_random_model_is_its_textbook_step(seed: int, tmp_path: Path) -> None:
    compared = 0
    for number in range(seed, seed + 8):
        spec = random_spec(number)
        graph = nnspec.load(spec).graph
        folder = tmp_path / str(number)
        folder.mkdir()
        textbook, planned = opened(graph, folder, 0), opened(graph, folder, 1, parts=1 + number % 2)
        planned.load(textbook.state())
        data = examples(graph, (6, 33, 64)[number % 3])
        for _ in range(2):  # the second time over buffers in use
            (value, wanted), (found, gradients) = textbook.gradients(data), planned.gradients(data)
            if not np.isfinite(value) or abs(value) > 1e6:  # products of products: nothing to compare
                break
            # sums of large terms that cancel: what is left has the rounding of the largest gradient
            scale = max(1.0, *(float(np.abs(g).max()) for g in wanted.values()))
            np.testing.assert_allclose(found, value, rtol=1e-8, err_msg=spec)
            for path, gradient in wanted.items():
                np.testing.assert_allclose(
                    gradients[path], gradient, rtol=1e-7, atol=1e-9 * scale, err_msg=f"{path}\n{spec}"
                )
            compared += 1
    assert compared >= 8  # of 16: most random models are tame
