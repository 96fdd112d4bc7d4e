"""Several objectives in one step, each over its own parameters; averages and accumulated gradients; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from specs import graph_of

import nnspec
from nnspec import check
from nnspec.verify import verify
from nnspec.verify.setup import open_drivers, random

# Two players whose losses read each other: x W for the first, a critic of it for the second.
GAME = """
model Maker { input z: float32[3]; output x = z -> dense(2) }
model Critic { input x: float32[2]; output y = x -> dense(4) -> tanh -> dense(1) }
model Game {
    input z: float32[3]
    input real: float32[2]
    layer D = Critic
    output made = z -> G: Maker
    on_real = real -> D
    on_made = made -> D
}
train {
    minimize("D") = mean(softplus(-on_real)) + mean(softplus(on_made))
    minimize("G") = mean(softplus(-on_made))
    optimizer = sgd(0.3)
    SETTINGS
    steps = 5
    batch = 6
}
"""


def game(settings: str = "") -> Any:
    return graph_of(GAME.replace("SETTINGS", settings))


def start(graph: Any) -> dict[str, Any]:
    return {p.path: 0.5 * random(0, p.path).standard_normal(p.shape) for p in graph.root.parameters()}


def batch() -> dict[str, Any]:
    return {"z": random(0, "z").standard_normal((6, 3)), "real": random(0, "real").standard_normal((6, 2))}


def by_torch(state: dict[str, Any], data: dict[str, Any], steps: int) -> tuple[dict[str, Any], list[list[float]]]:
    """The game by hand: the critic moves first, the maker meets the critic that has just moved."""
    w = {path: torch.tensor(value, requires_grad=True) for path, value in state.items()}
    z, real = torch.tensor(data["z"]), torch.tensor(data["real"])

    def critic(x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(x @ w["D.dense1.weight"].T + w["D.dense1.bias"])
        return h @ w["D.dense2.weight"].T + w["D.dense2.bias"]

    def made() -> torch.Tensor:
        return z @ w["G.dense1.weight"].T + w["G.dense1.bias"]

    softplus = torch.nn.functional.softplus
    losses = []
    for _ in range(steps):
        values = []
        for player in ("D", "G"):
            own = [path for path in w if path.startswith(player)]
            value = softplus(-critic(made())).mean()
            if player == "D":
                value = softplus(-critic(real)).mean() + softplus(critic(made())).mean()
            gradients = torch.autograd.grad(value, [w[path] for path in own])
            with torch.no_grad():
                for path, g in zip(own, gradients, strict=True):
                    w[path] -= 0.3 * g
            values.append(value.item())
        losses.append(values)
    return {path: value.detach().numpy() for path, value in w.items()}, losses


@pytest.mark.parametrize("optimize", [0, 1])
def test_the_second_objective_sees_what_the_first_has_just_updated(
    optimize: int, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    graph = game()
    state, losses = by_torch(start(graph), batch(), 5)
    order = np.tile(np.arange(6), (5, 1))
    for name, driver in open_drivers(graph, backends, "float64", "cpu", optimize, tmp_path).items():
        driver.load(start(graph))
        found = driver.train_steps(batch(), order, np.full((5, 1), 0.3), first_step=1)
        np.testing.assert_allclose(found, losses, rtol=1e-10, err_msg=name)
        for path, value in driver.state().items():
            np.testing.assert_allclose(value, state[path], rtol=1e-10, atol=1e-12, err_msg=f"{name} {path}")


SETTINGS = ["", 'optimizer("G") = adam(0.01); clip_norm = 0.1; ema = 0.9', "accumulate = 2; clip_value = 0.01"]


@pytest.mark.parametrize("settings", SETTINGS)
def test_backends_agree_about_every_objective(settings: str, backends: tuple[str, ...]) -> None:
    report = verify(game(settings), backends, steps=3)
    assert report.ok, report.rows
    assert {row.name for row in report.rows if row.kind == "loss"} == {"minimize(D)", "minimize(G)"}


PLAIN = """
model Net {
    input x: float32[3]
    target y: float32[2]
    output h = x -> dense(5) -> tanh -> dense(2)
}
train { minimize = mse(h, y) + 0.1 * l2(weights); optimizer = adam(0.05); steps = 6; batch = BATCH; SETTINGS }
"""


def plain_text(batch: int, settings: str = "") -> str:
    return PLAIN.replace("BATCH", str(batch)).replace("SETTINGS", settings)


def plain(batch: int, settings: str = "") -> Any:
    return graph_of(plain_text(batch, settings))


def examples(count: int) -> dict[str, Any]:
    return {"x": random(0, "x").standard_normal((count, 3)), "y": random(0, "y").standard_normal((count, 2))}


def trained(graph: Any, backend: str, rows: Any, folder: Path, optimize: int = 1) -> tuple[Any, Any, Any]:
    driver = open_drivers(graph, (backend,), "float64", "cpu", optimize, folder)[backend]
    driver.load(start(graph))
    losses = driver.train_steps(examples(20), rows, np.full((len(rows), 1), 0.05), first_step=1)
    return losses, driver.state(), driver.optimizer_state()


@pytest.mark.parametrize("rows", [12, 10])  # batches of 4, 4, 4 and of 4, 4, 2
def test_accumulated_gradients_are_those_of_all_examples_at_once(
    rows: int, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    order = np.stack([random(0, str(k)).permutation(20)[:rows] for k in range(6)])
    wanted = trained(plain(rows), "numpy", order, tmp_path)
    for backend in backends:
        found = trained(plain(4, "accumulate = 3"), backend, order, tmp_path)
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-10, err_msg=backend)
        for path, value in wanted[1].items():
            np.testing.assert_allclose(found[1][path], value, rtol=1e-9, atol=1e-12, err_msg=f"{backend} {path}")


@pytest.mark.parametrize("optimize", [0, 1])
def test_averages_are_those_of_torch_swa_utils(optimize: int, tmp_path: Path, backends: tuple[str, ...]) -> None:
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    order = np.tile(np.arange(8), (6, 1))
    graph = plain(8, "ema = 0.7")
    names = {path: path.replace(".", "_") for path in start(graph)}
    model = torch.nn.Module()
    for path, value in start(graph).items():
        model.register_parameter(names[path], torch.nn.Parameter(torch.tensor(value)))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.7))
    for step in range(1, 7):
        _, state, _ = trained(graph, "numpy", order[:step], tmp_path, 0)
        with torch.no_grad():
            for path, value in state.items():
                model.get_parameter(names[path]).copy_(torch.tensor(value))
        average.update_parameters(model)
    for backend in backends:
        _, _, optimizer = trained(graph, backend, order, tmp_path, optimize)
        for path, name in names.items():
            wanted = average.module.get_parameter(name).detach().numpy()
            np.testing.assert_allclose(optimizer[f"{path}/ema"], wanted, rtol=1e-9, atol=1e-12, err_msg=backend)


REFUSED = [
    ('minimize("D") = mean(on_made)', "E0404", "train does not say what to minimize for G.dense1.weight"),
    ('minimize = mean(on_made); minimize("*") = mean(on_made)', "E0410", "no parameter is left to this minimize"),
    ('minimize("D") = mean(on_made); minimize("E") = mean(on_made)', "E0410", '"E" matches no parameter'),
    ('minimize = mean(on_made); minimize("D") = mean(made)', "", ""),
]


@pytest.mark.parametrize(("minimize", "code", "message"), REFUSED)
def test_parameters_without_an_objective_and_objectives_without_parameters(
    minimize: str, code: str, message: str
) -> None:
    lines = GAME.splitlines()
    text = "\n".join(line for line in lines if "minimize" not in line and "SETTINGS" not in line)
    found = check(text.replace("train {", f"train {{ {minimize};")).diagnostics
    errors = [(d.code, d.message.startswith(message)) for d in found if d.severity == "error"]
    assert errors == ([(code, True)] if code else [])


SETTINGS_REFUSED = [
    ("batch = full; accumulate = 2", "E0420", "batch = full is all examples at once"),
    ("batch = 4; accumulate = 0", "E0405", "accumulate takes a whole number >= 1"),
    ("batch = 4; ema = 1", "E0405", "ema takes a number between 0 and 1"),
    ("batch = 4; clip_norm = -1", "E0405", "clip_norm takes a number > 0"),
    ("batch = 4; precision = float16", "E0405", "precision takes"),
    ("batch = 4; stop = patience(0)", "E0405", "stop takes patience(n)"),
    ('batch = 4; optimizer("head") = frozen', "E0410", '"head" matches no parameter'),
    ('batch = 4; optimizer("dense1") = adam(plateau(0.1, -1))', "E0306", ""),
]


@pytest.mark.parametrize(("settings", "code", "message"), SETTINGS_REFUSED)
def test_settings_are_refused_by_check_at_their_own_line(settings: str, code: str, message: str) -> None:
    text = PLAIN.replace("steps = 6; batch = BATCH; SETTINGS }", "\n" + settings.replace("; ", "\n") + "\nsteps = 6\n}")
    (found,) = check(text).diagnostics
    assert (found.code, message in found.message) == (code, True), found.message
    assert text.splitlines()[found.span.line - 1] in settings.split("; ")[1:]


def test_a_checkpoint_keeps_the_average_and_evaluation_uses_it(tmp_path: Path) -> None:
    from nnspec.train import train
    from nnspec.train.folder import read_run
    from nnspec.train.use import evaluate_run

    (tmp_path / "net.nn").write_text(plain_text(4, "ema = 0.9") + "data { source = random(40); split = [0.5, 0.5, 0] }")
    result = train(nnspec.load(tmp_path / "net.nn"), "numpy", run_dir=tmp_path / "run")
    stored = read_run(result.folder).checkpoint("last")
    averages = {key.removesuffix("/ema"): value for key, value in stored.optimizer.items() if key.endswith("/ema")}
    assert averages.keys() == stored.weights.keys()
    assert not np.array_equal(averages["dense1.weight"], stored.weights["dense1.weight"])
    best = read_run(result.folder).checkpoint("best").weights
    last = evaluate_run(result.folder, part="validation", checkpoint="last").values["loss"]
    assert last == pytest.approx(result.history[-1]["validation"]["loss"], rel=1e-6)
    if result.best_epoch == result.epochs:
        np.testing.assert_array_equal(best["dense1.weight"], averages["dense1.weight"])


def test_the_rate_falls_where_the_objective_stays(tmp_path: Path) -> None:
    from nnspec.train import train

    text = (
        plain_text(10).replace("adam(0.05)", "sgd(plateau(1e-9, 1, factor = 0.5))").replace("steps = 6", "epochs = 6")
    )
    (tmp_path / "net.nn").write_text(text + "data { source = random(20) }")
    found = train(nnspec.load(tmp_path / "net.nn"), "numpy", run_dir=tmp_path / "run").history
    assert [line["lr"] for line in found] == [[1e-9]] * 6  # a cut of less than 1e-8 is not made, as in torch
    (tmp_path / "net.nn").write_text(text.replace("1e-9", "1e-6") + "data { source = random(20) }")
    found = train(nnspec.load(tmp_path / "net.nn"), "numpy", run_dir=tmp_path / "run2").history
    rates = [line["lr"][0] for line in found]
    assert rates[0] == 1e-6
    assert rates[-1] == pytest.approx(2.5e-7)


HALF = """
model Net {
    input x: float32[2, 6, 6]
    target y: class(3)
    output h = x -> conv(4, 3) -> batch_norm -> relu -> flatten -> dense(3)
}
data { source = random(64); split = [0.75, 0.25] }
train { minimize = cross_entropy(h, y); optimizer = adam(0.01); epochs = 3; batch = 16; precision = bfloat16 }
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_bfloat16_computes_in_16_bits_and_keeps_32(backend: str, tmp_path: Path) -> None:
    from nnspec.train import train

    (tmp_path / "net.nn").write_text(HALF)
    spec = nnspec.load(tmp_path / "net.nn")
    half = train(spec, backend, run_dir=tmp_path / "half")
    full = train(spec, backend, run_dir=tmp_path / "full", dtype="float32")
    found, wanted = ([line["train"]["loss"] for line in run.history] for run in (half, full))
    assert found != wanted
    assert found == pytest.approx(wanted, rel=0.03)  # bfloat16 has 8 bits: 0.4 % an operation
    weights = read(half.folder)
    assert {str(array.dtype) for array in weights.values()} == {"float32"}
    low = weights["conv1.weight"].view(np.uint32) & 0xFFFF  # what bfloat16 has no room for
    assert low.any()
    assert (weights["batch_norm1.running_var"].view(np.uint32) & 0xFFFF).any()


