"""What a verb does not import: the compiler stays quick to start and free of frameworks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import EXAMPLES, ROOT

FRAMEWORKS = ("torch", "jax", "optax", "sklearn", "scipy")
PROGRAM = """
import json, sys
from nnspec.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""

ROWS = [
    # arguments, what must not be loaded
    (("check", EXAMPLES / "digits.nn"), ("numpy", "rich", "dataclasses", "safetensors", *FRAMEWORKS)),
    (("check", EXAMPLES / "residual.nn", "-v"), ("numpy", "rich", "safetensors", *FRAMEWORKS)),
    (("check", EXAMPLES / "digits.nn", "--resolved"), ("numpy", "rich", "safetensors", *FRAMEWORKS)),
    (("summary", EXAMPLES / "lenet5.nn"), ("numpy", "rich", "safetensors", *FRAMEWORKS)),
    (("compile", EXAMPLES / "digits.nn", "--backend", "torch"), ("numpy", "rich", "safetensors", *FRAMEWORKS)),
    (("compile", EXAMPLES / "digits.nn", "--backend", "jax"), ("numpy", "rich", "safetensors", *FRAMEWORKS)),
    (("explain", "E0301"), ("numpy", "rich", "safetensors", "lark", *FRAMEWORKS)),
    (("--help",), ("numpy", "rich", "safetensors", "lark", *FRAMEWORKS)),
]


def loaded(program: str, *arguments: object) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    "arguments, forbidden", ROWS, ids=lambda row: " ".join(str(getattr(a, "name", a)) for a in row)
)
def test_a_verb_loads_no_more_than_it_needs(arguments: tuple[object, ...], forbidden: tuple[str, ...]) -> None:
    code, modules = loaded(PROGRAM, *arguments)
    assert code == 0
    assert not modules & set(forbidden)


def test_importing_nnspec_loads_nothing() -> None:
    _, modules = loaded("import json, sys, nnspec; print(json.dumps([0, sorted(sys.modules)]))")
    assert not modules & {"lark", "click", "numpy", "rich", "dataclasses", *FRAMEWORKS}
    assert "nnspec.compiler" not in modules


def test_this_test_can_fail() -> None:
    _, modules = loaded("import json, sys, numpy; print(json.dumps([0, sorted(sys.modules)]))")
    assert "numpy" in modules


def test_checking_starts_as_fast_as_its_two_imports(tmp_path: object) -> None:
    """At most twice `python -c "import lark, click"`, both with their bytecode cached; the best of a few tries."""
    import os
    import time

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)

    def best(*command: str) -> float:
        times = []
        for _ in range(6):  # the first fills the cache
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        return min(times)

    base = best("-c", "import lark, click")
    assert best("-m", "nnspec", "check", "examples/lenet5.nn") <= 2 * base
