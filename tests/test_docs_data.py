"""docs/data.md: its commands run, in order, on the files that its program makes and the specs that it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Result

PAGE = ROOT / "docs/data.md"
FENCE = re.compile(r"^```(nn|bash)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def test_every_source_of_the_page_trains(tmp_path: Path, process: Callable[..., Result]) -> None:
    for package in ("PIL", "pyarrow", "sklearn"):
        pytest.importorskip(package)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    accuracies = []
    for language, text in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if language == "nn":
            name = re.match(r"# (\w+\.nn)\n", text)
            assert name, "a spec of this page says its file"
            (tmp_path / name[1]).write_text(text)
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            if words[0] == "python":
                subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True, cwd=tmp_path)
                continue
            result = process(*words[1:], cwd=tmp_path)
            assert result.code == 0, f"{line}\n{result.err}"
            if words[1] == "predict":
                assert "setosa" in result.out
            elif words[1] == "train":
                accuracies.append(float(re.findall(r"test .*accuracy (\S+)", result.out)[-1]))
    assert len(accuracies) == 4
    assert min(accuracies) > 0.85