def read(folder: Path) -> Any:
    from nnspec.train.folder import read_run

    return read_run(folder).checkpoint("last").weights


def test_numpy_refuses_bfloat16_with_its_reason(tmp_path: Path) -> None:
    from nnspec.diagnostics import SpecError
    from nnspec.train import train

    (tmp_path / "net.nn").write_text(HALF)
    with pytest.raises(SpecError) as caught:
        train(nnspec.load(tmp_path / "net.nn"), "numpy", run_dir=tmp_path / "run")
    assert "bfloat16 is for PyTorch and JAX" in caught.value.diagnostics[0].message


def test_evaluation_does_not_depend_on_what_was_drawn_before(tmp_path: Path, backends: tuple[str, ...]) -> None:
    from importlib import import_module

    from nnspec.backends.base import Options

    text = PLAIN.replace("x: float32[3]", "x: float32[3]; noise e: float32[3] = normal(1)").replace(
        "h = x", "h = (x + e)"
    )
    graph = graph_of(text.replace("BATCH", "4").replace("SETTINGS", ""))
    data = {name: array.astype("float32") for name, array in examples(8).items()}
    for backend in backends:
        (tmp_path / f"{backend}.py").write_text(import_module(f"nnspec.backends.{backend}.emit").emit(graph, Options()))
        driver = import_module(f"nnspec.backends.{backend}.driver").Driver(tmp_path / f"{backend}.py", device="cpu")
        driver.load({path: value.astype("float32") for path, value in start(graph).items()})
        first, shown = driver.evaluate(data), driver.outputs(data)["h"]
        state = driver.state()
        driver.train_steps(data, np.array([[0, 1, 2]]), np.array([[0.1]]), first_step=3)
        driver.load(state)
        assert driver.evaluate(data) == first, backend
        np.testing.assert_array_equal(driver.outputs(data)["h"], shown, err_msg=backend)
