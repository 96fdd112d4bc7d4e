"""Every place of the package that reports a code is reached by a row of tests/errors, or has its reason here.

The elaborator's own table (`test_elaborate_errors.py`) counts as rows: the checker says most of it first.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import test_elaborate_errors as table
from elaborating import attempt, body
from error_rows import render, rows
from error_sites import Tracer, sites

FIRST = "the checker says it first: this is for what is built or read from Python"
RUNNING = "emitted code stops: test_runtime_errors.py"
HUB = "of data sets of Hugging Face: test_sources.py"
HOSTILE = "files that no one writes by hand, and a system that refuses: test_data.py, test_sources.py, test_faults.py"
TEXT = "of texts that come from Python or an editor, and of pipes: test_loader.py, test_syntax_limits.py"
SYNTAX = "texts of test_syntax_errors.py"
BUILT = "of operations that only the compiler builds: test_ops.py"
BOMBS = "models that would fill the memory: test_safety.py"

# File and code: how many places are not reached at most, and why.
UNREACHED: dict[tuple[str, str], tuple[int, str]] = {
    ("backends/faults.py", "E0602"): (3, RUNNING),
    ("backends/faults.py", "E0603"): (1, RUNNING),
    ("data/augment.py", "E0539"): (1, FIRST),
    ("data/binary.py", "E0521"): (3, HOSTILE),
    ("data/cifar.py", "E0521"): (1, HOSTILE),
    ("data/csvfile.py", "E0520"): (1, HOSTILE),
    ("data/csvfile.py", "E0521"): (1, HOSTILE),
    ("data/csvfile.py", "E0522"): (2, FIRST),
    ("data/csvfile.py", "E0524"): (1, FIRST),
    ("data/hub.py", "E0522"): (1, HUB),
    ("data/hub.py", "E0525"): (2, HUB),
    ("data/hub.py", "E0528"): (1, HUB),
    ("data/loading.py", "E0535"): (3, FIRST),
    ("data/loading.py", "E0538"): (3, FIRST),
    ("data/loading.py", "E0539"): (1, FIRST),
    ("data/normalise.py", "E0537"): (4, FIRST),
    ("data/parquet.py", "E0521"): (1, HOSTILE),
    ("data/parquet.py", "E0529"): (1, HOSTILE),
    ("data/parquet.py", "E0532"): (1, HOSTILE),
    ("data/pictures.py", "E0521"): (1, HOSTILE),
    ("data/pictures.py", "E0529"): (1, HOSTILE),
    ("data/sources.py", "E0523"): (2, FIRST),
    ("data/sources.py", "E0524"): (5, FIRST),
    ("data/sources.py", "E0525"): (1, FIRST),
    ("data/split.py", "E0535"): (5, FIRST),
    ("data/synthetic.py", "E0524"): (1, FIRST),
    ("data/table.py", "E0520"): (1, HOSTILE),
    ("data/text.py", "E0520"): (1, HOSTILE),
    ("data/text.py", "E0521"): (1, HOSTILE),
    ("loader.py", "E0502"): (1, TEXT),
    ("loader.py", "E0504"): (1, TEXT),
    ("ops/core.py", "E0301"): (1, BUILT),
    ("ops/recurrent.py", "E0306"): (1, FIRST),
    ("ops/shape.py", "E0301"): (1, BUILT),
    ("passes/applying.py", "E0213"): (1, FIRST),
    ("passes/blocks.py", "E0225"): (1, FIRST),
    ("passes/blocks.py", "E0226"): (1, FIRST),
    ("passes/bodies.py", "E0224"): (1, FIRST),
    ("passes/calls.py", "E0208"): (1, FIRST),
    ("passes/calls.py", "E0226"): (2, FIRST),
    ("passes/context.py", "E0309"): (2, BOMBS),
    ("passes/datablock.py", "E0215"): (1, FIRST),
    ("passes/datablock.py", "E0405"): (2, FIRST),
    ("passes/datafit.py", "E0535"): (1, FIRST),
    ("passes/elaborate.py", "E0309"): (1, BOMBS),
    ("passes/expressions.py", "E0207"): (2, FIRST),
    ("passes/expressions.py", "E0219"): (1, FIRST),
    ("passes/fields.py", "E0212"): (1, FIRST),
    ("passes/layers.py", "E0213"): (1, FIRST),
    ("passes/layers.py", "E0215"): (1, FIRST),
    ("passes/layers.py", "E0219"): (1, FIRST),
    ("passes/layers.py", "E0222"): (1, FIRST),
    ("passes/loops.py", "E0208"): (1, FIRST),
    ("passes/rates.py", "E0408"): (1, FIRST),
    ("passes/resolve_expr.py", "E0222"): (1, FIRST),
    ("passes/training.py", "E0208"): (1, FIRST),
    ("passes/training.py", "E0405"): (2, FIRST),
    ("syntax/layout.py", "E0111"): (1, SYNTAX),
    ("syntax/messages.py", "E0101"): (3, SYNTAX),
    ("syntax/parser.py", "E0514"): (1, TEXT),
}


def everything(folder: Path) -> None:
    for number, row in enumerate(rows()):
        (folder / str(number)).mkdir()
        render(row, folder / str(number))
    for lines, _ in table.MODELS:
        attempt(body(lines, "float32[3, 8, 8]"))
    for lines, _ in table.OPEN:
        attempt(f"model M {{\n dim T\n input x: float32[T, 4]\n{lines}\n}}")
    for blocks, use, _ in table.BLOCKS:
        attempt(f"{blocks}\n" + body(f"output y = {use}", "float32[3, 8, 8]"))
    for lines, _ in table.TRAINS:
        attempt(body("target l: class(4)\noutput y = x -> dense(4)") + f"\ntrain {{ {lines} }}")
    for lines, _ in table.DATAS:
        attempt(body("output y = x") + f"\ndata {{ {lines} }}")
    for text in table.LARGE.values():
        attempt(text)


@pytest.mark.slow
def test_every_place_that_reports_is_reached(tmp_path: Path) -> None:
    tracer = Tracer(sites())
    tracer.run(lambda: everything(tmp_path))
    left = [site for listed in tracer.left.values() for site in listed]
    found = Counter((site.file, site.code) for site in left)
    allowed = {place: count for place, (count, _) in UNREACHED.items()}
    assert {p: n for p, n in found.items() if n > allowed.get(p, 0)} == {}, "\n".join(map(str, sorted(left)))


def test_a_place_is_a_statement_that_names_a_code() -> None:
    found = sites()
    assert len(found) > 500
    assert all(site.first <= site.last for site in found)
    assert {"E0101", "E0201", "E0301", "E0401", "E0501", "E0601", "W0202"} <= {site.code for site in found}
