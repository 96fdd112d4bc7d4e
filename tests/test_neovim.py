"""A real editor: neovim, headless, with the configuration of editors/neovim."""

from __future__ import annotations

import importlib.util
import runpy
import shutil

import pytest
from conftest import EXAMPLES, ROOT

pytestmark = pytest.mark.skipif(
    not (shutil.which("nvim") and importlib.util.find_spec("pygls")), reason="neovim or pygls is not installed"
)


def test_shapes_and_errors_in_neovim() -> None:
    capture = runpy.run_path(str(ROOT / "editors/picture.py"))["capture"]
    found = capture(EXAMPLES / "lenet5.nn", (19, "        -> dens(120) -> tanh"))
    shown = {row["text"].split("#")[0].strip(): row["shape"] for row in found["rows"]}
    assert shown["-> avg_pool(2)"] == "[16, 5, 5]"
    assert shown["-> flatten"] == "[400]"
    assert [(p["line"], p["message"].split("\n")[0]) for p in found["problems"]] == [(19, "unknown layer dens")]
