"""Every op on every backend: equal outputs, equal gradients, and gradients that are those of the function.

All rows of one op are one model, so that each backend compiles once. Every float input is shifted by a
parameter of its shape, zero here, whose gradient is the input's, weighted and summed over the batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import Case, T
from cases import CASES, call_text
from specs import graph_of

from nnspec.ops.draw import draw
from nnspec.verify.compare import Ledger, disagreement
from nnspec.verify.setup import open_drivers, random
from nnspec.verify.tolerances import TOLERANCES, tolerance

BACKENDS = ("torch", "numpy", "jax")  # torch first: the others are held against it
BATCH = 3
STEP = 1e-6

# (op, dtype) -> (rtol, atol, reason): rows where the ordinary tolerance does not hold.
EXCEPTIONS: dict[tuple[str, str], tuple[float, float, str]] = {
    ("conv", "float32"): (2e-5, 1e-5, "a weight's gradient sums hundreds of float32 products, in another order each"),
    ("group_norm", "float32"): (2e-5, 5e-5, "groups of two entries: y is +-1 and its gradient a difference near 0"),
}


class Sample:
    """The model of one op, and what it is fed."""

    def __init__(self, name: str, cases: list[Case], dtype: str) -> None:
        self.name, self.cases, self.dtype = name, cases, dtype
        self.graph = graph_of(self.text())
        self.batch = {
            f"x{k}_{i}": self.values(k, i, t) for k, c in enumerate(cases) for i, t in enumerate(c.inputs) if t.batched
        }
        self.batch["one"] = np.ones(BATCH, dtype)
        self.state: dict[str, Any] = {}
        for parameter in self.graph.root.parameters():
            self.state[parameter.path] = self.start(parameter).astype(dtype)

    def text(self) -> str:
        lines = ["model Rows {", "    input one: float32"]
        for k, case in enumerate(self.cases):
            tensors = []
            for i, t in enumerate(case.inputs):
                sizes = f"[{', '.join(map(str, t.shape))}]" if t.shape else ""
                if not t.batched:
                    lines.append(f"    param p{k}_{i}: float32{sizes} = normal(1)")
                    tensors.append(f"p{k}_{i}")
                    continue
                lines.append(f"    input x{k}_{i}: {t.dtype}{sizes}")
                if t.dtype == "float32":
                    lines.append(f"    param s{k}_{i}: float32{sizes} = zeros")
                    lines.append(f"    z{k}_{i} = x{k}_{i} + s{k}_{i}")
                tensors.append(f"{'z' if t.dtype == 'float32' else 'x'}{k}_{i}")
            lines += self.outputs(k, case, tensors)
        return "\n".join([*lines, "}"]) + "\n"

    def outputs(self, k: int, case: Case, tensors: list[str]) -> list[str]:
        text = call_text(self.name, case.settings, tuple(tensors))
        if self.name == "split":
            parts = case.settings["parts"]
            count = parts if isinstance(parts, int) else len(parts)
            names = [f"part{k}_{j}" for j in range(count)]
            return [
                f"    {', '.join(names)} = {text}",
                *(f"    output y{k}_{j} = {name}" for j, name in enumerate(names)),
            ]
        if any(t.batched for t in case.inputs):
            return [f"    output y{k} = {text}"]
        return [f"    output y{k} = one * {text}"]

    def values(self, k: int, i: int, t: T) -> Any:
        generator = random(k, f"{self.name}/{i}")
        shape = (BATCH, *t.shape)
        if t.values and t.dtype != "float32":
            return np.broadcast_to(np.reshape(t.values, t.shape), shape).astype(
                "int64" if t.dtype.startswith("class") else t.dtype
            )
        if t.dtype == "bool":
            return generator.random(shape) < 0.5
        if t.dtype.startswith("class"):
            return generator.integers(0, int(t.dtype[6:-1]), shape)
        if t.dtype != "float32":
            return generator.integers(int(t.low), int(t.high), shape).astype(t.dtype)
        return self.floats(t, shape, generator).astype(self.dtype)

    def floats(self, t: T, shape: tuple[int, ...], generator: Any) -> Any:
        if t.values:
            return np.broadcast_to(np.reshape(t.values, t.shape), shape).copy()
        values = generator.uniform(t.low, t.high, shape)
        if t.distinct:
            ranks = generator.permutation(values.size).reshape(shape)
            values = t.low + (t.high - t.low) * (ranks + 0.5) / values.size
        for number in t.avoid:
            near = np.abs(values - number) < 0.05
            values = np.where(near, number + np.where(values < number, -0.1, 0.1), values)
        if t.simplex:
            positive = np.exp(values)
            values = positive / positive.sum(-1, keepdims=True)
        return values

    def start(self, parameter: Any) -> Any:
        path = parameter.path
        if path.startswith("s") and "_" in path and "." not in path:
            return np.zeros(parameter.shape)
        if path.startswith("p") and "_" in path and "." not in path:
            k, i = (int(n) for n in path[1:].split("_"))
            return self.floats(self.cases[k].inputs[i], self.cases[k].inputs[i].shape, random(k, f"{self.name}/{i}"))
        shift = 0.1 * random(0, path).standard_normal(parameter.shape) if parameter.role != "buffer" else 0.0
        return draw(parameter.init, parameter.shape, 0, path) + shift

    def smooth(self, path: str) -> float:
        """0 for the input of a row without a derivative, which must not be moved: log(-1e-6) is no number."""
        if "_" in path and "." not in path and path[0] in "ps":
            return float(self.cases[int(path[1:].split("_")[0])].differentiable)
        return 1.0

    def weights(self, outputs: dict[str, Any], smooth_only: bool) -> dict[str, Any]:
        """A random weight for each entry of each float output; 0 where a row has no derivative to compare with."""
        found = {}
        for name, value in self.graph.outputs.items():
            if value.type.is_float:
                case = self.cases[int(name[1:].split("_")[0])]
                scale = 0.0 if smooth_only and not case.differentiable else 1.0
                found[f"{name}.weight"] = (scale * random(1, name).standard_normal(outputs[name].shape)).astype(
                    self.dtype
                )
        return found


def allowed(name: str, dtype: str) -> Any:
    exception = EXCEPTIONS.get((name, dtype))
    return tolerance(dtype) if exception is None else tolerance(dtype).replace(rtol=exception[0], atol=exception[1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_backend_computes_the_same_outputs_and_gradients(
    name: str, dtype: str, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    sample = Sample(name, CASES[name], dtype)
    drivers = open_drivers(sample.graph, backends, dtype, "cpu", 0, tmp_path)
    found = {}
    for backend, driver in drivers.items():
        driver.load(sample.state)
        outputs = driver.outputs(sample.batch, training=True)
        driver.load(sample.state)
        loss, gradients = driver.gradients({**sample.batch, **sample.weights(outputs, smooth_only=False)})
        found[backend] = {**{f"output {k}": v for k, v in outputs.items()}, "loss": np.array(loss)}
        found[backend] |= {f"gradient {k}": v for k, v in gradients.items()}
        found[backend] |= {f"state {k}": v for k, v in driver.state().items()}
    ledger = Ledger()
    for backend in backends[1:]:
        assert found[backend].keys() == found[backends[0]].keys()
        for key, value in found[backend].items():
            ledger.add(key.split()[0], key, backend, value, found[backends[0]][key], allowed(name, dtype))
    broken = [
        f"{row.name}: {row.difference} ({row.share} of the tolerance)"
        for row in ledger.rows()
        if not row.ok and row.kind != "loss"
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", sorted(n for n, cases in CASES.items() if any(c.differentiable for c in cases)))
def test_backward_is_the_derivative_of_forward(name: str, tmp_path: Path) -> None:
    sample = Sample(name, CASES[name], "float64")
    (driver,) = open_drivers(sample.graph, ("numpy",), "float64", "cpu", 0, tmp_path).values()
    driver.load(sample.state)
    batch = {**sample.batch, **sample.weights(driver.outputs(sample.batch, training=True), smooth_only=True)}
    driver.load(sample.state)
    _, gradients = driver.gradients(batch)
    if not gradients:
        return
    shares = []
    for attempt in range(2):
        direction = {
            path: sample.smooth(path) * random(attempt, f"d/{path}").standard_normal(g.shape)
            for path, g in gradients.items()
        }
        length = np.sqrt(sum(float(np.vdot(d, d)) for d in direction.values()))
        ends = []
        for sign in (1.0, -1.0):
            driver.load(
                {p: v + sign * STEP * direction[p] / length if p in direction else v for p, v in sample.state.items()}
            )
            ends.append(driver.gradients(batch)[0])
        slope = np.array((ends[0] - ends[1]) / (2 * STEP))
        wanted = np.array(
            sum(float(np.vdot(direction[p], g)) for p, g in gradients.items() if sample.smooth(p)) / length
        )
        shares.append(disagreement(wanted, slope, TOLERANCES["differences"])[1])
        if shares[-1] <= 1:
            return
    raise AssertionError(f"backward and finite differences of {name} differ by {min(shares):.3g} tolerances")
