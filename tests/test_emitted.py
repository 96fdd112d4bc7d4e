"""Emitted files as a user holds them: they run alone, read as formatted code, and never differ from run to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT

import nnspec
from nnspec.backends.loading import import_file

BACKENDS = ("numpy", "torch", "jax")
FILES = sorted(EXAMPLES.glob("*.nn"))
OTHERS = [
    f for folder in ("tests/networks", "tests/valid", "benchmarks/specs") for f in sorted((ROOT / folder).glob("*.nn"))
]
LACKING = {("physics", "numpy")}  # `gradient(y, x)`
HIDE = """
import runpy, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nnspec":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Hidden())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def emitted(path: Path, backend: str, optimize: int = 1) -> str:
    return nnspec.load(path).source(backend, optimize=optimize)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["digits", "residual", "perceptron"])
def test_an_emitted_file_takes_three_steps_without_nnspec(name: str, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(emitted(EXAMPLES / f"{name}.nn", backend))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [["step", f"{k}:"] for k in (1, 2, 3)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_emitted_files_are_formatted_and_free_of_lint(backend: str, tmp_path: Path) -> None:
    for path in [f for f in (*FILES, *OTHERS) if (f.stem, backend) not in LACKING]:
        for optimize in (0, 1):
            (tmp_path / f"{path.parent.name}_{path.stem}_{optimize}.py").write_text(emitted(path, backend, optimize))
    for command in (["format", "--check", "--diff"], ["check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_text_is_the_same_in_every_process(backend: str) -> None:
    script = f"import nnspec; print(nnspec.load({str(EXAMPLES / 'residual.nn')!r}).source({backend!r}), end='')"
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=ROOT,
        )
        assert ran.stdout == emitted(EXAMPLES / "residual.nn", backend), ran.stderr


LOADING = {
    "numpy": "load_state(model, safetensors.numpy.load_file(path))",
    "torch": "model.load_state_dict(safetensors.torch.load_file(path), strict=False)",
    "jax": "model = from_state(model, safetensors.numpy.load_file(path))",
}
MAKING = {"numpy": "initialise(Model())", "torch": "initialise(Model())", "jax": "Model.init(jax.random.key(0))"}

GIVEN = """
model Given {
    input x: float32[3]
    param s: float32[2] = constant([1, -2])
    output y = s * (x -> dense(2, weight_init = constant([[2, 4, -1], [0, 1, 3]]), bias_init = constant([-2, 1]))
        -> prelu(2, weight_init = constant([0.5, 0.1]))) -> dense(1, weight_init = ones)
}
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fresh_model_holds_the_numbers_that_the_spec_writes_down(backend: str, tmp_path: Path) -> None:
    (tmp_path / "given.nn").write_text(GIVEN)
    path = tmp_path / "given.py"
    path.write_text(nnspec.load(tmp_path / "given.nn").source(backend))
    names: dict[str, object] = vars(import_file(path))
    names["Model"] = names["Given"]
    batch = "{'x': torch.tensor([[1.0, 1.0, 1.0]])}" if backend == "torch" else "{'x': np.ones((1, 3), np.float32)}"
    exec(f"import numpy as np\nfound = outputs({MAKING[backend]}, {batch})['y'].tolist()", names)
    # (2 + 4 - 1 - 2, 0 + 1 + 3 + 1) = (3, 5), both positive; 1 * 3 - 2 * 5
    assert names["found"] == [[pytest.approx(-7.0)]]


def test_the_weights_of_a_run_load_into_every_emitted_file_with_one_line(tmp_path: Path) -> None:
    """The lines that the README shows; a run of one backend serves all three."""
    import numpy as np
    import safetensors.numpy
    import safetensors.torch

    from nnspec.train import train

    spec = nnspec.load(EXAMPLES / "residual.nn")
    result = train(spec, "numpy", epochs=1, run_dir=tmp_path / "run", dtype="float32")
    weights = tmp_path / "run" / "checkpoints" / "best" / "weights.safetensors"
    assert weights.exists(), result.folder
    image = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    found = {}
    for backend, line in LOADING.items():
        assert line in (ROOT / "README.md").read_text(), backend
        path = tmp_path / f"{backend}.py"
        path.write_text(spec.source(backend))
        names: dict[str, object] = vars(import_file(path))
        names |= {"safetensors": safetensors, "path": weights}
        program = f"model = {MAKING[backend]}\n{line}\n"
        exec(program, names)  # the README's own line
        batch = {"image": names["torch"].tensor(image) if backend == "torch" else image}  # type: ignore[attr-defined]
        if backend == "torch":
            names["model"].eval()  # type: ignore[attr-defined]
            found[backend] = names["outputs"](names["model"], batch)["logits"].detach().numpy()  # type: ignore[operator]
        else:
            found[backend] = np.asarray(names["outputs"](names["model"], batch)["logits"])  # type: ignore[operator]
    for backend, logits in found.items():
        np.testing.assert_allclose(logits, found["torch"], rtol=1e-4, atol=1e-4, err_msg=backend)
